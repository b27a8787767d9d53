"""The wheel with each extra: its shortest example runs and is typed, in an environment of its own.

The example sees what a user's would: the wheel, what the extra requires, and no checkout.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import PLAIN, Environment, run

#: The extras that have an adapter; each has an example.
ADAPTERS = ("starlette", "fastapi", "channels")

# As strict as they can be, but for what Django itself lacks.
MYPY = """[mypy]
strict = True
disallow_any_unimported = True
[mypy-django.*]
ignore_missing_imports = True
"""
PYRIGHT = '{"typeCheckingMode": "strict", "reportMissingTypeStubs": false}'


@dataclass(frozen=True)
class Example:
    """An extra's example, alone in its directory, and the interpreter that it is for."""

    python: Path
    file: Path

    def check(self, *command: str | Path) -> str:
        return run(*command, self.file, cwd=self.file.parent)


@pytest.fixture(params=(PLAIN, *ADAPTERS))
def example(request: pytest.FixtureRequest, environment: Environment, tmp_path: Path) -> Example:
    source = Path(__file__).parent / "examples" / f"{request.param}.py"
    file = tmp_path / "example.py"  # by its own name it would shadow its framework
    file.write_text(source.read_text())
    return Example(environment(request.param), file)


def test_the_example_runs(example: Example) -> None:
    assert example.check(example.python, "-I", "-W", "error") == ""


def test_mypy_accepts_the_example(example: Example) -> None:
    example.file.with_name("mypy.ini").write_text(MYPY)
    mypy = (sys.executable, "-m", "mypy", "--cache-dir", "cache")
    example.check(*mypy, "--python-executable", example.python)


def test_pyright_accepts_the_example(example: Example) -> None:
    example.file.with_name("pyrightconfig.json").write_text(PYRIGHT)
    pyright = (sys.executable, "-m", "pyright", "--warnings")
    example.check(*pyright, "--pythonpath", example.python)


@pytest.mark.parametrize(
    ("there", "missing"),
    [*((PLAIN, extra) for extra in ADAPTERS), ("starlette", "fastapi")],
)
def test_without_its_extra_an_adapter_says_what_to_install(
    environment: Environment, there: str, missing: str
) -> None:
    script = (
        f"try: from htmx_ws_{missing} import HtmxWS\n"
        "except ImportError as error: print(error)\n"
        "else: raise SystemExit('it imports')"
    )
    python = environment(there)
    said = run(python, "-I", "-c", script, cwd=python.parent).rstrip()
    assert said.startswith(f"htmx_ws_{missing} needs ")
    assert said.endswith(f': pip install "htmx-ws[{missing}]"')

"""The wheel as a user installs it, built from the sdist as a release is."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
ADAPTERS = ("htmx_ws_starlette", "htmx_ws_fastapi", "htmx_ws_channels")


def run(*command: str | Path, cwd: Path) -> str:
    """Give what the command printed; fail with all of it when the command fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def required(name: str) -> Iterator[str]:
    """Name the distributions that one needs without extras, and itself."""
    yield name
    for requirement in distribution(name).requires or ():
        # A marker that speaks of a Python or a platform counts as met; one of an extra does not.
        if "extra ==" not in requirement:
            yield from required(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, cwd=ROOT)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment: the wheel and what it depends on, nothing else.

    The dependencies are links to those installed here, so that no network is needed.
    """
    home = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    python = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=home)
    (site,) = (home / "lib").glob("python*/site-packages")
    for name in set(required("pydantic")):
        for file in distribution(name).files or ():
            top = file.parts[0]
            if not top.startswith(("..", "__pycache__")) and not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    return python


def test_the_wheel_holds_the_core_and_the_adapters_and_nothing_else(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"htmx_ws", *ADAPTERS}
    assert {name for name in names if name.endswith("py.typed")} == {
        f"{package}/py.typed" for package in ("htmx_ws", *ADAPTERS)
    }


def test_the_wheel_holds_every_module_of_the_core(wheel: Path) -> None:
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "htmx_ws").rglob("*.py")}
    assert there == {
        name for name in ZipFile(wheel).namelist() if re.fullmatch(r"htmx_ws/.*\.py", name)
    }


def test_the_wheel_depends_on_pydantic_alone(wheel: Path) -> None:
    (metadata,) = (name for name in ZipFile(wheel).namelist() if name.endswith("/METADATA"))
    lines = ZipFile(wheel).read(metadata).decode().splitlines()
    needed = [line for line in lines if line.startswith("Requires-Dist:") and "extra" not in line]
    assert needed == ["Requires-Dist: pydantic>=2.11"]


def test_everything_public_imports_with_nothing_but_pydantic_installed(python: Path) -> None:
    script = (
        "import htmx_ws; from importlib.metadata import version\n"
        "assert htmx_ws.__version__ == version('htmx-ws'), htmx_ws.__version__\n"
        "for name in htmx_ws.__all__: getattr(htmx_ws, name)\n"
        "print(htmx_ws.__file__)"
    )
    where = run(python, "-I", "-W", "error", "-c", script, cwd=python.parent)
    assert Path(where.strip()).is_relative_to(python.parents[1])


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_that_is_a_shell_says_what_to_use_instead(python: Path, adapter: str) -> None:
    script = (
        f"try: import {adapter}\n"
        "except ImportError as error: print(error)\n"
        "else: raise SystemExit('it imports')"
    )
    said = run(python, "-I", "-c", script, cwd=python.parent)
    assert said.startswith(f"{adapter} is not written yet; until it is, use htmx_ws.HtmxWS")

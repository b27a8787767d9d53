"""The wheel, built from the sdist as a release is, and environments that it is installed in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
#: An extra that the wheel does not have: it adds nothing.
PLAIN = "plain"
#: Gives the interpreter of the environment of an extra.
Environment = Callable[[str], Path]


def run(*command: str | Path, cwd: Path) -> str:
    """Give what the command printed; fail with all of it when the command fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        # No look-up of whether a newer pyright is out, and no module from elsewhere.
        env=os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "MYPYPATH": "", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def needed(requirements: Iterable[str] | None, extras: Iterable[str]) -> set[str]:
    """Name the distributions that ``Requires-Dist`` lines ask for, and all that these need."""
    names: set[str] = set()
    for each in map(Requirement, requirements or ()):
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras):
            names |= {each.name, *needed(distribution(each.name).requires, {"", *each.extras})}
    return names


def install(wheel: Path, extra: str, home: Path) -> Path:
    """Make an environment of the wheel and what it needs with an extra; give its interpreter.

    What it needs are links to what is installed here, so that no network is.
    """
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    python = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=home)
    (site,) = (home / "lib").glob("python*/site-packages")
    (ours,) = distributions(name="htmx-ws", path=[str(site)])
    for name in needed(ours.requires, [extra]):
        for file in distribution(name).files or ():
            top = file.parts[0]
            if not top.startswith(("..", "__pycache__")) and not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    return python


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, cwd=ROOT)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Give each extra's environment, made once."""
    return cache(lambda extra: install(wheel, extra, tmp_path_factory.mktemp(f"with_{extra}_")))

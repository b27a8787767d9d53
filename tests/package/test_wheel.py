"""The wheel: what is in it, and that it is whole with pydantic alone."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from .conftest import PLAIN, ROOT, Environment, run

ADAPTERS = ("htmx_ws_starlette", "htmx_ws_fastapi", "htmx_ws_channels")


def test_the_wheel_holds_the_core_and_the_adapters_and_nothing_else(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"htmx_ws", *ADAPTERS}
    assert {name for name in names if name.endswith("py.typed")} == {
        f"{package}/py.typed" for package in ("htmx_ws", *ADAPTERS)
    }


def test_the_wheel_holds_every_module(wheel: Path) -> None:
    held = {name for name in ZipFile(wheel).namelist() if name.endswith(".py")}
    assert held == {
        path.relative_to(root).as_posix()
        for root, packages in ((ROOT, ["htmx_ws"]), (ROOT / "adapters", ADAPTERS))
        for package in packages
        for path in (root / package).rglob("*.py")
    }


def requirements(wheel: Path) -> list[Requirement]:
    (metadata,) = (name for name in ZipFile(wheel).namelist() if name.endswith("/METADATA"))
    lines = ZipFile(wheel).read(metadata).decode().splitlines()
    said = (line.partition("Requires-Dist: ") for line in lines)
    return [Requirement(text) for before, name, text in said if name and not before]


def test_the_wheel_depends_on_pydantic_alone(wheel: Path) -> None:
    needed = [str(each) for each in requirements(wheel) if each.marker is None]
    assert needed == ["pydantic>=2.11"]


@pytest.mark.parametrize("extra", ["", "starlette", "fastapi", "channels"])
def test_the_oldest_versions_that_are_tested_are_those_that_it_allows(
    wheel: Path, extra: str
) -> None:
    """With ``make test-all``. On a newer Python the oldest may be a newer one."""
    oldest: dict[str, Version] = {}
    for line in (ROOT / "tests/constraints-oldest.txt").read_text().splitlines():
        if not line.startswith("#"):
            pin = Requirement(line)
            (version,) = (Version(each.version) for each in pin.specifier)
            oldest[pin.name.lower()] = min(version, oldest.get(pin.name.lower(), version))
    for needed in requirements(wheel):
        if needed.marker is None or needed.marker.evaluate({"extra": extra}):
            floors = [Version(each.version) for each in needed.specifier if each.operator == ">="]
            assert floors == [oldest[needed.name]], needed


def test_everything_public_imports_with_nothing_but_pydantic_installed(
    environment: Environment,
) -> None:
    python = environment(PLAIN)
    script = (
        "import htmx_ws; from importlib.metadata import version\n"
        "assert htmx_ws.__version__ == version('htmx-ws'), htmx_ws.__version__\n"
        "for name in htmx_ws.__all__: getattr(htmx_ws, name)\n"
        "print(htmx_ws.__file__)"
    )
    where = run(python, "-I", "-W", "error", "-c", script, cwd=python.parent)
    assert Path(where.strip()).is_relative_to(python.parents[1])

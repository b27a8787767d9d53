"""What ``import htmx_ws`` costs, and that it offers what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import htmx_ws

ROOT = Path(__file__).parents[2]
HEAVY = (
    "asyncio pydantic pydantic_core starlette fastapi django channels litestar quart redis nats "
    "selectolax"
).split()


def modules_after(code: str) -> set[str]:
    """Give the names of the modules that code loads in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_else() -> None:
    loaded = modules_after("import htmx_ws; htmx_ws.__version__; dir(htmx_ws)")
    assert "htmx_ws" in loaded
    assert not loaded & set(HEAVY)
    assert not [name for name in loaded if name.startswith("htmx_ws.")]


@pytest.mark.parametrize(
    "code",
    [
        "from htmx_ws import append, html",
        "from htmx_ws import ALLOW_ALL, HTML, Limits, Refused, FrameError",
    ],
)
def test_writing_html_loads_neither_pydantic_nor_a_framework(code: str) -> None:
    assert not modules_after(code) & set(HEAVY)


def test_the_whole_package_loads_no_framework_and_no_broker() -> None:
    loaded = modules_after("from htmx_ws import *")
    assert "htmx_ws.app" in loaded
    assert not loaded & set(HEAVY[3:])


# --- names -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", htmx_ws.__all__)
def test_every_name_resolves_to_what_its_module_has(name: str) -> None:
    value = htmx_ws.__getattr__(name)
    assert getattr(htmx_ws, name) is value
    module = import_module(f"htmx_ws.{htmx_ws._HOME[name]}")
    assert getattr(module, name) is value


def test_the_public_names_are_exactly_those_of_the_lazy_table() -> None:
    assert set(htmx_ws.__all__) == set(htmx_ws._HOME)
    assert len(htmx_ws.__all__) == len(set(htmx_ws.__all__))
    assert sum(len(names.split()) for names in htmx_ws._MODULES.values()) == len(htmx_ws.__all__)


def test_a_type_checker_sees_exactly_the_public_names() -> None:
    source = Path(htmx_ws.__file__ or "").read_text()
    seen = re.search(r"^if TYPE_CHECKING:\n(.*?)^__version__", source, re.DOTALL | re.MULTILINE)
    assert seen is not None
    names = re.findall(r"\b\w+\b", re.sub(r"from [\w.]+ import", "", seen[1]))
    assert sorted(names) == sorted(htmx_ws.__all__)


def test_every_public_name_is_one_that_its_module_calls_public() -> None:
    for name, module in htmx_ws._HOME.items():
        assert name in import_module(f"htmx_ws.{module}").__all__


def test_dir_lists_every_public_name_once() -> None:
    names = dir(htmx_ws)
    assert set(htmx_ws.__all__) <= set(names)
    assert len(names) == len(set(names))


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="module 'htmx_ws' has no attribute 'HtmxWs'"):
        _ = htmx_ws.HtmxWs


# --- version ---------------------------------------------------------------------------


def test_the_version_is_the_newest_of_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    entries = re.findall(r"^## \[([^]]+)\]", changelog, re.MULTILINE)
    released = [entry for entry in entries if entry != "Unreleased"]
    assert entries, "CHANGELOG.md has no entry such as '## [0.1.0]'"
    assert not released or released[0] == htmx_ws.__version__


def test_the_version_is_a_plain_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", htmx_ws.__version__)

"""The page about testing: every block of code on it is run, as the files that it says they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.unit.test_plugin import PLUGIN, SHARED

pytest_plugins = ["pytester"]

PAGE: Final = Path(__file__).parents[2] / "docs" / "testing.md"


def test_what_the_page_shows_runs(pytester: pytest.Pytester) -> None:
    assert SHARED
    for name, text in re.findall(r"```\w+\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL):
        (pytester.path / name).write_text(text)
    settings = ("-o", "asyncio_default_fixture_loop_scope=function", "-p", "no:django")
    pytester.syspathinsert()
    result = pytester.runpytest_inprocess(*PLUGIN, *settings)
    result.assert_outcomes(passed=17)


def test_the_numbers_on_the_page_are_those_of_the_recordings() -> None:
    from tests.unit import test_page_recorded, test_page_rules
    from tests.unit.test_page_frames import ROWS
    from tests.unit.test_page_swaps import CLIENTS, REMAINING, SWAPS

    said = PAGE.read_text()
    assert f"{len(SWAPS['rows']) * len(CLIENTS)} messages" in said
    assert f"{len(ROWS) * len(CLIENTS)} frames" in said
    rows = [*test_page_recorded.ROWS, *test_page_rules.ROWS]
    outcomes = sum(len(seen["clients"]) for row in rows for seen in row["seen"])
    assert f"{outcomes:,} other outcomes" in said
    assert len(REMAINING) * len(CLIENTS) == 4

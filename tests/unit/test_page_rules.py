"""More of what Chromium showed, of cases made at random: rules of browsers and of each client.

A row says what was seen afterwards only where it is not as the page was opened.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest

from htmx_ws.testing.browser import gestures
from htmx_ws.testing.browser.controls import value_of
from tests.unit.test_page_frames import Visitor
from tests.unit.test_page_recorded import STEPS
from tests.unit.test_page_swaps import CLIENTS, DATA, SWAPS

ROWS: Final[list[dict[str, Any]]] = json.loads((DATA / "rules.json").read_text())["rows"]
DO: Final = {
    **STEPS,
    "requestSubmit": lambda v, at: gestures.request_submit(v.tab, v(at)),
}


def said(error: str) -> str:
    """Give an error without what stands after it: its element, its stack."""
    error = re.sub(r"(of this node\.|valid selector\.) \w+$", r"\1", error.split(" {")[0])
    return error.replace("Uncaught ", "").strip()


@pytest.mark.parametrize("version", CLIENTS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["case"]))
def test_a_page_is_what_it_was_in_chromium(row: dict[str, Any], version: str) -> None:
    want = next(seen for seen in row["seen"] if version in seen["clients"])
    visitor = Visitor(SWAPS["default_page"] if row["page"] == "default" else row["page"], version)
    tab = visitor.tab
    opened = {"body": tab.document.body.inner_html, "title": "T", "sent": [], "errors": []}
    for step, *arguments in row["steps"]:
        DO[step](visitor, *arguments)
    got = {
        "body": tab.document.body.inner_html,
        "title": tab.document.title,
        "focus": tab.focused.id if tab.focused else "BODY",
        "sent": visitor.line.sent,
        "vals": [value_of(each) for each in tab.document.select("input,textarea,select")],
        "errors": sorted(set(map(said, tab.errors))),
    }
    wanted = {**opened, **{name: want[name] for name in want if name != "clients"}}
    assert {name: got[name] for name in wanted} == wanted

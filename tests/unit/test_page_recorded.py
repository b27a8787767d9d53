"""More of what Chromium showed: swaps and forms that are rarer, each with every client.

They were recorded to try the rules on cases that these were not made from.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from htmx_ws.testing.browser import gestures
from htmx_ws.testing.browser.controls import value_of
from tests.unit.test_page_frames import Visitor
from tests.unit.test_page_swaps import CLIENTS, DATA, SWAPS

ROWS: Final[list[dict[str, Any]]] = json.loads((DATA / "pages.json").read_text())["rows"]
STEPS: Final[dict[str, Callable[..., object]]] = {
    "recv": Visitor.receive,
    "click": Visitor.click,
    "check": Visitor.click,
    "fill": lambda v, at, text: gestures.fill(v.tab, v(at), text),
    "press": lambda v, at, key: gestures.press(v.tab, v(at), key),
    "change": lambda v, at, text: gestures.change(v.tab, v(at), text),
    "select": lambda v, at, text: gestures.change(v.tab, v(at), text),
}
#: What the console says of JSON that is none differs in words.
JSON: Final = ("hx-vals hcon", "hx-vals bad")


@pytest.mark.parametrize("version", CLIENTS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["case"]))
def test_a_page_is_what_it_was_in_chromium(row: dict[str, Any], version: str) -> None:
    want = next((seen for seen in row["seen"] if version in seen["clients"]), None)
    if want is None:
        return  # the browser ended there
    page = SWAPS["default_page"] if row["page"] == "default" else row["page"]
    visitor = Visitor(page, version)
    for step, *arguments in row["steps"]:
        STEPS[step](visitor, *arguments)
    tab = visitor.tab
    fields = tab.document.select("input,textarea,select")
    got = {
        "body": tab.document.body.inner_html,
        "title": tab.document.title,
        "focus": tab.focused.id if tab.focused else "BODY",
        "sent": visitor.line.sent,
        "vals": [value_of(each) for each in fields],
    }
    defaults = {"title": "T", "focus": "BODY", "sent": []}
    assert got == {**defaults, **{name: want[name] for name in want if name in got}}
    said = list(dict.fromkeys(tab.errors))
    if row["case"] not in JSON:
        heard = [each.removesuffix(" ") for each in want.get("errors", [])]
        assert [each.split(" {")[0].replace("Uncaught ", "") for each in said] == heard
    else:
        assert len(said) == len(want.get("errors", []))

"""What a message does to a page: each client's rules against what Chromium showed.

``tests/data/swaps.json`` says in words what changed; here the same words are found from the
tree before and after. ``recipes.json`` has the whole content afterwards.
"""

from __future__ import annotations

import json
import re
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

import pytest

from htmx_ws.testing import clients
from htmx_ws.testing.browser.dom import Branch, Element
from htmx_ws.testing.browser.tab import Tab

DATA: Final = Path(__file__).parents[1] / "data"
CLIENTS: Final = {
    "1.9.12": "htmx 1.9.12 + ext ws",
    "2.0.4": "htmx 2.0.4 + htmx-ext-ws 2.0.2",
    "2.0.11": "htmx 2.0.11 + htmx-ext-ws 2.0.4",
    "4.0.1": "htmx 4.0.1",
}
SWAPS: Final[dict[str, Any]] = json.loads((DATA / "swaps.json").read_text())
RECIPES: Final[dict[str, Any]] = json.loads((DATA / "recipes.json").read_text())

#: What a page in a test does not show, with the reason; everything else must agree.
REMAINING: Final = {
    "svg/img onload attr": "an event handler's JavaScript takes its element away",
}
#: Here the page goes elsewhere, which ``test_page`` follows; the tab only knows where to.
LEAVES: Final = {
    "meta refresh redirect": "http://app.test/moved",
    "script location redirect": "http://app.test/moved",
    "meta refresh reload": "http://app.test/chat",
}

Shown = list[tuple[str, str]]


def open_tab(page: str, version: str) -> tuple[Tab, clients.Client]:
    connect = 'hx-ws:connect="/ws"' if version.startswith("4") else 'hx-ext="ws" ws-connect="/ws"'
    html = f"<!doctype html><html><head><title>T</title></head>{page}</html>"
    tab = Tab(html.replace("{{CONNECT}}", connect), "http://app.test/chat")
    client = clients.start(version, tab)
    client.start()
    return tab, client


def shown(branch: Branch | None, *, but: str = "") -> Shown:
    nodes = branch.children if branch is not None else []
    named = [(n.name if isinstance(n, Element) else "#text", n.html) for n in nodes]
    # A script that ran in the body is listed as a script, not as a change.
    return [(name, html) for name, html in named if name not in (but, "script" if but else "")]


def changes(before: Shown, after: Shown, where: str = "") -> list[str]:
    if before == after:
        return []
    if not where and not set(before) & set(after):
        return ["WIPED #app := " + "".join(html for _, html in after)]
    old, new = [html for _, html in before], [html for _, html in after]
    parts: list[str] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            gone = "+".join(name for name, _ in before[i1:i2]) or "∅"
            parts.append(f"{where}{gone} → {''.join(new[j1:j2]) or '∅ (removed)'}")
    return parts


def outcome(row: dict[str, Any], version: str) -> str:
    page = SWAPS["default_page"] if row["page"] == "default" else row["page"]
    tab, client = open_tab(page, version)
    app, body = tab.document.by_id("app"), tab.document.body
    assert app is not None
    if "focus" in row["case"] and "autofocus" not in row["case"]:
        field = tab.document.by_id("inp")
        assert field is not None
        field.value = "typed"
        tab.focus(field, (1, 1))
    focused = tab.focused.id if tab.focused else "BODY"
    before = shown(app), shown(body, but="div#app")
    for frame in row["frames"]:
        client.receive(app, frame)
    after = shown(tab.document.by_id("app")), shown(body, but="div#app")
    parts = [*changes(before[0], after[0]), *changes(before[1], after[1], "body: ")]
    if tab.document.title != "T":
        parts.append(f'title="{tab.document.title}"')
    now = tab.focused.id if tab.focused else "BODY"
    if now != focused:
        parts.append(f"focus={now}")
    said = "".join(f" [{error}]" for error in dict.fromkeys(tab.errors))
    return (" ; ".join(parts) or "no change") + said


def recorded(row: dict[str, Any], version: str) -> str:
    """What Chromium showed, less what is no DOM, focus or console: events, scripts, stacks."""
    said: str = next(o["dom"] for o in row["outcomes"] if CLIENTS[version] in o["clients"])
    said = re.sub(r" \{[^}]*\}(?= \[|$)| // .*$", "", said)
    said = re.sub(r" ; script:\w+|^script:\w+", "", said)
    return re.sub(r"(htmx:ws:error: .*?) (Type|Syntax)?Error: .*$", r"\1]", said) or "no change"


@pytest.mark.parametrize("version", CLIENTS)
def test_messages_do_what_they_did_in_chromium(version: str) -> None:
    wrong: dict[str, tuple[str, str]] = {}
    for row in SWAPS["rows"]:
        if row["case"] in LEAVES:
            continue
        got, want = outcome(row, version), recorded(row, version)
        if got != want:
            wrong[row["case"]] = (want, got)
    assert {case: pair for case, pair in wrong.items() if case not in REMAINING} == {}
    assert set(wrong) == set(REMAINING), "a remaining row agrees now"


@pytest.mark.parametrize("version", CLIENTS)
@pytest.mark.parametrize("case", LEAVES)
def test_a_message_can_send_the_page_elsewhere(case: str, version: str) -> None:
    row = next(each for each in SWAPS["rows"] if each["case"] == case)
    tab, client = open_tab(SWAPS["default_page"], version)
    app = tab.document.by_id("app")
    assert app is not None
    client.receive(app, row["frames"][0])
    assert tab.goes_to == LEAVES[case]


@pytest.mark.parametrize("version", CLIENTS)
def test_every_recipe_gives_the_page_that_it_promises(version: str) -> None:
    for recipe in RECIPES["recipes"]:
        if CLIENTS[version] not in recipe["works_on"] or recipe["app_after"] is None:
            continue
        tab, client = open_tab(RECIPES["page"], version)
        app = tab.document.by_id("app")
        assert app is not None
        for frame in recipe["frames"]:
            client.receive(app, frame)
        html = re.sub(r' (data-)?hx-swap-oob="[^"]*"', "", app.inner_html)
        assert html == recipe["app_after"], recipe["intent"]

"""Every intent, sent by our builders, does to the page what was measured for it.

``tests/data/recipes.json`` holds the page, and its DOM after each intent, as measured in
fifteen builds of htmx. What is sent here is our own: words for it, not the recipe's message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from queue import Queue
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect

from htmx_ws import (
    Connection,
    HtmxWS,
    after,
    append,
    before,
    data_only,
    html,
    morph,
    prepend,
    redirect,
    refresh,
    remove,
    replace,
    scripts,
    title,
    trigger,
    update,
)
from htmx_ws.types import ASGIApp, Receive, Scope, Send
from tests.browser.guests import Guests, send_to, with_files

pytestmark = pytest.mark.browser

RECIPES: Final = json.loads(
    (Path(__file__).parents[1] / "data" / "recipes.json").read_text(encoding="utf-8")
)
RECIPE: Final = {recipe["intent"]: recipe for recipe in RECIPES["recipes"]}
CLIENTS: Final = {
    1: "htmx 1.9.12 + ext ws",
    2: "htmx 2.0.11 + htmx-ext-ws 2.0.4",
    4: "htmx 4.0.1",
}

#: How each intent is said with our words: one way or several, which must all do the same.
WAYS: Final[dict[str, tuple[object, ...]]] = {
    "replace by id": (
        replace('<div id="x">NEW</div>'),
        replace("#x", '<div id="x">NEW</div>'),
        '<div id="x">NEW</div>',
        html('<div id="x">{}</div>', "NEW"),
        '<!-- note --> <div id="x" hx-swap-oob="true">NEW</div>\n',
    ),
    "replace odd id (6-digit hex escapes)": (
        replace('<div id="a.b:c">NEW</div>'),
        replace(r"#a\.b\:c", '<div id="a.b:c">NEW</div>'),
        '<div id="a.b:c">NEW</div>',
    ),
    "replace li": (replace('<li id="l1">NEW</li>'), '<li id="l1">NEW</li>'),
    "replace tr (alone in its message)": (
        replace('<tr id="r1"><td>NEW</td></tr>'),
        '<tr id="r1"><td>NEW</td></tr>',
    ),
    "replace td": (replace('<td id="c1">NEW</td>'), '<td id="c1">NEW</td>'),
    "replace option": (replace('<option id="o1">NEW</option>'), '<option id="o1">NEW</option>'),
    "replace several (.m)": (replace(".m", '<p class="m">N</p>'),),
    "inner #x": (
        update("#x", "NEW <b>b</b>"),
        update("#x", html("{} <b>{}</b>", "NEW", "b")),
        '<div hx-swap-oob="innerHTML:#x">NEW <b>b</b></div>',
    ),
    "inner clear #x": (update("#x", ""),),
    "inner several .m": (update(".m", "N"),),
    "inner tbody": (update("#tb", '<tr id="r9"><td>9</td></tr>'),),
    "inner tr": (update("#r1", "<td>9</td>"),),
    "inner select": (update("#sel", "<option>n</option>"),),
    "inner svg": (update("#svg", "<rect></rect>"),),
    "inner with descendant selector (TAB)": (update("#log li", "NEW"), update("#log > li", "NEW")),
    "inner with pseudo-class (leading TAB)": (update("li:first-child", "NEW"),),
    "append li": (append("#log", '<li id="l2">2</li>'),),
    "append li (div wrapper)": (
        append("#log", [html('<li id="l2">{}</li>', 2)]),
        '<div hx-swap-oob="beforeend:#log"><li id="l2">2</li></div>',
    ),
    "prepend li": (prepend("#log", '<li id="l0">0</li>'),),
    "append text": (append("#x", "more"),),
    "before": (before("#l1", "<li>b</li>"),),
    "after": (after("#l1", "<li>a</li>"),),
    "row append": (append("#tb", '<tr id="r2"><td>2</td></tr>'),),
    "row prepend": (prepend("#tb", '<tr id="r0"><td>0</td></tr>'),),
    "row before": (before("#r1", '<tr id="r0"><td>0</td></tr>'),),
    "row after": (after("#r1", '<tr id="r2"><td>2</td></tr>'),),
    "cell append": (append("#r1", "<td>2</td>"),),
    "option append": (append("#sel", "<option>n</option>"),),
    "svg child append": (append("#svg", "<rect></rect>"),),
    "delete #x": (remove("#x"),),
    "delete row": (remove("#r1"),),
    "delete odd id": (remove(r"#a\.b\:c"),),
    "delete several": (remove(".m"),),
    "morph inner (degrades to innerHTML)": (morph("#x", "NEW <b>b</b>"),),
    "several independent updates": (
        [replace('<div id="x">N</div>'), append("#log", "<li>2</li>"), remove(".m")],
        '<div id="x">N</div><ul hx-swap-oob="beforeend:#log"><li>2</li></ul>'
        '<div hx-swap-oob="delete:.m"></div>',
    ),
    "dependent updates as separate frames": (
        ['<div id="x"><i id="in"></i></div>', append("#in", "1"), '<div id="x">LAST</div>'],
        '<div id="x"><i id="in"></i></div><b hx-swap-oob="beforeend:#in">1</b>'
        '<div id="x">LAST</div>',
    ),
    "div then row as separate frames": (
        ['<div id="x">N</div>', append("#tb", '<tr id="r2"><td>2</td></tr>')],
    ),
    "title": (title("T2"),),
    "focus by autofocus": (update("#x", '<input id="af" autofocus>'),),
    "keepalive empty string": ("", None, []),
    "keepalive comment": ("<!-- -->",),
    "data only JSON {channel,..} with < escaped": (data_only("app", "<div id='x'>"),),
    "event: self-removing script": (trigger("my:event", {"a": 1}),),
    "event, CSP-safe: hx-get load + HX-Trigger, removes itself": (
        trigger("my:event"),
        append(
            "body",
            '<i hx-get="/header?HX-Trigger=my:event" hx-trigger="load" hx-swap="delete"></i>',
        ),
    ),
    "redirect: meta refresh": (redirect("/moved"),),
    "redirect: hx-get load + HX-Redirect": (
        redirect("/moved"),
        append(
            "body", '<i hx-get="/header?HX-Redirect=/moved" hx-trigger="load" hx-swap="none"></i>'
        ),
    ),
    "refresh: meta refresh": (refresh(),),
    # Those that only htmx 4 has words for, said in words that do the same in all.
    "V4 envelope swap:none: marked + stray text + idless + script": ('<div id="x">N</div>',),
    "V4 envelope swap:none: div + row partials": (
        ['<div id="x">N</div>', append("#tb", '<tr id="r2"><td>2</td></tr>')],
    ),
    "V4 hx-partial inner": (update("#x", "NEW"),),
    "V4 outerMorph": (
        morph('<div id="x" class="d">NEW</div>'),
        morph("#x", '<div id="x" class="d">NEW</div>'),
    ),
    "V4 data-only JSON": (data_only("ping"),),
}

#: What shows that an intent has worked that #app does not show: JavaScript that gives true.
EFFECTS: Final = {
    "title": "document.title === 'T2'",
    "focus by autofocus": "document.activeElement.id === 'af'",
    "data only JSON {channel,..} with < escaped": (
        """seen.data.at(-1) === JSON.stringify({channel: "app", data: "<div id='x'>"})"""
    ),
    "event: self-removing script": (
        "seen.events.join() === '{\"a\":1}' && !document.querySelector('body script')"
    ),
    "event, CSP-safe: hx-get load + HX-Trigger, removes itself": (
        "seen.events.length === 1 && !document.querySelector('body i')"
    ),
    "redirect: meta refresh": "location.pathname === '/moved'",
    "redirect: hx-get load + HX-Redirect": "location.pathname === '/moved'",
    "refresh: meta refresh": "!window.isOld && document.getElementById('app')",
    "V4 data-only JSON": """seen.data.at(-1) === JSON.stringify({channel: "ping", data: null})""",
}

LISTENERS: Final = """
window.seen = {events: [], data: []}
addEventListener('my:event', event => seen.events.push(JSON.stringify(event.detail)))
const note = data => seen.data.push(JSON.stringify(data))
addEventListener('htmx:wsBeforeMessage', event => {
    if (event.detail.message.startsWith('{')) note(JSON.parse(event.detail.message))
})
addEventListener('htmx:ws:before:message:incoming', event => {
    event.detail.message.json().then(note, () => {})  // what is no JSON is HTML
})
"""


class Stage:
    """The recipes' page in one client, and the server's end of its socket."""

    def __init__(self, page: Page, url: str, arrivals: Queue[Connection]) -> None:
        self.page = page
        self._url = url
        self._arrivals = arrivals
        self._numbers = count(1)
        self._conn = arrivals.get(timeout=5)
        self._app = page.inner_html("#app")

    def set(self) -> None:
        """Put the page as it was, by loading it where it has gone."""
        if self._conn.gone or self.page.url != self._url:
            self.page.goto(self._url)
            self._conn = self._arrivals.get(timeout=5)
        self.page.evaluate(
            """app => {
                document.getElementById('app').innerHTML = app
                document.title = 'T1'
                Object.assign(seen, {events: [], data: []})
            }""",
            self._app,
        )

    def send(self, content: object) -> None:
        send_to(self._conn, content)

    def arrive_again(self) -> None:
        self._conn = self._arrivals.get(timeout=5)

    def wait_for_all(self) -> None:
        """Wait until all that was sent is in the page: messages are swapped in order."""
        number = str(next(self._numbers))
        self.send(update("#marker", number))
        expect(self.page.locator("#marker")).to_have_text(number)

    def app(self) -> str:
        """The inner HTML of #app, the marks aside that htmx 1.9 leaves."""
        return re.sub(r' hx-swap-oob="[^"]*"', "", self.page.inner_html("#app"))


@pytest.fixture(scope="module")
def arrivals() -> Queue[Connection]:
    return Queue()


@pytest.fixture(scope="module")
def url(arrivals: Queue[Connection], serve: Callable[[ASGIApp], str]) -> str:
    live = HtmxWS()

    async def joined(conn: Connection) -> None:
        arrivals.put(conn)

    @live.ws("/ws", conn=joined)
    async def never(data: dict[str, Any]) -> None:
        raise AssertionError(f"a page sent {data}")

    def answer(scope: Scope) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        query = scope["query_string"].decode()
        if scope["path"] == "/header":
            name, _, value = query.partition("=")
            return b"", [(name.encode(), value.encode())]
        if scope["path"] == "/moved":
            return b"<!doctype html><title>moved</title>", []
        head = (
            '<!doctype html><html><head><title>T1</title><link rel="icon" href="data:,">'
            f"{scripts(int(query), static=f'/static/htmx-{query}')}"
            f"<script>{LISTENERS}</script></head>"
        )
        body = RECIPES["page"].replace("{{CONNECT}}", str(live.connect_attrs("/ws")))
        body = body.replace("</body>", '<output id="marker"></output></body>')
        return f"{head}{body}</html>".encode(), []

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await live(scope, receive, send)
            return
        body, headers = answer(scope)
        headers.append((b"content-type", b"text/html"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return serve(with_files(live.wrap(site)))


@pytest.fixture(scope="module")
def company(browser: Browser, url: str) -> Iterator[Guests]:  # gone before the server is
    company = Guests(browser)
    yield company
    company.leave()


@pytest.fixture(scope="module", params=CLIENTS, ids=list(CLIENTS.values()))
def client(
    request: pytest.FixtureRequest, company: Guests, url: str, arrivals: Queue[Connection]
) -> Stage:
    address = f"{url}/?{request.param}"
    return Stage(company.come(address), address, arrivals)


@pytest.fixture
def stage(client: Stage, company: Guests) -> Iterator[Stage]:
    client.set()
    yield client
    problems, company.problems = company.problems, []
    assert not problems


def test_every_intent_has_words() -> None:
    assert set(WAYS) == set(RECIPE)
    assert {intent for intent in RECIPE if RECIPE[intent]["app_after"] is None} <= set(EFFECTS)
    assert {client for recipe in RECIPE.values() for client in recipe["works_on"]} >= set(
        CLIENTS.values()
    )


@pytest.mark.parametrize(
    ("intent", "content"),
    [
        pytest.param(intent, content, id=f"{intent}, way {number}")
        for intent, ways in WAYS.items()
        for number, content in enumerate(ways, 1)
    ],
)
def test_an_intent_does_what_was_measured(stage: Stage, intent: str, content: object) -> None:
    leaves = RECIPE[intent]["app_after"] is None
    if leaves:
        stage.page.evaluate("window.isOld = true")
    stage.send(content)
    if leaves:
        stage.page.wait_for_function(EFFECTS[intent])
        if not intent.startswith("redirect"):
            stage.arrive_again()
        return
    stage.wait_for_all()
    assert stage.app() == RECIPE[intent]["app_after"]
    if intent in EFFECTS:
        stage.page.wait_for_function(EFFECTS[intent])


def test_five_hundred_updates_arrive_in_order(stage: Stage) -> None:
    stage.send([append("#log", html("<li>{}</li>", number)) for number in range(500)])
    stage.wait_for_all()
    texts = stage.page.locator("#log li:not(#l1)").all_inner_texts()
    assert texts == [str(number) for number in range(500)]


@pytest.mark.parametrize("client", [4], indirect=True, ids=[CLIENTS[4]])
@pytest.mark.parametrize(
    "content",
    [
        morph("#x", '<input id="typed"><b>b</b>'),
        morph('<div id="x" class="c"><input id="typed"><b>b</b></div>'),
    ],
    ids=["inside", "itself"],
)
def test_morph_keeps_what_is_typed_and_the_focus(stage: Stage, content: object) -> None:
    stage.send(update("#x", '<input id="typed">'))
    stage.page.fill("#typed", "half a sen")
    stage.page.focus("#typed")
    stage.send(content)
    stage.wait_for_all()
    assert stage.page.inner_text("#x b") == "b"
    assert stage.page.input_value("#typed") == "half a sen"
    assert stage.page.evaluate("document.activeElement.id") == "typed"


def test_what_is_typed_elsewhere_stays(stage: Stage) -> None:
    """Appends, replacements and removals around a field leave it alone, in every htmx."""
    stage.page.fill("#inp", "half a sen")
    stage.page.focus("#inp")
    stage.send([append("#log", "<li>2</li>"), replace('<div id="x">N</div>'), remove(".m")])
    stage.wait_for_all()
    assert stage.page.input_value("#inp") == "half a sen"
    assert stage.page.evaluate("document.activeElement.id") == "inp"

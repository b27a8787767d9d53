"""A page that was away has what it missed, on every htmx, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, Page, expect

from htmx_ws import (
    HTML,
    Connection,
    Fragment,
    HtmxWS,
    after,
    append,
    before,
    html,
    new_page,
    prepend,
    remove,
    scripts,
    update,
)
from htmx_ws.types import ASGIApp, Receive, Scope, Send
from tests.browser.guests import FLAGS, Guests, chromium_path, with_files

pytestmark = pytest.mark.browser

ROOM: Final = "all"
SIDE: Final = "side"
GENERATIONS: Final = [1, 2, 4]

live = HtmxWS()
#: What a view does between rendering a page and answering with it.
meanwhile: list[Callable[[], Any]] = []
connected: list[Connection] = []
notes: list[str] = []

BODY: Final = """
<div {connect}>{hello}
  <ul id="log">{log}</ul>
  <table><tbody id="rows"></tbody></table>
  <select id="options"></select>
  <svg id="drawing" width="50" height="10"></svg>
  <p id="state"></p>
  <form id="draft" {draft}><input name="text"><input name="more" required></form>
  <ol id="side"></ol>
  <form id="watch" {watch}><input type="hidden" name="room" value="{side}"></form>
  <form id="plain" {plain}><button>Send</button></form>
</div>
<a href="/elsewhere">away</a>
"""

#: What stands on <body> in all its pages, and is not to reach what is ours.
AROUND: Final = {
    "boost": {1: 'hx-boost="true"', 2: 'hx-boost="true"', 4: 'hx-boost:inherited="true"'},
    "params": {1: 'hx-params="none"', 2: 'hx-params="none"', 4: 'hx-params:inherited="none"'},
}

TWICE: Final = """<!DOCTYPE html><title>Twice</title>{}
<body hx-ext="ws"><div id="said"></div>
<form id="speak" ws-connect="/ws?htmx-ws-page={}" ws-send><button>Say</button></form></body>
"""
cached: dict[int, HTML] = {}
visits: list[str] = []
watched: list[str] = []
shown: list[HTML] = []


def snapshot(conn: Connection, room: str) -> Fragment:
    return update("#log", html("<li>as it is now</li>"))


live.room(ROOM, history=20, snapshot=snapshot)
live.room(SIDE, history=20)
endpoint = live.endpoint("/ws")


@endpoint.on_connect
async def joined(conn: Connection) -> None:
    connected.append(conn)
    await conn.join(ROOM)


@endpoint.on("draft")
async def note(text: str = "") -> None:
    notes.append(text)


@endpoint.on("watch")
async def watch(conn: Connection, room: str = "") -> None:
    if room:
        await conn.join(room)


@endpoint.on("plain")
async def all_but_this(conn: Connection) -> None:
    await live.publish(ROOM, append("#log", item("others")), exclude=conn)


@endpoint.on("speak")
async def speak() -> Fragment:
    return append("#said", html("<b>spoken</b>"))


def item(n: object) -> HTML:
    return html('<li id="li{}">{}</li>', n, n)


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        await live(scope, receive, send)
        return
    htmx = int(parse_qs(scope["query_string"].decode()).get("htmx", ["4"])[0])
    body = html("<!DOCTYPE html><title>Elsewhere</title>")
    if scope["path"] == "/":
        body = await show(htmx)
    elif scope["path"][1:] in AROUND:
        visits.append(scope["path"])
        body = html(
            "<!DOCTYPE html><body {}>{}", HTML(AROUND[visits[-1][1:]][htmx]), await show(htmx)
        )
    elif scope["path"] == "/same":
        body = cached.get(htmx) or cached.setdefault(htmx, await show(htmx))
    elif scope["path"] == "/twice":
        body = html(TWICE, script_tags(htmx), new_page())
    headers = [(b"content-type", b"text/html; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


async def show(htmx: int) -> HTML:
    page = await live.page("/ws", rooms=[ROOM])
    for act in meanwhile:
        await act()
    draft = live.send_attrs(recover=page.element)
    parts = {"connect": page.connect, "hello": page.hello, "draft": draft}
    parts |= {"watch": draft, "side": watched[0] if watched else ""}
    parts |= {"plain": live.send_attrs(), "log": html("{}", list(shown))}
    head = html("<!DOCTYPE html><title>Page</title>{}", script_tags(htmx))
    return html("{}{}", head, html(BODY, **parts))


def script_tags(htmx: int) -> HTML:
    return scripts(htmx, static=f"/static/htmx-{htmx}")


@pytest.fixture(scope="module")
def url(serve: Callable[[ASGIApp], str]) -> str:
    return serve(with_files(site))


@pytest.fixture(autouse=True)
def afresh() -> None:
    meanwhile.clear()
    connected.clear()
    notes.clear()
    visits.clear()
    watched.clear()
    shown.clear()


def come(guests: Guests, url: str, htmx: int, path: str = "/") -> Page:
    """Open a page, and wait until it is live."""
    page = guests.come(f"{url}{path}?htmx={htmx}")
    expect(page.locator("#htmx-ws-tab")).not_to_have_value("")
    return page


def send_away(page: Page) -> None:
    """Have the page lose its socket; what is published next finds nobody, or the page back."""
    there = live.members(ROOM)
    live.disconnect(room=ROOM, code=1012)
    wait_until(page, lambda: set(there).isdisjoint(live.members(ROOM)))


def wait_until(page: Page, holds: Callable[[], object]) -> None:
    """Wait for what the server knows; fails after 10 s."""
    for _ in range(1_000):
        if holds():
            return
        page.wait_for_timeout(10)
    raise AssertionError(f"it did not come to that; the page is {page.content()}")


@pytest.mark.parametrize("htmx", GENERATIONS)
def test_streams_of_every_kind_are_whole_when_a_page_is_back(
    guests: Guests, url: str, htmx: int
) -> None:
    page = come(guests, url, htmx)
    kinds: dict[str, Callable[[int], Any]] = {
        "#log": lambda n: append("#log", item(n)),
        "#rows": lambda n: append("#rows", html('<tr id="tr{}"><td>{}</td></tr>', n, n)),
        "#options": lambda n: append("#options", html('<option id="o{}">{}</option>', n, n)),
        "#drawing": lambda n: append("#drawing", html('<circle id="c{}" r="{}"/>', n, n)),
    }
    for n in range(1, 4):
        if n == 2:
            send_away(page)
        for kind in kinds.values():
            live.publish(ROOM, kind(n))
        live.publish(ROOM, update("#state", html("<b>{}</b>", n)))
    expect(page.locator("#state")).to_have_text("3")
    for target, child in zip(kinds, ("li", "tr", "option", "circle"), strict=True):
        expect(page.locator(f"{target} > {child}")).to_have_count(3)
    texts = page.evaluate(
        "[...document.querySelectorAll('#log > li, #rows td')].map(e => e.textContent)"
    )
    assert texts == ["1", "2", "3"] * 2
    assert page.evaluate("document.querySelector('#drawing circle').namespaceURI").endswith("svg")
    assert len(guests.sockets[page]) == 2


@pytest.mark.parametrize("htmx", GENERATIONS)
def test_what_is_published_while_a_page_is_on_its_way_is_on_it_once(
    guests: Guests, url: str, htmx: int
) -> None:
    meanwhile.append(lambda: live.publish(ROOM, append("#log", item("early"))))
    page = come(guests, url, htmx)
    live.publish(ROOM, append("#log", item("late")))
    expect(page.locator("#log > li")).to_have_text(["early", "late"])


@pytest.mark.parametrize("htmx", GENERATIONS)
@pytest.mark.parametrize("add", [append, prepend, before, after])
def test_what_the_view_has_seen_too_is_there_once(
    guests: Guests, url: str, htmx: int, add: Callable[..., Any]
) -> None:
    """Between reading the cursors and the view's own query."""
    target = "#log" if add in (append, prepend) else "#li0"

    async def act() -> None:
        shown.extend((item(0), item("early")))
        await live.publish(ROOM, add(target, item("early")))

    meanwhile.append(act)
    page = come(guests, url, htmx)
    live.publish(ROOM, add(target, item("late")))
    expect(page.locator("#lilate")).to_be_visible()
    expect(page.locator("#log > li")).to_have_count(3)
    # As docs/resume.md says of htmx 2.
    guests.problems[:] = [each for each in guests.problems if "oobErrorNoTarget" not in each]


@pytest.mark.parametrize("htmx", GENERATIONS)
@pytest.mark.parametrize("around", AROUND)
def test_what_is_inherited_from_around_it_changes_nothing(
    guests: Guests, url: str, htmx: int, around: str
) -> None:
    page = come(guests, url, htmx, f"/{around}")
    live.publish(ROOM, append("#log", item(1)))
    send_away(page)
    live.publish(ROOM, append("#log", item(2)))
    expect(page.locator("#log > li")).to_have_text(["1", "2"])
    page.get_by_text("Send").click()
    page.locator("#draft [name=text]").fill("half")
    live.publish(ROOM, append("#log", item(3)))
    expect(page.locator("#li3")).to_be_visible()
    assert visits == [f"/{around}"]
    assert page.url == f"{url}/{around}?htmx={htmx}"


@pytest.mark.parametrize("htmx", GENERATIONS)
def test_on_htmx_1_9_two_tabs_that_one_goes_back_in_are_two(
    guests: Guests, url: str, htmx: int
) -> None:
    """Its history cache is one for all tabs."""
    page = come(guests, url, htmx, "/boost")
    twin = page.context.new_page()
    twin.goto(page.url)
    expect(twin.locator("#htmx-ws-tab")).not_to_have_value("")
    for each in (page, twin):
        each.get_by_text("away").click()
        expect(each.locator("#log")).to_have_count(0)
    for each in (page, twin):
        each.evaluate("setTimeout(() => history.back())")
        expect(each.locator("#htmx-ws-tab")).not_to_have_value("")
    for text in ("both", "again"):
        live.publish(ROOM, append("#log", item(text)))
        for each in (page, twin):
            expect(each.locator("#log > li").last).to_have_text(text)
    # htmx 1.9 closes the socket of an element that is not there, and may never have had one.
    guests.problems[:] = [each for each in guests.problems if "'close'" not in each]


@pytest.mark.parametrize("htmx", GENERATIONS)
def test_a_page_that_missed_too_much_gets_what_is_there_now_once(
    guests: Guests, url: str, htmx: int
) -> None:
    page = come(guests, url, htmx)
    live.publish(ROOM, append("#log", item("stale")))
    expect(page.locator("#log > li")).to_have_text(["stale"])
    send_away(page)
    for n in range(30):
        live.publish(ROOM, append("#log", item(n)))
    expect(page.locator("#log > li")).to_have_text(["as it is now"])
    live.publish(ROOM, append("#log", item("next")))
    expect(page.locator("#log > li")).to_have_text(["as it is now", "next"])


@pytest.mark.parametrize("htmx", GENERATIONS)
def test_what_takes_no_cursor_is_followed_by_it(guests: Guests, url: str, htmx: int) -> None:
    """An unclosed <b> would open again around it, and wipe the page on htmx 4.0."""
    page = come(guests, url, htmx)
    for content in ("<li id='x1'><b>bold</li>", "<li id='x2'>plain</li>"):
        live.publish(ROOM, append("#log", HTML(content)))
    expect(page.locator("#log > li")).to_have_text(["bold", "plain"])
    send_away(page)
    live.publish(ROOM, remove("#x1"))
    expect(page.locator("#log > li")).to_have_text(["plain"])


@pytest.mark.parametrize("htmx", GENERATIONS)
def test_a_form_can_say_again_which_room_it_is_of(guests: Guests, url: str, htmx: int) -> None:
    watched.append(SIDE)
    page = come(guests, url, htmx)
    wait_until(page, lambda: live.members(SIDE))
    live.publish(SIDE, append("#side", item("first")))
    expect(page.locator("#side > li")).to_have_text(["first"])
    send_away(page)
    live.publish(SIDE, append("#side", item("missed")))
    expect(page.locator("#side > li")).to_have_text(["first", "missed"])
    live.publish(SIDE, append("#side", item("live")))
    expect(page.locator("#side > li")).to_have_text(["first", "missed", "live"])


@pytest.mark.parametrize("htmx", GENERATIONS)
def test_a_half_typed_form_is_sent_again(guests: Guests, url: str, htmx: int) -> None:
    page = come(guests, url, htmx)
    page.locator("#draft [name=text]").fill("half")
    notes.clear()
    send_away(page)
    live.publish(ROOM, append("#log", item("back")))
    expect(page.locator("#log > li")).to_have_text(["back"])
    assert "half" in notes


def test_on_htmx_4_a_page_that_one_goes_back_to_is_live_again(url: str, browser: Browser) -> None:
    """Playwright turns the back-forward cache off, unless it is told not to."""
    kept = browser.browser_type.launch(
        executable_path=chromium_path(),
        args=list(FLAGS),
        ignore_default_args=["--disable-back-forward-cache"],
    )
    try:
        page = kept.new_page()
        page.goto(f"{url}/?htmx=4")
        expect(page.locator("#htmx-ws-tab")).not_to_have_value("")
        page.evaluate("addEventListener('pageshow', event => window.kept = event.persisted)")
        shown: list[str] = []
        for number in range(5):  # without hx-config htmx comes back now and then
            page.get_by_text("away").click()
            expect(page).to_have_title("Elsewhere")
            live.publish(ROOM, append("#log", item(f"missed {number}")))
            # go_back() would wait for a load event, and there is none.
            page.evaluate("setTimeout(() => history.back())")
            expect(page).to_have_title("Page")
            shown.append(f"missed {number}")
            expect(page.locator("#log > li")).to_have_text(shown)
            assert page.evaluate("window.kept")
    finally:
        kept.close()


@pytest.mark.parametrize("htmx", GENERATIONS)
def test_two_tabs_of_one_page_live_side_by_side(guests: Guests, url: str, htmx: int) -> None:
    """As where a browser, or a cache before the server, gives the same page again."""
    page = guests.come(f"{url}/same?htmx={htmx}")
    twin = page.context.new_page()
    twin.goto(page.url)
    assert page.locator("[ws-connect]").get_attribute("ws-connect") == twin.locator(
        "[ws-connect]"
    ).get_attribute("ws-connect")
    for each in (page, twin):
        expect(each.locator("#htmx-ws-tab")).not_to_have_value("")
    live.publish(ROOM, append("#log", item("both")))
    for each in (page, twin):
        expect(each.locator("#log > li")).to_have_text(["both"])
    page.get_by_text("Send").click()
    expect(twin.locator("#log > li")).to_have_text(["both", "others"])
    send_away(page)
    live.publish(ROOM, append("#log", item("all")))
    expect(page.locator("#log > li")).to_have_text(["both", "all"])
    expect(twin.locator("#log > li")).to_have_text(["both", "others", "all"])


def test_a_page_that_opens_two_sockets_by_mistake_shows_everything_once(
    guests: Guests, url: str
) -> None:
    """htmx 2 opens two where hx-ext is further up and the form that sends also connects."""
    page = guests.come(f"{url}/twice?htmx=2")
    wait_until(page, lambda: len(connected) == 2)
    live.publish(ROOM, append("#said", html("<i>once</i>")))
    expect(page.locator("#said > i")).to_have_count(1)
    page.get_by_role("button").click()
    expect(page.locator("#said > b")).to_have_count(1)
    assert len(guests.sockets[page]) == 2

"""What our markup does in real htmx: one socket, the right script files, frames as promised."""

from __future__ import annotations

from collections.abc import Callable
from queue import Queue
from typing import Any, Final
from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import Route, expect

from htmx_ws import Connection, Frame, HtmxWS, html, scripts, trigger
from htmx_ws.types import ASGIApp, Receive, Scope, Send
from tests.browser.guests import CDN, NPM, Guests, send_to, with_files

pytestmark = pytest.mark.browser

live = HtmxWS()
arrivals: Queue[Connection] = Queue()
frames: Queue[tuple[str, Frame]] = Queue()

BODY: Final = html(
    """
<div id="app" {connect}>
  <form id="form" {send}>
    <input name="text" value="a &amp; b">
    <input type="checkbox" name="one" value="1" checked>
    <input type="checkbox" name="many" value="1" checked>
    <input type="checkbox" name="many" value="2" checked>
    <button id="submit" name="action" value="go">Go</button>
  </form>
  <button id="vals" {send} hx-vals='{{"action": "like", "n": 3}}'>Like</button>
  <input id="field" name="typed" {send} hx-trigger="change">
  <p id="status"></p>
</div>
""",
    connect=live.connect_attrs("/ws/lobby?name=Ada+%26+Bob"),
    send=live.send_attrs(),
)
#: No inline script but ours, and nothing evaluated; htmx 2 adds a style of its own.
POLICY: Final = (
    "default-src 'self'; script-src 'self' 'nonce-abc'; style-src 'unsafe-inline'; img-src data:"
)

chat = live.endpoint("/ws/{room}")


@chat.on_connect
async def joined(conn: Connection) -> None:
    arrivals.put(conn)


@chat.on("form")
async def submitted(frame: Frame) -> Any:
    frames.put(("submitted", frame))
    return html('<p id="status">submitted</p>')


@chat.on(action="like")
async def liked(frame: Frame, n: int) -> Any:
    frames.put(("liked", frame))
    return html('<p id="status">{}</p>', n + 1)


@chat.on("field")
async def typed(frame: Frame, typed: str) -> Any:
    frames.put(("typed", frame))
    return html('<p id="status">{}</p>', typed)


@chat.on("new")
async def came_later(frame: Frame) -> Any:
    frames.put(("came later", frame))
    return html('<p id="status">came later</p>')


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        await live(scope, receive, send)
        return
    query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
    static = None if "cdn" in query else f"/static/htmx-{query['htmx']}"
    head = scripts(int(query["htmx"]), static=static, nonce="abc" if "csp" in query else None)
    page = f'<!doctype html><link rel="icon" href="data:,">{head}<body>{BODY}</body>'
    headers = [(b"content-type", b"text/html")]
    if "csp" in query:
        headers.append((b"content-security-policy", POLICY.encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": page.encode()})


@pytest.fixture(scope="module")
def url(serve: Callable[[ASGIApp], str]) -> str:
    return serve(with_files(live.wrap(site)))


GENERATIONS: Final = pytest.mark.parametrize("htmx", [2, 4], ids="htmx {}".format)


@GENERATIONS
def test_a_page_opens_one_socket_that_says_which_htmx_it_is(
    guests: Guests, url: str, htmx: int
) -> None:
    page = guests.come(f"{url}/?htmx={htmx}")
    conn = arrivals.get(timeout=5)
    assert conn.dialect == f"htmx{htmx}"  # before any frame
    assert conn.path_params == {"room": "lobby"}
    assert conn.query["name"] == "Ada & Bob"
    for sender in ("#submit", "#vals"):
        page.click(sender)
        frames.get(timeout=5)
    assert len(guests.sockets[page]) == 1
    assert arrivals.empty()


@GENERATIONS
def test_forms_buttons_and_fields_reach_their_handlers(guests: Guests, url: str, htmx: int) -> None:
    page = guests.come(f"{url}/?htmx={htmx}")
    status = page.locator("#status")
    arrivals.get(timeout=5)
    page.click("#submit")
    expect(status).to_have_text("submitted")
    name, frame = frames.get(timeout=5)
    values = {"text": "a & b", "one": "1", "many": ["1", "2"], "action": "go"}
    assert (name, frame.sender, frame.values) == ("submitted", "form", values)
    page.click("#vals")
    expect(status).to_have_text("4")
    name, frame = frames.get(timeout=5)
    assert (name, frame.sender, frame.values) == ("liked", "vals", {"action": "like", "n": 3})
    page.fill("#field", "half")
    page.press("#field", "Tab")
    expect(status).to_have_text("half")
    assert frames.get(timeout=5)[0] == "typed"
    assert frame.htmx.current_url == page.url


@GENERATIONS
def test_a_sender_that_arrives_over_the_socket_sends(guests: Guests, url: str, htmx: int) -> None:
    page = guests.come(f"{url}/?htmx={htmx}")
    conn = arrivals.get(timeout=5)
    button = html('<button id="new" {}>New</button>', live.send_attrs())
    send_to(conn, html('<p id="status">{}</p>', button))
    page.click("#new")
    expect(page.locator("#status")).to_have_text("came later")
    assert frames.get(timeout=5)[0] == "came later"
    assert len(guests.sockets[page]) == 1


@GENERATIONS
def test_an_event_passes_a_strict_content_security_policy(
    guests: Guests, url: str, htmx: int
) -> None:
    page = guests.come(f"{url}/?htmx={htmx}&csp")
    conn = arrivals.get(timeout=5)
    page.evaluate("addEventListener('my-event', event => window.got = event.detail)")
    send_to(conn, trigger("my-event", {"n": 1}, nonce="abc"))
    page.wait_for_function("window.got && window.got.n === 1")
    assert page.locator("body script").count() == 0


@pytest.mark.parametrize("htmx", [1, 2, 4], ids="htmx {}".format)
def test_the_hashes_are_those_of_the_published_files(guests: Guests, url: str, htmx: int) -> None:
    """The browser itself checks the integrity of what a CDN, played by us, gives it."""
    asked: list[str] = []

    def give(route: Route) -> None:
        asked.append(route.request.url)
        package, _, version_and_path = route.request.url.removeprefix(CDN).partition("@")
        folder = package if package == "htmx-ext-ws" else f"htmx-{htmx}"
        route.fulfill(
            path=NPM / folder / version_and_path.partition("/")[2],
            content_type="text/javascript",
            headers={"access-control-allow-origin": "*"},
        )

    page = guests.come(f"{url}/?htmx={htmx}&cdn", cdn=give)
    arrivals.get(timeout=5)
    page.click("#vals")
    expect(page.locator("#status")).to_have_text("4")
    assert len(asked) == 2

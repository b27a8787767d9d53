"""What the kit for tests has beside pages: assertions, time, threads, and words."""

from __future__ import annotations

import asyncio
import math
import re
import sys
import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from htmx_ws import append, html
from htmx_ws.testing import (
    Browser,
    Page,
    advance,
    assert_joined,
    assert_published,
    clients,
    publications,
    time,
)
from htmx_ws.testing.browser import gestures
from htmx_ws.testing.browser.controls import value_of
from htmx_ws.testing.browser.tab import Event, NeedsJavaScript, Tab, Uncaught
from htmx_ws.testing.clients import hcon
from htmx_ws.testing.clients.place4 import Places4
from htmx_ws.testing.clients.swap2 import HABITS, Swaps2
from htmx_ws.testing.clients.triggers import passes, read_triggers, seconds
from htmx_ws.testing.clients.triggers2 import parse_triggers
from htmx_ws.testing.clients.values import write
from htmx_ws.testing.portal import Portal
from htmx_ws.testing.report import fits
from htmx_ws.types import Receive, Scope, Send
from tests.unit import live_site
from tests.unit.test_page_frames import Line

# --- assertions --------------------------------------------------------------------------


async def test_what_is_published_is_asserted() -> None:
    live, app = live_site.make()
    async with Page(app) as page:
        await assert_joined(live, "chat")
        with assert_published(live, "chat", contains="<li>hi</li>", times=1) as found:
            page.submit("#say", msg="hi")
            await page.expect("#log li")
        assert found[0].room == "chat"
        with publications(live) as found:
            await live.publish("chat", lambda conn: append("#log", "<li>1</li>"))
            await live.publish("chat", html('<p id="say-errors"></p>'))
        assert [len(each.messages) for each in found] == [0, 1]
        with (
            pytest.raises(AssertionError, match=r"'bye' to the room 'chat' 2 times, and not 0"),
            assert_published(live, "chat", contains="bye", times=2),
        ):
            await live.publish("chat", append("#log", "<li>2</li>"))
        with (
            pytest.raises(AssertionError, match=r"a message to the room 'x'\.(.|\n)*nothing"),
            assert_published(live, "x"),
        ):
            pass


async def test_who_joined_is_asserted() -> None:
    live, app = live_site.make()
    with pytest.raises(AssertionError, match=r"No page is in the room 'x'.*: none"):
        await assert_joined(live, "x", timeout=0.01)
    async with Page(app) as page:
        await assert_joined(live, "chat", pages=1)
        leaving = asyncio.ensure_future(assert_joined(live, "chat", pages=0))
        page.drop()
        await leaving
        await page.reconnect()
        await assert_joined(live, "chat")
        with pytest.raises(AssertionError, match="1 pages are, and not 3, in the room 'chat'"):
            await assert_joined(live, "chat", pages=3, timeout=0.01)


# --- time and threads --------------------------------------------------------------------


async def test_timers_run_in_their_order_and_time_goes_on_from_there() -> None:
    seen: list[str] = []

    async def tick(name: str, every: float, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(every)
            seen.append(name)

    tasks = [asyncio.create_task(tick("a", 10, 3)), asyncio.create_task(tick("b", 15, 2))]
    cancelled = asyncio.get_running_loop().call_later(1, seen.append, "never")
    cancelled.cancel()
    await advance(20)
    assert seen == ["a", "b", "a"]
    await advance(15)
    assert seen == ["a", "b", "a", "a", "b"] or seen == ["a", "b", "a", "b", "a"]
    await asyncio.gather(*tasks)


async def test_no_timers_run_while_a_thread_works() -> None:
    in_time = asyncio.Event()
    goes_on = threading.Event()

    async def work() -> None:
        async with asyncio.timeout(10):
            await asyncio.to_thread(goes_on.wait, 5)
            await asyncio.to_thread(threading.get_ident)
            in_time.set()

    working = asyncio.create_task(work())
    threading.Timer(0.01, goes_on.set).start()  # while it is advanced
    await advance(3600)
    assert in_time.is_set()
    await working


async def test_a_thread_that_waits_for_the_test_does_not_stop_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "_LONGEST", 0.01)
    goes_on = threading.Event()
    await advance(0)
    working = asyncio.create_task(asyncio.to_thread(goes_on.wait, 5))
    await advance(3600)
    assert not working.done()
    goes_on.set()
    assert await working


async def test_what_waits_in_a_page_is_put_off_and_not_repeated() -> None:
    live, app = live_site.make()
    markup = (
        f"<div {live.connect_attrs('/ws')}>"
        f'<b id="late" {live.send_attrs()} hx-trigger="click delay:5s">x</b>'
        f'<b id="rare" {live.send_attrs()} hx-trigger="click throttle:5s">x</b></div>'
    )
    for htmx in ("4.0.1", "2.0.11"):
        async with Page(app, html=markup, htmx=htmx, strict=False) as page:
            page.click("#late")
            await page.advance(4)
            page.click("#late")
            await page.advance(4)
            assert page.frames == []
            await page.advance(1)
            assert len(page.frames) == 1
            for pause in (1, 5, 1):
                page.click("#rare")
                await page.advance(pause)
            assert len(page.frames) == 3


async def test_a_loop_whose_timers_cannot_be_seen_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loop:
        pass

    monkeypatch.setattr(asyncio, "get_running_loop", Loop)
    with pytest.raises(RuntimeError, match="use asyncio's own loop"):
        await advance(1)


def test_without_asgiref_there_is_nothing_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "asgiref.sync")

    async def work() -> int:
        return 1

    portal = Portal()
    assert portal.run(work()) == 1
    portal.close()


def test_what_belongs_to_the_tests_thread_runs_there() -> None:
    portal = Portal()

    def fail() -> None:
        raise LookupError("in the thread")

    async def work() -> tuple[int, str]:
        try:
            await sync_to_async(fail)()
        except LookupError as error:
            return await sync_to_async(threading.get_ident)(), str(error)
        raise AssertionError

    async def fail_too() -> None:
        raise ValueError("on the loop")

    assert portal.run(work()) == (threading.get_ident(), "in the thread")
    with pytest.raises(ValueError, match="on the loop"):
        portal.run(fail_too())
    portal.close()


def test_a_loop_that_is_over_takes_no_more_work() -> None:
    async def work() -> None: ...

    portal = Portal()
    portal.run(work())
    portal.close()
    with pytest.raises(RuntimeError, match="closed"):
        portal.run(work())


# --- pages -------------------------------------------------------------------------------


async def test_a_message_may_take_away_the_element_that_connects() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        text = '<p id="app" hx-swap-oob="true">gone</p>'
        await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.send", "text": '<p hx-swap-oob="innerHTML:#app">late</p>'})
        await receive()

    for htmx, attributes in (
        ("4.0.1", 'hx-ws:connect="/x"'),
        ("2.0.11", 'hx-ext="ws" ws-connect="/x"'),
    ):
        async with Page(app, html=f'<div id="app" {attributes}></div>', htmx=htmx) as page:
            await page.expect("p#app", text="gone")
            assert page.wires[0].state == "closed"
            await page.advance(60)
            assert page.messages != []
            assert "late" not in page.html


async def test_hiding_what_is_not_open_changes_nothing() -> None:
    _, app = live_site.make()
    async with Page(app) as page:
        page.drop()
        page.drop()
        page.hide()
        await page.show()
        assert page.wires[0].state == "waiting"


async def test_a_page_that_is_closed_twice_is_closed_once() -> None:
    _, app = live_site.make()
    page = await Page(app, "/none")
    await page.__aexit__(None, None, None)
    await page.__aexit__(None, None, None)


async def test_a_request_under_way_is_waited_for_and_reading_on_is_a_disconnect() -> None:
    _, app = live_site.make()
    async with Page(app, html='<a id="x" href="/reads-on">x</a>') as page:
        page.click("#x")


async def test_a_request_that_takes_its_time_is_not_cut_short() -> None:
    answered: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for _ in range(100):
                await asyncio.sleep(0)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            answered.append(scope["path"])

    async with Page(app, html='<a id="x" href="/slow">x</a>') as page:
        page.click("#x")
    assert answered == ["/slow"]


async def test_a_delayed_sender_of_a_page_that_went_is_silent() -> None:
    live, app = live_site.make()
    markup = (
        f'<div {live.connect_attrs("/ws")}><i {live.send_attrs()} hx-trigger="every 1s"></i></div>'
    )
    for htmx in ("4.0.1", "2.0.11"):
        async with Page(app, html=markup, htmx=htmx) as page:
            await page.goto("/none")
            await page.advance(5)
            assert page.frames == []


async def test_long_pages_are_shortened_and_wrong_codes_named() -> None:
    live, app = live_site.make()
    rows = "".join(f"<li>{i}</li>" for i in range(150))
    markup = (
        f"<div {live.connect_attrs('/ws?refuse=1')}><ul id=u>{rows}</ul>"
        f"<p id=p>{'x' * 400}</p>text<!--c--></div>"
    )
    async with Page(app, html=markup) as page:
        with pytest.raises(AssertionError, match="closed the socket with 4401, and not with 1008"):
            await page.expect_close(1008, timeout=0.05)
        with pytest.raises(AssertionError, match=r"more lines"):
            await page.expect("#p", text="y", timeout=0.01)
        with pytest.raises(AssertionError, match="with a text like 'y' with the value 'v'"):
            await page.expect("#p", text=re.compile("y"), value="v", timeout=0.01)
        assert not fits(page.find("#p"), None, "v")


async def test_a_problem_that_comes_with_what_was_expected_does_not_hide_it() -> None:
    _, app = live_site.make()
    async with Page(app) as page:
        page.problems.append(_problem())
        asyncio.get_running_loop().call_soon(page.tab.document.set_title, "Late")
        await page.until(lambda: page.title == "Late")
        page.take_problems()


def _problem() -> Any:
    from htmx_ws.testing.problems import Problem

    return Problem("missing", "x", RuntimeError("never raised"))


def test_a_problem_without_a_place_is_told_without() -> None:
    assert str(_problem()) == "x RuntimeError: never raised"


def test_a_visitors_headers_are_sent_beside_the_pages_own_or_instead_of_them() -> None:
    own = [("host", "testserver"), ("origin", "http://testserver")]
    assert Browser(headers=[("X-A", "1"), ("X-A", "2")]).sent(own) == [
        *own,
        ("x-a", "1"),
        ("x-a", "2"),
    ]
    assert Browser(headers={"Origin": "https://x"}).sent(own) == [own[0], ("origin", "https://x")]


@pytest.mark.parametrize(("origin", "code"), [("http://testserver", None), ("https://x", 4403)])
async def test_a_page_of_another_origin_is_refused(origin: str, code: int | None) -> None:
    _, app = live_site.make()
    async with Page(app, browser=Browser(headers={"Origin": origin})) as page:
        if code is not None:
            await page.expect_close(code)
        assert page.closed_with == code


# --- what needs no page --------------------------------------------------------------------


def test_intervals_and_filters_are_read() -> None:
    assert [seconds(text) for text in ("300ms", "2s", "1m", "1h", "5", "soon")] == [
        0.3,
        2,
        60,
        3600,
        0.005,
        0,
    ]
    faults: list[int] = []

    def read(text: str, *, strict: bool = False) -> list[tuple[str, str, bool, float]]:
        found = parse_triggers(text, lambda: faults.append(1), strict=strict)
        return [(each.event, each.filter, each.once, each.every) for each in found]

    assert read("a, b[x,y] bogus once, every 2s") == [
        ("a", "", False, 0),
        ("b", "x,y", True, 0),
        ("every", "", False, 2),
    ]
    assert len(faults) == 1
    assert read("a, , b") == [("a", "", False, 0)]  # what comes after nothing is lost
    assert read("a ") == read("a ", strict=True)
    assert len(faults) == 3
    assert read("a[x[0]]") == [("a", "x[0]", False, 0)]
    assert read("a[]") == [("a", "true", False, 0)]
    assert read("a[x") == [("a", "", False, 0)]
    assert len(faults) == 3
    origins = "click from:{#a b} target:(p i), click from:next p, click from:previous"
    found = parse_triggers(origins, lambda: None, strict=False)
    assert [(each.origin, each.target) for each in found] == [
        ("#a b", "p i"),
        ("next p", ""),
        ("previous", ""),
    ]
    assert [each.every for each in read_triggers("every 3s, ,click halt")] == [3, 0]
    event = Event("keyup", Tab("", "http://x/").document, key="a")
    assert passes("event.key == 'a' && !ctrlKey", event)
    assert passes("code=='b' || type==='keyup'", event)
    with pytest.raises(NeedsJavaScript, match=r"the filter \[this.value\]"):
        passes("this.value", event)


def test_dotted_names_are_nested() -> None:
    assert hcon.parse("a.b:1 a.c:two 'd.e':true f") == {
        "a": {"b": 1, "c": "two"},
        "d.e": True,
        "f": True,
    }


@pytest.mark.parametrize(
    ("version", "oob", "said"),
    [
        ("2.0.11", "outerHTML:html", ""),
        ("2.0.11", "outerHTML:document", ""),
        ("2.0.11", "delete:html", ""),
        ("2.0.11", "beforebegin:html", "insertBefore"),
        ("1.9.12", "beforebegin:html", "insertBefore"),
        ("1.9.12", "outerHTML:html", "insertBefore"),
        ("1.9.12", "delete:html", "removeChild"),
        ("1.9.12", 'outerHTML:html" id="x', "querySelector"),
        ("4.0.1", "outerHTML:document", ""),
    ],
)
def test_what_cannot_be_replaced_is_an_error_or_nothing(version: str, oob: str, said: str) -> None:
    tab = Tab("<p>x</p>", "http://x/")
    client = clients.start(version, tab)
    client.receive(tab.document.body, f'<p hx-swap-oob="{oob}">y</p>')
    assert said in "".join(tab.errors)
    assert bool(said) == bool(tab.errors)
    assert tab.document.body.inner_html == "<p>x</p>"


def test_a_client_without_life_is_none() -> None:
    tab = Tab("", "http://x/")
    element = tab.document.body
    for swaps in (Swaps2(tab, HABITS["2.0.11"]), Places4(tab)):
        for act in (swaps.process, swaps.clean_up):
            with pytest.raises(NotImplementedError):
                act(element)
    assert tab.repeat(1, lambda: None)() is None
    assert tab.later(1, lambda: None)() is None
    assert issubclass(Uncaught, Exception)


@pytest.mark.parametrize("htmx", clients.VERSIONS)
@pytest.mark.parametrize(
    ("how", "to"),
    [
        ('<meta http-equiv="refresh" content="0;url=/moved">', "/moved"),
        ("<script>location.href='/moved'</script>", "/moved"),
        ('<meta http-equiv="refresh" content="0">', "/"),
    ],
)
async def test_a_message_sends_the_page_elsewhere_and_its_socket_ends_as_in_chromium(
    htmx: str, how: str, to: str
) -> None:
    codes: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            page = '<div id="app" hx-ext="ws" ws-connect="/ws" hx-ws:connect="/ws"></div>'
            body = b"<p>moved</p>" if scope["path"] == "/moved" else page.encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            if not codes:
                text = f'<div hx-swap-oob="beforeend:body">{how}</div>'
                await send({"type": "websocket.send", "text": text})
            codes.append((await receive())["code"])

    async with Page(app, htmx=htmx) as page:
        await page.until(lambda: codes != [], "the end of its socket")
        await page.expect("p" if to == "/moved" else "#app")
        assert page.url == f"http://testserver{to}"
        assert codes == [1000 if htmx.startswith("4") else 1001]
        assert page.title == ""


def test_nothing_can_be_put_beside_the_whole_page() -> None:
    tab = Tab("<p>x</p>", "http://x/")
    client = clients.start("2.0.11", tab)
    client.receive(tab.document.body, '<p hx-swap-oob="beforebegin:html"></p>')
    assert tab.errors == []


def test_what_is_gone_cannot_be_morphed() -> None:
    tab = Tab('<div id="app" hx-ws:connect="/ws"><p class="m">1</p></div>', "http://x/")
    client = clients.start("4.0.1", tab)
    app = tab.document.by_id("app")
    assert app is not None
    client.receive(app, 'wiped<ul hx-swap-oob="outerMorph:.m"></ul>')
    assert tab.errors == [
        "error: htmx: htmx:ws:error: Cannot read properties of null (reading 'insertBefore')"
    ]


@pytest.mark.parametrize(
    ("message", "html", "said"),
    [
        ('<title>T</title><td id="x" hx-swap-oob="true">2</td>', "2", None),
        ('{"content": "x", "target": 5}', None, "selector.startsWith is not a function"),
        ('{"content": "x", "select": "p["}', None, "on 'DocumentFragment': 'p[' is not a valid"),
        ('<p style="x" id="x">2</p>', '<p id="x" style="x">2</p>', None),
        ('<b hx-swap-oob="afterend:#x">2</b>', '<p id="x">1</p>2', None),
        (
            '<p hx-swap-oob="outerHTML:#x"><i id="x" hx-preserve></i></p>',
            "",
            "The node to be removed is not a child of this node",
        ),
    ],
)
def test_htmx_4_does_with_rare_messages_what_it_did_in_chromium(
    message: str, html: str | None, said: str | None
) -> None:
    tab = Tab('<div id="app" hx-ws:connect="/ws"><p id="x">1</p></div>', "http://x/")
    client = clients.start("4.0.1", tab)
    app = tab.document.by_id("app")
    assert app is not None
    client.receive(app, message)
    assert said is None or said in tab.errors[0]
    assert said is not None or tab.errors == []
    assert app.inner_html == ('<p id="x">1</p>' if html is None else html)


def test_a_page_without_a_body_is_survived() -> None:
    tab = Tab('<div id="app" hx-ws:connect="/ws"><p id="x">1</p></div>', "http://x/")
    client = clients.start("4.0.1", tab)
    app = tab.document.by_id("app")
    assert app is not None
    message = '<p id="x" hx-swap-oob="true">2</p>'
    client.receive(app, '<i hx-swap-oob="delete:body"></i>')
    client.receive(app, message)
    assert tab.document.body.inner_html == ""


def sent(version: str, sender: str) -> tuple[Tab, list[str]]:
    """Give what a page with that sender sends when it is clicked."""
    connect, send = 'hx-ext="ws" ws-connect="/ws"', "ws-send"
    if version.startswith("4"):
        connect, send = 'hx-ws:connect="/ws"', "hx-ws:send"
    line = Line()
    html = f"<div id=app {connect}>{sender.replace('SEND', send)}</div>"
    tab = Tab(html, "http://x/chat", lambda element, url: line)
    clients.start(version, tab).start()
    go = tab.document.by_id("go")
    if go is not None:
        gestures.click(tab, go)
    return tab, line.sent


@pytest.mark.parametrize("version", ["1.9.12", "2.0.11", "4.0.1"])
@pytest.mark.parametrize(
    ("sender", "is_boosted"),
    [
        ("<form SEND hx-boost=true><button id=go></form>", True),
        ("<form SEND hx-boost=true method=dialog><button id=go></form>", False),
        ("<a id=go SEND hx-boost=true href=/there>", True),
        ("<a id=go SEND hx-boost=true href=#there>", False),
        ("<a id=go SEND hx-boost=true href=http://elsewhere/>", False),
        ("<p id=go SEND hx-boost=true>", False),
    ],
)
def test_boosted_senders_say_so(version: str, sender: str, is_boosted: bool) -> None:
    [frame] = sent(version, sender)[1]
    assert ('"HX-Boosted":"true"' in frame) is is_boosted
    if version == "4.0.1":
        assert ('"HX-Target":"body"' in frame) is is_boosted


@pytest.mark.parametrize(
    ("version", "sender", "said"),
    [
        ("4.0.1", "<p id=go SEND hx-config='{bad'>", "hx-config is no JSON"),
        ("4.0.1", "<p id=go SEND hx-trigger='click[x'>", "unterminated:click[x"),
        ("4.0.1", "<p id=go SEND hx-trigger='click delay'>", "match is not a function"),
        ("4.0.1", "<p id=go SEND hx-trigger='click from:p['>", "'p[' is not a valid selector"),
        ("1.9.12", "<p id=go SEND hx-trigger=sse:x>", "htmx:noSSESourceError"),
        ("1.9.12", "<p id=go SEND hx-trigger='click from:closest b'>", "null (reading 'addEvent"),
        ("1.9.12", "<p id=go SEND hx-include='next b'>", "undefined (reading 'matches')"),
        ("1.9.12", "<p id=go SEND hx-include=window>", "parameter 1 is not of type 'Node'"),
        ("2.0.11", "<p id=go SEND hx-include=window>", "null (reading 'querySelectorAll')"),
        ("2.0.11", "<p id=go SEND hx-trigger='click from:p['>", "error: SyntaxError: Failed"),
    ],
)
def test_what_htmx_throws_is_in_the_console(version: str, sender: str, said: str) -> None:
    tab, frames = sent(version, sender)
    assert said in "\n".join(tab.errors)
    assert frames == []


@pytest.mark.parametrize(
    ("version", "times", "once"), [("1.9.12", 3, 1), ("2.0.11", 3, 1), ("4.0.1", 1, 1)]
)
def test_everything_is_in_sight(version: str, times: int, once: int) -> None:
    assert len(sent(version, "<p SEND hx-trigger=intersect>")[1]) == times
    assert len(sent(version, "<p SEND hx-trigger='intersect once'>")[1]) == once


def test_a_field_called_id_stands_in_the_way_of_its_form_s_own() -> None:
    """htmx 4 asks the form for its ``id``, and a browser gives the field of that name."""
    form = "<form id=f SEND><input name=id>{}<button id=go></form>"
    [frame] = sent("4.0.1", form.format(""))[1]
    assert '"HX-Source":"form#%5Bobject%20HTMLInputElement%5D"' in frame
    [frame] = sent("4.0.1", form.format("<input name=id>"))[1]
    assert '"HX-Source":"form#%5Bobject%20RadioNodeList%5D"' in frame


def test_filters_may_be_constants() -> None:
    assert len(sent("2.0.11", "<p id=go SEND hx-trigger=click[true]>")[1]) == 1
    assert len(sent("2.0.11", "<p id=go SEND hx-trigger=click[false]>")[1]) == 0


def test_numbers_are_written_as_javascript_writes_them() -> None:
    numbers = [1e-7, 1.5e-10, 1e21, 12345678901234567890, -0.0, 0.1, 1.0, math.inf, 5, 1e20]
    assert write(numbers) == (
        "[1e-7,1.5e-10,1e+21,12345678901234567000,0,0.1,1,null,5,100000000000000000000]"
    )
    assert write({"a": "\ud83d", "b": None, "c": True}) == '{"a":"\\ud83d","b":null,"c":true}'


def test_a_morph_takes_over_which_option_is_chosen() -> None:
    html = '<select id="s"><option id="a">a<option id="b" selected>b</select>'
    tab = Tab(f'<div id="app" hx-ws:connect="/ws">{html}</div>', "http://x/")
    client = clients.start("4.0.1", tab)
    app, select = tab.document.by_id("app"), tab.document.by_id("s")
    assert app is not None
    assert select is not None
    options = '<option id="a">a<option id="b">b'
    client.receive(app, f'<select id="s" hx-swap-oob="innerMorph">{options}</select>')
    assert value_of(select) == "a"
    options = '<option id="a">a<option id="b" selected>b'
    client.receive(app, f'<select id="s" hx-swap-oob="innerMorph">{options}</select>')
    assert value_of(select) == "b"


def test_an_option_of_no_choice_is_morphed_as_any_element() -> None:
    html = '<div id="x"><option id="a">a</option></div>'
    tab = Tab(f'<div id="app" hx-ws:connect="/ws">{html}</div>', "http://x/")
    client = clients.start("4.0.1", tab)
    app = tab.document.by_id("app")
    assert app is not None
    message = '<div id="x" hx-swap-oob="innerMorph"><option id="a" selected>b</option></div>'
    client.receive(app, message)
    assert tab.document.select("#x option")[0].html == '<option id="a" selected="">b</option>'

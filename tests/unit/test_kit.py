"""What the kit for tests has beside pages: assertions, time, threads, and words."""

from __future__ import annotations

import asyncio
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
)
from htmx_ws.testing.browser.tab import Event, NeedsJavaScript, Tab, Uncaught
from htmx_ws.testing.clients import hcon
from htmx_ws.testing.clients.place4 import Places4
from htmx_ws.testing.clients.swap2 import HABITS, Swaps2
from htmx_ws.testing.clients.triggers import parse_triggers, passes, read_triggers, seconds
from htmx_ws.testing.portal import Portal
from htmx_ws.testing.report import fits
from htmx_ws.types import Receive, Scope, Send
from tests.unit import live_site

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
        leaving = asyncio.create_task(assert_joined(live, "chat", pages=0))
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
    portal._pool.submit(portal._runner.close).result()
    late = work()
    with pytest.raises(RuntimeError, match="closed"):
        portal.run(late)
    late.close()
    portal._pool.shutdown()


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


def test_a_visitors_headers_are_sent_as_they_are() -> None:
    assert Browser(headers=[("X-A", "1")]).sent() == [("x-a", "1")]


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
    found = parse_triggers("a, , b[x,y] bogus once, every 2s", lambda: faults.append(1))
    assert [(each.event, each.filter, each.once, each.every) for each in found] == [
        ("a", "", False, 0),
        ("b", "x,y", True, 0),
        ("every", "", False, 2),
    ]
    assert len(faults) == 2
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


@pytest.mark.parametrize(("target", "said"), [("html", "insertBefore"), ("document", "")])
def test_what_cannot_be_replaced_is_an_error_or_nothing(target: str, said: str) -> None:
    tab = Tab("<p>x</p>", "http://x/")
    client = clients.start("2.0.11", tab)
    client.receive(tab.document.body, f'<p hx-swap-oob="outerHTML:{target}">y</p>')
    assert said in "".join(tab.errors)
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

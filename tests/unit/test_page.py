"""A page in a test: what a visitor does, what comes of it, and what it says when nothing does."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from htmx_ws import HtmxWS, append, clean, html, remove, update
from htmx_ws.testing import VERSIONS, Browser, Page, assert_joined, clients, problems
from htmx_ws.testing.browser.tab import NeedsJavaScript, Tab
from htmx_ws.types import Receive, Scope, Send
from tests.unit import live_site

VERSION = pytest.mark.parametrize("htmx", VERSIONS)


@VERSION
async def test_what_one_page_says_another_shows(htmx: str) -> None:
    live, app = live_site.make()
    async with Page(app, htmx=htmx) as ann, Page(app) as bob:
        await assert_joined(live, "chat", pages=2)
        ann.submit("#say", msg="<b>hi</b>")
        await bob.expect("#log li:last-child", text="<b>hi</b>")
        await ann.expect("#say [name=msg]", value="")
        await ann.expect("#log li", count=1)
        await ann.expect("#log li", text=re.compile("h.<"))
        assert (ann.title, ann.url, ann.origin) == (
            "Chat",
            "http://testserver/",
            "http://testserver",
        )
        assert ann.errors == []
        assert len(ann.frames) == 1
        assert ann.messages
        assert ann.focused is ann.find("[name=msg]")
        assert ann.value("[name=msg]") == ""
        assert ann.find_all("li")[0].text == "<b>hi</b>"
        assert "<li>" in ann.html
        assert any(event.type == "submit" for event in ann.events)


def test_a_test_without_an_event_loop_blocks() -> None:
    _, app = live_site.make()
    with Page(app) as ann, Page(app, htmx="2.0.11") as bob:
        ann.submit("#say", {"msg": "hi"})
        bob.expect("#log li", text="hi")
        ann.drop()
        ann.reconnect()
        ann.hide()
        ann.show()
        ann.advance(1)
        ann.goto("/away")
        ann.expect("p", text="gone")
        with pytest.raises(AssertionError, match="did not come"):
            bob.expect("#log li", text="never", timeout=0.01)


def test_a_plain_page_that_cannot_open_leaves_nothing_behind() -> None:
    _, app = live_site.make()
    with pytest.raises(ZeroDivisionError), Page(app, "/crash"):
        pass
    with Page(app) as ann:
        ann.expect("#log")


async def test_a_page_may_be_given_as_html() -> None:
    live, app = live_site.make()
    markup = f'<div id="log" {live.connect_attrs("/ws")}></div>'
    async with Page(app, "/here", html=markup) as page:
        await assert_joined(live, "chat")
        await live.publish("chat", append("#log", "<i>1</i>"))
        await page.expect("#log i", text="1")
        assert page.url == "http://testserver/here"


async def test_it_loses_the_network_and_comes_back() -> None:
    _live, app = live_site.make()
    async with Page(app) as page:
        page.drop()
        assert page.closed_with == 1006
        page.submit("#say", msg="meanwhile")
        assert page.frames == []
        await page.reconnect()
        await page.expect("#log li", text="meanwhile")
        assert page.closed_with is None
        with pytest.raises(AssertionError, match=r"drop\(\) it first"):
            await page.reconnect()
        page.drop()
        await page.advance(1)  # by itself, after its delay
        await page.until(lambda: page.closed_with is None, "the socket")


@VERSION
async def test_it_may_have_come_back_by_itself_before_the_test_says_so(htmx: str) -> None:
    _live, app = live_site.make()
    async with Page(app, htmx=htmx) as page:
        page.drop()
        await page.advance(5)
        await page.until(lambda: page.closed_with is None, "the socket")
        await page.reconnect()
        with pytest.raises(AssertionError, match=r"drop\(\) it first"):
            await page.reconnect()
        page.drop()
        page.wires[0].open()  # as its timer does: it is on its way
        await page.reconnect()
        page.submit("#say", msg="hi")
        await page.expect("#log li", text="hi")


@VERSION
async def test_what_came_back_and_was_sent_away_is_lost(htmx: str) -> None:
    _live, app = live_site.make()
    async with Page(app, htmx=htmx) as page:
        page.drop()
        await page.advance(5)
        await page.until(lambda: page.closed_with is None, "the socket")
        page.submit("#say", msg="never")
        await page.expect_close(4401)
        with pytest.raises(AssertionError, match="does not come back after the close code 4401"):
            await page.reconnect()


@VERSION
@pytest.mark.parametrize("code", [1012, 4401])
async def test_a_frame_that_crosses_the_close_is_lost(htmx: str, code: int) -> None:
    """The application has closed the socket, and the page does not know it yet."""
    late: list[Page] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
            if late:
                await send({"type": "websocket.close", "code": code})
                late.pop().submit("form", msg="late")

    markup = (
        '<div hx-ext="ws" ws-connect="/ws" hx-ws:connect="/ws">'
        "<form ws-send hx-ws:send><input name=msg></form></div>"
    )
    async with Page(app, html=markup, htmx=htmx) as page:
        late.append(page)
        page.submit("form", msg="first")
        await page.expect_close(code)
        assert len(page.frames) == 2
        assert f"a frame is lost, for the socket was closed with {code}" in page.tab.log
        if code == 1012:
            await page.reconnect()
            assert len(page.frames) == 2


@pytest.mark.parametrize(("htmx", "opens"), [("4.0.1", 2), ("2.0.11", 1)])
async def test_only_htmx_4_closes_the_socket_of_a_hidden_page(htmx: str, opens: int) -> None:
    _live, app = live_site.make()
    async with Page(app, htmx=htmx) as page:
        page.hide()
        await page.show()
        page.submit("#say", msg="hi")
        await page.expect("#log li", text="hi")
        assert sum("is open" in line for line in page.tab.log) == opens


@VERSION
async def test_it_comes_back_after_1012_and_stays_away_after_4401(htmx: str) -> None:
    _, app = live_site.make()
    async with Page(app, htmx=htmx) as page:
        page.submit("#say", msg="bye")
        await page.expect_close(1012)
        await page.reconnect()
        page.submit("#say", msg="never")
        await page.expect_close(4401)
        with pytest.raises(AssertionError, match="does not come back after the close code 4401"):
            await page.reconnect()
        page.submit("#say", msg="x")
        if htmx.startswith("4"):
            assert page.errors == ["error: htmx: htmx:ws:error: Connection not open"]


async def test_a_close_that_is_expected_excuses_no_other() -> None:
    _, app = live_site.make()
    other = problems.closed("/other", 1011, "")
    assert other is not None
    async with Page(app, "/refused") as page:
        page.problems.append(other)
        await page.expect_close(4401)
        assert page.problems == [other]
        await page.expect_close()
        assert page.problems == []


@VERSION
async def test_what_is_on_its_way_when_the_test_ends_comes(htmx: str) -> None:
    """To every page, whichever is closed first."""
    live, app = live_site.make()
    said = "A message was for '#nowhere'"
    with pytest.raises(AssertionError, match=said):
        async with Page(app, htmx=htmx) as page:
            page.submit("#say", msg="lost")
    with pytest.raises(AssertionError, match=said):
        async with Page(app, htmx=htmx), Page(app):
            await live.publish("chat", update("#nowhere", "x"))


@VERSION
async def test_what_is_gone_already_may_be_removed(htmx: str) -> None:
    """As by what is replayed to a page that was made after it; browsers say of it what they say."""
    live, app = live_site.make()
    said = ["error: htmx:oobErrorNoTarget, #line-1"] if htmx == "2.0.11" else []
    async with Page(app, htmx=htmx) as page:
        await live.publish("chat", remove("#line-1"))
        await live.publish("chat", append("#log", "<li>1</li>"))
        await page.expect("#log li")
        assert page.errors == said
        page.check()
        await live.publish("chat", update("#line-1", "x"))
        await page.until(lambda: bool(page.problems))
        assert [each.kind for each in page.take_problems()] == ["missing"]


def test_a_partial_may_remove_what_is_gone_already() -> None:
    tab = Tab("", "http://x/")
    client = clients.start("4.0.1", tab)
    for swap in ("delete", "innerHTML"):
        text = f'<hx-partial hx-target="#x" hx-swap="{swap}"><p>y</p></hx-partial>'
        client.receive(tab.document.body, text)
    assert tab.missing == ["#x"]


async def test_what_clean_lets_through_is_no_injection(caplog: pytest.LogCaptureFixture) -> None:
    live, app = live_site.make()

    @live.ws("/clean")
    def say(msg: str, raw: str = "") -> Any:
        item = f"<li>{msg}</li>" if raw else html("<li>{}</li>", clean(msg))
        return append("#log", item)

    markup = (
        f'<ul id="log"></ul><form {live.connect_attrs("/clean")} {live.send_attrs()}>'
        "<input name=msg><input name=raw></form>"
    )
    async with Page(app, html=markup) as page:
        page.submit("form", msg="<b>bold</b>")
        await page.expect("#log b", text="bold")
        assert caplog.text == ""
        page.check()
        page.submit("form", msg="<b>bold</b>", raw="1")
        await page.until(lambda: bool(page.problems))
        assert [each.kind for each in page.take_problems()] == ["unescaped"]
        assert "back unescaped" in caplog.text


@VERSION
async def test_a_message_for_what_is_no_selector_fails_the_test(htmx: str) -> None:
    live, app = live_site.make()
    async with Page(app, htmx=htmx) as page:
        await live.publish("chat", update("#log>", "x"))
        said = r"A message was for '#log>', which no browser can read as a selector, so it is lost"
        with pytest.raises(AssertionError, match=said):
            await page.expect("#log li")
        assert "'#log>' is not a valid selector" in page.errors[0]


@VERSION
async def test_a_close_that_the_test_did_not_expect_fails_it(htmx: str) -> None:
    _, app = live_site.make()
    said = (
        r"The application closed the socket /ws with 4401.*, which the test did not expect.\n"
        r"If it is meant to, say so: page.expect_close\(4401\)"
    )
    with pytest.raises(AssertionError, match=said):
        async with Page(app, "/refused", htmx=htmx) as page:
            await page.until(lambda: page.closed_with == 4401)
    async with Page(app, "/refused", htmx=htmx) as page:
        with pytest.raises(AssertionError, match=said):
            await page.expect("#log li")
    async with Page(app, "/refused", htmx=htmx, strict=("exception",)) as page:
        await page.until(lambda: page.closed_with == 4401)
    async with Page(app, htmx=htmx) as page:
        page.submit("#say", msg="bye")  # "please come back" is no harm
        await page.until(lambda: page.closed_with == 1012)


@pytest.mark.parametrize("query", ["", "&page=forged"])
async def test_a_page_without_a_token_of_ours_is_told_that_it_is_the_page_token(query: str) -> None:
    live = HtmxWS(secret="s" * 20, page_tokens=True)

    @live.ws("/ws")
    async def take(data: dict[str, Any]) -> None: ...

    async with Page(live, html=f'<div hx-ws:connect="/ws?hx=4{query}"></div>') as page:
        await page.until(lambda: page.closed_with == 4403)
        [problem] = page.take_problems()
        assert "page token" in str(problem)


@VERSION
async def test_a_page_that_cannot_resume_as_it_is_written_is_told(htmx: str) -> None:
    live = HtmxWS()
    live.ws("/ws")(lambda: None)
    page = await live.page("/ws")
    plain = live.connect_attrs("/ws")
    for markup, said in (
        (f"<div {page.connect}>{page.hello}</div>", ""),
        (f"<div {plain}></div>", ""),
        (f"<div {page.connect}></div>", "{{ page.hello }}"),
        (f"{page.hello}<div {page.connect}></div>", "{{ page.hello }}"),
        (f"<div {plain}>{page.hello}</div>", "{{ page.connect }}"),
        (f'<div {plain} id="{page.element}">{page.hello}</div>', "{{ page.connect }}"),
    ):
        async with Page(live, html=markup, htmx=htmx) as shown:
            shown.drop()
            await shown.reconnect()
            found = shown.take_problems()
        assert [each.kind for each in found] == ["missing"] * (2 if said else 0)
        assert all(said in str(each) for each in found)
    both = f"<div {page.connect}>{page.hello}</div><div {plain}></div>"
    async with Page(live, html=both, htmx=htmx) as shown:
        await shown.until(lambda: [each.state for each in shown.wires] == ["open", "open"])


async def test_a_visitor_leaves_for_good() -> None:
    live, app = live_site.make()
    async with Page(app) as ann:
        bob = await Page(app)
        await assert_joined(live, "chat", pages=2)
        await bob.close()
        await assert_joined(live, "chat", pages=1)
        await bob.close()  # which changes nothing
        ann.submit("#say", msg="who is here?")
        await ann.expect("#log li")
        assert bob.messages == []


def test_a_visitor_of_a_plain_test_leaves_for_good() -> None:
    _, app = live_site.make()
    with Page(app) as ann, Page(app) as bob:
        bob.close()
        ann.submit("#say", msg="hi")
        ann.expect("#log li", text="hi")
        assert bob.messages == []


@pytest.mark.parametrize(("htmx", "times"), [("1.9.12", 2), ("2.0.4", 2), ("2.0.11", 1)])
async def test_old_htmx_sends_twice_what_it_sends_at_once(htmx: str, times: int) -> None:
    _, app = live_site.make()
    html = (
        '<div hx-ext="ws" ws-connect="/ws"><ul id="log"></ul>'
        '<p ws-send hx-trigger="load{}" hx-vals=\'{{"msg":"hi"}}\'></p></div>'
    )
    async with Page(app, html=html.format(""), htmx=htmx, strict=False) as page:
        await page.until(lambda: len(page.frames) == times)
    async with Page(app, html=html.format(" delay:1ms"), htmx=htmx, strict=False) as page:
        await page.advance(1)
        assert len(page.frames) == 1


async def test_a_refused_page_is_closed() -> None:
    _, app = live_site.make()
    async with Page(app, "/refused") as page:
        await page.expect_close()
        assert page.closed_with == 4401


async def test_a_refused_handshake_is_tried_again() -> None:
    live, app = live_site.make()
    async with Page(app) as page:
        live._hub.is_draining = True
        page.drop()
        await page.reconnect()
        assert [wire.state for wire in page.wires] == ["waiting"]
        assert any("refused with HTTP 503" in line for line in page.tab.log)
        live._hub.is_draining = False
        await page.reconnect()
        assert [wire.state for wire in page.wires] == ["open"]


async def test_no_more_than_a_hundred_frames_wait_in_htmx_4() -> None:
    _, app = live_site.make()
    async with Page(app) as page:
        page.drop()
        for _ in range(101):
            page.submit("#say", msg="hi")
        assert page.errors == ["error: htmx: htmx:ws:error: Outgoing messages queue is full"]


async def test_hx_config_says_when_it_comes_back() -> None:
    live, app = live_site.make()
    markup = f"<div {live.connect_attrs('/ws')} hx-config='ws.reconnect:false'><p id=x></p></div>"
    async with Page(app, html=markup) as page:
        page.drop()
        assert page.wires[0].state == "closed"


async def test_links_forms_and_messages_lead_elsewhere() -> None:
    _, app = live_site.make()
    async with Page(app) as page:
        page.click("#down")
        await page.until(lambda: page.url.endswith("#log"))
        page.click("#away")
        await page.expect("p", text="gone")
        assert page.title == "Away"
        assert page.wires == []
        await page.goto("/")
        page.submit("#say", msg="away")
        await page.expect("p", text="gone")
        assert page.url == "http://testserver/away"
        await page.goto("/missing")
        assert page.status == 404


async def test_forms_go_by_http_when_no_client_takes_them() -> None:
    _, app = live_site.make()
    async with Page(app, "/forms") as page:
        page.submit("#get", q="a b", by="#get button")
        await page.expect("pre", text="q=a+b")
        await page.goto("/forms")
        page.submit("#post")
        await page.expect("pre", text="t=a%0D%0Ab")
        await page.goto("/forms")
        page.submit("#files", f="x.txt")
        await page.expect("pre", text=re.compile('name="a" ü.*filename="x.txt"'))


async def test_cookies_are_a_visitors_own_and_redirects_are_followed() -> None:
    _, app = live_site.make()
    browser = Browser(cookies={"d": "old"}, headers=[("Cookie", "z=9"), ("X-A", "1")])
    async with Page(app, "/cookies", browser=browser) as page:
        assert page.find("#sent").text == "z=9; d=old"
        assert browser.cookies == {"a": "1", "b": "2", "e": "5"}
        await page.goto("/hop?to=/away")
        assert page.url == "http://testserver/away"
        await page.goto("/keep?to=/away")
        assert page.find("p").text == "gone"
        with pytest.raises(RuntimeError, match="redirects for ever"):
            await page.goto("/loop")


async def test_pages_that_are_not_answered_say_so() -> None:
    _, app = live_site.make()
    with pytest.raises(RuntimeError, match="did not answer GET /silent"):
        await Page(app, "/silent")
    with pytest.raises(TimeoutError, match="GET /stuck was not answered"):
        await Page(app, "/stuck", timeout=0.01)


async def test_a_link_to_a_page_that_crashes_is_told() -> None:
    _, app = live_site.make()
    async with Page(app, html='<a id="x" href="/crash">x</a>') as page:
        page.click("#x")
        with pytest.raises(AssertionError, match="GET /crash failed"):
            await page.expect("p")


async def test_what_is_not_there_is_named() -> None:
    _, app = live_site.make()
    async with Page(app) as page:
        with pytest.raises(LookupError, match="#nope is not in the page"):
            page.click("#nope")
        with pytest.raises(LookupError, match="is in no form"):
            page.submit("#log")
        with pytest.raises(LookupError, match="has no field 'nope': there are msg"):
            page.submit("#say", nope=1)
        page.change("[name=msg]", "typed")
        page.fill("[name=msg]", "typed more")
        page.press("[name=msg]", "Enter")
        await page.expect("#log li", text="typed more")
    async with Page(app, "/none") as page:
        with pytest.raises(AssertionError, match="none: nothing in the page connects"):
            await page.expect("#x", timeout=0.01)
        assert page.closed_with is None


async def test_problems_fail_a_strict_page_and_are_forgiven_when_taken() -> None:
    _, app = live_site.make()
    async with Page(app) as page:
        page.submit("#say", msg="lost")
        await page.until(lambda: bool(page.problems))
        with pytest.raises(AssertionError, match="A message was for '#nowhere'"):
            await page.__aexit__(None, None, None)
    async with Page(app) as page:
        page.submit("#say", msg="boom")
        with pytest.raises(AssertionError, match="LookupError: no such thing"):
            await page.expect("#log li")
    async with Page(app, strict=False) as page:
        page.submit("#say", msg="lost")
        await page.until(lambda: bool(page.problems))
    async with Page(app, strict=("exception",)) as page:
        page.submit("#say", msg="lost")
        await page.until(lambda: bool(page.problems))
        assert [each.kind for each in page.take_problems()] == ["missing"]


async def test_what_was_typed_and_comes_back_as_html_is_a_problem() -> None:
    _, app = live_site.make()
    async with Page(app, "/raw") as page:
        page.submit("#raw", msg="<i>me</i>")
        await page.until(lambda: bool(page.problems))
        assert "comes back as HTML" in str(page.take_problems()[0])
        page.submit("#other")
        with pytest.raises(AssertionError, match="No handler took the frame"):
            await page.expect("#never")


async def test_time_passes_when_a_test_says_so() -> None:
    live, app = live_site.make()
    markup = (
        f'<div {live.connect_attrs("/ws")}><ul id="log"></ul>'
        f'<button id="tick" {live.send_attrs()}>x</button>'
        f'<i id="every" {live.send_attrs()} hx-trigger="every 60s"></i></div>'
    )
    for htmx in ("4.0.1", "2.0.11"):
        async with Page(app, html=markup, htmx=htmx, strict=False) as page:
            page.click("#tick")
            await page.advance(31)
            await page.expect("#log li", count=3)
            await page.advance(120)
            # htmx 2 prepares an element with a trigger twice, so its clock ticks twice, too.
            assert len(page.frames) == (3 if htmx == "4.0.1" else 5)


async def test_a_failing_expectation_gives_up_at_once_or_sees_what_came_meanwhile() -> None:
    _, app = live_site.make()
    async with Page(app) as page:
        page.submit("#say", msg="lost")
        await page.expect("#say")  # there already
        await page.expect("p#say-errors")
        await page.until(lambda: page.messages != [], "a message")
        page.take_problems()


async def test_applications_that_fail_on_the_socket_are_told() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        raise OSError("the disk is full")

    markup = '<div hx-ws:connect="/ws"><button id="go" hx-ws:send>x</button></div>'
    async with Page(app, html=markup) as page:
        page.click("#go")
        with pytest.raises(AssertionError, match="the disk is full"):
            await page.expect("#never")
    async with Page(app, html=markup) as page:
        page.drop()
        await page.until(lambda: bool(page.problems))
        page.take_problems()


async def test_an_application_that_ends_its_socket_has_dropped_it() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})

    async with Page(app, html='<div hx-ws:connect="/ws"></div>') as page:
        await page.expect_close(1006)


async def test_the_lifespan_runs_while_pages_are_open() -> None:
    said: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for phase in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{phase}"
            scope["state"]["here"] = True
            said.append(phase)
            await send({"type": f"lifespan.{phase}.complete"})

    async with Page(app, html="<p>1</p>") as one, Page(app, html="<p>2</p>"):
        assert said == ["startup"]
        assert one.site.state == {"here": True}
    assert said == ["startup", "shutdown"]


async def test_an_application_that_does_not_start_fails_its_pages() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="did not start: no database"):
        await Page(app, html="<p></p>")

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="startup did not end"):
        await Page(slow, html="<p></p>", timeout=0.01)


async def test_javascript_that_matters_is_refused() -> None:
    live, app = live_site.make()
    markup = (
        f"<div {live.connect_attrs('/ws')}><button id=b {live.send_attrs()} "
        "hx-vals='js:{a:f()}'>x</button></div>"
    )
    async with Page(app, html=markup) as page:
        with pytest.raises(NeedsJavaScript, match="does not run in a test"):
            page.click("#b")


async def test_a_disabled_or_invalid_form_is_not_sent_and_the_log_says_why() -> None:
    live, app = live_site.make()
    markup = (
        f"<div {live.connect_attrs('/ws')}><form id=say {live.send_attrs()}>"
        "<input name=msg required><button>x</button></form></div>"
    )
    async with Page(app, html=markup) as page:
        page.submit("#say")
        assert page.frames == []
        assert any("it is required" in line for line in page.tab.log)


async def test_the_update_of_everything_is_a_wipe_on_htmx_4() -> None:
    live = HtmxWS()
    live.ws("/ws")(lambda: None)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "stray <b>text</b>"})
            await receive()

    async with Page(app, html='<div id="app" hx-ws:connect="/ws"><p>page</p></div>') as page:
        await page.until(lambda: bool(page.problems))
        assert "htmx 4 replaced all that is in div#app" in str(page.take_problems()[0])


@VERSION
async def test_what_is_appended_unless_it_is_there_is_not_lost(htmx: str) -> None:
    """A room with a history writes its appends so, as what was missed may come twice."""
    live, app = live_site.make()
    async with Page(app, htmx=htmx) as page:
        await assert_joined(live, "chat", pages=1)
        for _ in range(2):
            await live.publish("chat", append("#log:not(:has(#one))", "<li id='one'>1</li>"))
        await live.publish("chat", append("#log", "<li>2</li>"))
        await page.expect("#log li:last-child", text="2")
        await page.expect("#log li", count=2)
        assert not page.problems


async def test_where_the_target_itself_is_missing_it_is_lost_all_the_same() -> None:
    live, app = live_site.make()

    async def lose() -> None:
        async with Page(app) as page:
            await assert_joined(live, "chat", pages=1)
            await live.publish("chat", append("#nowhere:not(:has(#one))", "<li id='one'>1</li>"))
            await live.publish("chat", append("#log", "<li>2</li>"))
            await page.expect("#log li:last-child", text="2")

    with pytest.raises(AssertionError, match="nothing there"):
        await lose()


async def test_who_joins_a_room_that_asks_is_seen_to() -> None:
    live, app = live_site.make()

    async def may_join(conn: object, room: str) -> bool:
        return True

    live.room("chat", may_join=may_join)
    joining = asyncio.ensure_future(assert_joined(live, "chat", pages=1))
    await asyncio.sleep(0)
    async with Page(app):
        await joining

"""A page's markup has its element, its hello and its cursors, and cannot be had too early."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from htmx_ws import Connection, HtmxWS, append, html, hub
from htmx_ws.backends import History, MemoryBackend, Position
from htmx_ws.errors import BackendError
from htmx_ws.pages import opening
from htmx_ws.testing import FaultyBackend, Page


def an_app(**how: Any) -> HtmxWS:
    live = HtmxWS(**how)
    live.room("chat:*", history=5)
    return live


async def test_it_connects_by_an_element_with_an_id_and_says_that_it_resumes() -> None:
    page = await an_app().page("/ws?x=1")
    attributes = dict(page.connect)
    assert attributes["id"] == page.element == "htmx-ws"
    for name, hx in (("ws-connect", "2"), ("hx-ws:connect", "4")):
        url = attributes[name]
        assert url.startswith("/ws?x=1&")
        assert {"htmx-ws-resume=1", f"htmx-ws-page={page.token}", f"hx={hx}"} < set(url.split("&"))
    assert attributes["hx-ext"] == "ws"
    assert "1000" in attributes["hx-config"]


async def test_its_hello_is_sent_when_the_socket_opens() -> None:
    page = await an_app().page("/ws", element="here")
    assert opening("here") == "htmx:wsOpen from:#here, htmx:ws:after:connection from:#here"
    assert opening("here") in page.hello
    assert '<input type="hidden" name="htmx-ws" value="hello">' in page.hello
    assert "htmx-ws-at" not in page.hello


async def test_its_hello_is_sent_whatever_is_around_it() -> None:
    (hello,) = LexborHTMLParser((await an_app().page("/ws")).hello).css("form")
    assert hello.attributes["hx-boost"] == "false"  # else htmx 4 would get the page by it
    assert hello.attributes["hx-params"] == "*"
    assert hello.attributes["hx-history"] == "false"


async def test_its_cursors_say_where_rooms_are_that_keep_a_history() -> None:
    live = an_app()
    await live.publish("chat:a", append("#log", html("<li></li>")))
    page = await live.page("/ws", rooms=["chat:a", "chat:b", "other"])
    assert 'value="1:' in page.hello
    assert page.hello.count('name="htmx-ws-at"') == 2
    assert page.token in page.field


async def test_rooms_that_keep_nothing_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    live = an_app()
    for _ in range(2):
        assert "htmx-ws-at" not in (await live.page("/ws", rooms=["other"])).hello
    await live.page("/ws", rooms=["chat:a", "other"])
    [said] = caplog.messages
    assert "'/ws'" in said
    assert "live.room('other', history=100)" in said


async def test_one_room_needs_no_list() -> None:
    live = an_app()
    assert (await live.page("/ws", rooms="chat:a")).hello.count('name="htmx-ws-at"') == 1


async def test_as_a_whole_it_is_no_markup() -> None:
    page = await an_app().page("/ws")
    with pytest.raises(TypeError, match=r"page\.connect"):
        html("<div {}></div>", page)
    with pytest.raises(TypeError, match=r"page\.hello"):
        str(page)


async def test_what_is_rendered_without_awaiting_it_says_what_to_write() -> None:
    page = an_app().page("/ws")
    with pytest.raises(RuntimeError, match=r"page = await live\.page"):
        str(page.hello)
    assert (await page).hello
    assert (await page) is page


async def test_a_thread_needs_no_await() -> None:
    live = an_app()
    async with live.lifespan():
        await live.publish("chat:a", append("#log", html("<li></li>")))
        page = await asyncio.to_thread(live.page, "/ws", rooms=["chat:a"])
        assert 'value="1:' in page.hello


def test_nor_does_a_process_without_a_loop() -> None:
    live = an_app()
    live.publish("chat:a", append("#log", html("<li></li>")))
    assert 'value="1:' in live.page("/ws", rooms=["chat:a"]).hello


class Hangs(MemoryBackend):
    """Answers no question while it hangs, and does not say that it is away either."""

    hangs = True

    async def history(self, room: str, since: Position | None, most: int = 1_000) -> History:
        if self.hangs:
            await asyncio.Event().wait()
        return await super().history(room, since, most)


@pytest.mark.parametrize("hangs", [False, True])
async def test_while_the_broker_is_away_pages_are_rendered_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    monkeypatch.setattr(hub, "WHERE_SECONDS", 0.01)
    broker = Hangs()
    broker.hangs = hangs
    faulty = FaultyBackend(broker)
    faulty.is_away = not hangs
    live = an_app(backend=faulty)
    async with live.lifespan():
        for _ in range(2):
            hello = (await live.page("/ws", rooms=["chat:a", "chat:b"])).hello
            assert 'value="0::chat:a"' in hello
            assert 'value="0::chat:b"' in hello
            await live.page("/ws")
        [said] = caplog.messages
        assert "'chat:a', 'chat:b'" in said
        faulty.is_away = broker.hangs = False
        assert 'value="0::' not in (await live.page("/ws", rooms=["chat:a"])).hello
        faulty.is_away = True
        await live.page("/ws", rooms=["chat:a"])
    assert len(caplog.messages) == 2


async def test_what_is_published_to_a_page_of_a_bad_day_before_it_connects_is_in_its_snapshot(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faulty, lines = FaultyBackend(), ["before"]
    live = HtmxWS(backend=faulty)

    def as_it_is(conn: Connection, room: str) -> Any:
        return [append("#log", html("<li>{}</li>", line)) for line in lines]

    live.room("chat:*", history=5, snapshot=as_it_is)

    async def joined(conn: Connection) -> None:
        await conn.join("chat:a")

    live.ws("/ws", conn=joined)(lambda: None)
    faulty.is_away = True
    page = await live.page("/ws", rooms=["chat:a"])
    text = str(html('<div {}>{}<ul id="log"></ul></div>', page.connect, page.hello))
    faulty.is_away = False
    lines.append("between")
    await live.publish("chat:a", append("#log", html("<li>between</li>")))
    async with Page(live, html=text) as shown:
        await shown.expect("#log li:last-child", text="between")
        assert [each.text for each in shown.find_all("#log li")] == ["before", "between"]


def test_a_process_without_a_loop_renders_pages_while_the_broker_is_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Away:
        def position(self, room: str) -> Position:
            raise BackendError("away")

    backend = MemoryBackend()
    backend.sync = Away  # type: ignore[method-assign,assignment]  # of which no more is asked
    live = an_app(backend=backend)
    assert 'value="0::chat:a"' in live.page("/ws", rooms=["chat:a"]).hello
    assert "'chat:a'" in caplog.text


async def test_with_page_tokens_it_is_signed_for_the_visitor() -> None:
    live = an_app(secret="s" * 20, page_tokens=True)
    page = await live.page("/ws", to="ann")
    assert page.token.count(".") == 2
    token = live.new_page(to="ann")
    own = await live.page("/ws", page=token)
    assert own.token == token


def test_a_form_can_be_sent_again_at_each_opening() -> None:
    live = an_app()
    assert dict(live.send_attrs(recover="here"))["hx-trigger"] == f"change, {opening('here')}"
    assert dict(live.send_attrs("input", recover="here"))["hx-trigger"].startswith("input, ")
    assert dict(live.send_attrs("input"))["hx-trigger"] == "input"
    assert "hx-trigger" not in live.send_attrs()


def test_a_form_that_is_sent_again_is_so_while_it_is_not_valid() -> None:
    live = an_app()
    assert live.send_attrs(recover="here")["novalidate"] == ""
    assert "novalidate" not in live.send_attrs("input")

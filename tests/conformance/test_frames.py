"""Frames: from what a page sends to what a handler takes."""

from __future__ import annotations

import asyncio
import threading
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from htmx_ws import BindingError, Frame, FrameError, HtmxHeaders

from .cases import On, case, line


class Order(BaseModel):
    item: str
    count: Annotated[int, Field(ge=1)] = 1
    gift: bool = False
    extras: list[str] = []


@case
async def test_values_come_typed(on: On) -> None:
    came: list[Any] = []
    shop = on.live.endpoint("/shop")

    @shop.on("order-form")
    async def order(order: Order) -> Any:
        came.append(order)
        return line("ordered")

    @shop.on_message
    async def say(msg: str, count: int | None = None, mine: bool = False) -> Any:
        came.append((msg, count, mine))
        return line("said")

    async with on.page("/shop") as page:
        await page.send(item="tea", count="2", gift="on", extras="milk", sender="order-form")
        await page.send(item="tea", sender="order-form")
        await page.send(msg="hi", count="", mine="on")
        await page.send(msg="hi", count="3")
        for _ in range(4):
            await page.receive()
    assert came == [
        Order(item="tea", count=2, gift=True, extras=["milk"]),
        Order(item="tea"),
        ("hi", None, True),
        ("hi", 3, False),
    ]


@case
async def test_values_that_do_not_fit_are_shown_until_they_do(on: On) -> None:
    @on.live.ws("/shop")
    async def order(item: str, count: int) -> Any:
        return line(f"{count} {item}")

    async with on.page("/shop") as page:
        await page.send(count="many", sender="order-form")
        shown = await page.receive()
        assert 'hx-swap-oob="innerHTML:#order-form-errors"' in shown
        assert "Field required" in shown
        assert "should be a valid integer" in shown
        await page.send(item="tea", count="2", sender="order-form")
        assert "#order-form-errors" in await page.receive()
        assert "2 tea" in await page.receive()


@case
async def test_an_error_hook_answers_instead(on: On) -> None:
    shop = on.live.endpoint("/shop/{name}")

    @shop.on_message
    async def order(count: int) -> Any:
        raise LookupError("sold out")

    @shop.on_error
    async def sorry(error: Exception, name: str, data: dict[str, Any]) -> Any:
        wrong = error.fields if isinstance(error, BindingError) else error
        return line(f"{name} {type(error).__name__} {wrong} {data}")

    async with on.page("/shop/teas") as page:
        await page.send(count="x")
        shown = await page.receive()
        assert "teas BindingError" in shown
        assert "valid integer" in shown
        await page.send(count="1")
        assert "teas LookupError sold out" in await page.receive()


@case
async def test_a_handler_that_fails_costs_the_page_nothing(
    on: On, caplog: pytest.LogCaptureFixture
) -> None:
    @on.live.ws("/chat")
    async def say(msg: str) -> Any:
        if msg == "fail":
            raise LookupError("a secret")
        return line(msg)

    async with on.page("/chat") as page:
        await page.send(msg="fail")
        await page.send(msg="hi")
        assert "hi" in await page.receive()
    assert "LookupError: a secret" in caplog.text


@case
async def test_what_is_no_frame_is_an_error_and_the_page_lives(on: On) -> None:
    chat = on.live.endpoint("/chat")

    @chat.on_message
    async def say(msg: str) -> Any:
        return line(msg)

    @chat.on_error
    async def failed(error: Exception) -> Any:
        return line(type(error) is FrameError)

    async with on.page("/chat") as page:
        for text in ("no JSON", "[1]", '{"msg": "%s"}' % ("x" * 70_000)):
            await page.send_text(text)
            assert "True" in await page.receive()
        await page.send_bytes(b"{}")
        assert "True" in await page.receive()
        await page.send(msg="hi")
        assert "hi" in await page.receive()


@case
async def test_a_frame_goes_to_the_handler_of_its_form_or_button(on: On) -> None:
    chat = on.live.endpoint("/chat")
    chat.on("say-form")(lambda msg: line(f"said {msg}"))
    chat.on(action="like")(lambda: line("liked"))
    chat.on_message(lambda: line("something else"))

    async with on.page("/chat") as page:
        await page.send(msg="hi", sender="say-form")
        assert "said hi" in await page.receive()
        await page.send(action="like", sender="buttons", sender_tag="button")
        assert "liked" in await page.receive()
        await page.send(action="like", msg="hi", sender="say-form")
        assert "said hi" in await page.receive()
        await page.send(action="hate", sender="buttons")
        assert "something else" in await page.receive()


@case
async def test_frames_are_handled_one_after_the_other(on: On) -> None:
    order: list[str] = []

    @on.live.ws("/chat")
    async def say(msg: str) -> Any:
        order.append(f"{msg} begins")
        await asyncio.sleep(0)
        order.append(f"{msg} ends")
        return line(msg)

    async with on.page("/chat") as page:
        for msg in ("one", "two", "three"):
            await page.send(msg=msg)
        for msg in ("one", "two", "three"):
            assert msg in await page.receive()
    assert order == [
        f"{msg} {what}" for msg in ("one", "two", "three") for what in ("begins", "ends")
    ]


@case
async def test_nothing_that_a_page_writes_stands_in_for_the_server(on: On) -> None:
    @on.live.ws("/chat/{room}")
    async def say(msg: str, room: str, user: Any, state: Any, conn: Any, scope: Any) -> Any:
        told = "EVIL" in (user, room, conn) or state == "EVIL" or scope == "EVIL"
        return line(f"{msg} in {room}, told {told}")

    async with on.page("/chat/lobby?room=EVIL") as page:
        evil = dict.fromkeys(("room", "user", "state", "conn", "scope", "session"), "EVIL")
        await page.send({**evil, "msg": "hi"})
        assert "hi in lobby, told False" in await page.receive()


@case
async def test_the_page_and_its_htmx_are_known(on: On) -> None:
    @on.live.ws("/chat")
    async def say(frame: Frame, htmx: HtmxHeaders) -> Any:
        return line(f"{frame.dialect} {frame.sender} {htmx.current_url}")

    async with on.page("/chat") as page:
        await page.send(sender="say-form")
        assert f"{on.dialect} say-form http://testserver/" in await page.receive()


@case
async def test_a_plain_function_runs_in_a_thread(on: On) -> None:
    @on.live.ws("/chat")
    def say(msg: str, send: Any) -> Any:
        send(line(f"{msg} in a thread: {threading.get_ident() != loops}"))
        return line("done")

    loops = threading.get_ident()
    async with on.page("/chat") as page:
        await page.send(msg="hi")
        assert "hi in a thread: True" in await page.receive()
        assert "done" in await page.receive()

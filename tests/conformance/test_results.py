"""Results: from what a handler gives to what the page gets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from htmx_ws import Connection, html, morph, replace, update

from .cases import On, case, line

A, B = (html('<p id="a">{}</p>', "a"), html('<p id="b">{}</p>', "b"))


class Component:
    def __html__(self) -> str:
        return A


async def later(value: object) -> object:
    return value


async def one_by_one() -> AsyncIterator[object]:
    yield A
    yield later([B])


def one_by_one_in_a_thread() -> Iterator[object]:
    yield A
    yield B


A_SENT = '<p hx-swap-oob="outerHTML" id="a">a</p>'
B_SENT = '<p hx-swap-oob="outerHTML" id="b">b</p>'


@pytest.mark.parametrize(
    ("result", "sent"),
    [
        pytest.param(lambda: None, [], id="nothing"),
        pytest.param(lambda: str(A), [A_SENT], id="finished HTML"),
        pytest.param(lambda: A, [A_SENT], id="html()"),
        pytest.param(Component, [A_SENT], id="__html__"),
        pytest.param(lambda: replace(A), [A_SENT], id="fragment"),
        pytest.param(lambda: [replace(A), replace(B)], [A_SENT, B_SENT], id="list"),
        pytest.param(lambda: later((A, None)), [A_SENT], id="awaitable"),
        pytest.param(one_by_one, [A_SENT, B_SENT], id="async generator"),
        pytest.param(one_by_one_in_a_thread, [A_SENT, B_SENT], id="generator"),
    ],
)
@case
async def test_every_kind_of_result_is_sent(on: On, result: Any, sent: list[str]) -> None:
    chat = on.live.endpoint("/chat")

    @chat.on("ask")
    async def ask() -> Any:
        return result()

    @chat.on("send")
    async def send_it(send: Any) -> None:
        await send(result())

    chat.on("end")(lambda: line("end"))
    async with on.page("/chat") as page:
        for sender in ("ask", "send"):
            await page.send(sender=sender)
            await page.send(sender="end")
            for expected in sent:
                assert await page.receive() == expected
            assert "end" in await page.receive()


@case
async def test_what_the_framework_renders_can_be_returned(on: On) -> None:
    chat = on.live.endpoint("/chat")

    @chat.on_message
    async def say(msg: str, conn: Connection) -> Any:
        return on.host.render(conn, msg)

    chat.on_error(lambda error: line(error))
    async with on.page("/chat") as page:
        await page.send(msg="<hi>")
        shown = await page.receive()
        assert "&lt;hi&gt;</p>" in shown, shown
        assert 'id="line"' in shown


@case
async def test_html_goes_where_its_endpoint_says(on: On) -> None:
    on.live.ws("/log", target="#log", swap="append")(lambda msg: html("<li>{}</li>", msg))
    async with on.page("/log") as page:
        await page.send(msg="hi")
        assert await page.receive() == '<div hx-swap-oob="beforeend:#log"><li>hi</li></div>'


@case
async def test_a_result_that_has_no_place_is_an_error(
    on: On, caplog: pytest.LogCaptureFixture
) -> None:
    on.live.ws("/chat")(lambda msg: "<p>no id</p>" if msg == "bad" else line(msg))
    async with on.page("/chat") as page:
        await page.send(msg="bad")
        await page.send(msg="hi")
        assert "hi" in await page.receive()
    assert "FragmentError" in caplog.text


@case
async def test_a_fragment_is_in_the_words_of_the_htmx_that_gets_it(on: On) -> None:
    @on.live.ws("/chat")
    async def say() -> Any:
        return [update("#x", "x"), morph(A)]

    async with on.page("/chat") as page:
        await page.send()
        assert await page.receive() == '<div hx-swap-oob="innerHTML:#x">x</div>'
        swap = "outerHTML" if on.dialect == "htmx2" else "outerMorph"
        assert await page.receive() == f'<p hx-swap-oob="{swap}" id="a">a</p>'

"""In debug a handler's error lies over the page that met it, escaped; elsewhere nothing of it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from htmx_ws import Endpoint, HtmxWS, Refused, append, html, serialise
from htmx_ws.overlay import CLASS, show_failure
from htmx_ws.testing import Socket

HOSTILE = "</pre></dialog><script>alert('x')</script><img src=x onerror=alert(1)> & \"'"


def item(text: object) -> Any:
    return append("#log", html("<li>{}</li>", text))


def an_error(text: str) -> Exception:
    """An error with a traceback."""
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def text_of(error: BaseException, handler: str = "chat.say") -> str:
    (message,) = serialise(show_failure(error, handler))
    return message.text


async def fails(msg: str = "") -> None:
    raise ValueError(msg)


async def lives() -> Any:
    return item("there")


def an_app(**how: Any) -> tuple[HtmxWS, Endpoint]:
    live = HtmxWS(**how)
    endpoint = live.endpoint("/ws")
    endpoint.on("a")(lives)
    return live, endpoint


# --- what it shows ---------------------------------------------------------------------


def test_it_names_the_handler_and_shows_the_whole_traceback_and_why_it_is_there() -> None:
    said = unescape(text_of(an_error("a bad value")))
    assert "chat.say failed." in said
    assert "Traceback (most recent call last):" in said
    assert 'test_overlay.py", line ' in said
    assert "ValueError: a bad value\n" in said
    assert "debug=True" in said


def test_it_shows_what_caused_an_error_too() -> None:
    error = RuntimeError("outer")
    error.__cause__ = an_error("inner")
    said = text_of(error)
    assert "ValueError: inner" in said
    assert "RuntimeError: outer" in said


@pytest.mark.parametrize("handler", ["chat.say", "chat.<locals>.<lambda>", HOSTILE])
def test_all_of_an_error_is_text_and_nothing_of_it_is_markup(handler: str) -> None:
    tree = LexborHTMLParser(text_of(an_error(HOSTILE), handler))
    assert not tree.css("script, img")
    (pre,) = tree.css("pre")
    assert HOSTILE in pre.text()
    assert not pre.css("pre *")
    (name,) = tree.css("b")
    assert name.text() == f"{handler} failed."


def test_it_is_added_to_the_page_and_replaces_nothing() -> None:
    content = show_failure(an_error("x"), "chat.say")
    assert (content.style, content.target) == ("beforeend", "body")
    (dialog,) = LexborHTMLParser(text_of(an_error("x"))).css("dialog")
    assert dialog.attributes["class"] == CLASS
    assert "open" in dialog.attributes


def test_it_closes_without_a_script() -> None:
    tree = LexborHTMLParser(text_of(an_error("x")))
    (form,) = tree.css("dialog > form")
    assert form.attributes == {"method": "dialog"}
    (button,) = form.css("button")
    assert button.attributes == {}  # of no id and no value: it sends nothing
    assert not [
        name
        for node in tree.css("dialog, dialog *")
        for name in node.attributes or ()
        if name.startswith(("on", "hx-", "ws-", "id"))
    ]


class Mute(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize("error", [an_error("\ud800 \x00 \x1b[31m"), Mute(), an_error("")])
def test_whatever_an_error_says_every_server_can_send_it(error: Exception) -> None:
    text = text_of(error)
    assert type(error).__name__ in text
    text.encode()


# --- where it shows --------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"concurrent": True}, {"cancel": True}])
async def test_in_debug_an_error_of_a_handler_is_shown_in_its_page_which_lives(
    how: dict[str, bool], caplog: pytest.LogCaptureFixture
) -> None:
    live, endpoint = an_app(debug=True, strict_html=True)
    endpoint.on_message(**how)(fails)
    async with Socket(live, "/ws") as page, Socket(live, "/ws") as other:
        await page.send(msg=HOSTILE)
        said = await page.receive()
        assert f"{fails.__module__}.fails failed." in said
        assert HOSTILE in unescape(said)
        assert "<script" not in said
        await page.send(sender="a")
        assert "there" in await page.receive()
        assert other.pending == []
    assert [record.levelname for record in caplog.records] == ["ERROR"]  # told there as ever


async def test_in_debug_what_on_error_sends_is_shown_as_well() -> None:
    live, endpoint = an_app(debug=True)
    endpoint.on_message(fails)
    endpoint.on_error(lambda error: item("sorry"))
    async with Socket(live, "/ws") as page:
        await page.send()
        assert CLASS in await page.receive()
        assert "sorry" in await page.receive()


async def test_in_debug_an_error_in_the_midst_of_a_stream_is_shown_behind_it() -> None:
    live, endpoint = an_app(debug=True)

    @endpoint.on_message
    async def count() -> AsyncIterator[Any]:
        yield item(1)
        raise ZeroDivisionError

    async with Socket(live, "/ws") as page:
        await page.send()
        assert ">1<" in await page.receive()
        assert "ZeroDivisionError" in await page.receive()


async def test_in_debug_an_error_of_the_connect_hook_is_shown_before_the_page_is_closed() -> None:
    live, endpoint = an_app(debug=True)
    endpoint.on_connect(fails)
    async with Socket(live, "/ws?msg=" + "%3Cscript%3E") as page:
        said = await page.receive()
        assert "ValueError: &lt;script&gt;" in said
        assert await page.closed() == 1013


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("hook", ["message", "connect"])
async def test_without_debug_nothing_of_an_error_reaches_a_page_not_even_under_test(
    hook: str, debug: bool
) -> None:
    """``debug`` of the test's Socket asks for the checks of debug mode, and not for this."""
    live, endpoint = an_app()
    (endpoint.on_connect if hook == "connect" else endpoint.on_message)(fails)
    async with Socket(live, "/ws?msg=a-secret", debug=debug) as page:
        if hook == "connect":
            assert await page.closed() == 1013
        else:
            await page.send(msg="a-secret")
            await page.send(sender="a")
            assert "there" in await page.receive()
        assert page.pending == []


async def test_what_is_no_error_of_the_application_is_not_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nor are errors of the page, and of whom it turns away."""
    caplog.set_level(logging.ERROR, "htmx_ws")
    live, endpoint = an_app(debug=True)

    @endpoint.on("form")
    async def take(n: int) -> None: ...

    @endpoint.on("refuse")
    async def refuse() -> None:
        raise Refused("no", content=item("no"))

    async with Socket(live, "/ws") as page:
        await page.send_text("no frame")
        await page.send(n="x", sender="form")
        assert "form-errors" in await page.receive()
        await page.send(sender="refuse")
        assert ">no<" in await page.receive()
        assert await page.closed() == 1008
        assert page.pending == []
    assert caplog.records == []

"""What pages write costs little, stays on one line of the log, and is kept nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from htmx_ws import BadSignature, HtmxWS, Limits, append, html, serialise, update
from htmx_ws.errors import BindingError, one_line
from htmx_ws.security import check_origin
from htmx_ws.testing import Socket
from htmx_ws.wire import selector
from htmx_ws.wire.serialise import _around


def test_what_is_logged_of_a_page_is_one_line_and_not_long() -> None:
    assert one_line("/chat") == "/chat"
    assert one_line("a\nb\x1b[0m") == repr("a\nb\x1b[0m")
    assert one_line("a" * 600) == "a" * 500 + "..."
    assert "\n" not in str(BindingError({"a\nb": "what"}))


@pytest.mark.parametrize("token", [5, None, ["a"], {"a": 1}])
def test_a_token_that_is_no_text_is_none(token: Any) -> None:
    with pytest.raises(BadSignature):
        HtmxWS(secret="s" * 16).unsign(token)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"origin", None)],
        [("origin", b"http://a.test")],
        [(b"origin", "http://a.test")],
        [b"origin"],
        5 * [(b"a",)],
    ],
)
def test_headers_that_are_no_pairs_of_bytes_are_refused(headers: Any) -> None:
    why = check_origin({"headers": headers})
    assert why is not None
    assert "header" in why


@pytest.mark.parametrize(
    ("origin", "host", "may"),
    [
        ("http://[::1]:80", "[::1]", True),
        ("http://[::1]", "[::1]", True),
        ("http://evil.test[::1]", "[::1]", False),
        ("http://[::1]evil.test", "[::1]", False),
        ("http://[[::1]]", "[::1]", False),
    ],
)
def test_nothing_may_stand_around_the_brackets_of_an_address(
    origin: str, host: str, may: bool
) -> None:
    headers = [(b"host", host.encode()), (b"origin", origin.encode())]
    assert (check_origin({"headers": headers}) is None) is may


def test_a_nul_that_a_page_writes_can_be_shown() -> None:
    assert html("<p>{}</p>", "a\0b") == "<p>a\ufffdb</p>"
    assert html("<p>{x}</p>", x=["\0"]) == "<p>\ufffd</p>"
    (message,) = serialise(append("#log", html("<p>{}</p>", "\0")))
    assert "\ufffd" in message.text


def test_long_selectors_are_not_kept() -> None:
    for cache in (selector._normalise, _around):
        cache.cache_clear()
    long = "#" + "a" * 300
    assert selector.normalise(long) == long
    (message,) = serialise(update(long, "x"))
    assert long in message.text
    assert selector._normalise.cache_info().currsize == _around.cache_info().currsize == 0
    serialise(update("#short", "x"))
    assert _around.cache_info().currsize == 1


async def test_a_long_list_of_mistakes_is_answered_by_a_few() -> None:
    live = HtmxWS()

    @live.ws("/ws")
    async def take(numbers: list[int]) -> None: ...

    async with Socket(live, "/ws") as page:
        await page.send({"numbers": ["x"] * 5_000}, sender="form")
        answer = await page.receive()
        assert answer.count("data-field") == 50


async def test_errors_are_shown_for_ids_that_a_page_may_have() -> None:
    live = HtmxWS(limits=Limits(frames_burst=1_000))

    @live.ws("/ws")
    async def take(n: int) -> Any:
        return update("#ok", str(n))

    async with Socket(live, "/ws") as page:
        await page.send(n="x", sender="i" * 300)
        await page.send(n="1")
        assert "#ok" in await page.receive()
        for number in range(120):
            await page.send(n="x", sender=f"form{number}")
            assert f"#form{number}-errors" in await page.receive()
        await page.send(n="2", sender="form7")
        assert "#form7-errors" in await page.receive()
        assert "#ok" in await page.receive()
        await page.send(n="3", sender="form119")
        assert "#ok" in await page.receive()


async def test_a_field_that_is_no_name_is_called_value(caplog: pytest.LogCaptureFixture) -> None:
    live = HtmxWS(debug=True)

    @live.ws("/ws")
    async def echo(data: dict[str, Any]) -> Any:
        return append("#log", f"<p>{data['my field']}</p>")

    async with Socket(live, "/ws") as page:
        await page.send({"my field": "<b>x</b>"})
        await page.receive()
    assert "'<p>{}</p>', value)" in caplog.text

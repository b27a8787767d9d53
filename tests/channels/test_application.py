"""``live.application``: what it takes, what it leaves to Django, and how it turns pages away.

A page that must stay away is accepted and closed, because every htmx tries a refused handshake
again for ever. pytest-django raises in tests that touch the database without saying so: where
these bring a session cookie, nobody was asked whose it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from channels.exceptions import DenyConnection
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.test import override_settings

from htmx_ws import MemoryBackend, Refused, append, html
from htmx_ws.backends import Keep, Receiver
from htmx_ws.testing import Socket
from htmx_ws.types import Message, Receive, Scope, Send
from htmx_ws_channels import HtmxWS

from .project.asgi import site

COOKIE = [("cookie", "sessionid=somebodys")]


async def test_a_path_without_an_endpoint_is_accepted_and_closed_and_no_query_made() -> None:
    live = HtmxWS()
    live.ws("ws/chat/")(lambda: None)
    async with Socket(live.application(http=site), "/ws/nowhere/", headers=COOKIE) as page:
        assert await page.closed() == 4404


async def test_a_page_of_another_site_is_accepted_and_closed_and_no_query_made() -> None:
    live = HtmxWS()
    live.ws("ws/chat/")(lambda: None)
    app = live.application(http=site)
    async with Socket(app, "/ws/chat/", origin="https://evil.example", headers=COOKIE) as page:
        assert await page.closed() == 4403


async def test_whoever_may_connect_is_looked_up() -> None:
    """The two tests above can fail."""
    live = HtmxWS()
    live.ws("ws/chat/")(lambda: None)
    page = Socket(live.application(http=site), "/ws/chat/", headers=COOKIE)
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        await page.open()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionDenied(), 4403),
        (DenyConnection(), 4403),
        (Http404(), 4404),
        (SuspiciousOperation(), 4400),
        (Refused("full", code=4001), 4001),
        (LookupError("no room"), 1013),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
async def test_a_hook_turns_a_page_away_by_what_django_raises(
    error: Exception, code: int, is_async: bool
) -> None:
    live = HtmxWS()

    def joined() -> None:
        raise error

    async def joined_async() -> None:
        raise error

    live.ws("ws/chat/", conn=joined_async if is_async else joined)(lambda: None)
    async with Socket(live.application(), "/ws/chat/") as page:
        assert await page.closed() == code
        assert page.pending == []


async def test_what_is_not_a_websocket_is_left_to_django() -> None:
    came: list[str] = []

    async def http(scope: Scope, receive: Receive, send: Send) -> None:
        came.append(scope["type"])

    app = HtmxWS().application(http=http)
    for kind in ("http", "channel"):
        await app({"type": kind, "path": "/"}, no_message, nowhere)
    assert came == ["http", "channel"]


async def test_without_django_http_is_answered_with_404() -> None:
    sent: list[Message] = []

    async def send(event: Message) -> None:
        sent.append(event)

    await HtmxWS().application()({"type": "http", "path": "/"}, no_message, send)
    assert sent[0]["status"] == 404


async def test_the_lifespan_is_that_of_live_as_django_has_none() -> None:
    backend, events, answers = Backend(), [{"type": "startup"}, {"type": "shutdown"}], []

    async def receive() -> Message:
        return events.pop(0)

    async def send(event: Message) -> None:
        answers.append((event["type"], list(backend.calls)))

    await HtmxWS(backend=backend).application(http=site)({"type": "lifespan"}, receive, send)
    assert answers == [
        ("lifespan.startup.complete", ["start"]),
        ("lifespan.shutdown.complete", ["start", "stop"]),
    ]


async def test_without_a_lifespan_it_starts_at_its_first_page() -> None:
    """daphne has none."""
    backend = Backend()
    live = HtmxWS(backend=backend)
    live.ws("ws/chat/")(lambda: append("#log", html("<li>{}</li>", 1)))
    app = live.application(http=site)
    for _ in range(2):
        async with Socket(app, "/ws/chat/") as page:
            await page.send()
            assert "<li>1</li>" in await page.receive()
    assert backend.calls == ["start"]


async def test_an_offered_subprotocol_is_agreed_to() -> None:
    live = HtmxWS(subprotocols=["chat"])
    live.ws("ws/chat/")(lambda: None)
    async with Socket(live.application(), "/ws/chat/", subprotocols=["v2", "chat"]) as page:
        assert page.subprotocol == "chat"


@pytest.mark.parametrize("debug", [True, False])
async def test_debug_mode_is_djangos(debug: bool, caplog: pytest.LogCaptureFixture) -> None:
    with override_settings(DEBUG=debug):
        live = HtmxWS()

    @live.ws("ws/chat/")
    async def say(msg: str) -> Any:
        return f"<p id='a'>{msg}</p>"

    async with Socket(live.application(), "/ws/chat/", debug=False) as page:
        await page.send(msg="<b>")
        await page.receive()
    assert ("back unescaped" in caplog.text) is debug


class Backend(MemoryBackend):
    """Notes when it is started and stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    async def start(self, receiver: Receiver, keeps: Mapping[str, Keep] | None = None) -> None:
        self.calls.append("start")
        await super().start(receiver, keeps)

    async def stop(self) -> None:
        self.calls.append("stop")
        await super().stop()


async def no_message() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def nowhere(event: Message) -> None:
    raise AssertionError(f"nothing is to be sent, and {event} was")

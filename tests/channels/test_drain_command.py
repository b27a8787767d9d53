"""``manage.py drain_pages``, against an application of the project that is served over HTTP.

What it says of addresses that are wrong is ``python -m htmx_ws``'s own: the unit tests see to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.test import override_settings

from htmx_ws.testing import Socket
from htmx_ws.types import ASGIApp, Message, Receive, Scope, Send
from htmx_ws_channels import HtmxWS

from .project.asgi import site

HERE = __name__


def served_by(live: HtmxWS) -> ASGIApp:
    """The application of asgi.py, as docs/django.md has it."""
    live.ws("ws/chat/")(lambda: None)

    async def http(scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = live.readiness if scope["path"] == "/ready" else site
        await app(scope, receive, send)

    return live.application(http=http)


plain, with_secret = HtmxWS(), HtmxWS(secret="no secret of the settings")
applications = {"plain": served_by(plain), "with_secret": served_by(with_secret)}


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application by HTTP, as far as is needed here; gives the address to be asked."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        method, path, _ = lines[0].decode().split()
        headers = [(line.partition(b":")[0].lower(), line.partition(b": ")[2]) for line in lines]

        async def send(event: Message) -> None:
            if event["type"] == "http.response.start":
                writer.write(b"HTTP/1.0 %d\r\n\r\n" % event["status"])
            else:
                writer.write(event["body"])

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        scope: dict[str, Any] = {"type": "http", "method": method, "path": path}
        await app({**scope, "headers": headers[1:], "query_string": b""}, receive, send)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ready"


async def drain_pages(*arguments: str) -> str:
    """Run the command, in a thread, and give what it says."""
    said = StringIO()
    await asyncio.to_thread(call_command, "drain_pages", *arguments, stdout=said)
    return said.getvalue()


def test_it_is_found_in_the_app() -> None:
    assert get_commands()["drain_pages"] == "htmx_ws_channels"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("plain", {}),
        ("plain", {"LIVE": f"{HERE}.plain"}),
        ("with_secret", {"LIVE": f"{HERE}.with_secret"}),
    ],
)
async def test_it_drains_with_the_secret_of_the_project(
    name: str, settings: dict[str, str]
) -> None:
    app = applications[name]
    with override_settings(HTMX_WS=settings):
        async with served(app) as url, Socket(app, "/ws/chat/") as page:
            assert await drain_pages(url, "--timeout", "10") == "drained 1 page\n"
            assert page.code == 1012
            assert await drain_pages(url) == "drained 0 pages\n"


async def test_what_did_not_drain_is_an_error_of_the_command() -> None:
    app = applications["with_secret"]
    async with served(app) as url, Socket(app, "/ws/chat/") as page:
        with pytest.raises(CommandError, match=f"{url} answers 403: Not drained"):
            await drain_pages(url)
        assert page.code is None
        assert with_secret.is_ready

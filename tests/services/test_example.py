"""The example starts by one command and says where it is."""

from __future__ import annotations

import asyncio
import urllib.request

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Origin

from htmx_ws.testing import build_frame

from .conftest import Serve

pytestmark = pytest.mark.service


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        return str(response.read().decode())


async def test_the_chat_serves_its_page_and_its_socket(serve: Serve) -> None:
    server = await serve("examples/plain_asgi/chat.py")
    assert "Your name" in await asyncio.to_thread(read, f"{server.url}/")
    shown = await asyncio.to_thread(read, f"{server.url}/?name=Ann&htmx=2")
    assert 'ws-connect="/ws/lobby?name=Ann&amp;hx=2"' in shown
    origin = Origin(server.url)
    async with connect(f"{server.ws}/ws/lobby?name=Ann", origin=origin) as socket:
        await socket.send(build_frame({"action": "say", "message": "hello"}))
        async with asyncio.timeout(10):
            while "hello" not in str(await socket.recv()):
                pass
    assert await server.stop() is not None

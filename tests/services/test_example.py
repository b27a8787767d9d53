"""Each example starts by the command of its README, says where it is, and lives."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from htmx_ws.testing import build_frame

from .brokers import RedisServer
from .servers import Server, run

pytestmark = pytest.mark.service

EXAMPLES = Path(__file__).parents[2] / "examples"


class Start(Protocol):
    def __call__(self, example: str, **environment: str) -> Awaitable[Server]: ...


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start examples as their READMEs say, but with the Python of the tests."""
    async with AsyncExitStack() as running:

        async def start(example: str, **environment: str) -> Server:
            readme = (EXAMPLES / example / "README.md").read_text()
            (arguments,) = re.findall(r"^pip install -r \S+ && python (.+)$", readme, re.MULTILINE)
            line = (
                f"cd '{EXAMPLES / example}' && DATABASE_URL='sqlite:///{tmp_path}/fleet.db' "
                f"DATABASE='{tmp_path}/board.sqlite3' HTMX=2 exec '{sys.executable}' {arguments}"
            )
            ready = r"http://127\.0\.0\.1:(\d+)/"
            server = run(["sh", "-c", line], ready, environment=environment)
            return await running.enter_async_context(server)

        yield start


class Visitor:
    """A browser without a window: it has cookies, and opens sockets with them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self.cookies))

    async def read(self, path: str, **form: str) -> str:
        """Give the page at a path; with a form, that to which its POST leads."""
        for cookie in self.cookies:
            if form and cookie.name == "csrftoken":
                form["csrfmiddlewaretoken"] = cookie.value or ""
        return await asyncio.to_thread(self._read, path, urlencode(form).encode() or None)

    def _read(self, path: str, body: bytes | None) -> str:
        with self._opener.open(self.server.url + path, body, timeout=10) as response:
            return str(response.read().decode())

    def open(self, path: str) -> connect:
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.cookies)
        return connect(
            self.server.ws + path,
            origin=Origin(self.server.url),
            additional_headers={"Cookie": cookies} if cookies else None,
            proxy=None,
        )


@pytest.mark.parametrize(
    ("example", "come_in", "page", "socket", "frame"),
    [
        (
            *("plain_asgi", None, "/?name=Ann&htmx=2", "/ws/lobby?name=Ann"),
            build_frame({"action": "say", "message": "hello"}),
        ),
        (
            *("starlette_chat", "/enter", "/rooms/lobby?htmx=2", "/ws/lobby"),
            build_frame({"action": "say", "message": "hello"}),
        ),
        (
            *("fastapi_dashboard", "/login", "/?htmx=2", "/live/board"),
            build_frame({"text": "hello"}, sender="note-form"),
        ),
        (
            *("fasthtml_chat", "/enter", "/?htmx=2", "/live/ws"),
            build_frame({"msg": "hello"}),
        ),
        (
            *("channels_board", "/login/", "/", "/ws/board/"),
            build_frame({"title": "hello", "colour": "sky", "action": "add"}, sender="new-card"),
        ),
    ],
)
async def test_an_example_starts_by_its_command_and_what_is_said_comes_back(
    start: Start, example: str, come_in: str | None, page: str, socket: str, frame: str
) -> None:
    server = await start(example)
    visitor = Visitor(server)
    assert "<form" in await visitor.read("/")
    if come_in is not None:
        await visitor.read(come_in, name="Ann", user="Olga", username="ann", password="ann")
    shown = await visitor.read(page)
    (address,) = re.findall(r' ws-connect="([^"]+[?;]hx=2[^"]*)"', shown)
    assert address.startswith(socket)
    assert shown.count("<script") == 2
    async with visitor.open(socket) as opened:
        await opened.send(frame)
        await hears(opened, "hello")
    assert await server.stop() is not None


@pytest.mark.parametrize(
    ("example", "come_in", "socket", "frame"),
    [
        (
            *("starlette_chat", "/enter", "/ws/lobby"),
            build_frame({"action": "say", "message": "hello"}),
        ),
        (
            *("fastapi_dashboard", "/login", "/live/board"),
            build_frame({"text": "hello"}, sender="note-form"),
        ),
        (
            *("channels_board", "/login/", "/ws/board/"),
            build_frame({"title": "hello", "colour": "sky", "action": "add"}, sender="new-card"),
        ),
        (
            *("fasthtml_chat", "/enter", "/live/ws"),
            build_frame({"msg": "hello"}),
        ),
        (
            *("plain_asgi", None, "/ws/lobby?name={name}"),
            build_frame({"action": "say", "message": "hello"}),
        ),
        (
            *("prometheus", None, "/bar/oslo"),
            build_frame({"drink": "tea", "cups": "2"}, sender="order"),
        ),
    ],
)
async def test_an_example_is_one_in_two_processes_by_an_environment_variable(
    start: Start, tmp_path: Path, example: str, come_in: str | None, socket: str, frame: str
) -> None:
    heard = "tea: 2" if example == "prometheus" else "hello"
    with RedisServer(tmp_path / "redis") as redis:
        here, there = [await start(example, HTMX_WS_BACKEND=redis.url()) for _ in range(2)]
        ann, bob = Visitor(here), Visitor(there)
        for visitor, name in ((ann, "ann"), (bob, "bob")):
            await visitor.read("/")
            user = {"ann": "Olga", "bob": "Vera"}[name]
            if come_in is not None:
                await visitor.read(come_in, name=name, user=user, username=name, password=name)
        path = socket.format
        async with ann.open(path(name="ann")) as hers, bob.open(path(name="bob")) as his:
            if example == "prometheus":
                await hears(his, "orders")  # he is in the room
            elif example != "fastapi_dashboard":  # it does not show who is here
                for opened, name in ((hers, "bob"), (his, "ann")):
                    await hears(opened, f"<span>{name}</span>")
            await hers.send(frame)
            lines = [await hears(opened, heard) for opened in (hers, his)]
            if example == "plain_asgi":  # no line has the id of another process's
                await his.send(frame)
                lines.append(await hears(hers, heard))
                first, _, second = (re.findall(r'id="(line-[^"]+)"', line) for line in lines)
                assert first != second
        if example == "starlette_chat":
            ann.server = there  # and is who she was
            assert "<b>ann</b>" in await ann.read("/rooms/lobby")


async def hears(page: ClientConnection, text: str) -> str:
    async with asyncio.timeout(20):
        while text not in (said := str(await page.recv())):
            pass
    return said

"""What is asked of a server about the wire; each question starts it and gives rows of the table.

What depends on load stands in ``strains``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from .servers import Kind, Server, die, serve_on

Rows = dict[str, str]

PROBE: Final = "tests.services.probe:app"
MIB: Final = 1024 * 1024

#: After which a socket that was not closed is said to be open.
OPEN_SECONDS: Final = 3

#: Code that prints the seconds between pings, and those that the server waits for the answer.
_PINGS: Final = {
    "uvicorn": "from inspect import signature; from uvicorn import Config;"
    "p = signature(Config).parameters;"
    "print(p['ws_ping_interval'].default, p['ws_ping_timeout'].default)",
    "Hypercorn": "from hypercorn.config import Config; print(Config.websocket_ping_interval)",
    "granian": "from inspect import signature; from granian import Granian;"
    "print(*[name for name in signature(Granian).parameters if 'ping' in name])",
    "daphne": "from daphne.cli import CommandLineInterface; p = CommandLineInterface().parser;"
    "print(p.get_default('ping_interval'), p.get_default('ping_timeout'))",
}
_SAYS_OF_PINGS: Final = {0: "no, and no setting", 1: "no", 2: "every {:g} s, waits {:g} s"}


async def facts(server: Server, saw: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait for what the application saw, that many times."""
    lines = await server.prints(f'^probe {{"saw": "{saw}"', count)
    return [json.loads(line.string.removeprefix("probe ")) for line in lines]


async def code_of(page: ClientConnection, seconds: float = OPEN_SECONDS) -> str:
    """Give the code with which a page is closed, or say that it is open."""
    try:
        async with asyncio.timeout(seconds):
            await page.wait_closed()
    except TimeoutError:
        page.transport.abort()
        return "open"
    return str(int(page.close_code or 0))


async def ask_its_code(kind: Kind) -> Rows:
    """Its version, and a default that it would take long to see from outside."""
    name, *others = (f"{package} {version(package)}" for package in kind.packages)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PINGS[kind.packages[0]], stdout=asyncio.subprocess.PIPE
    )
    printed = (await process.communicate())[0].decode().split()
    seconds = [float(word) for word in printed if word != "None"]
    return {
        "version": _join([name.split()[1], *others]),
        "pings pages by default": _SAYS_OF_PINGS[len(printed)].format(*seconds),
    }


async def open_pages(kind: Kind) -> Rows:
    """What of a handshake arrives, and how long a message it takes by default."""
    async with serve_on(kind, PROBE, settings="") as server:
        async with server.open("/stay", subprotocols=["a", "b"]) as page:
            (accepted,) = await facts(server, "accepted")
            carried = {
                "subprotocol": page.subprotocol == "b",
                "headers": page.response is not None and "x-probe" in page.response.headers,
                "compression": bool(page.protocol.extensions),
            }
        started = [line for line in server.printed if '"startup"' in line]
        lifespan = {"yes": bool(started), "with state": '"state": true' in str(started)}
        longest, code = await _fill(server)
        return {
            "event loop": accepted["loop"],
            "lifespan": _list(lifespan),
            "of what an accept says, the page gets": _list(carried),
            "a close before the accept is": await _status_of(server, "/refuse"),
            "a 503 by `websocket.http.response` is": await _status_of(server, "/deny"),
            "takes a message of up to, by default": longest,
            "after a longer one the page sees": code,
        }


async def _fill(server: Server) -> tuple[str, str]:
    for most in (MIB, 16 * MIB, 64 * MIB):
        async with server.open("/stay", compression=None) as page:
            with suppress(ConnectionClosed):
                await page.send("x" * most)
                await server.prints(f'"length": {most}')
                await page.send("x" * (most + 1))
            code = await code_of(page, seconds=1)
            if code != "open":
                return f"{most // MIB} MiB", code
    return "over 64 MiB", "-"


async def _status_of(server: Server, path: str) -> str:
    try:
        async with server.open(path):
            return "accepted"
    except InvalidStatus as refused:
        if any('"offers no denial"' in line for line in server.printed):
            return "not offered"
        return str(refused.response.status_code)


async def close_pages(kind: Kind) -> Rows:
    """Which codes pass through it, in either direction."""
    bare, ours = (1008, 1009, 1012, 4403), (1008, 1009, 1012, 1013, 4403)
    async with serve_on(kind, PROBE) as server:
        by_app = await asyncio.gather(*(_close(server, f"/close/{code}") for code in bare))
        by_us = await asyncio.gather(*(_close(server, f"/live/{code}") for code in ours))
        seen = []
        for number, end in enumerate((_leave, _leave_without_code, _die), 1):
            async with server.open("/stay") as page:
                await facts(server, "accepted", number)
                await end(page)
            seen.append((await facts(server, "disconnect", number))[-1]["code"])
    return {
        f"an application closes with {_join(bare)}: the page sees": _as_sent(by_app, bare),
        f"htmx-ws closes with {_join(ours)}: the page sees": _as_sent(by_us, ours),
        "a page closes with 1001, closes without a code, dies: the application sees": _join(seen),
    }


async def _close(server: Server, path: str) -> str:
    async with server.open(path) as page:
        return await code_of(page)


async def _leave(page: ClientConnection) -> None:
    await page.close(1001)


async def _leave_without_code(page: ClientConnection) -> None:
    page.protocol.send_close()
    page.transport.write(b"".join(page.protocol.data_to_send()))
    await page.wait_closed()


async def _die(page: ClientConnection) -> None:
    die(page)


def _join(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _list(carried: dict[str, bool]) -> str:
    return _join(name for name, arrives in carried.items() if arrives) or "no"


def _as_sent(seen: Iterable[str], sent: Iterable[int]) -> str:
    return "the same" if list(seen) == [str(code) for code in sent] else _join(seen)

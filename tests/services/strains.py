"""What is asked of a server under strain: a page that does not read, a deploy, a thousand pages."""

from __future__ import annotations

import asyncio
import re
import resource
import signal
import socket
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from htmx_ws.testing import build_frame

from .probe import MOST
from .questions import PROBE, Rows, code_of, facts
from .servers import Kind, Server, serve_on

PAGES: Final = 1000
AT_ONCE: Final = 50
OPEN_AT_STOP: Final = 20
SMALL_BUFFER: Final = 16 * 1024

#: After which a server that was told to end, and runs, is said never to end.
NEVER_SECONDS: Final = 8

#: daphne forgets to cancel applications while a connection is a second old.
NO_NEWS_SECONDS: Final = 2


async def stall_pages(kind: Kind) -> Rows:
    """How much is sent to a page that reads nothing before it holds the sender back."""
    ends = "both ends" if kind.listen_fd else "the page's end"
    return {
        "`send()` to a page that does not read blocks after": await _flood(kind, 0),
        "with socket buffers of 16 KiB": f"{await _flood(kind, SMALL_BUFFER)} ({ends})",
    }


async def _flood(kind: Kind, buffer: int) -> str:
    async with serve_on(kind, PROBE, send_buffer=buffer) as server:
        with socket.socket() as sock:
            if buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            sock.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
            sock.setblocking(False)
            page = await server.open("/flood", sock=sock, compression=None, ping_interval=None)
            page.transport.pause_reading()
            await page.send("go")
            (found,) = await facts(server, "(un)?blocked")
            page.transport.abort()
    return f"{found['sent'] / 1e6:.1f} MB" if found["sent"] < MOST else "never"


async def stop(kind: Kind) -> Rows:
    """What a deploy does to pages, to their application and to a handler at work."""
    async with serve_on(kind, PROBE) as server:
        pages = [await server.open("/stay") for _ in range(OPEN_AT_STOP)]
        await facts(server, "accepted", OPEN_AT_STOP)
        await asyncio.sleep(NO_NEWS_SECONDS)
        seconds = await _end(server)
        codes = {await code_of(page) for page in pages}
        said = "\n".join(server.printed)
    saw = re.findall('"saw": "(disconnect|cancelled|shutdown)"', said)
    return {
        "SIGTERM: an open page sees": ", ".join(codes),
        "the application sees": _in_order(saw),
        "the process ends after": seconds,
        **await _end_at_work(kind),
        "with an application that does not return, it ends after": await _end_deaf(kind, ""),
        "the same, with our settings": await _end_deaf(kind, kind.advice),
    }


def _in_order(saw: list[str]) -> str:
    """Say to how many pages' applications what was said, and whether the shutdown came last."""
    told = Counter(event for event in saw if event != "shutdown")
    words = [f"{event} ({count} of {OPEN_AT_STOP})" for event, count in told.items()] or ["nothing"]
    if "shutdown" in saw:
        words.append("then shutdown" if saw[-1] == "shutdown" else "shutdown meanwhile")
    return ", ".join(words)


async def _end_at_work(kind: Kind) -> Rows:
    async with serve_on(kind, PROBE) as server, server.open("/live/0") as page:
        await asyncio.sleep(NO_NEWS_SECONDS)
        await page.send(build_frame({"action": "work"}))
        await facts(server, "begun")
        await _end(server)
        code = await code_of(page)
    finished = any('"finished"' in line for line in server.printed)
    return {
        "a page of htmx-ws sees": code,
        "a handler of htmx-ws that works for another second": (
            "finishes" if finished else "is cut off"
        ),
    }


async def _end_deaf(kind: Kind, settings: str) -> str:
    async with serve_on(kind, PROBE, settings) as server, server.open("/stay-deaf") as page:
        await facts(server, "accepted")
        seconds = await _end(server)
        page.transport.abort()
    return seconds


async def _end(server: Server) -> str:
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(NEVER_SECONDS):
            await server.process.wait()
    except TimeoutError:
        return f"never (over {NEVER_SECONDS} s)"
    seconds = time.monotonic() - began
    await server.end()
    return f"{seconds:.1f} s"


async def weigh_pages(kind: Kind) -> Rows:
    """What a page costs in the memory of the process that serves it."""
    deflate = ClientPerMessageDeflateFactory(compress_settings={"memLevel": 1})
    return {
        "memory of an idle page: bare application": await _weigh(kind, "/stay"),
        "memory of an idle page: htmx-ws": await _weigh(kind, "/live/0"),
        "the same with compression, after a message each way": await _weigh(
            kind, "/live/0", extensions=[deflate]
        ),
    }


async def _weigh(kind: Kind, path: str, **options: Any) -> str:
    pages: list[ClientConnection] = []

    async def open_another() -> None:
        page = await server.open(path, compression=None, ping_interval=None, **options)
        pages.append(page)
        if page.protocol.extensions:
            await page.send(build_frame({"action": "answer"}))
            await page.recv()

    async def open_many(count: int) -> int:
        for _ in range(count // AT_ONCE):
            await asyncio.gather(*(open_another() for _ in range(AT_ONCE)))
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()

    async with serve_on(kind, PROBE) as server:
        async with server.open("/stay"):
            pid = (await facts(server, "accepted"))[0]["pid"]
        before = await open_many(PAGES // 10)
        after = await open_many(PAGES)
        for page in pages:
            page.transport.abort()
        await asyncio.gather(*(page.wait_closed() for page in pages))
    if options and not pages[0].protocol.extensions:
        return "not compressed"
    return f"{(after - before) / PAGES / 1000:.0f} kB"

"""The application of these tests: for any server, or run under uvicorn, printing its address."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import uvicorn

from htmx_ws import Connection, Fragment, HtmxWS, Limits, append, html, update

# daphne itself refuses what is over a megabyte: the limit that closes here is htmx-ws's.
live = HtmxWS(limits=Limits(outbox_bytes=64 * 1024, frame_bytes_hard=256 * 1024))
room = live.endpoint("/room/{name}")


@room.on_connect
async def joined(conn: Connection, name: str) -> None:
    await conn.join(name)


@room.on_disconnect
async def left(conn: Connection, name: str) -> None:
    print("left", conn.id, flush=True)  # what no page is there to hear
    await live.publish(name, append("#log", html("<li>left {}</li>", len(live.members(name)))))


@room.on(action="say")
async def say(msg: str, name: str) -> Fragment:
    await live.publish(name, append("#log", html("<li>{}</li>", msg)))
    return update("#status", html("{}", len(live.members(name))))


@room.on(action="flood")
async def flood(name: str, size: int) -> None:
    await live.publish(name, append("#log", html("<li>{}</li>", "x" * size)))


@room.on(action="count", concurrent=True)
async def count() -> AsyncIterator[Fragment]:
    for number in range(3):
        yield update("#count", html("{}", number))


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    # Else megabytes wait in the kernel before a send blocks.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/", flush=True)
    config = uvicorn.Config(live, log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listening])

"""The connect hook of a page: what it returns is sent before any frame is read.

A hook that streams is waited for until its first piece is sent; the rest goes on beside the
frames, so that a page with a long story to be told can be used at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any

from .connection import Connection
from .endpoint import Handler, RunAround
from .errors import Refused
from .results import is_deferred, stream

__all__ = ["run_connect_hook"]

#: Sends the pieces of a stream; the future is done when the first was sent.
SendPieces = Callable[[asyncio.Future[None]], Coroutine[Any, Any, None]]


async def run_connect_hook(
    conn: Connection, hook: Handler, arguments: Mapping[str, Any], around: RunAround
) -> None:
    """Call a connect hook and send what it gives; raises what the hook, or its first piece, does.

    A generator lives as long as what its host does ``around`` it.
    """

    async def call(more: Mapping[str, Any]) -> None:
        content = await hook.call(**arguments, **more)
        if is_deferred(content):
            background = conn.runtime.background
            await _stream_beside(
                conn, hook, lambda began: background(_send_pieces(conn, content, began))
            )
        else:
            await conn.send(await conn.runtime.rendered(content))

    async def send_pieces(began: asyncio.Future[None]) -> None:
        async def call(more: Mapping[str, Any]) -> None:
            await _send_pieces(conn, await hook.call(**arguments, **more), began)

        await around(hook, None, call)

    if hook.makes_generator:
        await _stream_beside(conn, hook, send_pieces)
    else:
        await around(hook, None, call)


async def _send_pieces(conn: Connection, content: object, began: asyncio.Future[None]) -> None:
    try:
        async with aclosing(stream(content, conn.runtime)) as pieces:
            async for piece in pieces:
                await conn.send(await conn.runtime.rendered(piece))
                if not began.done():
                    began.set_result(None)
                await asyncio.sleep(0)  # as every stream: see Connection.send_all
    except Refused as refused:
        if not began.done():
            raise
        await conn.turn_away(refused)


async def _stream_beside(conn: Connection, hook: Handler, send_pieces: SendPieces) -> None:
    """Wait for the first piece of a stream; the rest goes on beside the frames."""
    began: asyncio.Future[None] = conn.home.loop.create_future()
    streaming = conn.spawn(send_pieces(began), hook.work_name)
    await asyncio.wait((streaming, began), return_when=asyncio.FIRST_COMPLETED)
    if began.done():
        streaming.add_done_callback(conn.report_work)
    elif not streaming.cancelled():
        streaming.result()

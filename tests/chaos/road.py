"""What lies between browsers and servers: a proxy that takes turns, and can cut every wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count


class Road:
    """Passes bytes on to ``ports``, one after the other; ``port`` is where it listens.

    While there is an ``only``, all goes to that one.
    """

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.port = 0
        self.only: int | None = None
        self._turns = count()
        self._wires: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """End every connection that is open now, without a word."""
        for wire in list(self._wires):
            wire.transport.abort()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass a connection on to the next server that is there."""
        for _ in self.ports:
            port = self.only or self.ports[next(self._turns) % len(self.ports)]
            with suppress(OSError):
                there, back = await asyncio.open_connection("127.0.0.1", port)
                break
        else:
            writer.transport.abort()
            return
        self._wires |= {writer, back}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pass_on(reader, back))
                both.create_task(_pass_on(there, writer))
        except* OSError:
            pass
        finally:
            self._wires -= {writer, back}
            writer.transport.abort()
            back.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


@asynccontextmanager
async def road_to(ports: list[int]) -> AsyncIterator[Road]:
    """Open a road until the end of the block."""
    road = Road(ports)
    async with await asyncio.start_server(road.take, "127.0.0.1", 0) as server:
        road.port = server.sockets[0].getsockname()[1]
        yield road
        server.close()
        road.cut()

"""What stays behind: objects and tasks after inputs that have been answered, and bytes in caches.

A page that costs the server a kilobyte for each frame needs no bug to end it. So what is left
after many inputs is counted. Caches may fill, since they have a limit; but the limit counts
entries, so whatever a page writes itself may only be kept while it is short.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

import htmx_ws
from htmx_ws import HtmxWS, Limits
from htmx_ws.clock import Clock
from htmx_ws.testing import Socket

from .application import application
from .kind import Kind, random_of
from .watch import watching

__all__ = ["FLOODS", "bytes_after", "bytes_by_input", "caches"]

frame: Any = import_module("htmx_ws.wire.frame")

_UNHURRIED: Final = Limits(frames_per_second=1e9, frames_burst=10**9)


def caches() -> Iterator[Any]:
    """Go through the caches of functions in htmx-ws."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "htmx_ws":
            yield from (one for one in vars(module).values() if hasattr(one, "cache_info"))


async def _settle(*, clears: bool) -> None:
    """Let go of what is kept for a moment alone, and, where it ``clears``, of caches too."""
    await asyncio.sleep(3 * Clock.TICK)  # for so long it looks at pages that have gone
    cast(Any, urlsplit).cache_clear()  # Python's own, of 128 addresses, however long
    for cache in caches() if clears else ():
        cache.cache_clear()
    gc.collect()


async def bytes_by_input(kind: Kind[Any], seed: int, inputs: int = 150, windows: int = 3) -> float:
    """Give how many bytes an input leaves that htmx-ws made, where the fewest are left.

    What is made once, for the first input of its shape, is in some windows; a leak is in all.
    """
    left: list[float] = []
    with watching() as watch, _traced():
        for window in range(windows):
            await _settle(clears=True)
            before = _bytes_of_htmx_ws()
            for index in range(window * inputs, (window + 1) * inputs):
                # Whether it is right is another test's question.
                with suppress(Exception):
                    await kind.check(kind.make(random_of(kind.name, seed, index)))
                watch.forget()
            await _settle(clears=True)
            left.append((_bytes_of_htmx_ws() - before) / inputs)
    return min(left[1:])


def _bytes_of_htmx_ws() -> int:
    made = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, _OURS)])
    return sum(one.size for one in made.statistics("filename"))


_OURS: Final = f"{Path(htmx_ws.__file__).parent}/*"


@contextmanager
def _traced() -> Iterator[None]:
    """Trace what is made, without what pydantic's parser keeps: a table of 16,384 short strings."""
    parser = frame.from_json
    frame.from_json = partial(parser, cache_strings="none")
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
        frame.from_json = parser


# --- floods ----------------------------------------------------------------------------


class Flood(NamedTuple):
    """Inputs that are each another, how many of them, and how many bytes one may leave.

    What is long may not stay in caches either, what ``is_short`` may.
    """

    give: Callable[[HtmxWS, Socket, int], Awaitable[None]]
    inputs: int = 40
    is_short: bool = False
    most: int = 800


async def bytes_after(flood: Flood, first: int = 20) -> float:
    """Give how many bytes each input of a flood leaves, after a few went before."""
    live = application(_UNHURRIED)
    with watching() as watch, _traced():
        async with Socket(live, "/person/a", dialect="htmx2", debug=False, timeout=60.0) as socket:
            for index in range(first + flood.inputs):
                if index == first:
                    await _settle(clears=flood.is_short)
                    before = tracemalloc.get_traced_memory()[0]
                await flood.give(live, socket, index)
                await _answered(socket)
                watch.forget()
            await _settle(clears=flood.is_short)
            left = tracemalloc.get_traced_memory()[0] - before
    return left / flood.inputs


async def _answered(socket: Socket) -> None:
    await socket.send({"nonce": "done"}, sender="alive")
    while "<li>done " not in await socket.receive():
        pass


#: Half of what one frame may hold, less what the escapes of a selector make of it.
_LONG: Final = 4_000


async def _long_ids(live: HtmxWS, socket: Socket, index: int) -> None:
    await socket.send({"age": "x"}, sender=f"{index}{'!' * _LONG}")


async def _many_ids(live: HtmxWS, socket: Socket, index: int) -> None:
    await socket.send({"age": "x"}, sender=f"form-{index}-{'x' * 150}")


async def _long_fields(live: HtmxWS, socket: Socket, index: int) -> None:
    await socket.send({f"{index}{'!' * _LONG}": "x"}, sender="form")


async def _long_headers(live: HtmxWS, socket: Socket, index: int) -> None:
    await socket.send({"name": "x"}, sender="form", sender_name=f"{index}{'!' * _LONG}")


async def _no_frames(live: HtmxWS, socket: Socket, index: int) -> None:
    await socket.send_text(f"{index}{'!' * _LONG}")


async def _pages(live: HtmxWS, socket: Socket, index: int) -> None:
    path = f"/form/{index}{'a' * _LONG}"
    query = f"room={index}{'b' * _LONG}".encode()
    async with Socket(live, "/", scope={"path": path, "query_string": query}, debug=False) as other:
        await other.send({"n": "x"}, sender="one-n")
        await other.receive()


async def _lost_pages(live: HtmxWS, socket: Socket, index: int) -> None:
    origin = f"http://{index}{'a' * _LONG}.test"
    async with Socket(live, f"/{index}{'a' * _LONG}", origin=origin, debug=False) as other:
        await other.closed()


#: What one page, or one client, can do for hours.
FLOODS: Final = {
    "long ids": Flood(_long_ids),
    "many ids": Flood(_many_ids, inputs=600, is_short=True, most=200),
    "long names of fields": Flood(_long_fields),
    "long headers": Flood(_long_headers),
    "what is no frame": Flood(_no_frames),
    "pages": Flood(_pages),
    "pages that are sent away": Flood(_lost_pages),
}

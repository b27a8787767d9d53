"""A process that is drained: its pages go one after the other, and are told to come back."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass

from .pages import connect, open_pages
from .strained import strained

PARTS = 10


@dataclass(frozen=True)
class Drained:
    """How the pages went."""

    codes: frozenset[int]
    seconds: float  # from when it began until the drain returned
    shares: tuple[float, ...]  # of each tenth of the time: 1 where as many went as should
    hooks: dict[str, int]
    refused_with: int  # a page that comes meanwhile


async def measure_drain(count: int, seconds: float) -> Drained:
    """Drain that many pages in that time."""
    async with strained() as site:
        pages = await open_pages(site.url, "/page/a", count)
        began = time.monotonic()
        draining = asyncio.create_task(site.ask(f"drain?seconds={seconds}"))
        await asyncio.wait([page.closed for page in pages], return_when=asyncio.FIRST_COMPLETED)
        late = await connect(site.url, "/page/a")
        refused_with = await late.closed
        codes = frozenset(await asyncio.gather(*(page.closed for page in pages)))
        await draining
        took = time.monotonic() - began
        hooks = await site.ask("count_hooks")
    first = min(page.ended_at for page in pages)
    parts = Counter(int((page.ended_at - first) / seconds * PARTS) for page in pages)
    shares = tuple(parts[part] / (count / PARTS) for part in range(max(*parts, PARTS - 1) + 1))
    return Drained(codes, took, shares, hooks, refused_with)

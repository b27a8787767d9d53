"""A process that is drained: its pages go one after the other, and are told to come back.

Evenly, that is: at each moment as many have gone as that share of the time has passed. How many
went in each tenth of it says so to readers, and how far the pages were ahead or behind at the most
says so to the gate, as a machine that stands still for a moment empties a tenth and fills the next.
"""

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
    astray: float  # the most that a page was ahead or behind, as a share of the time
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
    ended = sorted(page.ended_at for page in pages)
    passed = [(at - ended[0]) / seconds for at in ended]
    parts = Counter(int(share * PARTS) for share in passed)
    shares = tuple(parts[part] / (count / PARTS) for part in range(PARTS))
    astray = max(abs(share - number / count) for number, share in enumerate(passed))
    return Drained(codes, took, shares, astray, hooks, refused_with)

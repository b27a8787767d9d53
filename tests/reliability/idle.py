"""Thousands of pages that do nothing: what each costs, and that one publication reaches all."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .pages import Arrivals, close_all, open_pages
from .strained import strained

#: Opened before the memory is looked at, as the first pages are dearer than the next.
BEFORE = 500


@dataclass(frozen=True)
class Idle:
    """Bytes a page of the process that serves, and the seconds of one publication to all."""

    pages: int
    bare: float
    ours: float
    ours_told: float  # after a publication
    reached: int
    seconds: float

    @property
    def above_bare(self) -> float:
        """What htmx-ws adds to a page that has been told something, as all soon have."""
        return self.ours_told - self.bare


async def measure_idle(count: int) -> Idle:
    bare, *_ = await _weigh("/bare", count)
    ours, told, reached, seconds = await _weigh("/idle/lobby", count)
    return Idle(BEFORE + count, bare, ours, told, reached, seconds)


async def _weigh(path: str, count: int) -> tuple[float, float, int, float]:
    arrivals = Arrivals(BEFORE + count)
    async with strained() as site:
        pages = await open_pages(site.url, path, BEFORE, arrivals)
        before = await site.ask("weigh")
        pages += await open_pages(site.url, path, count, arrivals)
        opened = told = await site.ask("weigh")
        seconds = 0.0
        if path != "/bare":
            began = time.monotonic()
            await site.ask("publish?room=lobby")
            seconds = await arrivals.of_all() - began
            told = await site.ask("weigh")
        await close_all(pages)
    return (opened - before) / count, (told - before) / count, arrivals.count, seconds

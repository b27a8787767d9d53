"""The long forms of the measurements, and what docs/reliability.md says of each: its rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from tests.services.servers import KINDS

from .dead import MORE_SETTINGS, NEVER_SECONDS, measure_dead
from .draining import measure_drain
from .flood import FLOODS, measure_flood
from .idle import measure_idle
from .soak import measure_soak
from .stalled import PAGES, STALLED, measure_release, measure_stalled
from .strained import UNCOMPRESSED
from .vanish import STAY, WAYS, measure_vanishing

Rows = dict[str, str]

RELEASE_SECONDS: Final = 60
USER_TIMEOUT: Final = 10
DRAIN_SECONDS: Final = 10

#: After a flood of pings a server is busy for a while, and no measure of one without.
FLOODS_RUN: Final = {of: 1 if of == "pings" else 3 for of in FLOODS}


async def idle(minutes: float) -> Rows:
    found = await measure_idle(5_000)
    return {
        "memory of an idle page: bare application": _kilobytes(found.bare),
        "of htmx-ws, in one room": _kilobytes(found.ours),
        "of htmx-ws, after a publication": _kilobytes(found.ours_told),
        f"one publication reaches {found.reached:,} of {found.pages:,} pages in": (
            f"{found.seconds:.2f} s"
        ),
    }


async def slow(minutes: float) -> Rows:
    found = await measure_stalled(runs=3, seconds=10)
    kept, freed = await measure_release(RELEASE_SECONDS), await measure_release(60, USER_TIMEOUT)
    return {
        "a page that reads nothing is let go, by `write_seconds`, after": _most(found.let_go),
        "by a full outbox, of 64 KiB, after": _most(found.let_go_when_full),
        "what waits for each takes at the most": _kilobytes(found.memory),
        "as soon as it reads, it sees": ", ".join(map(str, sorted(found.closed_with))),
        "and comes back to the state of its connect hook": f"{found.came_back} of {STALLED}",
        f"latency (p99) of {PAGES - STALLED} pages that read, beside {STALLED} that do not": (
            f"{found.p99}"
        ),
        "the server closes the socket of one that never reads again after": _after(
            kept, RELEASE_SECONDS
        ),
        f"the same with a TCP_USER_TIMEOUT of {USER_TIMEOUT} s": _after(freed, RELEASE_SECONDS),
    }


async def flood(minutes: float) -> Rows:
    rows = {}
    for of, runs in FLOODS_RUN.items():
        found = await measure_flood(of, runs, seconds=2)
        rows[f"waiting for an answer (median), beside a flood of {of}"] = f"{found}"
    found = await measure_flood("pings", 1, 2, f"{UNCOMPRESSED} --loop asyncio")
    return {**rows, "the same with uvicorn's `--loop asyncio`": f"{found}"}


async def gone(minutes: float) -> Rows:
    found = await measure_vanishing(5_000)
    kept = sum(abs(found.after[name] - found.before[name]) for name in found.before)
    kept += sum(found.objects.values()) - STAY * len(found.objects)
    left, entered = found.hooks["left"] + STAY, found.hooks["entered"]
    return {
        f"pages that vanished in {len(WAYS)} ways": f"{found.cycles:,}",
        "connections, places in rooms, tasks, descriptors, objects that are left of them": (
            f"{kept}"
        ),
        "connect hooks entered, and disconnect hooks run once": f"{entered:,} and {left:,}",
        "disconnect hooks run twice": f"{found.hooks['twice']}",
    }


async def dead(minutes: float) -> Rows:
    cases = [(kind, "") for kind in KINDS]
    cases += [(kind, MORE_SETTINGS[kind.name]) for kind in KINDS if kind.name in MORE_SETTINGS]
    noticed = await asyncio.gather(*(measure_dead(kind, more) for kind, more in cases))
    return {
        f"a page without a network is noticed by {kind}" + (f" with `{more}`" if more else ""): (
            _after(seconds, NEVER_SECONDS)
        )
        for (kind, more), seconds in zip(cases, noticed, strict=True)
    }


async def drain(minutes: float) -> Rows:
    found = await measure_drain(2_000, DRAIN_SECONDS)
    tenths = [round(200 * share) for share in found.shares]
    return {
        f"a drain of 2,000 pages in {DRAIN_SECONDS} s took": f"{found.seconds:.1f} s",
        "pages were closed with": ", ".join(map(str, sorted(found.codes))),
        "pages in each tenth of that time": f"{min(tenths)} to {max(tenths)}",
        "a page was ahead of an even pace, or behind it, by at most": (
            f"{1000 * found.astray * DRAIN_SECONDS:.0f} ms"
        ),
        "disconnect hooks run, and twice": f"{found.hooks['left']:,}, {found.hooks['twice']}",
        "a page that comes meanwhile gets": f"{found.refused_with}",
    }


async def soak(minutes: float) -> Rows:
    found = await measure_soak(60 * minutes)
    first, last = found.memory[len(found.memory) // 3], found.memory[-1]
    return {
        f"pages that came and went in {minutes:g} minutes": f"{found.came:,}",
        "messages that pages read": f"{found.reached:,}",
        "memory of the process after a third of the time, and at its end": (
            f"{first / 1e6:.1f} MB, {last / 1e6:.1f} MB"
        ),
        "growth from the middle third to the last, by medians": f"{found.growth:.1%}",
        "left when only the first pages were there": (
            "nothing" if found.after == found.before else f"{found.after}, not {found.before}"
        ),
    }


#: In the order of the page.
MEASUREMENTS: Final[dict[str, Callable[[float], Coroutine[Any, Any, Rows]]]] = {
    "many": idle,
    "slow": slow,
    "drained": drain,
    "flooding": flood,
    "vanishing": gone,
    "dead": dead,
    "soak": soak,
}


def _kilobytes(size: float) -> str:
    return f"{size / 1000:.1f} kB"


def _most(seconds: tuple[float, ...]) -> str:
    return f"{max(seconds):.1f} s"


def _after(seconds: float | None, most: float) -> str:
    return f"never (over {most:g} s)" if seconds is None else f"{seconds:.0f} s"

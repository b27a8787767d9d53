"""One of two workers is killed: what becomes of its pages' presence, and of the other's pages?"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass

from tests.reliability.pages import close_all

from .workers import Visit, ask, two_workers, visit

ROOM = "seen:lobby"

#: How many are with each worker, and how many messages are published around the kill.
VISITORS = 5
MESSAGES = 60


@dataclass(frozen=True)
class Outcome:
    """What was seen: how long those who were killed were still there, and what was not right."""

    seconds: float
    faults: tuple[str, ...]

    def __str__(self) -> str:
        said = "; ".join(self.faults) or "the other's pages were untouched"
        return (
            "those with a worker that was killed were not there any more after "
            f"{self.seconds:.1f} s: {said}"
        )


async def play(most: float, **environment: str) -> Outcome:
    """Kill one; ``most`` is how many seconds may pass until everybody knows."""
    faults: list[str] = []
    dying = [f"a{number}" for number in range(VISITORS)]
    living = [f"b{number}" for number in range(VISITORS)]
    async with two_workers(**environment) as workers:
        doomed, other = workers.servers
        there: list[Visit] = [await visit(other.url, "watcher", ROOM)]
        gone: list[Visit] = []
        for one in living:
            there.append(await visit(other.url, one, ROOM))
        for one in dying:
            gone.append(await visit(doomed.url, one, ROOM))
        await there[0].hears(*(f"joined {one}" for one in [*living, *dying]))
        everybody = await ask(other, "/presence", room=ROOM)
        if {*everybody} != {"watcher", *living, *dying}:
            faults.append(f"{everybody} were there")

        for number in range(MESSAGES):
            if number == MESSAGES // 3:
                os.kill(doomed.process.pid, signal.SIGKILL)
                killed = time.monotonic()
            await ask(other, "/say", room=ROOM, text=f"message {number}")
        await asyncio.gather(*(each.page.closed for each in gone))
        await asyncio.gather(
            *(each.hears(*(f"left {one}" for one in dying), most=most) for each in there)
        )
        seconds = time.monotonic() - killed

        await ask(other, "/say", room=ROOM, text="the last")
        await asyncio.gather(*(each.hears("the last") for each in there))
        now = await ask(other, "/presence", room=ROOM)
        if {*now} != {"watcher", *living}:
            faults.append(f"{now} are still there")
        if (count := await ask(other, "/count", room=ROOM)) != len(there):
            faults.append(f"{count} pages are counted")
        wanted = [f"message {number}" for number in range(MESSAGES)]
        for each in there:
            heard = each.heard.items()
            if each.page.closed.done():
                faults.append(f"a page was closed with {each.page.closed.result()}")
            if [item for item in heard if item.startswith("message")] != wanted:
                faults.append("a page lost a message, or its order")
            left = Counter(item for item in heard if item.startswith("left"))
            if left != Counter(f"left {one}" for one in dying):
                faults.append(f"a page was told {left}")
        await close_all(each.page for each in there)
    return Outcome(seconds, tuple(faults))

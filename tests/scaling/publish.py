"""A process that holds no pages, and publishes: ``python -m tests.scaling.publish sync URL COUNT``.

It begins when a line comes in, so that several begin at once.
"""

from __future__ import annotations

import asyncio
import sys

from htmx_ws import Publisher

from .plan import item, plan


def publish(url: str, count: int) -> None:
    with Publisher(url) as publisher:
        for room, number in plan("sync", count):
            publisher.publish(room, item(room, "sync", number))


async def apublish(url: str, count: int) -> None:
    with Publisher(url) as publisher:
        for room, number in plan("async", count):
            await publisher.apublish(room, item(room, "async", number))


if __name__ == "__main__":
    _, way, url, count = sys.argv
    print("ready", flush=True)
    sys.stdin.readline()
    if way == "sync":
        publish(url, int(count))
    else:
        asyncio.run(apublish(url, int(count)))

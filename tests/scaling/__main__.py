"""Plays the full runs of two workers on one Redis, and prints what was seen.

    python -m tests.scaling

The gate plays the same with fewer publications and a shorter heartbeat.
"""

from __future__ import annotations

import asyncio
import resource
import sys

from . import crowd, killed


async def play() -> int:
    """Play all of them; the status is 1 where one was not as it must be."""
    in_crowd = await crowd.play(pages_each=300, published=5_001)
    print(in_crowd, flush=True)
    of_killed = await killed.play(most=60)
    print(of_killed, flush=True)
    return int(bool(in_crowd.faults or of_killed.faults))


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sys.exit(asyncio.run(play()))

"""An application whose backend is of one process alone; it tells how many it found itself to be."""

from __future__ import annotations

import asyncio
import logging
import os

import htmx_ws.app
from htmx_ws import HtmxWS, workers
from htmx_ws.workers import count_workers

# So that every server prints it, whatever it does with logging.
logging.getLogger("htmx_ws").addHandler(logging.StreamHandler())


def tell() -> int:
    """Count, and say so."""
    count = count_workers()
    print("found", count, "of us", flush=True)
    return count


# Tests do not wait until workers have been there for long.
workers.TOGETHER_SECONDS = float(os.environ.get("ALONE_TOGETHER", workers.TOGETHER_SECONDS))  # type: ignore[misc]  # for this process alone
htmx_ws.app.count_workers = tell  # type: ignore[attr-defined]
app = HtmxWS()
app.ws("/pages")(lambda: None)


@app.ws("/work")
async def work() -> None:
    """Work as long as it may."""
    print("at work", flush=True)
    await asyncio.Event().wait()

"""An application whose backend is of one process alone; it tells how many it found itself to be."""

from __future__ import annotations

import logging

import htmx_ws.app
from htmx_ws import HtmxWS
from htmx_ws.workers import count_workers

# So that every server prints it, whatever it does with logging.
logging.getLogger("htmx_ws").addHandler(logging.StreamHandler())


def tell() -> int:
    """Count, and say so."""
    count = count_workers()
    print("found", count, "of us", flush=True)
    return count


htmx_ws.app.count_workers = tell  # type: ignore[attr-defined]
app = HtmxWS()
app.ws("/pages")(lambda: None)

"""htmx-ws with the manners of FastAPI: not written yet.

The package is here so that its name is taken and the wheel has its final shape; importing it
says what to use instead.
"""

from __future__ import annotations

raise ImportError(
    "htmx_ws_fastapi is not written yet; until it is, use htmx_ws.HtmxWS, "
    "which mounts into FastAPI as an ASGI app"
)

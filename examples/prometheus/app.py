"""A bar that everybody orders at, and what Prometheus reads of it at /metrics.

    pip install -r requirements.txt && python app.py

Read it from top to bottom: what is measured, what the socket does, the page and /metrics. The
first part is what you would copy: it knows nothing of the bar.
"""

from __future__ import annotations

import os
import socket
from asyncio import sleep
from collections import defaultdict, deque
from contextlib import suppress
from typing import Annotated, Literal, get_args

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from htmx_ws import HTML, BindingError, Connection, Fragment, append, html, scripts, update
from htmx_ws.telemetry import Event
from htmx_ws_starlette import HtmxWS

# --- what is measured ------------------------------------------------------------------

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
BYTES = (64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576)
PAGES = (1, 2, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000)

pages = Gauge("htmx_ws_pages", "Pages that are open", ["route"])
refused = Counter("htmx_ws_refused_pages", "Pages that were not let in", ["route", "why"])
frames = Histogram("htmx_ws_frame_bytes", "Frames that came", ["route"], buckets=BYTES)
bad_frames = Counter("htmx_ws_refused_frames", "Frames no handler took", ["route", "why"])
working = Gauge("htmx_ws_handlers", "Handlers and hooks at work", ["route", "handler"])
handlers = Histogram(
    "htmx_ws_handler_seconds", "Time of handlers and hooks", ["route", "handler"], buckets=SECONDS
)
errors = Counter("htmx_ws_handler_errors", "What they raised", ["route", "handler", "error"])
published = Histogram("htmx_ws_publish_pages", "Pages of publications", ["room"], buckets=PAGES)
publishing = Histogram("htmx_ws_publish_seconds", "Time to write", ["room"], buckets=SECONDS)
slow = Counter("htmx_ws_slow_pages", "Pages that read too slowly", ["route", "why"])
limits = Counter("htmx_ws_limits", "Pages that reached a limit", ["route", "limit"])
refusals = Counter("htmx_ws_refusals", "Kept from a room, or logged out", ["route", "why"])
failures = Counter("htmx_ws_failures", "What failed, as the log tells", ["route", "why"])


def count(event: Event) -> None:
    """Count an event: a few additions, as it runs on the event loop."""
    told, about = event.measurements, event.attributes
    route, handler, why = (about.get(name) or "" for name in ("route", "handler", "why"))
    match event.name:
        case "connection.start":
            pages.labels(route).inc()
        case "connection.stop":
            pages.labels(route).dec()
        case "handshake.refused":
            refused.labels(route, why).inc()
        case "frame":
            frames.labels(route).observe(told["bytes"])
        case "frame.refused":
            bad_frames.labels(route, why).inc()
        case "handler.start":
            working.labels(route, handler).inc()
        case "handler.stop":
            working.labels(route, handler).dec()
            handlers.labels(route, handler).observe(told["seconds"])
            if about["error"] is not None:
                errors.labels(route, handler, about["error"]).inc()
        case "publish":
            published.labels(about["room"]).observe(told["pages"])
            publishing.labels(about["room"]).observe(told["seconds"])
        case "outbox":
            slow.labels(route, why).inc()
        case "limit":
            limits.labels(route, about["limit"]).inc()
        case "refused":
            refusals.labels(route, why).inc()
        case "failure":
            failures.labels(route, why).inc()


# --- the socket ------------------------------------------------------------------------

live = HtmxWS(backend=os.environ.get("HTMX_WS_BACKEND"), telemetry=count)
live.room("bar:*")  # so that rooms are counted as these, and not with all others as *

Town = Literal["oslo", "rome"]
Drink = Literal["tea", "coffee", "cocoa"]
orders: defaultdict[Town, deque[HTML]] = defaultdict(lambda: deque(maxlen=10))

bar = live.endpoint("/bar/{town}", name="bar")


@bar.on_connect
async def came(conn: Connection, town: Town) -> Fragment:
    await conn.join(f"bar:{town}")
    return update("#orders", list(orders[town]))


@bar.on("order")
async def order(drink: Drink, cups: Annotated[int, Field(ge=1, le=12)], town: Town) -> Fragment:
    if drink == "coffee":
        await sleep(0.3)  # which shows in the histogram
    if drink == "cocoa":
        raise RuntimeError("The cocoa is burnt")  # and this among the errors
    line = html("<li>{}: {}</li>", drink, cups)
    orders[town].append(line)
    await live.publish(f"bar:{town}", append("#orders", line))
    return update("#order-errors", "")


@bar.on_error
async def sorry(error: Exception) -> Fragment:
    text = error if isinstance(error, BindingError) else "Sorry, that went wrong"
    return update("#order-errors", html("<p>{}</p>", text))


# --- the page, and /metrics ------------------------------------------------------------

PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>The bar</title>
  <link rel="icon" href="data:,">
  <style>body {{ font: 1.1rem/1.6 system-ui; max-width: 30rem; margin: 3rem auto }}</style>
  {scripts}
</head>
<body>
  <h1>The bar</h1>
  <div {connect}>
    <ul id="orders" aria-label="Orders" aria-live="polite"></ul>
    <form id="order" {send}>
      <label>Cups <input name="cups" value="1" inputmode="numeric" size="3"></label>
      {buttons}
      <div id="order-errors" role="alert"></div>
    </form>
  </div>
  <p>Coffee takes its time, and cocoa fails. See <a href="/metrics">what Prometheus reads</a>.</p>
</body>
</html>"""


async def page(request: Request) -> Response:
    button = '<button name="drink" value="{}">{}</button>'
    return HTMLResponse(
        html(
            PAGE,
            scripts=scripts(2 if request.query_params.get("htmx") == "2" else 4),
            connect=live.connect_attrs(request.url_for("bar", town="oslo")),
            send=live.send_attrs(),
            buttons=[html(button, drink, drink.title()) for drink in get_args(Drink)],
        )
    )


async def metrics(request: Request) -> Response:
    """Keep it from visitors: here by the proxy, or by a port of its own."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


app = Starlette(
    routes=[Route("/", page), Route("/metrics", metrics), *live.routes], lifespan=live.lifespan
)


def listen() -> socket.socket:
    """Take $PORT, or the first port from 8000 on that nobody has."""
    ports = [int(os.environ["PORT"])] if "PORT" in os.environ else range(8000, 8100)
    for port in ports:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            continue
    raise SystemExit(f"Another program listens on port {ports[0]}: choose one with PORT=...")


if __name__ == "__main__":
    listening = listen()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    print(f"The bar is at {url} (Ctrl+C ends it)", flush=True)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    with suppress(KeyboardInterrupt):  # which uvicorn raises again when it has ended
        uvicorn.Server(config).run(sockets=[listening])

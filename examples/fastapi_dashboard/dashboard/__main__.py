"""Start it: ``python -m dashboard``."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import uvicorn

from .app import app


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
    print(f"The dashboard is at {url} (Ctrl+C ends it)", flush=True)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    with suppress(KeyboardInterrupt):  # which uvicorn raises again when it has ended
        uvicorn.Server(config).run(sockets=[listening])

"""Start the demo: ``python run.py`` makes its database, fills it, and serves.

A project of yours is served by ``uvicorn board.asgi:application``, its static files by what
stands before that.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import django
import uvicorn
from channels.routing import get_default_application
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.management import call_command


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
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "board.settings")
    os.environ.setdefault("DEBUG", "1")
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("demo")
    listening = listen()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    print(f"The board is at {url} (Ctrl+C ends it)", flush=True)
    app = ASGIStaticFilesHandler(get_default_application())  # type: ignore[arg-type]  # any will do
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    with suppress(KeyboardInterrupt):  # which uvicorn raises again when it has ended
        uvicorn.Server(config).run(sockets=[listening])

"""The project's ASGI application: websockets by htmx-ws, all else by Django."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "board.settings")
http = get_asgi_application()  # it sets Django up, which has to be before models are imported

from .cards.live import live  # noqa: E402  # it imports models

application = live.application(http=http)

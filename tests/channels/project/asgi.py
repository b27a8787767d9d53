"""The project's ASGI application."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.channels.project.settings")
site = get_asgi_application()

from .live import live  # noqa: E402  # it has models, which are there from here on

application = live.application(http=site)

"""The project as a process of its own serves it; who starts it removes its database."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

from django.conf import settings
from django.core.management import call_command

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.channels.project.settings"
directory = Path(mkdtemp(prefix="htmx-ws-"))
print(f"The database is in {directory}", flush=True)
settings.DATABASES["default"]["NAME"] = directory / "db.sqlite3"

from .asgi import application  # noqa: E402  # with that database

__all__ = ["application"]

# Some servers import their application in an event loop, where Django asks no database.
with ThreadPoolExecutor(1) as pool:
    pool.submit(call_command, "migrate", run_syncdb=True, verbosity=0).result()

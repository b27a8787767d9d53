"""``manage.py drain_pages URL``: ``python -m htmx_ws drain`` with the project's own secret.

It is run before a process is stopped, and so looks at nothing else of the project: no checks of
its settings, no database.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import import_string

from htmx_ws import HtmxWSError
from htmx_ws.__main__ import DRAIN_TIMEOUT, ask_to_drain

from ...conf import setting
from ...live import HtmxWS

__all__ = ["Command"]


class Command(BaseCommand):
    """Send the pages of a process elsewhere, and end when they have gone."""

    help = (
        "Sends the pages of a process elsewhere, before it is stopped: asks live.readiness at an "
        "address to drain, with the project's secret, and ends when its pages have gone."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the address, and how long to wait."""
        parser.add_argument("url", help="where live.readiness is: http://127.0.0.1:8000/ready")
        parser.add_argument(
            "--timeout",
            metavar="SECONDS",
            type=float,
            default=DRAIN_TIMEOUT,
            help="how long to wait for the answer (%(default)g)",
        )

    def handle(self, *args: Any, url: str, timeout: float, **options: Any) -> None:
        """Ask, and say how many pages there were."""
        # The project's own may have been given another secret than the settings'.
        place = setting("LIVE")
        live = import_string(place) if place else HtmxWS()
        try:
            self.stdout.write(ask_to_drain(url, live.readiness.token(), timeout))
        except HtmxWSError as error:
            raise CommandError(str(error)) from None

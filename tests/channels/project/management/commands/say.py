"""``manage.py say TEXT``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ...live import line, live


class Command(BaseCommand):
    """Say something to the lobby."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the text."""
        parser.add_argument("text")

    def handle(self, *args: Any, text: str, **options: Any) -> None:
        """Publish it."""
        live.publish("lobby", line(text))

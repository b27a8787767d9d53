"""The app's place in Django."""

from __future__ import annotations

from django.apps import AppConfig


class CardsConfig(AppConfig):
    name = "board.cards"
    label = "cards"

    def ready(self) -> None:
        from . import signals  # noqa: F401  # importing them connects them

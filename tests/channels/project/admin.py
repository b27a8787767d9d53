"""An admin action that tells the pages of a room."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from .live import line, live
from .models import Line


@admin.register(Line)
class LineAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """Lines, which can be said again."""

    actions = ("say_again",)

    @admin.action(description="Say again")
    def say_again(self, request: HttpRequest, lines: QuerySet[Line]) -> None:
        """Publish the chosen lines."""
        for each in lines:
            live.publish("lobby", line(each))

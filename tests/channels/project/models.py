"""Rooms, and the lines that were said in them."""

from __future__ import annotations

from django.db import models


class Room(models.Model):
    """Where lines are said."""

    name: models.CharField[str, str] = models.CharField(max_length=20, unique=True)

    def __str__(self) -> str:
        return self.name


class Line(models.Model):
    """What somebody said."""

    text: models.CharField[str, str] = models.CharField(max_length=20)
    room: models.ForeignKey[Room | None, Room | None] = models.ForeignKey(
        Room, models.CASCADE, null=True, blank=True
    )

    def __str__(self) -> str:
        return self.text

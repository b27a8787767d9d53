"""Which rule of keeping fits a room, for appends that bring none.

Whoever publishes from a script or a task queue knows no rules: they are the application's, which
the process that serves pages has read, and tells its backend as it starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .contract import KEEP_NONE, Keep

__all__ = ["KEEPS_NOTHING", "Keeps"]


class Keeps:
    """Rules by the patterns of rooms, in which ``*`` stands for any text; the first that fits."""

    __slots__ = ("rules",)

    def __init__(self, keeps: Mapping[str, Keep]) -> None:
        #: What stands between the stars of a pattern, and its rule.
        self.rules: tuple[tuple[tuple[str, ...], Keep], ...] = tuple(
            (tuple(pattern.split("*")), keep) for pattern, keep in keeps.items()
        )

    def of(self, room: str) -> Keep:
        """Give the rule of a room."""
        for parts, keep in self.rules:
            if _fits(parts, room):
                return keep
        return KEEP_NONE


#: The rules of who knows none.
KEEPS_NOTHING: Final = Keeps({})


def _fits(parts: tuple[str, ...], room: str) -> bool:
    """Whether a room's name has these parts, in this order, the first and last at its ends."""
    first, *middle = parts
    if not middle:
        return room == first
    last = middle.pop()
    at, end = len(first), len(room) - len(last)
    if at > end or not (room.startswith(first) and room.endswith(last)):
        return False
    for part in middle:  # where it stands first: no later place would leave more to the others
        found = room.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True

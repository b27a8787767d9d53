"""What holds for all rooms whose names fit a pattern: who may join them.

Names of rooms are often made of what a page wrote, as the number in its address. Where the
rule stands beside the room and not in each handler, none can forget it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from .backends import KEEP_NONE, Keep
from .errors import RegistrationError
from .presence import Presence

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["ANY", "MayJoin", "Room", "Rooms"]

#: Says whether a page may join a room of that name; may be async, a plain one runs in a thread.
MayJoin = Callable[["Connection", str], object]

#: Gives what a room is now, for a page, as a handler gives its result; may be async, likewise.
Snapshot = Callable[["Connection", str], object]


@dataclass(frozen=True, slots=True)
class Room:
    """The rule of all rooms whose names fit ``pattern``, in which ``*`` stands for any text.

    ``may_join`` says who may join them, ``presence`` how it is kept who is there, ``keep`` how
    much of their history is, and ``snapshot`` what brings a page up to date that it does not.
    """

    pattern: str
    may_join: MayJoin | None = None
    presence: Presence | None = None
    keep: Keep = KEEP_NONE
    snapshot: Snapshot | None = None


#: Of how many rooms the rule is remembered: names come from pages.
_MOST_KNOWN: Final = 10_000

#: The rule of a room that no pattern fits.
ANY: Final = Room("*")


class Rooms:
    """The rules of an application; where two patterns fit, the one declared first holds."""

    def __init__(self) -> None:
        self._rules: dict[str, tuple[re.Pattern[str], Room]] = {}
        self._known: dict[str, Room] = {}

    def declare(self, rule: Room) -> None:
        """Add a rule; raises ``RegistrationError`` for a pattern that has one, or is none."""
        pattern = cast(object, rule.pattern)  # whatever an application gives
        if not isinstance(pattern, str) or not pattern:
            raise RegistrationError(f"A room's pattern is text such as 'chat:*', not {rule!r}.")
        if rule.pattern in self._rules:
            raise RegistrationError(f"The rooms {rule.pattern!r} have a rule already.")
        self._rules[rule.pattern] = _compile(rule.pattern), rule
        self._known.clear()

    def of(self, room: str) -> Room:
        """Give the rule of a room."""
        rule = self._known.get(room)
        if rule is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            rule = self._known[room] = self._find(room)
        return rule

    def keeps(self) -> dict[str, Keep]:
        """Give how much is kept of rooms, by their patterns."""
        return {pattern: rule.keep for pattern, (_, rule) in self._rules.items()}

    def _find(self, room: str) -> Room:
        for pattern, rule in self._rules.values():
            if pattern.fullmatch(room):
                return rule
        return ANY


def _compile(pattern: str) -> re.Pattern[str]:
    """Make the expression of a pattern; names come from pages, so it must not try in vain."""
    first, *rest = map(re.escape, pattern.split("*"))
    if rest:
        *middle, last = rest
        # Each star takes the shortest text that fits, once: no other would fit better.
        first += "".join(f"(?>.*?{part})" for part in middle) + ".*" + last
    return re.compile(first, re.DOTALL)

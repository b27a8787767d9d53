"""What three publishers publish to twenty rooms at the same time; each knows it by itself."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Final

from htmx_ws import Fragment, append, html

#: Half of the rooms have a history, which goes another way through the broker.
ROOMS: Final = tuple(f"{'kept' if number % 2 else 'plain'}:{number}" for number in range(20))

PUBLISHERS: Final = ("sync", "async", "worker")

#: What a page reads of a message: the room, who published it, and its number.
ITEM: Final = re.compile(rb"<li>(\S+) (\S+) (\d+)</li>")

#: Who publishes the last message of each room.
END: Final = "end"


def item(room: str, publisher: str, number: int) -> Fragment:
    """Give what is published."""
    return append("#log", html("<li>{} {} {}</li>", room, publisher, number))


def plan(publisher: str, count: int) -> Iterator[tuple[str, int]]:
    """Give the rooms and the numbers of what one publishes, in order."""
    rooms = random.Random(publisher).choices(ROOMS, k=count)
    return zip(rooms, range(count), strict=True)


def rooms_of(page: int) -> list[str]:
    """Give the rooms that a page is in."""
    return [ROOMS[page % 20], ROOMS[(page + 7) % 20]]

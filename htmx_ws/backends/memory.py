"""The order of rooms within one process: a counter per room.

It hands a publication back within the call that appends it, so that a page's own message is
on its way before its handler goes on.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ..dual import Done

__all__ = ["MemoryBackend"]

#: Rooms are never declared over, so their counters begin again when there are this many.
_MOST_ROOMS: Final = 100_000


class MemoryBackend:
    """The default backend: order in this process alone, no history."""

    def __init__(self) -> None:
        self._deliver: Callable[[str, str, int, Any], None] | None = None
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._epoch = secrets.token_urlsafe(6)
        self._offsets: Counter[str] = Counter()

    async def start(self, deliver: Callable[[str, str, int, Any], None]) -> None:
        """Begin to hand publications to ``deliver``."""
        self._deliver = deliver

    async def stop(self) -> None:
        """Hand over nothing more."""
        self._deliver = None

    def append(self, room: str, publication: Any) -> Awaitable[int]:
        """Count the publication and hand it back at once."""
        if len(self._offsets) >= _MOST_ROOMS and room not in self._offsets:
            self._begin_epoch()
        self._offsets[room] += 1
        offset = self._offsets[room]
        if self._deliver is not None:
            self._deliver(room, self._epoch, offset, publication)
        return Done(offset)

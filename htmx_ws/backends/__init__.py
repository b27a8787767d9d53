"""Where the order of a room's messages comes from, and their history.

A backend takes publications by ``append`` and hands them to ``deliver`` with an epoch and an
offset, in offset order, in every process that serves the room, the publishing one too. The
hub delivers nothing but what it is handed, so all pages of a room see one order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from .memory import MemoryBackend

__all__ = ["Backend", "Deliver", "MemoryBackend"]

#: Called with room, epoch, offset and publication.
Deliver = Callable[[str, str, int, Any], None]


class Backend(Protocol):
    """The order of rooms' messages; ``MemoryBackend`` is the one for a single process."""

    async def start(self, deliver: Deliver) -> None:
        """Begin to hand publications to ``deliver``; called on the event loop that serves."""
        ...

    async def stop(self) -> None:
        """Hand over nothing more, and let go of what is held."""
        ...

    def append(self, room: str, publication: Any) -> Awaitable[int]:
        """Give the publication its place in the room's order; awaiting it gives its offset."""
        ...

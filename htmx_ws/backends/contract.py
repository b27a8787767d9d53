"""What a backend is: the contract between the hub and whatever orders its messages.

Written as protocols, so that a backend of somebody else's needs nothing of ours but to keep it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from ..errors import BackendError

__all__ = [
    "KEEP_NONE",
    "NOWHERE",
    "PROCESSES",
    "Backend",
    "History",
    "Keep",
    "Position",
    "Receiver",
    "SyncAppender",
    "unplaced",
]

#: The room in which processes talk with each other; no page can join it. What is appended to it
#: waits for no broker that is away: carried out later, it would be what nobody expects any more.
PROCESSES: Final = "htmx-ws:processes"


class Position(NamedTuple):
    """A place in a room's order: everything up to ``offset`` of ``epoch``."""

    epoch: str
    offset: int


#: What stands for the place that a broker could not be asked for: no epoch has this name, so
#: whatever comes after it cannot be had, and a page that is there gets what the room is now.
NOWHERE: Final = Position("", 0)


class Keep(NamedTuple):
    """How much of a room's history is kept: ``most`` payloads, ``seconds``, ``size`` in bytes.

    Whichever comes first; a ``most`` of 0 keeps none.
    """

    most: int = 0
    seconds: float = 3600.0
    size: int = 16 * 1024 * 1024


#: The rule of rooms without a history.
KEEP_NONE: Final = Keep()


class History(NamedTuple):
    """What came after a position: ``payloads``, each with its offset, up to ``last``.

    ``is_whole``: nothing between is missing. Where it is False, because the position is of
    another epoch, or too old, or there are more than were asked for, ``payloads`` is empty.
    """

    last: Position
    payloads: tuple[tuple[int, Any], ...] = ()
    is_whole: bool = True


def unplaced(room: str, why: str) -> BackendError:
    """Make the error of what was appended to a room, and has no place, or may have none."""
    said = room == PROCESSES
    what = "said to the other processes" if said else f"published to {room!r}"
    return BackendError(f"What was {what} {why.rstrip('.')}.")


class Receiver(Protocol):
    """What is handed what comes, on the event loop that ``start`` was called on."""

    def deliver(self, room: str, epoch: str, offset: int, payload: Any) -> None:
        """Take a payload: the object that ``append`` took, or its ``bytes``."""
        ...

    def report_gap(self, room: str | None, why: str) -> None:
        """Take note that payloads of a room, or of all, may be missing, and cannot be had."""
        ...


class SyncAppender(Protocol):
    """Appends without an event loop, from any thread, also after a fork."""

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> int:
        """Append, and give the offset; raises ``BackendError``."""
        ...

    def position(self, room: str) -> Position:
        """Give where a room is now; raises ``BackendError`` when the broker cannot be asked."""
        ...

    def close(self) -> None:
        """Let go of what is held."""
        ...


class Backend(Protocol):
    """The order of rooms' messages; ``MemoryBackend`` is the one for a single process.

    A payload is bytes, or an object of which ``bytes(payload)`` can be made; a backend within one
    process may hand the object itself back. All but ``sync`` are called on one event loop.
    """

    #: Whether what one process appends reaches others.
    is_shared: bool

    async def start(self, receiver: Receiver, keeps: Mapping[str, Keep] | None = None) -> None:
        """Begin to hand over what comes; returns though the broker cannot be reached yet.

        ``keeps`` are the rules of rooms by their patterns, the first that fits holds: those of
        appends that bring none, here and, where the backend can tell them, in other processes.
        """
        ...

    async def stop(self) -> None:
        """Hand over nothing more, and let go of connections and tasks."""
        ...

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> Awaitable[int]:
        """Give a payload its place in the room's order; awaiting it gives its offset.

        Calls have their places in the order in which they are made, awaited or not. Offsets of a
        room rise, mostly by one. Without ``keep`` the rule holds that fits the room.

        Awaiting it raises ``BackendError`` for a payload that has no place, or may have none: as
        when the broker is away. One that lets payloads wait for it does not those of ``PROCESSES``.
        """
        ...

    def subscribe(self, rooms: Iterable[str]) -> Awaitable[None]:
        """Hand over what comes to these rooms from now on.

        Awaiting it waits until that holds, but not for a broker that is away: then it holds when
        that is back.
        """
        ...

    def unsubscribe(self, rooms: Iterable[str]) -> Awaitable[None]:
        """Hand over no more of these rooms."""
        ...

    async def history(self, room: str, since: Position | None, most: int = 1_000) -> History:
        """Give what came after a position, oldest first; None asks where the room is now.

        Raises ``BackendError`` when the broker cannot be asked.
        """
        ...

    def sync(self) -> SyncAppender:
        """Give what appends in processes and threads without an event loop of ours."""
        ...

"""The order of rooms within one process: a counter per room, and what a room is to keep.

It hands a payload back within the call that appends it, so that a page's own message is on its
way before its handler goes on.
"""

from __future__ import annotations

import secrets
from collections import Counter, deque
from collections.abc import Awaitable, Iterable, Mapping
from threading import get_ident
from time import monotonic
from typing import Any, Final

from ..dual import Done, Home
from .contract import KEEP_NONE, History, Keep, Position, Receiver, SyncAppender
from .keeps import KEEPS_NOTHING, Keeps

__all__ = ["MemoryBackend"]

#: Rooms are never declared over, so their counters begin again when there are this many.
_MOST_ROOMS: Final = 100_000


class MemoryBackend:
    """The default backend: order and history in this process alone."""

    is_shared: bool = False

    def __init__(self) -> None:
        self._receiver: Receiver | None = None
        self._home: Home | None = None
        self._keeps = KEEPS_NOTHING
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._epoch = secrets.token_urlsafe(6)
        self._offsets: Counter[str] = Counter()
        self._kept: dict[str, _Kept] = {}  # the one that was appended to longest ago first

    async def start(self, receiver: Receiver, keeps: Mapping[str, Keep] | None = None) -> None:
        """Begin to hand payloads to the receiver."""
        self._receiver, self._home = receiver, Home.here()
        if keeps is not None:
            self._keeps = Keeps(keeps)

    async def stop(self) -> None:
        """Hand over nothing more."""
        self._receiver = self._home = None

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> Done[int]:
        """Count the payload and hand it back at once."""
        if keep is None:
            keep = self._keeps.of(room)
        if len(self._offsets) >= _MOST_ROOMS and room not in self._offsets:
            self._begin_epoch()
        self._offsets[room] += 1
        offset = self._offsets[room]
        if keep.most:
            kept = self._kept.pop(room, None) or _Kept()
            kept.put(offset, payload, keep)
            self._kept[room] = kept
            self._forget_old()
        if self._receiver is not None:
            self._receiver.deliver(room, self._epoch, offset, payload)
        return Done(offset)

    def subscribe(self, rooms: Iterable[str]) -> Awaitable[None]:
        """Do nothing: whatever comes is handed over."""
        return Done(None)

    def unsubscribe(self, rooms: Iterable[str]) -> Awaitable[None]:
        """Do nothing."""
        return Done(None)

    async def history(self, room: str, since: Position | None, most: int = 1_000) -> History:
        """Give what a room keeps of what came after a position."""
        last = self.position(room)
        if since is None:
            return History(last)
        missing = last.offset - since.offset
        if since.epoch != last.epoch or not 0 <= missing <= most:
            return History(last, is_whole=False)
        kept = self._kept.get(room)
        found = () if kept is None else kept.after(since.offset)
        return History(last, found) if len(found) == missing else History(last, is_whole=False)

    def position(self, room: str) -> Position:
        """Give where a room is now."""
        return Position(self._epoch, self._offsets.get(room, 0))

    def _forget_old(self) -> None:
        """Look at one room more for each that is appended to, so that none is kept for ever."""
        room, kept = next(iter(self._kept.items()))
        if kept.forget_old():
            del self._kept[room]

    def sync(self) -> SyncAppender:
        """Give what appends from other threads of this process, on the loop that it serves."""
        return _Sync(self)

    def append_from_anywhere(self, room: str, payload: Any, keep: Keep | None) -> int:
        """Append where the receiver lives, and wait for it."""
        home = self._home
        if home is not None and get_ident() != home.thread:
            nowhere: Done[int] = Done(0)  # where that loop is over, with its pages
            return home.run(self.append, room, payload, keep, otherwise=nowhere).value
        return self.append(room, payload, keep).value


class _Kept:
    """What one room keeps, oldest first: offset, when it came, its size in bytes, payload."""

    __slots__ = ("_items", "_keep", "_size")

    def __init__(self) -> None:
        self._items: deque[tuple[int, float, int, Any]] = deque()
        self._keep = KEEP_NONE
        self._size = 0

    def put(self, offset: int, payload: Any, keep: Keep) -> None:
        size = len(bytes(payload))
        self._items.append((offset, monotonic(), size, payload))
        self._size += size
        self._keep = keep
        self.forget_old()

    def forget_old(self) -> bool:
        """Forget what is over the rule; True when nothing is left."""
        items, keep, oldest = self._items, self._keep, monotonic() - self._keep.seconds
        while items and (len(items) > keep.most or self._size > keep.size or items[0][1] < oldest):
            self._size -= items.popleft()[2]
        return not items

    def after(self, offset: int) -> tuple[tuple[int, Any], ...]:
        self.forget_old()
        return tuple((its, payload) for its, _, _, payload in self._items if its > offset)


class _Sync:
    def __init__(self, backend: MemoryBackend) -> None:
        self._backend = backend

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> int:
        return self._backend.append_from_anywhere(room, payload, keep)

    def position(self, room: str) -> Position:
        return self._backend.position(room)

    def close(self) -> None:
        return None

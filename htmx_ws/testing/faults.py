"""A broker's bad day, in a test: a backend around another that loses, delays, or is away.

It keeps the contract of backends, and stands before whatever keeps it too: the one in memory, or
your own. What it does to a test is what brokers do: an append that fails, a payload that comes
late or never, and the word that something is missing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from ..backends.contract import Backend, History, Keep, Position, Receiver, SyncAppender
from ..backends.memory import MemoryBackend
from ..errors import BackendError

__all__ = ["FaultyBackend"]


class FaultyBackend:
    """``HtmxWS(backend=faulty)``, with ``faulty = FaultyBackend()`` or around another backend.

    ``is_away``: what is appended raises ``BackendError``, as does a question for the history.
    ``is_late``: what comes is kept, until ``catch_up`` hands it over. ``drops``: how many of the
    next payloads never come; ``report_gap`` says so, as a backend does that notices.
    """

    def __init__(self, inner: Backend | None = None) -> None:
        self.inner: Backend = MemoryBackend() if inner is None else inner
        self.is_shared: bool = self.inner.is_shared
        self.is_away: bool = False
        self.is_late: bool = False
        self.drops: int = 0
        self._kept: deque[Callable[[], None]] = deque()
        self._receiver: Receiver | None = None

    async def start(self, receiver: Receiver, keeps: Mapping[str, Keep] | None = None) -> None:
        """Begin to hand over what comes, as far as it does."""
        self._receiver = receiver
        await self.inner.start(self, keeps)

    async def stop(self) -> None:
        """Hand over nothing more, nor what is kept."""
        self._kept.clear()
        await self.inner.stop()

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> Awaitable[int]:
        """Append to the inner backend; awaiting it raises ``BackendError`` while that is away."""
        if not self.is_away:
            return self.inner.append(room, payload, keep)
        return _Failed()

    def subscribe(self, rooms: Iterable[str]) -> Awaitable[None]:
        """Subscribe at the inner backend."""
        return self.inner.subscribe(rooms)

    def unsubscribe(self, rooms: Iterable[str]) -> Awaitable[None]:
        """Hand over no more of these rooms."""
        return self.inner.unsubscribe(rooms)

    async def history(self, room: str, since: Position | None, most: int = 1_000) -> History:
        """Ask the inner backend; raises ``BackendError`` while it is away."""
        if self.is_away:
            raise _away()
        return await self.inner.history(room, since, most)

    def sync(self) -> SyncAppender:
        """Give what appends to the inner backend from other processes and threads."""
        return self.inner.sync()

    # --- what the inner backend hands over ---------------------------------------------

    def deliver(self, room: str, epoch: str, offset: int, payload: Any) -> None:
        """Hand a payload on, or keep it, or lose it."""
        if self.drops:
            self.drops -= 1
            return
        self._hand_on(lambda receiver: receiver.deliver(room, epoch, offset, payload))

    def report_gap(self, room: str | None, why: str) -> None:
        """Say that payloads of a room, or of all, may be missing: what brokers' backends say."""
        self._hand_on(lambda receiver: receiver.report_gap(room, why))

    def catch_up(self) -> None:
        """Hand over what is kept, in order, and be late no more."""
        self.is_late = False
        while self._kept:
            self._kept.popleft()()

    def _hand_on(self, act: Callable[[Receiver], None]) -> None:
        receiver = self._receiver
        assert receiver is not None
        if self.is_late:
            self._kept.append(lambda: act(receiver))
        else:
            act(receiver)


class _Failed:
    """What awaiting an append is worth while the broker is away."""

    def __await__(self) -> Any:
        raise _away()
        yield  # makes this a generator, which is what an awaitable returns


def _away() -> BackendError:
    return BackendError("the broker is away (FaultyBackend.is_away)")

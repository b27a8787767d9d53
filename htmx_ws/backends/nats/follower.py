"""Reads the stream from where it is, and hands over what is of the rooms that were subscribed to.

Each process has one consumer of the whole stream. So it pays for every message of its prefix,
also of rooms that none of its pages is in; for that, one number is all that it has to know to go
on after anything: the last offset that it has seen. Whatever is out of order is mended by
beginning anew behind it. Where the stream goes on further than that, its limits have dropped
what was between, and that is a gap; so it is when the stream is another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..contract import Receiver
from .jetstream import Place, State
from .stream import Connection, Consumer, Incoming, Stream

__all__ = ["Follower"]

_log = logging.getLogger("htmx_ws")


class Follower:
    """Where a process is in the stream, and its rooms by their subjects.

    ``changes`` says whether it has the stream be as its address says, also where that is there.
    """

    def __init__(self, receiver: Receiver, *, changes: bool = True) -> None:
        self._changes = changes
        self.rooms: dict[str, str] = {}
        self._receiver: Receiver | None = receiver
        self._state: State | None = None
        self._seen = 0  # the last offset that was handed over, or passed over
        self._skipped_at = -1  # behind which a consumer has skipped something

    def end(self) -> None:
        """Hand over nothing more."""
        self._receiver = None

    async def find(self, stream: Stream) -> None:
        """Find the stream, or make it; say so where what comes next is missing."""
        before = self._state
        self._state = state = await stream.find(changes=self._changes and before is None)
        if before is None:
            self._seen = state.last
        elif state.epoch != before.epoch:
            self._seen = 0
            self._report_gap("NATS has another stream, and lost what it had")
        elif state.last < self._seen:
            self._seen = state.last
            self._report_gap("NATS has lost the last of what it had")
        if state.last > self._seen:
            self._pass_over(await stream.next(self._seen + 1) or state.last + 1)

    async def read(
        self, stream: Stream, connection: Connection, trouble: Callable[[], None]
    ) -> Consumer:
        """Read on from behind what was seen, until there is trouble."""
        consumer = Consumer(connection, self._take, trouble)
        await consumer.begin(stream, self._seen + 1)
        return consumer

    def _take(self, place: Place, message: Incoming) -> bool:
        """Take the next message; False where one is missing that the stream may have.

        The consumer is not believed at once: some servers' skipped what was there.
        """
        if place.offset > self._seen + 1 and self._skipped_at != self._seen:
            self._skipped_at = self._seen
            return False
        self._pass_over(place.offset)
        self._seen = place.offset
        self._hand_over(message.subject, place.offset, message.data)
        return True

    def _pass_over(self, offset: int) -> None:
        """Go on with an offset, though what was between cannot be had."""
        missing = offset - 1 - self._seen
        if missing > 0:
            self._seen = offset - 1
            self._report_gap(
                f"{missing} messages were dropped by the stream's limits (max_age, max_bytes) "
                "before they came here"
            )

    def _report_gap(self, why: str) -> None:
        if self._receiver is not None and self.rooms:
            self._receiver.report_gap(None, why)

    def _hand_over(self, subject: str, offset: int, payload: bytes) -> None:
        room = self.rooms.get(subject)
        if room is None or self._receiver is None or self._state is None:
            return
        try:
            self._receiver.deliver(room, self._state.epoch, offset, payload)
        except Exception:
            _log.exception("What came to %r could not be delivered", room)

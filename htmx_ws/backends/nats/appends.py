"""What was appended and has no place yet: sent in order, answered by name, never lost in silence.

While a broker is away an append fails, or waits with others, up to a bound. What was sent and
not answered is the hard case, as nobody knows whether it has a place. It fails with just these
words, or is sent again by its name, for as long as the broker knows names.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Final

from ..contract import PROCESSES, Keep, unplaced

__all__ = ["Append", "Appends"]

#: A broker that owes an answer for so long is taken for away, in seconds.
STUCK_SECONDS: Final = 1.0

_OR_NOT: Final = "it may have a place or not"


class Append:
    """A payload of a room that waits for its ``place``."""

    __slots__ = ("first_sent", "keep", "name", "payload", "place", "room", "since")

    def __init__(self, name: str, room: str, payload: bytes, keep: Keep | None) -> None:
        self.name: str = name
        self.room: str = room
        self.payload: bytes = payload
        self.keep: Keep | None = keep
        self.place: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        #: When it was appended, or sent last; and sent first.
        self.since: float = asyncio.get_running_loop().time()
        self.first_sent: float | None = None

    def succeed(self, offset: int) -> None:
        """Have a place."""
        if not self.place.done():
            self.place.set_result(offset)

    def fail(self, why: str) -> None:
        """Have no place, or perhaps none."""
        if not self.place.done():
            self.place.set_exception(unplaced(self.room, f"failed: {why}"))


class Appends:
    """The appends of one process that wait for their places, in the order of the calls.

    ``may_wait``: whether they wait while the broker is away, ``most`` of them at once; otherwise,
    and where processes say something to each other, they fail. ``seconds`` is how long an answer
    may take; where they may wait, ``late`` is called when one takes longer. ``names_last`` is for
    how long what is sent again is known by its name.
    """

    def __init__(
        self,
        *,
        may_wait: bool,
        most: int,
        seconds: float,
        names_last: float,
        late: Callable[[], None],
    ) -> None:
        self._may_wait = may_wait
        self._most = most
        self._seconds = seconds
        self._names_last = names_last
        self._late = late
        self._prefix = secrets.token_urlsafe(9)
        self._numbers = count(1)
        self._unsent: deque[Append] = deque()
        self._unanswered: dict[str, Append] = {}
        self._owes = False  # whether answers had failed to come, and none has come since
        self._looking: asyncio.TimerHandle | None = None
        self._news = asyncio.Event()
        self._quiet = asyncio.Event()

    def __len__(self) -> int:
        return len(self._unsent) + len(self._unanswered)

    def put(self, room: str, payload: bytes, keep: Keep | None, *, is_away: bool) -> Append:
        """Take an append, in order; it may have failed already."""
        item = Append(f"{self._prefix}-{next(self._numbers)}", room, payload, keep)
        is_full = self._may_wait and len(self) >= self._most
        if is_away and not self._waits(item):
            item.fail("the broker is away")
        elif is_full and (is_away or self._is_stuck()):
            item.fail(f"the broker is away, and {len(self)} wait for it already")
        else:
            self._unsent.append(item)
            self._news.set()
            if self._looking is None:
                self._look_in(self._seconds)
        return item

    def _waits(self, item: Append) -> bool:
        return self._may_wait and item.room != PROCESSES

    def _is_stuck(self) -> bool:
        oldest = next(iter(self._unanswered.values()), None)
        return self._owes or (oldest is not None and oldest.since < _now() - STUCK_SECONDS)

    async def next(self) -> Append:
        """Wait for the next that is to be sent; from now on it is to be answered."""
        while not self._unsent:
            self._news.clear()
            await self._news.wait()
        item = self._unsent.popleft()
        item.since = _now()
        item.first_sent = item.first_sent or item.since
        self._unanswered[item.name] = item
        return item

    def answer(self, name: str, offset: int | None, why: str = "") -> None:
        """Give one its place, or say why it has none."""
        item = self._unanswered.pop(name, None)
        if item is None:
            return
        self._owes = False
        if offset is None:
            item.fail(why)
        else:
            item.succeed(offset)
        self._tell()

    def lose(self, why: str) -> None:
        """Note that nothing more will be answered: fail what waits, or keep it to be sent again."""
        self._fail(why, [item for item in self._all() if not self._waits(item)])
        self.send_again()

    def send_again(self) -> None:
        """Have all that is not answered sent again, in order, if it is known by its name."""
        if not self._may_wait:
            return
        self._owes = self._owes or bool(self._unanswered)
        for item in reversed(self._unanswered.values()):
            if not self._waits(item):
                item.fail(f"the broker gave no answer; {_OR_NOT}")
            elif (item.first_sent or 0) < _now() - self._names_last:
                item.fail(f"the broker was away for too long; {_OR_NOT}")
            else:
                self._unsent.appendleft(item)
        self._unanswered.clear()
        self._news.set()
        self._tell()

    def fail_all(self, why: str) -> None:
        """Fail whatever waits."""
        self._fail(why, self._all())

    def _all(self) -> list[Append]:
        return [*self._unanswered.values(), *self._unsent]

    def _fail(self, why: str, items: list[Append]) -> None:
        for item in items:
            if self._unanswered.pop(item.name, None) is not None:
                item.fail(f"{why}; {_OR_NOT}")
            else:
                self._unsent.remove(item)
                item.fail(why)
        self._tell()

    async def wait_until_quiet(self) -> None:
        """Wait until nothing waits."""
        while len(self):
            self._quiet.clear()
            await self._quiet.wait()

    def _tell(self) -> None:
        if not len(self):
            self._quiet.set()

    # --- what takes too long: one look at the oldest, and no timer for each -------------

    def _look_in(self, seconds: float) -> None:
        self._looking = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._looking = None
        due = _now() - self._seconds
        while (oldest := self._oldest()) is not None and oldest.since <= due:
            if self._may_wait:
                self._late()
                break
            if self._unanswered.pop(oldest.name, None) is None:
                self._unsent.popleft()
            oldest.fail(f"the broker gave no answer in {self._seconds} s; {_OR_NOT}")
        self._tell()
        if oldest is not None:
            self._look_in(max(self._seconds / 4, oldest.since - due))

    def _oldest(self) -> Append | None:
        """The first of those sent; where they must not wait, also of those to be sent."""
        first = next(iter(self._unanswered.values()), None)
        return first or (self._unsent[0] if self._unsent else None)


def _now() -> float:
    return asyncio.get_running_loop().time()

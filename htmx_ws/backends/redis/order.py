"""In which order one room is handed over, whatever a broken connection has done to it. Pure.

Each message names its place and, by the broker's time, itself and the one before it. One that
follows what was handed over last is handed over at once. With any other something is missing,
or the broker has forgotten what it had said and counts there again: then that message and all
that come after it are held, the broker is asked, and its answer settles it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["MOST_HELD", "MOST_OFFSET", "Answer", "Mark", "Message", "Order", "Settled"]

#: More messages of a room than these do not wait for an answer.
MOST_HELD: Final = 10_000


class Mark(NamedTuple):
    """A place in a room's order, and the broker's time when a message was given it."""

    epoch: str
    offset: int
    stamp: int


#: No room reaches it: larger numbers are not whole ones in Lua.
MOST_OFFSET: Final = 2**53


class Message(NamedTuple):
    """What comes of a room; ``before`` is the stamp of the one before it."""

    epoch: str
    offset: int
    stamp: int
    before: int
    payload: bytes


class Answer(NamedTuple):
    """What the broker says: where the room is, and what came after the mark that it was told.

    ``entries`` are the first of those, each an offset, a stamp and a payload. ``is_whole`` is
    False where some of them cannot be had.
    """

    mark: Mark
    entries: tuple[tuple[int, int, bytes], ...] = ()
    is_whole: bool = True


class Settled(NamedTuple):
    """What is to be handed over, and why something before it is missing, if it is."""

    messages: list[tuple[str, int, bytes]]
    gap: str = ""


class Order:
    """The order of one room, from where it is when the first answer comes.

    While it ``asks``, ask the broker what came after ``ask()``, and ``settle`` the answer.
    """

    __slots__ = ("_early", "_held", "_seen")

    def __init__(self) -> None:
        self._seen: Mark | None = None
        self._held: list[Message] | None = []
        self._early = 0

    @property
    def asks(self) -> bool:
        """Whether something is held back until the broker has been asked."""
        return self._held is not None

    @property
    def is_full(self) -> bool:
        """Whether more is held back than may wait for an answer: settle it without one."""
        return self._held is not None and len(self._held) > MOST_HELD

    def doubt(self) -> None:
        """Ask, as after a connection was lost: what came last may not be all that came."""
        if self._held is None:
            self._held = []
        elif self._held and self._seen is None:
            self._begin_before(self._held[0])

    def take(self, message: Message) -> list[tuple[str, int, bytes]]:
        """Take what came; give what is to be handed over now."""
        if self._held is not None:
            self._held.append(message)
            return []
        epoch, offset, stamp, before, payload = message
        if self._seen == (epoch, offset - 1, before):
            self._seen = Mark(epoch, offset, stamp)
            return [(epoch, offset, payload)]
        if not self._had(message):
            self._held = [message]
        return []

    def _had(self, message: Message) -> bool:
        """Whether an answer had it, while it was on its way."""
        seen = self._seen
        return seen is not None and self._is_again(message) and message.stamp <= seen.stamp

    def _is_again(self, message: Message) -> bool:
        """Whether it has a place that had come before."""
        seen = self._seen
        return seen is not None and message.epoch == seen.epoch and message.offset <= seen.offset

    def ask(self) -> Mark | None:
        """Give the mark to ask about, None for where the room is; what is held now is before it."""
        if self._held is None:
            self._held = []
        held, seen = self._held, self._seen
        self._early = len(held)
        if seen and any(self._is_again(each) and not self._had(each) for each in held):
            # It counts these places again: at a mark that it never reached it begins anew.
            return seen._replace(offset=MOST_OFFSET)
        return seen

    def settle(self, answer: Answer | None) -> Settled:
        """Go on by an answer, or, where none can be had, with what is held."""
        held, seen = self._held or [], self._seen
        self._held = None
        early, late = held[: self._early], held[self._early :]
        if answer is not None:
            # What came before the question and is of another epoch was over before the answer.
            early = [message for message in early if message.epoch == answer.mark.epoch]
            ahead = [message for message in early if message.offset > answer.mark.offset]
            if ahead:
                # The broker has forgotten what it had said. Asked about that, it begins anew.
                self._seen, self._held = Mark(*ahead[-1][:3]), late
                return Settled([])
        held = [message for message in early + late if not self._had(message)]
        if answer is None:
            if held:
                self._begin_before(held[0])
            return Settled(self._take_all(held), "the broker cannot be asked" if seen else "")
        epoch = answer.mark.epoch
        if seen is None or not answer.is_whole:
            first = next((message for message in held if message.epoch == epoch), None)
            self._seen = answer.mark
            if first is not None and first.offset <= answer.mark.offset:
                self._begin_before(first)
            return Settled(self._take_all(held), _say_why(seen, answer.mark))
        messages: list[tuple[str, int, bytes]] = []
        for offset, stamp, payload in answer.entries:
            messages.append((epoch, offset, payload))
            self._seen = seen = Mark(epoch, offset, stamp)
        if seen.offset < answer.mark.offset:  # the answer had no room for more
            self._held = held
            return Settled(messages)
        return Settled(messages + self._take_all(held))

    def _begin_before(self, message: Message) -> None:
        """Go on with a message, though nothing is known of what came before it."""
        self._seen = Mark(message.epoch, message.offset - 1, message.before)

    def _take_all(self, held: list[Message]) -> list[tuple[str, int, bytes]]:
        return [taken for message in held for taken in self.take(message)]


def _say_why(seen: Mark | None, mark: Mark) -> str:
    if seen is None:
        return ""
    if seen.epoch != mark.epoch:
        return "the broker has lost the room's count, and began another"
    return f"the broker has kept too little of what came after {seen.offset}"

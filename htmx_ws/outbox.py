"""What waits for a page that reads slower than it is written to: bounded in bytes and messages.

When it is full, first goes what the page would never show: a full swap of an element that a
later one replaces. Appends and removals are events and stay, and nothing is taken out across
one of them, since what it did may rest on what stood there. If that makes no room, the page is
closed, so that it comes back to the state of its connect hook; or, where its application says
that old news is no loss, the oldest messages are dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from .security import Limits
from .wire.serialise import Message

__all__ = ["Outbox", "leave_out_superseded", "weigh"]


class Outbox:
    """The messages that wait for one page, oldest first; ``bytes`` is their size as UTF-8.

    ``waiting`` is only to be looked at: whether there are any.
    """

    __slots__ = ("_limits", "bytes", "dropped", "waiting")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.waiting: deque[tuple[str, str | None]] = deque()
        self.bytes: int = 0
        self.dropped: int = 0

    def __len__(self) -> int:
        return len(self.waiting)

    def put(self, message: Message, dialect: str | None) -> bool:
        """Keep a message; False when there is no room for it."""
        text = message.text_for(dialect)
        self.waiting.append((text, message.supersedes))
        self.bytes += _size(text)
        if self._is_full():
            self._leave_out_superseded()
        if self._is_full() and self._limits.slow_pages == "drop":
            while self._is_full() and self.waiting:
                self.take()
                self.dropped += 1
        return not self._is_full()

    def take(self) -> str:
        """Give the oldest message."""
        text, _ = self.waiting.popleft()
        self.bytes -= _size(text)
        return text

    def clear(self) -> None:
        """Forget what waits."""
        self.waiting.clear()
        self.bytes = 0

    def _is_full(self) -> bool:
        limits = self._limits
        return self.bytes > limits.outbox_bytes or len(self.waiting) > limits.outbox_messages

    def _leave_out_superseded(self) -> None:
        kept = [self.waiting[at] for at in _needed([key for _, key in self.waiting])]
        self.waiting.clear()
        self.waiting.extend(kept)
        self.bytes = sum(_size(text) for text, _ in kept)


def leave_out_superseded(messages: Sequence[Message]) -> list[Message]:
    """Leave out each full swap of an element that a later one makes needless."""
    return [messages[at] for at in _needed([message.supersedes for message in messages])]


def _needed(keys: Sequence[str | None]) -> list[int]:
    """Say which messages must stay, by what each of them supersedes."""
    needed: list[int] = []
    replaced: set[str] = set()  # by a later swap, the whole element
    updated: set[str] = set()  # by a later swap, what is in it
    for at in range(len(keys) - 1, -1, -1):
        key = keys[at]
        if key is None:
            replaced.clear()
            updated.clear()
        else:
            style, _, target = key.partition(":")
            is_inner = style == "innerHTML"
            if target in replaced or (is_inner and target in updated):
                continue
            (updated if is_inner else replaced).add(target)
        needed.append(at)
    return needed[::-1]


def weigh(messages: Iterable[Message]) -> dict[str, float]:
    """Give the number and the bytes of messages, as telemetry tells them."""
    sizes = [_size(message.text) for message in messages]
    return {"messages": len(sizes), "bytes": sum(sizes)}


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

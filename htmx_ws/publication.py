"""What is published once, for all pages of a room, in this process and, as bytes, in others.

The bytes begin with the version of their form, so that processes of two versions can share a
broker during a deploy: one that is not known is refused, not misread. They hold finished
messages; a publication that is rendered for each page cannot leave its process.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .connection import Connection
from .errors import BackendError, LimitError
from .wire.serialise import Message

__all__ = ["MOST_BYTES", "Publication", "Render"]

#: Renders a publication for one page.
Render = Callable[[Connection], object]

_VERSION: Final = b"1"

#: As many bytes as every broker takes, with what a backend adds: NATS by default a megabyte.
MOST_BYTES: Final = 900 * 1024

#: So many characters never are as many bytes: JSON has up to twelve for one, in three dialects.
_FEW: Final = MOST_BYTES // 36


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published once: ``messages`` for all, or ``render`` for each by ``variant``.

    ``exclude`` holds the names of connections that are left out: their ids, the tokens of their
    pages, or their places; ``to`` the name of the only one meant.
    ``bytes(publication)`` is what other processes read.
    """

    messages: tuple[Message, ...] = ()
    render: Render | None = None
    variant: Callable[[Connection], object] | None = None
    exclude: frozenset[str] = frozenset()
    to: str | None = None

    def is_for(self, conn: Connection) -> bool:
        """Whether a page is meant."""
        exclude, to = self.exclude, self.to
        if exclude and (conn.id in exclude or conn.page in exclude or conn.place in exclude):
            return False
        return to is None or to in (conn.id, conn.page, conn.place)

    def __bytes__(self) -> bytes:
        if self.render is not None:
            return _VERSION  # of no use elsewhere; its size is not known
        fields: dict[str, Any] = {"messages": self.messages}
        if self.exclude:
            fields["exclude"] = sorted(self.exclude)
        if self.to is not None:
            fields["to"] = self.to
        return _VERSION + json.dumps(fields, separators=(",", ":")).encode()

    def check_size(self) -> None:
        """Raise ``LimitError`` where other processes could not have it, as it is too large."""
        size = 0
        for message in self.messages:
            size += len(message.text)
        if size > _FEW:
            self.pack()

    def pack(self) -> bytes:
        """Make the bytes for other processes; raises for what they cannot have."""
        if self.render is not None:
            raise TypeError(
                "publish() was given a function that renders for each page, and the other "
                "processes behind this backend cannot call it: publish HTML, to one room for "
                "each variant."
            )
        payload = bytes(self)
        if len(payload) > MOST_BYTES:
            raise LimitError(
                f"A publication of {len(payload)} bytes is over the limit of {MOST_BYTES}: publish "
                "it in pieces, or a link to it."
            )
        return payload

    @classmethod
    def read(cls, data: bytes) -> Publication:
        """Read what ``bytes`` made; raises ``BackendError`` for what it did not make."""
        if data[:1] != _VERSION:
            raise BackendError(
                f"A publication has the version {data[:1]!r}, and this htmx-ws reads {_VERSION!r}: "
                "do two versions of it, or another program, share a broker and prefix?"
            )
        try:
            fields = json.loads(data[1:])
            messages = tuple(Message(*message) for message in fields["messages"])
            if not all(isinstance(each.text, str) for each in messages):  # pyright: ignore[reportUnnecessaryIsInstance]  # anybody may write to a broker
                raise TypeError("a message is not text")
            exclude = frozenset(fields.get("exclude", ()))
            return cls(messages, exclude=exclude, to=fields.get("to"))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise BackendError(f"A publication cannot be read: {error!r}") from None

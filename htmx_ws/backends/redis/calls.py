"""How the scripts are asked, and their answers and what comes of rooms are read. Pure."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from ..contract import Keep
from ..keeps import Keeps
from .order import MOST_OFFSET, Answer, Mark, Message
from .scripts import APPEND, ASK, Script

__all__ = ["Call", "Given", "Item", "Keys", "read_answers"]
__all__ += ["read_message"]

#: How long a room's count outlives its last message, or its history, and the last question
#: about it, in milliseconds: then another epoch begins.
COUNT_MS: Final = 24 * 3_600_000

#: Ages are bounded by this many milliseconds: ten years.
_MOST_MS: Final = 10 * 365 * 24 * 3_600_000

#: How many bytes of history one answer has, about, and how many messages of one room.
ANSWER_BYTES: Final = 1024 * 1024
ANSWER_MESSAGES: Final = 100


class Item(NamedTuple):
    """What is to be appended to a room."""

    room: str
    payload: bytes
    keep: Keep | None


class Call(NamedTuple):
    """A script with its keys and arguments, as EVALSHA takes them."""

    script: Script
    keys: list[bytes]
    args: Sequence[bytes | str | int]

    def by_sha(self) -> tuple[Any, ...]:
        """The arguments of EVALSHA."""
        return (self.script.sha, len(self.keys), *self.keys, *self.args)

    def by_text(self) -> tuple[Any, ...]:
        """The arguments of EVAL, after which Redis knows the script."""
        return (self.script.text, len(self.keys), *self.keys, *self.args)


class Keys:
    """The names of what Redis holds for an application, all of which begin with its prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.encode()
        self.keeps: bytes = self._prefix + b":keeps"
        #: A channel on which nothing comes: a connection that has a subscription is another kind.
        self.nothing: bytes = self._prefix + b":nothing"

    def did(self, name: str) -> bytes:
        """The key that holds what a process of that name has appended last."""
        return self._prefix + b":did:" + name.encode()

    def channel(self, room: str) -> bytes:
        """The channel of a room, and the key of its hash."""
        return self._prefix + b":room:" + _encode(room)

    def log(self, channel: bytes) -> bytes:
        """The key of the stream of the room with that channel."""
        return self._prefix + b":log:" + channel[len(self._prefix) + 6 :]

    def append(self, items: Sequence[Item], did: str, number: int, did_ms: int) -> Call:
        """Append items, as the process ``did`` does with its batch of that number."""
        keys = [self.did(did), self.keeps]
        args: list[Any] = [number, did_ms, COUNT_MS, _new_epoch()]
        for room, payload, keep in items:
            channel = self.channel(room)
            keys += [channel, self.log(channel)]
            args += [_encode(room), payload, *(("", "", "") if keep is None else _rule(keep))]
        return Call(APPEND, keys, args)

    def ask(self, asked: Iterable[tuple[bytes, Mark | None]]) -> Call:
        """Ask where rooms are, and what came after marks, by their channels."""
        keys: list[bytes] = []
        args: list[Any] = [COUNT_MS, _new_epoch(), ANSWER_BYTES, ANSWER_MESSAGES]
        for channel, mark in asked:
            keys += [channel, self.log(channel)]
            epoch, offset, stamp = ("", "", "") if mark is None else mark
            args += [_encode(epoch), offset, stamp, MOST_OFFSET]
        return Call(ASK, keys, args)

    def ask_one(self, room: str, epoch: str, offset: int, most: int) -> Call:
        """Ask what came after a place that a page named: it has no stamp, and begins no epoch."""
        channel = self.channel(room)
        args: list[Any] = [COUNT_MS, _new_epoch(), ANSWER_BYTES, ANSWER_MESSAGES]
        return Call(ASK, [channel, self.log(channel)], [*args, _encode(epoch), offset, "", most])


class Given(NamedTuple):
    """What became of an item: its offset, or why it has none."""

    offset: int
    why: str = ""


def read_given(reply: Sequence[Any], count: int) -> list[Given]:
    """Read what APPEND gave for so many items."""
    given = [
        Given(each) if isinstance(each, int) and each else Given(0, _text(each) if each else "")
        for each in reply
    ]
    return given + [Given(0)] * (count - len(given))


def read_answers(reply: Iterable[Any]) -> list[Answer | str]:
    """Read what ASK gave: a text where a room could not be asked about."""
    return [_read_answer(each) for each in reply]


def _read_answer(given: Any) -> Answer | str:
    if not isinstance(given, list):
        return _text(given)
    epoch, offset, stamp, is_whole, *rest = given
    mark = Mark(_text(epoch), int(offset), int(stamp))
    entries = zip(rest[::3], rest[1::3], rest[2::3], strict=True)
    read = tuple((int(offset), int(stamp), payload) for offset, stamp, payload in entries)
    return Answer(mark, read, bool(is_whole))


def read_message(data: bytes) -> Message:
    """Read what comes on a room's channel; raises ``ValueError`` for what APPEND never says."""
    head, newline, payload = data.partition(b"\n")
    epoch, offset, stamp, before = head.split(b" ")
    if not (epoch and newline):
        raise ValueError(f"no message begins with {head[:80]!r}")
    return Message(epoch.decode(), int(offset), int(stamp), int(before), payload)


def write_keeps(keeps: Keeps) -> str:
    """Write rules for APPEND to look at."""
    return json.dumps([[parts, *_rule(keep)] for parts, keep in keeps.rules])


def _rule(keep: Keep) -> tuple[int, int, int]:
    return keep.most, int(max(1.0, min(keep.seconds * 1000, _MOST_MS))), keep.size


def _encode(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _text(given: object) -> str:
    return given.decode(errors="replace") if isinstance(given, bytes) else str(given)


def _new_epoch() -> str:
    return secrets.token_urlsafe(6)

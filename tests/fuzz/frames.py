"""Texts of frames, given to ``parse``; held against a second reading by Python's own json.

The reference follows the facts about htmx, not the code: what a text is, is decided from what
was measured in browsers. It is slow and has one way; ``parse`` has a fast way with a cache, and
both must say the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from random import Random
from typing import Any, ClassVar, Final

from htmx_ws.errors import FrameError
from htmx_ws.wire import frame as wire

from . import json_text
from .kind import Broken, Kind

__all__ = ["Frames", "is_json"]

#: Parsers stop at about 200: from the first on either answer is right, from the second on one.
_DEEP: Final = 190
_TOO_DEEP: Final = 210
_HINTS: Final[list[wire.Dialect | None]] = [None, None, "htmx2", "htmx4", "htmx4beta", "raw"]


@dataclass(frozen=True)
class Text:
    """A text and the dialect that its page declared."""

    text: str
    hint: wire.Dialect | None


class Frames(Kind[Text]):
    """Texts for the parser alone."""

    name: ClassVar[str] = "frame"
    share: ClassVar[int] = 2_600

    def make(self, random: Random) -> Text:
        hint = random.choice(_HINTS)
        if random.random() < 0.01:
            size = random.choice((64 * 1024, 256 * 1024, 1024 * 1024))
            return Text(json_text.boundary(random, size), hint)
        return Text(json_text.text(random), hint)

    async def check(self, given: Text) -> None:
        expected = _refer(given.text, given.hint)
        try:
            frame = wire.parse(given.text, given.hint)
        except FrameError as error:
            if expected is not None and not expected.is_doubtful:
                raise Broken("parse refuses a frame", str(error)) from None
            if "\n" in str(error) or len(str(error)) > 1_000:
                raise Broken("parse says too much of what it refuses", str(error)) from None
            return
        if expected is None:
            raise Broken("parse takes what is no frame", frame)
        said = (frame.values, dict(frame.headers), frame.dialect)
        if said != (expected.values, expected.headers, expected.dialect):
            raise Broken("parse reads a frame as another", said, expected)
        if not all(type(key) is str for key in frame.values) or not is_json(frame.values):
            raise Broken("the values of a frame are not JSON", frame.values)
        again = wire.parse(given.text, given.hint)
        if again != frame:
            raise Broken("parse reads a frame differently the second time", frame, again)
        _read_headers(frame)


def _read_headers(frame: wire.Frame) -> None:
    htmx = frame.htmx
    said = [htmx.trigger, htmx.trigger_name, htmx.tag, htmx.target, htmx.current_url, frame.sender]
    if not all(one is None or type(one) is str for one in said):
        raise Broken("a header that is read is no text", said)
    repr(htmx)


def is_json(value: Any) -> bool:
    """Whether a value is what JSON can say: str keys, finite numbers, text of whole characters."""
    if type(value) is dict:
        return all(type(key) is str and is_json(key) and is_json(one) for key, one in value.items())
    if type(value) is list:
        return all(map(is_json, value))
    if type(value) is str:
        return not any("\ud800" <= char <= "\udfff" for char in value)
    return value is None or type(value) in (bool, int) or (type(value) is float and isfinite(value))


# --- the reference ---------------------------------------------------------------------


@dataclass(frozen=True)
class Expected:
    """What the reference reads; ``is_doubtful``: a parser may refuse it too."""

    values: dict[str, Any]
    headers: dict[str, Any]
    dialect: wire.Dialect
    is_doubtful: bool


def _refer(text: str, hint: wire.Dialect | None) -> Expected | None:
    """Read a text as ``parse`` should; None: it is no frame."""
    doubts: list[bool] = []

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        # What a later key replaces is no part of the frame; whether it is looked at is free.
        if len(dict(members)) < len(members):
            doubts.append(any(_depth(one) > _DEEP or not is_json(one) for _, one in members))
        return dict(members)

    try:
        text.encode()
        members = json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return None
    if type(members) is not dict or _depth(members) > _TOO_DEEP or not is_json(members):
        return None
    values, headers, dialect = _shape(members, hint)
    if len(values) > wire.MAX_FIELDS:
        return None
    return Expected(values, headers, dialect, any(doubts) or _depth(members) > _DEEP)


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for one in level
            if type(one) in (list, dict)
            for inner in (one.values() if type(one) is dict else one)
        ]
    return depth


def _shape(
    members: dict[str, Any], hint: wire.Dialect | None
) -> tuple[dict[str, Any], dict[str, Any], wire.Dialect]:
    """Say which htmx wrote an object: section 2 of the facts about the wire, in its order."""
    upper: Any = members.get("HEADERS")
    lower: Any = members.get("headers")
    is_upper, is_lower = isinstance(upper, dict), isinstance(lower, dict)
    if is_upper and is_lower:  # the dialect of the address decides
        is_upper = hint != "htmx4"
        is_lower = not is_upper
    if is_upper:
        return _without(members, "HEADERS"), upper, "htmx2"
    if is_lower:
        values, body = members.get("values"), members.get("body")
        if members.get("type") == "request" and "request_id" in members and type(values) is dict:
            return values, lower, "htmx4alpha"
        if (
            members.keys() == {"headers", "body"}
            and type(body) is dict
            and "HX-Request-ID" in lower
        ):
            return body, lower, "htmx4beta"
        if "HX-Request" in lower:
            return _without(members, "headers"), lower, "htmx4"
    return members, {}, "raw"


def _without(members: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name != key}

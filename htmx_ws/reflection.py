"""In debug and under test: is what a page typed coming back as HTML?

An f-string with form values in it is the injection that most samples of most frameworks
have. It cannot be seen from outside, but here both ends pass by: the values of the frame at
work, and the messages that its handler sends. A value that holds HTML metacharacters and
stands verbatim in a message was not escaped. Unless ``clean()`` let it through: then it is HTML
that visitors may write.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Final

from .errors import one_line
from .incidents import report
from .wire.frame import Frame
from .wire.serialise import Message

__all__ = ["forget_cleaned", "handling", "note_cleaned", "report_reflection", "was_cleaned"]

#: The frame at work and its handler's name; None outside of debug and tests.
handling: Final[ContextVar[tuple[Frame, str] | None]] = ContextVar("handling", default=None)

#: What clean() gave of late, each with the frame that was at work.
_cleaned: Final[deque[tuple[Frame, str]]] = deque(maxlen=100)

_METACHARACTER: Final = re.compile("[<>\"'&]")
#: Shorter values, a "<" or "&" say, stand in messages that have nothing to do with them.
_SHORTEST: Final = 3


def report_reflection(messages: Iterable[Message]) -> None:
    """Log a warning for each value of the frame at work that a message holds unescaped.

    Values of one or two characters are not looked for.
    """
    at_work = handling.get()
    if at_work is None:
        return
    frame, handler = at_work
    for message in messages:
        for field, value in _texts(frame.values):
            if not _METACHARACTER.search(value) or value not in message.text:
                continue
            if not was_cleaned(value, frame):
                name = field if field.isidentifier() else "value"
                report("unescaped", handler, one_line(field), name)


def note_cleaned(text: str) -> None:
    """Take note of what ``clean()`` gave; in debug and under test alone."""
    at_work = handling.get()
    if at_work is not None:
        _cleaned.append((at_work[0], text))


def was_cleaned(value: str, frame: Frame | None = None) -> bool:
    """Whether a value stands in what ``clean()`` gave, while that frame was at work or any."""
    return any(value in text and (frame is None or of is frame) for of, text in tuple(_cleaned))


def forget_cleaned(value: str) -> None:
    """Forget that a value was cleaned, for it was typed anew."""
    for each in tuple(_cleaned):
        if value in each[1]:
            _cleaned.remove(each)


def _texts(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for field, value in values.items():
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, str) and len(item) >= _SHORTEST:
                yield field, item

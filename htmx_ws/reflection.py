"""In debug and under test: is what a page typed coming back as HTML?

An f-string with form values in it is the injection that most samples of most frameworks
have. It cannot be seen from outside, but here both ends pass by: the values of the frame at
work, and the messages that its handler sends. A value that holds HTML metacharacters and
stands verbatim in a message was not escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Final

from .errors import one_line
from .incidents import report
from .wire.frame import Frame
from .wire.serialise import Message

__all__ = ["handling", "report_reflection"]

#: The frame at work and its handler's name; None outside of debug and tests.
handling: Final[ContextVar[tuple[Frame, str] | None]] = ContextVar("handling", default=None)

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
            if _METACHARACTER.search(value) and value in message.text:
                name = field if field.isidentifier() else "value"
                report("unescaped", handler, one_line(field), name)


def _texts(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for field, value in values.items():
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, str) and len(item) >= _SHORTEST:
                yield field, item

"""What is wrong though a test may pass: it is gathered, and said in words that help.

A handler that raises, a message for what the page has not, a page wiped, what a visitor typed
coming back as HTML, a frame that nothing takes: a browser shows little of these, and an
assertion about something else would not see them.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["KINDS", "Kind", "Problem", "Typed", "Watch", "missing", "wiped"]

Kind = Literal["exception", "missing", "wiped", "unescaped", "unhandled"]

#: What a strict page fails for.
KINDS: Final[tuple[Kind, ...]] = ("exception", "missing", "wiped", "unescaped", "unhandled")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. ``error`` is the exception that it is about."""

    kind: Kind
    text: str
    error: BaseException | None = None

    def __str__(self) -> str:
        if self.error is None:
            return self.text
        shown = "".join(traceback.format_exception(self.error)).rstrip()
        return f"{self.text}\n{shown}"


def missing(selector: str, message: str, ids: Iterable[str]) -> Problem:
    """A message names what the page has not."""
    there = ", ".join(f"#{each}" for each in ids) or "none"
    return Problem(
        "missing",
        f"A message was for {selector!r}, and the page has nothing there, so it is lost.\n"
        f"The ids in the page: {there}\n"
        f"The message: {message}",
    )


def wiped(element: str, left: str, message: str) -> Problem:
    """htmx 4 put into the connecting element what a message had beside its targets."""
    return Problem(
        "wiped",
        f"htmx 4 replaced all that is in {element}, the element that connects, by what stands "
        f"in a message without a target: {left}\n"
        "Give each element of a message an id and hx-swap-oob, or send it by update(), "
        "append() and their like, and send no text beside them.\n"
        f"The message: {message}",
    )


class Typed:
    """What visitors typed that HTML would not hold as it is."""

    _SHORTEST: Final = 3  # a bare "<" stands in many messages

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def take(self, values: Iterable[tuple[str, object]]) -> None:
        """Remember the values of a frame."""
        for name, value in values:
            for each in value if isinstance(value, list) else [value]:
                if (
                    isinstance(each, str)
                    and len(each) >= self._SHORTEST
                    and re.search("[<&]", each)
                ):
                    self._values[each] = name

    def look(self, message: str) -> Problem | None:
        """Look for them in a message."""
        for value, name in self._values.items():
            if value in message:
                return Problem(
                    "unescaped",
                    f"What was typed into the field {name!r} comes back as HTML: {value!r}\n"
                    "Whoever types a script there runs it in every page. Write it with "
                    f"html('<li>{{}}</li>', {name}) or in a template, not in an f-string.\n"
                    f"The message: {message}",
                )
        return None


class Watch(logging.Handler):
    """Hears what ``htmx_ws`` logs about the handlers under test."""

    LOGGER: Final = "htmx_ws"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(logging.WARNING)
        self._problems = problems

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a record."""
        if record.exc_info and record.exc_info[1] is not None:
            text = re.sub(r"^<[^>]*>: ", "", record.getMessage())
            self._problems.append(Problem("exception", f"{text}:", record.exc_info[1]))
        elif "no handler took" in record.msg:
            text = re.sub(r"^.*?: no handler", "No handler", record.getMessage())
            self._problems.append(Problem("unhandled", text))

    def start(self) -> None:
        """Begin to hear."""
        logging.getLogger(self.LOGGER).addHandler(self)

    def stop(self) -> None:
        """Hear no more."""
        logging.getLogger(self.LOGGER).removeHandler(self)

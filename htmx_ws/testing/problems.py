"""What is wrong though a test may pass: it is gathered, and said in words that help.

A handler that raises, a message for what the page has not, a page wiped, what a visitor typed
coming back as HTML, a frame that nothing takes, a socket that the application closes: a browser
shows little of these, and an assertion about something else would not see them.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ..reflection import forget_cleaned, was_cleaned

__all__ = [
    "KINDS",
    "Kind",
    "Problem",
    "Typed",
    "Watch",
    "closed",
    "missing",
    "no_hello",
    "stray_hello",
    "unreadable",
    "wiped",
]

Kind = Literal["exception", "missing", "wiped", "unescaped", "unhandled", "closed"]

#: Where this package is.
_OURS: Final = str(Path(__file__).parents[1])
#: What a strict page fails for.
KINDS: Final[tuple[Kind, ...]] = (
    "exception",
    "missing",
    "wiped",
    "unescaped",
    "unhandled",
    "closed",
)
#: The codes of a close that means no harm: the end of a visit, or "please come back".
_HARMLESS: Final = (1000, 1001, 1005, 1006, 1012, 1013)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. ``error`` is the exception that it is about."""

    kind: Kind
    text: str
    error: BaseException | None = None

    def __str__(self) -> str:
        if self.error is None:
            return self.text
        error = f"{type(self.error).__name__}: {self.error}"
        frames = traceback.extract_tb(self.error.__traceback__)
        own = [each for each in frames if not each.filename.startswith(_OURS)]
        if not own:
            return f"{self.text} {error}"
        at = own[-1]  # the application's own line: pytest shows the rest
        place = f"{Path(at.filename).name}, line {at.lineno}, in {at.name}: {at.line}"
        return f"{self.text} {error}\n  {place}"


def missing(selector: str, message: str, ids: Iterable[str]) -> Problem:
    """A message names what the page has not."""
    there = ", ".join(f"#{each}" for each in ids) or "none"
    what = f"A message was for {selector!r}, and the page has nothing there, so it is lost."
    if selector == "#null":
        what = (
            "An element of a message has no id, and does not say by hx-swap-oob where it goes, so "
            "it is lost."
        )
    return Problem(
        "missing",
        f"{what}\nThe ids in the page: {there}\nThe message: {message}",
    )


def unreadable(selector: str, message: str) -> Problem:
    """A message says where it goes by what is no selector."""
    return Problem(
        "missing",
        f"A message was for {selector!r}, which no browser can read as a selector, so it is lost."
        f"\nThe message: {message}",
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


def closed(path: str, code: int, reason: str) -> Problem | None:
    """The application closed a socket with a code that says that something is wrong, or nothing."""
    if code in _HARMLESS:
        return None
    said = f" ({reason})" if reason else ""
    return Problem(
        "closed",
        f"The application closed the socket {path} with {code}{said}, which the test did not "
        f"expect.\nIf it is meant to, say so: page.expect_close({code})",
    )


def no_hello(path: str) -> Problem:
    """The address of a socket says that its page resumes, and the page says no hello."""
    return Problem(
        "missing",
        f"The page sent no hello when its socket {path} opened, so what is published while it is "
        "away is lost to it. Write {{ page.hello }} into the element that has {{ page.connect }}.",
    )


def stray_hello(path: str) -> Problem:
    """A page has a hello, and the address of its socket does not say that it resumes."""
    return Problem(
        "missing",
        f"The page has {{{{ page.hello }}}}, and its socket {path} does not resume, so what is "
        "published while it is away is lost to it. Write {{ page.connect }} in place of "
        "connect_attrs.",
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
                    forget_cleaned(each)

    def look(self, message: str) -> Problem | None:
        """Look for them in a message."""
        for value, name in self._values.items():
            if value in message and not was_cleaned(value):
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

    def __init__(self, tell: Callable[[Problem], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a record."""
        if record.exc_info and record.exc_info[1] is not None:
            text = re.sub(r"^<[^>]*>: ", "", record.getMessage())
            self._tell(Problem("exception", f"{text}:", record.exc_info[1]))
        elif "no handler took" in record.msg:
            text = re.sub(r"^.*?: no handler", "No handler", record.getMessage())
            self._tell(Problem("unhandled", text))

    def start(self) -> None:
        """Begin to hear."""
        logging.getLogger(self.LOGGER).addHandler(self)

    def stop(self) -> None:
        """Hear no more."""
        logging.getLogger(self.LOGGER).removeHandler(self)

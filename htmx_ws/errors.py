"""Every error of htmx-ws, each with the close code that it implies.

    HtmxWSError
    ├── RegistrationError   the developer's: a handler that cannot work; raised while registering
    ├── FragmentError       the handler's: content that has no place in a page
    ├── FrameError          the page's: a message that is not a frame
    │   └── FrameTooBig     the page's: a message over the size limit
    ├── BindingError        the page's: values that a handler does not take
    ├── LimitError          the handler's: more rooms than a page may be in, too long a name, or
    │                       too large a publication
    ├── BackendError        nobody's: a broker that is away, or does not take what is published
    └── Refused             nobody's: a connect hook turns the page away
        └── BadSignature    the page's: a token that was not signed here, or is too old

One root, so that ``except HtmxWSError`` catches whatever this package raises. An error whose
``code`` is None leaves the connection open; any other code closes it. The codes are chosen
by what htmx does with them: it comes back after 1012 and 1013, and stays away after 1008,
1009 and 4xxx.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = [
    "BackendError",
    "BadSignature",
    "BindingError",
    "FragmentError",
    "FrameError",
    "FrameTooBig",
    "HtmxWSError",
    "LimitError",
    "Refused",
    "RegistrationError",
]


def one_line(text: str, most: int = 500) -> str:
    """Write what a page wrote for a log: on one line, and not the whole of a long text."""
    shown = text if len(text) <= most else text[:most] + "..."
    return shown if shown.isprintable() else repr(shown)


class HtmxWSError(Exception):
    """The root of all errors of this package."""

    code: ClassVar[int | None] = None


class RegistrationError(HtmxWSError, TypeError):
    """A handler, hook or path cannot work as it was registered."""


class FragmentError(HtmxWSError, ValueError):
    """Content that cannot be placed in a page; the message says how to place it."""


class FrameError(HtmxWSError, ValueError):
    """A message from a page that is not a frame; the connection lives."""


class FrameTooBig(FrameError):
    """A message from a page that is longer than the limits allow."""

    code: ClassVar[int | None] = 1009


class BindingError(HtmxWSError, ValueError):
    """The values of a frame, a path or a query do not fit a handler's parameters.

    ``fields`` maps the name of each field to what is wrong with it, in words for the person
    who filled the form (pydantic's, unless a validator says otherwise). Not escaped.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields: dict[str, str] = dict(fields)
        # It is logged, and names of fields may be the page's own.
        super().__init__(one_line("; ".join(f"{field}: {what}" for field, what in fields.items())))


class LimitError(HtmxWSError, ValueError):
    """A page was to go over one of the ``Limits``, or a publication over its size.

    The message says which.
    """


class BackendError(HtmxWSError, ConnectionError):
    """What was published has no place in its room's order, or may have none."""


class Refused(HtmxWSError):
    """Raise it in a connect hook to turn a page away for good.

    ``code`` is a close code that htmx does not retry (1008 or 4000 to 4999), ``reason`` up
    to 123 bytes of text for the close frame, ``content`` anything that ``send`` takes: the
    page gets it before the close.
    """

    def __init__(self, reason: str = "", *, code: int = 1008, content: Any = None) -> None:
        if not isinstance(reason, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # users'
            raise TypeError(
                f"The reason of a refusal is text, not {reason!r}: what the page is to get "
                "before the close goes into content=, as Refused(content=redirect('/login/'))."
            )
        if code != 1008 and not 4000 <= code <= 4999:
            raise ValueError(f"{code} does not keep htmx away: use 1008 or 4000 to 4999")
        self.reason: str = reason
        self.close_code: int = code
        self.content: Any = content
        super().__init__(reason or f"refused with {code}")


class BadSignature(Refused):
    """A token that was not signed here, is for somebody else, or is too old.

    Where nothing catches it, the page is turned away with 4403.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason, code=4403)

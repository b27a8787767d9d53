"""What a framework does its own way: all that an adapter tells the core.

It is data and plain functions, which the core uses where it would otherwise use its own. So
no class is there to be overridden in ten places, and what an adapter changes is read at one
glance. Without an adapter the defaults hold.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .binding import Take
from .connection import Connection
from .errors import Refused
from .results import DEFAULT, Runtime
from .routing import Path, PathPattern
from .wire.frame import Frame

__all__ = ["Around", "Call", "Host"]

#: Calls a handler with the arguments that the framework adds, and sends what it gives.
Call = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Around:
    """What a framework does before and after each call of one handler.

    ``names`` are the handler's parameters that it fills. ``run`` gets the connection, the
    frame (None in hooks) and a ``Call``, which it awaits at most once: when that is done, what
    the handler gave is sent, a stream to its end. An error of the handler comes out of the
    ``Call``, and ``run`` lets it through.
    """

    names: frozenset[str]
    run: Callable[[Connection, Frame | None, Call], Awaitable[None]]


def _no_refusal(error: Exception) -> Refused | None:
    return None


def _nobody(conn: Connection) -> object:
    return None


def _nothing_around(function: Callable[..., Any], path: str) -> Around | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A framework's manners.

    ``path`` compiles the text of an endpoint's path. ``types`` says what fills a parameter
    that is annotated with one of its types, whatever its name. ``runtime`` says how it
    runs what is not the event loop's alone. ``refusal`` says what an error means by which the
    framework's users turn a visitor away, raised in a connect hook. ``around`` looks at a
    handler or hook when it is registered, with the text of its path, and gives what to do
    around its calls. ``identify`` says who a page's visitor is, None for anybody.
    ``origins_hint`` says where a site that may connect is named.
    """

    path: Callable[[str], PathPattern] = Path
    types: Mapping[Any, Take] = field(default_factory=dict[Any, Take])
    runtime: Runtime = DEFAULT
    refusal: Callable[[Exception], Refused | None] = _no_refusal
    around: Callable[[Callable[..., Any], str], Around | None] = _nothing_around
    identify: Callable[[Connection], object] = _nobody
    origins_hint: str = "HtmxWS(origins=['https://example.com'])"

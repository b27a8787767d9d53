"""What htmx-ws tells of itself, for metrics and traces: one callable, and a table of events.

An event has numbers, to be summed or put into histograms, and attributes, of which there are
few different ones: the pattern of a path and of a room, never a name that a page or a visitor
chose, so that no label grows with the number of users. Nothing is made or counted when nobody
listens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

__all__ = ["EVENTS", "Event", "Telemetry", "Told", "emit"]

_log = logging.getLogger("htmx_ws")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: its ``name``, numbers in ``measurements``, and ``attributes``.

    ``EVENTS`` says which there are of each name. Times are in seconds, sizes in bytes of UTF-8.
    """

    name: str
    measurements: Mapping[str, float] = field(default_factory=dict[str, float])
    attributes: Mapping[str, str | int | None] = field(default_factory=dict[str, str | int | None])


#: What listens: called on the event loop, at once, so it must not wait for anything.
Telemetry = Callable[[Event], object]


class Told(NamedTuple):
    """What there is to know of an event: when it comes, its numbers and its attributes."""

    when: str
    measurements: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()


#: Every event, by its name. ``route`` is the pattern of an endpoint's path, ``room`` that of a
#: room (see ``HtmxWS.room``), ``*`` where none was declared.
EVENTS: Final[Mapping[str, Told]] = {
    "connection.start": Told("a page has been accepted", (), ("route", "dialect")),
    "connection.stop": Told(
        "a page has gone, and its disconnect hook has run",
        ("seconds",),
        ("route", "dialect", "code"),
    ),
    "handshake.refused": Told("a page was not let in", (), ("route", "why", "code")),
    "frame": Told("a frame has come", ("bytes",), ("route", "dialect")),
    "frame.refused": Told("a frame reached no handler, or not as it was", (), ("route", "why")),
    "handler.start": Told(
        "a handler or hook begins; in its context, as its stop", (), ("route", "handler", "kind")
    ),
    "handler.stop": Told(
        "a handler or hook has ended, its result been sent",
        ("seconds",),
        ("route", "handler", "kind", "error"),
    ),
    "fragment": Told("content was made for one page", ("messages", "bytes"), ("route",)),
    "publish": Told(
        "a publication was written to the pages of its room",
        ("seconds", "pages", "messages", "bytes"),
        ("room",),
    ),
    "outbox": Told(
        "a page reads too slowly: what waited for it", ("messages", "bytes"), ("route", "why")
    ),
    "limit": Told("a page reached one of the Limits", (), ("route", "limit")),
    "gap": Told("publications of a room, or of all, may be missing", (), ("room", "why")),
    "drain.start": Told("a drain begins", ("pages",)),
    "drain.stop": Told("a drain is over", ("seconds", "pages")),
    "refused": Told("an accepted page may not stay, or not join a room", (), ("route", "why")),
    "failure": Told("something failed, of which the log tells", (), ("route", "why")),
}


def emit(
    telemetry: Telemetry | None,
    name: str,
    measurements: Mapping[str, float] | None = None,
    **attributes: str | int | None,
) -> None:
    """Tell who listens; what goes wrong there is logged, and disturbs nobody."""
    if telemetry is None:
        return
    try:
        telemetry(Event(name, measurements or {}, attributes))
    except Exception:
        _log.exception("The telemetry callable failed at %r", name)

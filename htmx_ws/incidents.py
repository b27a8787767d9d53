"""The one table of what can go wrong: how the log tells it, who else hears, what the page gets.

Each incident has a name, by which the code reports it. The level says whose matter it is: an
error is the application's and comes with its traceback, a warning names the setting that would
change it, an info is a visitor's, a debug line is how networks are. The codes are chosen by
what htmx does with them: it comes back after 1012 and 1013, and stays away after 1008, 1009 and
4xxx.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final, NamedTuple

from .telemetry import EVENTS, Telemetry, emit

__all__ = ["INCIDENTS", "Incident", "refuse", "report"]

_log = logging.getLogger("htmx_ws")


class Incident(NamedTuple):
    """How an incident is told: ``level`` and text of its log line, event, and what follows.

    ``code`` is what the socket is closed with; None where the page stays, or where another code
    was given. ``page`` says what its visitor sees.
    """

    level: int
    text: str
    event: str
    page: str = "nothing"
    code: int | None = None


_DEBUG, _INFO, _WARNING, _ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR
_STAYS: Final = "nothing; htmx stays away"
_BACK: Final = "what its connect hook sends, when it has come back"
_ANSWER: Final = "what on_error sends"

INCIDENTS: Final[Mapping[str, Incident]] = {
    # The handshake.
    "bad origin": Incident(
        _WARNING,
        "Refused a websocket on %r: %s. If its pages may connect, name their origin: %s",
        "handshake.refused",
        _STAYS,
        4403,
    ),
    "not found": Incident(
        _WARNING, "No endpoint for %r: there are %s", "handshake.refused", _STAYS, 4404
    ),
    "bad query": Incident(
        _WARNING,
        "The query of a page that connects to %r: %s",
        "handshake.refused",
        _STAYS,
        4400,
    ),
    "bad page token": Incident(
        _WARNING,
        "A page was turned away from %r: %s (HtmxWS(page_tokens=...); to= of live.page and "
        "live.new_page says whom a page is for)",
        "handshake.refused",
        _STAYS,
        4403,
    ),
    "turned away": Incident(
        _INFO, "A page was turned away from %r: %s", "handshake.refused", "the refusal's content"
    ),
    "not let in": Incident(
        _ERROR, "A page could not be let in on %r", "handshake.refused", _BACK, 1013
    ),
    "full": Incident(
        _WARNING, "%r is refused with 503: %s", "handshake.refused", "nothing; htmx tries again"
    ),
    # Frames.
    "bad frame": Incident(_WARNING, "%r: %s", "frame.refused", _ANSWER),
    "too big": Incident(_WARNING, "%r: %s", "frame.refused", _ANSWER, 1009),
    "bad values": Incident(
        _INFO,
        "%r: %s did not take a frame: %s",
        "frame.refused",
        "what is wrong, in #{sender's id}-errors, or what on_error sends",
    ),
    "frame turned away": Incident(
        _INFO, "%r: %s turned a frame away: %r", "frame.refused", _ANSWER
    ),
    "no handler": Incident(
        _WARNING,
        "%r: no handler took the frame of %r with the fields %s: register one with on(id), "
        "on(field=value) or on_message on %r",
        "frame.refused",
    ),
    "no place for errors": Incident(
        _WARNING,
        "%r: what is wrong with the frame is shown nowhere, since what sent it has no id: "
        "give the form one, and an element the id of the form with -errors behind it",
        "",
    ),
    "too fast": Incident(
        _WARNING,
        "%r sends more than %s frames a second, so it is read more slowly "
        "(Limits.frames_per_second, frames_burst)",
        "limit",
    ),
    "flood": Incident(
        _WARNING,
        "%r is closed: for %s s without a pause it sent more than %s frames a second "
        "(Limits.frames_per_second)",
        "refused",
        _STAYS,
        1008,
    ),
    "waiting": Incident(
        _WARNING,
        "%r sends while a handler works: %d frames wait, and no more are read until it is done "
        "(Limits.frames_waiting)",
        "limit",
    ),
    "taking turns": Incident(
        _WARNING,
        "%r has %d concurrent handlers at work, so the next takes its turn behind its other frames "
        "(Limits.concurrent)",
        "limit",
    ),
    # Handlers and hooks.
    "handler failed": Incident(
        _ERROR, "%r: %s failed", "failure", "what on_error sends; in debug the traceback"
    ),
    "error hook failed": Incident(_ERROR, "%r: the error hook %s failed", "failure"),
    "connect hook failed": Incident(
        _ERROR, "%r: the connect hook %s failed", "failure", _BACK, 1013
    ),
    "bad address": Incident(
        _WARNING,
        "%r: its address does not fit %s: %s (its path gives %s, all else its query)",
        "refused",
        _STAYS,
        4400,
    ),
    "disconnect hook failed": Incident(
        _ERROR,
        "%r: the disconnect hook %s failed, or took over %s s (Limits.hook_seconds)",
        "failure",
    ),
    "refusal failed": Incident(_ERROR, "%r: what it was to be told could not be sent", "failure"),
    "history away": Incident(
        _WARNING, "%r waits for the history of %r: %s", "gap", "what it missed, once it is there"
    ),
    "resume failed": Incident(
        _ERROR,
        "%r could not be brought up to date: the snapshot of its room failed, or took over %s s "
        "(Limits.hook_seconds)",
        "failure",
        _BACK,
        1013,
    ),
    "no snapshot": Incident(
        _WARNING,
        "%r missed more of %r than is kept (HtmxWS.room) or replayed (Limits.replay_messages, "
        "replay_bytes), so it reloads: give the room a snapshot, or raise these",
        "gap",
        "the page, loaded again",
    ),
    "no hello": Incident(
        _WARNING,
        "%r has said no hello in %s s, so what is published while such a page is away is lost to "
        "it: write {{ page.hello }} into the element that has {{ page.connect }}, but into nothing "
        "that is updated. This is said once for each path",
        "",
        "not what it missed, when it is back",
    ),
    "stray hello": Incident(
        _WARNING,
        "%r says hello, but not in its address that it resumes, so what is published while such a "
        "page is away is lost to it: write {{ page.connect }} in place of connect_attrs. This is "
        "said once for each path",
        "",
        "not what it missed, when it is back",
    ),
    "not joined": Incident(
        _WARNING,
        "%r was rendered with its place in %r, and is not in it %s s after it came, so what is "
        "published there does not reach it: join in the connect hook the rooms that live.page is "
        "given by rooms=. This is said once for each path",
        "",
        "nothing of that room",
    ),
    "presence hook failed": Incident(_ERROR, "The hook %s of the room %r failed", "failure"),
    "work failed": Incident(_ERROR, "%r: its work %r failed", "failure"),
    "wait cancelled": Incident(_INFO, "%r: what %s waited for was cancelled", ""),
    "late handlers": Incident(
        _ERROR,
        "%r has gone, and its handlers did not finish in %s s, so they are cancelled "
        "(Limits.handler_seconds)",
        "limit",
    ),
    "abandoned": Incident(
        _WARNING, "%r is let go, as its process ends: its handlers are cancelled", "failure"
    ),
    "late work": Incident(
        _ERROR, "%r has gone, and its %s did not finish (Limits.handler_seconds)", "failure"
    ),
    "unescaped": Incident(
        _WARNING,
        "%s sends the value of the field %r back unescaped: whoever types HTML there puts it "
        "into the page. Use html('<p>{}</p>', %s) or a template.",
        "",
        "what was typed, as HTML",
    ),
    # Logins.
    "login over": Incident(
        _INFO, "%r is closed: its login is over, by reauth", "refused", _STAYS, 1008
    ),
    "login unknown": Incident(
        _ERROR, "%r stays, though reauth failed or took over %s s (Limits.hook_seconds)", "failure"
    ),
    # Pages that read slowly.
    "outbox full": Incident(
        _WARNING,
        "%r reads too slowly: %d messages of %d bytes wait for it, so it is closed with 1012 and "
        "will come back (Limits.outbox_bytes, outbox_messages)",
        "outbox",
        _BACK,
        1012,
    ),
    "stuck": Incident(
        _WARNING,
        "%r has read nothing for %s s, so it is closed with 1012 and will come back "
        "(Limits.write_seconds)",
        "outbox",
        _BACK,
        1012,
    ),
    "held too long": Incident(
        _WARNING,
        "%r: %d messages of %r were held for it and not released, so it is closed with 1012 and "
        "will come back (Limits.outbox_messages)",
        "outbox",
        _BACK,
        1012,
    ),
    "dropped": Incident(
        _DEBUG,
        "%r reads too slowly, so its oldest messages were dropped (Limits.slow_pages)",
        "outbox",
        "the newest messages, without those",
    ),
    # Rooms.
    "join refused": Incident(
        _INFO, "%r may not join %r", "refused", "nothing; where it is awaited, it is closed", 4403
    ),
    "several workers": Incident(
        _WARNING,
        "This is one of %d processes that serve, and the memory backend is of one alone: what is "
        "published in it reaches only the pages that it serves. Give all of them one backend: "
        "HtmxWS(backend='redis://...'), in Django HTMX_WS['BACKEND']",
        "failure",
        "not the publications of other processes",
    ),
    "unheard": Incident(
        _WARNING,
        "What was published to %r was heard by nobody: this process serves no page, or none yet. "
        "Where other processes do, give all of them one backend: HtmxWS(backend='redis://...'), in "
        "Django HTMX_WS['BACKEND']. This is said once",
        "failure",
        "not this publication",
    ),
    "lost": Incident(
        _WARNING,
        "%d publications to %s are lost, or may be, and nobody awaited them: %s. Await "
        "live.publish() to be told by BackendError, or have them wait while a broker is away, by "
        "?outage=queue",
        "failure",
        "not these publications",
    ),
    "unreadable": Incident(
        _ERROR, "What was published to %r was left out: %s", "failure", "not this publication"
    ),
    "gap": Incident(
        _WARNING,
        "Publications to %s may be missing: %s. Pages of rooms that resume are brought up to date",
        "gap",
        "what it would have seen, where its room resumes",
    ),
    "nowhere": Incident(
        _WARNING,
        "A page was rendered without knowing where its rooms %s are: %s. It gets what they are "
        "then when the broker is there, by their snapshot, or reloads. This is said once until "
        "that is known again",
        "gap",
        "what its rooms are, once the broker is there",
    ),
    "rendering failed": Incident(
        _ERROR, "%r: rendering a publication to %r failed", "failure", "not this publication"
    ),
    # Networks and servers.
    "gone": Incident(_DEBUG, "%r went: %r", ""),
    "unwritable": Incident(_DEBUG, "%r cannot be written to", "", _BACK, 1012),
    "unclosable": Incident(_DEBUG, "%r could not be told to close: %r", ""),
    "restart": Incident(_DEBUG, "%r is closed, as its process ends", "", _BACK, 1012),
    "pages left": Incident(_ERROR, "%d pages did not end in %s s", "failure"),
    "lifespan failed": Incident(_ERROR, "The %s failed", "failure"),
}


def refuse(incident: str) -> int:
    """Give the close code of an incident by which a page is closed."""
    code = INCIDENTS[incident].code
    assert code is not None
    return code


def report(
    incident: str,
    *args: object,
    telemetry: Telemetry | None = None,
    error: BaseException | None = None,
    measurements: Mapping[str, float] | None = None,
    **attributes: str | int | None,
) -> None:
    """Log an incident, with ``args`` in its text, and tell the telemetry.

    An incident of the event ``limit`` says which by ``limit=``; all others say ``why``.
    """
    level, text, event, _, code = INCIDENTS[incident]
    _log.log(level, text, *args, exc_info=error, stacklevel=3)
    if telemetry is None or not event:
        return
    if event != "limit":
        attributes["why"] = incident
    if event == "handshake.refused":
        attributes.setdefault("code", code)
    if "route" in EVENTS[event].attributes:
        attributes.setdefault("route", None)
    else:
        attributes.pop("route", None)
    emit(telemetry, event, measurements, **attributes)

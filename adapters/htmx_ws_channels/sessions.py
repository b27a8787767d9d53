"""A page's session: read when it connects, and saved after each handler that wrote into it.

A page may be open for hours, while views write into the same session. So it is not saved as it
was read: what handlers changed goes into what is there by then.
"""

from __future__ import annotations

import logging
from copy import deepcopy
from typing import Any, Final

from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.signed_cookies import SessionStore as InCookie

from htmx_ws import Connection
from htmx_ws.types import Scope

__all__ = ["begin", "is_changed", "save"]

_log = logging.getLogger("htmx_ws")
_READ: Final = "htmx_ws.session"


def begin(scope: Scope) -> None:
    """Take note of what a session holds when its page connects."""
    session: Any = scope.get("session")
    if hasattr(session, "_session_cache"):
        session.modified = False  # where it was, by being looked up: no handler wrote into it
        scope[_READ] = _held(session)


def is_changed(conn: Connection) -> bool:
    """Whether a handler wrote into the session of its page, and left something there."""
    session: Any = conn.scope.get("session")
    return getattr(session, "modified", False) and not session.is_empty()


def save(conn: Connection) -> None:
    """Save what handlers changed in the session of their page; this may ask the database."""
    session: Any = conn.scope["session"]
    if session.session_key is None or isinstance(session, InCookie):
        _log.warning(
            "%r: a handler wrote into a session that needs a new cookie, which a websocket "
            "cannot set, so it was not saved. Begin the session in a view; and with the engine "
            "signed_cookies, write into it there alone",
            conn,
        )
    else:
        try:
            _merge(session, *conn.scope.get(_READ, (None, {})))
            session.save()
        except UpdateError:
            _log.warning("%r: its session was deleted meanwhile, so it was not saved", conn)
    session.modified = False
    conn.scope[_READ] = _held(session)


def _held(session: Any) -> tuple[str | None, dict[str, Any]]:
    return session.session_key, deepcopy(session._session)


def _merge(session: Any, key: str | None, read: dict[str, Any]) -> None:
    """Put what was changed since it was read into what is there now."""
    if key != session.session_key:  # a handler was the first to read it, or made it another
        return
    ours, there = session._session, session.__class__(key)._session
    for name in {*read, *ours}:
        if name not in ours:
            there.pop(name, None)
        elif name not in read or ours[name] != read[name]:
            there[name] = ours[name]
    session._session_cache = there

"""Which sockets are of one page: the newest is written to, an older one is only read.

Ordinary markup opens two sockets on htmx 2, and everything would be shown twice. Both carry the
token that the page was rendered with; but so do two tabs of one page, which are to live side by
side. A page that resumes tells them apart itself: at its first hello it is given a token for
its tab, which its hello says from then on. Without a hello, two sockets of one token that open
within a second are one page's. A token stands in the logs of servers, so the sockets of another
visitor are never of that page, whatever they say.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from hashlib import blake2s
from typing import Final

from .connection import Connection
from .cursor import TAB
from .wire.serialise import Message

__all__ = ["Tabs"]

#: Within which time the sockets open that one page opens by mistake, in seconds.
TWIN_SECONDS: Final = 1.0

#: No tab's token of ours is longer, in characters.
_LONGEST: Final = 40


class Tabs:
    """The connections by the tokens of their pages; ``mute`` is told of each that gets an heir."""

    def __init__(self, mute: Callable[[Connection], None]) -> None:
        self._mute = mute
        self._by_page: dict[str, dict[Connection, float]] = {}  # and when each opened
        #: What those say that said hello, and None of those that had time to, and did not.
        self._tab_of: dict[Connection, str | None] = {}

    def enter(self, conn: Connection) -> None:
        """Take note of a page that has connected."""
        if conn.page is None:
            return
        its = self._by_page.setdefault(conn.page, {})
        now = conn.home.loop.time()
        if conn.resume is None:
            for other, opened in self._others(conn):
                if other.heir is None and now - opened < TWIN_SECONDS:
                    self._inherit(other, conn)
        its[conn] = now

    def hear(self, conn: Connection, tab: str) -> None:
        """Take note of which tab a page says that it is; give it a token if it has none."""
        its = self._by_page.get(conn.page or "")
        if its is None or conn not in its:
            return
        if not 0 < len(tab) <= _LONGEST:
            tab = secrets.token_urlsafe(9)
            field = f'<input type="hidden" id="{TAB}" name="{TAB}" value="{tab}" '
            conn.push(Message(f'{field}autocomplete="off" hx-swap-oob="outerHTML">'))
        self._tab_of[conn] = tab
        # Other visitors may have read both, and the broker need read none.
        place = repr((conn.page, tab, _who(conn))).encode()
        conn.place = blake2s(place, digest_size=12).hexdigest()
        for other, opened in self._others(conn):
            if other.heir is not None or other not in self._tab_of:
                continue
            said = self._tab_of[other]
            if said == tab or (said is None and abs(its[conn] - opened) < TWIN_SECONDS):
                self._inherit(other, conn)

    def miss(self, conn: Connection) -> None:
        """Take note that a page has said no hello, perhaps as its other socket has."""
        its = self._by_page.get(conn.page or "")
        if its is None or conn not in its:
            return
        self._tab_of[conn] = None
        for other, opened in self._others(conn):
            if self._tab_of.get(other) and abs(its[conn] - opened) < TWIN_SECONDS:
                self._inherit(conn, other)
                return

    def forget(self, conn: Connection) -> None:
        """Take note that a page has gone."""
        self._tab_of.pop(conn, None)
        its = self._by_page.get(conn.page or "")
        if its is not None:
            its.pop(conn, None)
            if not its:
                del self._by_page[conn.page or ""]

    def clear(self) -> None:
        """Forget all."""
        self._by_page.clear()
        self._tab_of.clear()

    def _others(self, conn: Connection) -> list[tuple[Connection, float]]:
        """Give the other sockets that may be of the same page, and when each opened."""
        its, who = self._by_page.get(conn.page or "", {}), _who(conn)
        return [each for each in its.items() if each[0] is not conn and _who(each[0]) == who]

    def _inherit(self, older: Connection, newer: Connection) -> None:
        older.inherit_to(newer)
        self._mute(older)


def _who(conn: Connection) -> str | None:
    return None if conn.identity is None else str(conn.identity)

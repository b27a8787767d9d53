"""Who is in a room, whichever process serves him.

Each process says who came to its pages and who left, and keeps what the others say, so that to
look is to read a dict. What is said stands in one order for all, so exactly one process, the one
that says it, finds that somebody is there for the first time, or for the last: it calls the hooks.
htmx 4 closes its socket at every tab switch, and a deploy closes all: who left is still there
for a while, in case he comes back.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from .incidents import report
from .peers import Peers, Said

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["Presence", "Present", "Roll"]


class Present(NamedTuple):
    """Somebody in a room: ``key`` is his identity, or his connection's id, ``about`` what is told.

    A connection without an identity is its id.
    """

    key: str | int
    about: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """How a room's presence is kept; see ``HtmxWS.room``.

    ``by`` says whether a visitor with several pages is there once, or each page. ``about`` gives
    what is told of one, from its connection: anything that JSON holds. ``on_join`` and
    ``on_leave`` are called with the room and the ``Present``, once among all processes; they may
    be async. ``grace`` is how long one is still there after his last page has gone, in seconds.
    """

    by: Literal["identity", "connection"] = "identity"
    about: Callable[[Connection], Any] | None = None
    on_join: Callable[[str, Present], Any] | None = None
    on_leave: Callable[[str, Present], Any] | None = None
    grace: float = 15.0


Key = str | int

#: How many of those who are here are named in one message to other processes.
_AT_ONCE: Final = 500


class Roll:
    """Who is in which room, here and elsewhere."""

    def __init__(self, peers: Peers, rule_of: Callable[[str], Presence | None]) -> None:
        self._peers = peers
        self._rule_of = rule_of
        self._pages: Counter[tuple[str, Key]] = Counter()  # of this process
        self._own: dict[tuple[str, Key], Any] = {}  # what this process said and did not take back
        self._leaving: dict[tuple[str, Key], asyncio.TimerHandle] = {}
        #: room -> key -> process -> what is told of him
        self._all: dict[str, dict[Key, dict[str, Any]]] = {}
        self._said: int = 0  # by this process
        self._heard: dict[str, int] = {}  # of each other
        self._calls: set[asyncio.Task[Any]] = set()

    def look(self, room: str) -> list[Present]:
        """Give who is in a room, in the order in which they came."""
        there = self._all.get(room, {})
        return [Present(key, next(iter(by.values()))) for key, by in there.items()]

    # --- what happens here -------------------------------------------------------------

    def enter(self, conn: Connection, room: str) -> None:
        """Take note that a page has joined a room."""
        rule = self._rule_of(room)
        if rule is None:
            return
        place = room, _key_of(conn, rule)
        self._pages[place] += 1
        leaving = self._leaving.pop(place, None)
        if leaving is not None:
            leaving.cancel()
        if place not in self._own:
            about = None if rule.about is None else rule.about(conn)
            self._own[place] = about
            self._say("join", [[*place, about]])

    def leave(self, conn: Connection, room: str) -> None:
        """Take note that a page has left a room; whose last it was is still there for a while."""
        rule = self._rule_of(room)
        if rule is None:
            return
        place = room, _key_of(conn, rule)
        self._pages[place] -= 1
        if self._pages[place] <= 0:
            del self._pages[place]
            loop = asyncio.get_running_loop()
            self._leaving[place] = loop.call_later(rule.grace, self._let_leave, place)

    def _let_leave(self, place: tuple[str, Key]) -> None:
        del self._leaving[place]
        self._own.pop(place, None)
        self._say("leave", [list(place)])

    def catch_up(self) -> None:
        """Have everybody say all again, as something may have been missed."""
        self._peers.say("tell", whom=None)

    def stop(self) -> None:
        """Wait for nobody any more."""
        for leaving in self._leaving.values():
            leaving.cancel()
        self._leaving.clear()

    def _say(self, does: str, who: list[list[Any]], **more: Any) -> None:
        self._said += 1
        self._peers.say(does, who=who, number=self._said, **more)

    # --- what processes say ------------------------------------------------------------

    def hear(self, said: Said) -> None:
        """Take note of what a process says, this one too."""
        does, by = said["does"], said["by"]
        me = self._peers.id
        is_asked = does == "tell" and said["whom"] in (None, me)
        if is_asked or does == "missed" or (does == "hello" and by != me):
            self._tell_all()
        elif does == "roll":
            if said["first"] and by != me:
                self._remove(by)
            self._heard[by] = said["number"]
            self._join(by, said["who"])
        elif does in ("join", "leave"):
            if not self._is_next(by, said["number"]):
                return
            (self._join if does == "join" else self._leave)(by, said["who"])

    def forget(self, peer: str) -> None:
        """Take note that a process has gone: who was there may come back to another."""
        self._heard.pop(peer, None)
        grace = max((rule.grace for rule in map(self._rule_of, self._all) if rule), default=0.0)
        asyncio.get_running_loop().call_later(grace, self._bury, peer)

    def _bury(self, peer: str) -> None:
        if peer not in self._peers.others:
            first = min((self._peers.id, *self._peers.others))  # the same one for all
            self._remove(peer, is_first=self._peers.id == first)

    def _is_next(self, by: str, number: int) -> bool:
        """Whether nothing that a process said was missed; else it is asked to say all again."""
        if by == self._peers.id:
            return True
        before, self._heard[by] = self._heard.get(by, 0), number
        if number == before + 1:
            return True
        self._peers.say("tell", whom=by)
        return False

    def _tell_all(self) -> None:
        who = [[*place, about] for place, about in self._own.items()]
        for at in range(0, len(who) or 1, _AT_ONCE):
            self._say("roll", who[at : at + _AT_ONCE], first=not at)

    def _join(self, by: str, who: Iterable[list[Any]]) -> None:
        for room, key, about in who:
            there = self._all.setdefault(room, {}).setdefault(key, {})
            is_new = not there
            there[by] = about
            if is_new and by == self._peers.id:
                self._call("on_join", room, Present(key, about))

    def _leave(self, by: str, who: Iterable[list[Any]]) -> None:
        for room, key in who:
            self._take_out(by, room, key, calls=by == self._peers.id)

    def _remove(self, by: str, is_first: bool = False) -> None:
        for room, keys in list(self._all.items()):
            for key in [key for key, there in keys.items() if by in there]:
                self._take_out(by, room, key, calls=is_first)

    def _take_out(self, by: str, room: str, key: Key, *, calls: bool) -> None:
        there = self._all.get(room, {}).get(key, {})
        if by not in there:
            return
        about = there.pop(by)
        if there:
            return
        del self._all[room][key]
        if not self._all[room]:
            del self._all[room]
        if calls:
            self._call("on_leave", room, Present(key, about))

    def _call(self, name: Literal["on_join", "on_leave"], room: str, who: Present) -> None:
        rule = self._rule_of(room)
        hook = None if rule is None else getattr(rule, name)
        if hook is not None:
            task = asyncio.ensure_future(_run(hook, name, room, who))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)


async def _run(hook: Callable[[str, Present], Any], name: str, room: str, who: Present) -> None:
    try:
        result: Awaitable[Any] | Any = hook(room, who)
        if isawaitable(result):
            await result
    except Exception as error:
        report("presence hook failed", name, room, error=error)


def _key_of(conn: Connection, rule: Presence) -> Key:
    identity = None if rule.by == "connection" else conn.identity
    if identity is None:
        return conn.id
    return identity if isinstance(identity, (str, int)) else str(identity)

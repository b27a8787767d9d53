"""Who is in a room, whichever process serves him.

Each process says who came to its pages and who left, and keeps what the others say, so that to
look is to read a dict. What is said stands in one order for all, so exactly one process, the one
that says it, finds that somebody is there for the first time, or for the last: it calls the hooks.
A process that may have missed something says neither before it has caught up: then it says all
that is so, in one, as it does whenever another asks.

htmx 4 closes its socket at every tab switch, and a deploy closes all: who left is still there
for a while, in case he comes back.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from dataclasses import dataclass
from inspect import isawaitable, iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from .errors import LimitError
from .hooks import check_hook
from .incidents import report
from .peers import Peers, Said
from .results import DEFAULT, Runtime
from .security import check_number
from .telemetry import Telemetry

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

    ``by`` says whether a visitor with several pages is there once, or each page. ``about(conn)``
    gives what is told of one: anything that JSON holds. It runs on the event loop, and may not
    wait: a connect hook can keep in ``conn.state`` what it needs. ``on_join(room, who)`` and
    ``on_leave(room, who)`` are called with the room's name and the ``Present``, once among all
    processes; they may be async, plain functions run in a thread. All three are called by position.
    ``grace`` is how long one is still there after his last page has gone, in seconds.
    """

    by: Literal["identity", "connection"] = "identity"
    about: Callable[[Connection], Any] | None = None
    on_join: Callable[[str, Present], Any] | None = None
    on_leave: Callable[[str, Present], Any] | None = None
    grace: float = 15.0

    def __post_init__(self) -> None:
        for name, takes in _HOOKS.items():
            hook = getattr(self, name)
            if hook is not None:
                check_hook(name, hook, *takes)
        check_number("grace", self.grace)


#: What is called with what.
_HOOKS: Final = {"about": ("conn",), "on_join": ("room", "who"), "on_leave": ("room", "who")}

Key = str | int

#: A room, and who is there.
Place = tuple[str, Key]

#: How much JSON of those who are here goes into one message, and how much is told of one.
PART_SIZE: Final = 64 * 1024
MOST_ABOUT: Final = 64 * 1024

#: How long others that ask for all are waited for, so that one answer is for several; and after
#: which time one process tells for those that have not, well before whoever asked is settled.
_TELL_SECONDS: Final = 0.1
_SILENT_SECONDS: Final = 0.5

#: When it is said again that a process has gone, should nobody have heard it.
_AGAIN_SECONDS: Final = 10.0

#: How long stopping waits for the hooks that are running.
STOP_SECONDS: Final = 5.0


class Roll:
    """Who is in which room, here and elsewhere."""

    def __init__(
        self,
        peers: Peers,
        rule_of: Callable[[str], Presence | None],
        *,
        runtime: Runtime = DEFAULT,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._peers = peers
        self._rule_of = rule_of
        self._runtime = runtime
        self._telemetry = telemetry
        # Of the pages of this process: as whom each is there, and how many are as one.
        self._keys: dict[tuple[str, Connection], Key] = {}
        self._pages: Counter[Place] = Counter()
        # Who is here, and what is told of him: as it is, and as this process has said it.
        self._here: dict[Place, Any] = {}
        self._said: dict[Place, Any] = {}
        self._leaving: dict[Place, asyncio.TimerHandle] = {}
        #: room -> key -> process -> what is told of him
        self._all: dict[str, dict[Key, dict[str, Any]]] = {}
        # Of what a process tells of one, mostly of itself: so far.
        self._parts: dict[tuple[str, str], list[list[list[Any]]]] = {}
        self._telling: asyncio.TimerHandle | None = None
        # Of each process that has just said hello: who has not told it yet who is with him.
        self._silent: dict[str, tuple[asyncio.TimerHandle, set[str]]] = {}
        # Until it is settled: who has told it all, and who was buried.
        self._have_told: set[str] = set()
        self._buried: set[tuple[str, float]] = set()
        self._burying: dict[tuple[str, float], asyncio.TimerHandle] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._last_call: dict[Place, asyncio.Task[None]] = {}
        self._is_over = False

    def look(self, room: str) -> list[Present]:
        """Give who is in a room, in the order in which they came."""
        there = list(self._all.get(room, {}).items())  # copied in one step, as threads look too
        return [Present(key, about[0]) for key, by in there if (about := list(by.values()))]

    # --- what happens here -------------------------------------------------------------

    def enter(self, conn: Connection, room: str, ready: asyncio.Future[bool] | None = None) -> None:
        """Take note that a page has joined a room, of which others hear when that is ready."""
        rule = self._rule_of(room)
        if rule is None or (room, conn) in self._keys:
            return
        key = self._keys[room, conn] = _key_of(conn, rule)
        place = room, key
        self._pages[place] += 1
        leaving = self._leaving.pop(place, None)
        if leaving is not None:
            leaving.cancel()
        if place not in self._here:
            self._here[place] = self._about(conn, room, rule)
            if ready is None:
                self._say_join(place)
            else:  # so that what a hook publishes reaches this page too
                ready.add_done_callback(lambda _: self._say_join(place))

    def _say_join(self, place: Place) -> None:
        if not self._peers.is_settled or self._is_over:
            return
        if place in self._here and place not in self._said:
            about = self._said[place] = self._here[place]
            self._peers.say("join", who=[[*place, about]])

    def leave(self, conn: Connection, room: str) -> None:
        """Take note that a page has left a room; whose last it was is still there for a while."""
        key = self._keys.pop((room, conn), None)
        if key is None:
            return
        place = room, key
        self._pages[place] -= 1
        if not self._pages[place]:
            del self._pages[place]
            if not self._is_over:
                loop = asyncio.get_running_loop()
                self._leaving[place] = loop.call_later(self._grace_of(room), self._let_leave, place)

    def _let_leave(self, place: Place) -> None:
        del self._leaving[place], self._here[place]
        if self._peers.is_settled and place in self._said:
            del self._said[place]
            self._peers.say("leave", who=[list(place)])

    def catch_up(self) -> None:
        """Have everybody tell all again, as something may have been missed."""
        self._peers.greet()

    def stop(self) -> None:
        """Wait for nobody any more, and say nothing; what was said is still heard."""
        if self._telling is not None:  # who asks it now could not ask it later
            self._tell()
        self._is_over = True
        silent = [timer for timer, _ in self._silent.values()]
        for timer in (*self._leaving.values(), *self._burying.values(), *silent):
            timer.cancel()

    async def have_called(self) -> None:
        """Wait until the hooks have run, but not for long."""
        if not self._calls:
            return
        _, late = await asyncio.wait(self._calls, timeout=STOP_SECONDS)
        for call in late:
            call.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _about(self, conn: Connection, room: str, rule: Presence) -> Any:
        """Give what is told of a page; nothing, where that fails, as he is there all the same."""
        try:
            about = None if rule.about is None else rule.about(conn)
            size = len(json.dumps(about))
            if size > MOST_ABOUT:
                raise LimitError(f"{size} bytes are told of one, over the limit of {MOST_ABOUT}.")
        except Exception as error:
            self._report("about", room, error)
            return None
        return about

    # --- what processes say ------------------------------------------------------------

    def hear(self, said: Said) -> None:
        """Take note of what a process says, this one too."""
        does, by, me = said["does"], said["by"], self._peers.id
        if does == "join":
            self._join(by, said["who"])
        elif does == "leave":
            for room, key in said["who"]:
                self._take_out(by, room, key, calls=by == me)
        elif does == "roll":
            self._hear_roll(by, said)
        elif does == "gone":
            self._hear_gone(by, said["whom"], said["grace"])
        elif self._is_over:
            return
        elif does in ("settled", "missed"):
            self._tell()
        elif does == "hello" and by != me:
            self._tell_soon()
            self._wait_for_silent(by)
        elif does == "tell" and said["whom"] == me:
            self._tell_soon()

    def _tell_soon(self) -> None:
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(_TELL_SECONDS, self._tell)

    def _tell(self) -> None:
        """Say all who are here; before it is settled, what it said."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if self._peers.is_settled:
            self._said = dict(self._here)
            self._have_told.clear()
            self._buried.clear()
        self._say_roll(self._peers.id, self._said)

    def _say_roll(self, peer: str, told: Mapping[Place, Any], *, has_gone: bool = False) -> None:
        parts = _split([[*place, about] for place, about in told.items()])
        for part, who in enumerate(parts):
            more = {"part": part, "is_last": part + 1 == len(parts), "has_gone": has_gone}
            self._peers.say("roll", of=peer, who=who, **more)

    def _hear_roll(self, by: str, said: Said) -> None:
        """Put all that a process tells in the place of what it told before, once it is whole."""
        peer = said["of"]
        parts = self._parts.setdefault((by, peer), [])
        if said["part"] == 0:
            parts.clear()
            if peer == by:
                for _, silent in self._silent.values():
                    silent.discard(by)
        elif said["part"] != len(parts):  # one was missed, and it is asked again
            return
        parts.append(said["who"])
        if not said["is_last"]:
            return
        del self._parts[by, peer]
        who = [each for part in parts for each in part]
        if peer != by:
            self._inherit(peer, who, has_gone=said["has_gone"])
            return
        if not self._peers.is_settled:
            self._have_told.add(by)
        told = {(room, key) for room, key, _ in who}
        for place in self._told_of(by).keys() - told:
            self._take_out(by, *place, calls=by == self._peers.id)
        self._join(by, who)

    def _join(self, by: str, who: Iterable[list[Any]]) -> None:
        for room, key, about in who:
            there = self._all.setdefault(room, {}).setdefault(key, {})
            is_new = not there
            there[by] = about
            if is_new and by == self._peers.id:
                self._call("on_join", room, Present(key, about))

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

    def _told_of(self, peer: str) -> dict[Place, Any]:
        rooms = self._all.items()
        return {
            (room, key): by[peer] for room, keys in rooms for key, by in keys.items() if peer in by
        }

    # --- processes that have gone, or say nothing --------------------------------------

    def _wait_for_silent(self, asks: str) -> None:
        before = self._silent.pop(asks, None)
        if before is not None:
            before[0].cancel()
        loop = asyncio.get_running_loop()
        timer = loop.call_later(_SILENT_SECONDS, self._tell_of_silent, asks)
        self._silent[asks] = timer, {*self._peers.others} - {asks}

    def _tell_of_silent(self, asks: str) -> None:
        """Tell a process that is new, one for all, of those that cannot or do not tell it.

        They have gone, or were killed and nobody knows it yet: who was there may come back to the
        new one, and is to be known there.
        """
        _, silent = self._silent.pop(asks)
        others = {*self._peers.others}
        tell = {self._peers.id, *others} - silent - self._silent.keys() - {asks}
        if not self._peers.is_settled or self._peers.id != min(tell):
            return
        gone = {peer for peer, _ in self._burying} - others
        for peer in silent | gone:
            told = self._told_of(peer)
            if told:
                self._say_roll(peer, told, has_gone=peer in gone)

    def _inherit(self, peer: str, who: list[list[Any]], *, has_gone: bool) -> None:
        """Take note of what another tells of a process."""
        peers = self._peers
        if peers.is_settled or peer in self._have_told or peer == peers.id:
            return
        gone = self._buried
        self._join(peer, [each for each in who if (peer, self._grace_of(each[0])) not in gone])
        if has_gone:
            self.forget(peer)
        else:
            peers.others.setdefault(peer, asyncio.get_running_loop().time())

    def forget(self, peer: str) -> None:
        """Take note that a process has gone: who was there may come back to another."""
        self._parts.pop((peer, peer), None)
        if self._is_over:
            return
        for grace in {self._grace_of(room) for room, _ in self._told_of(peer)}:
            self._bury_in(grace, peer, grace)

    def _bury_in(self, seconds: float, peer: str, grace: float) -> None:
        waits = self._burying.pop((peer, grace), None)
        if waits is not None:
            waits.cancel()
        loop = asyncio.get_running_loop()
        self._burying[peer, grace] = loop.call_later(seconds, self._bury, peer, grace)

    def _bury(self, peer: str, grace: float) -> None:
        """Say that a process has gone, so that this has its place among what is said.

        All do, as the one that is to may have gone too; the first of them calls the hooks.
        """
        del self._burying[peer, grace]
        if peer in self._peers.others:
            return
        self._bury_in(_AGAIN_SECONDS, peer, grace)
        if self._peers.is_settled:
            self._peers.say("gone", whom=peer, grace=grace)

    def _hear_gone(self, by: str, peer: str, grace: float) -> None:
        waits = self._burying.pop((peer, grace), None)
        if waits is not None:
            waits.cancel()
        if not self._peers.is_settled:
            self._buried.add((peer, grace))
        for room, key in self._told_of(peer):
            if self._grace_of(room) <= grace:
                self._take_out(peer, room, key, calls=by == self._peers.id)
        if peer == self._peers.id and not self._is_over:  # it has not
            self._tell_soon()

    def _grace_of(self, room: str) -> float:
        rule = self._rule_of(room)
        return 0.0 if rule is None else rule.grace

    # --- hooks -------------------------------------------------------------------------

    def _call(self, name: Literal["on_join", "on_leave"], room: str, who: Present) -> None:
        rule = self._rule_of(room)
        hook = None if rule is None else getattr(rule, name)
        if hook is None:
            return
        place = room, who.key
        calling = self._run(self._last_call.get(place), hook, name, room, who)
        # Not in the context of whichever page, or backend, has it called.
        call = asyncio.get_running_loop().create_task(calling, context=Context())
        self._calls.add(call)
        self._last_call[place] = call
        call.add_done_callback(lambda _: self._forget_call(place, call))

    def _forget_call(self, place: Place, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if self._last_call.get(place) is call:
            del self._last_call[place]

    async def _run(
        self,
        before: asyncio.Task[None] | None,
        hook: Callable[[str, Present], Any],
        name: str,
        room: str,
        who: Present,
    ) -> None:
        if before is not None:  # that he came is told before that he left
            await asyncio.wait([before])
        try:
            if iscoroutinefunction(hook):
                await hook(room, who)
            else:
                result = await self._runtime.run_sync(hook, room, who)
                if isawaitable(result):
                    await result
        except Exception as error:
            self._report(name, room, error)

    def _report(self, name: str, room: str, error: Exception) -> None:
        report("presence hook failed", name, room, telemetry=self._telemetry, error=error)


def _key_of(conn: Connection, rule: Presence) -> Key:
    """Give what a visitor is called in all processes."""
    identity = None if rule.by == "connection" else conn.identity
    if identity is None:
        return conn.id
    return identity if isinstance(identity, (str, int)) else str(identity)


def _split(who: list[list[Any]]) -> list[list[list[Any]]]:
    """Make parts of what one process tells that every broker takes, one at least."""
    parts: list[list[list[Any]]] = [[]]
    size = 0
    for each in who:
        its = len(json.dumps(each))
        if parts[-1] and size + its > PART_SIZE:
            parts.append([])
            size = 0
        parts[-1].append(each)
        size += its
    return parts

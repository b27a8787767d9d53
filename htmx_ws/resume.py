"""What a page missed while it was away: replayed, each thing once and in order, before it is live.

A page that resumes joins its rooms as any other does, but nothing of them reaches it until it
has said, by its hello, where it is: then it is brought from there to where the room is now, by
the backend's history alone. Nothing is kept for it meanwhile. What comes while it is brought up
to date is in the history too, so it asks again until there is no more; from that moment, within
one step of the loop, it is live. Where the history does not reach back to where the page is, the
room's snapshot is sent instead.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, Final, Protocol

from .backends import Backend, History, Position
from .connection import Connection
from .cursor import HELLO, TAB, cursor_field, id_of, read_cursors
from .errors import BackendError, Refused
from .incidents import refuse
from .outbox import leave_out_superseded
from .publication import Publication
from .results import stream
from .rooms import Rooms
from .tabs import Tabs
from .wire.content import HTML
from .wire.fragment import append, remove
from .wire.once import takes_cursor
from .wire.serialise import Message

__all__ = ["HELLO_SECONDS", "Resume", "cursor_message", "with_cursor"]

#: How long a room waits for the hello of a page, in seconds.
HELLO_SECONDS: Final = 1.0

#: After how long it is told that a page still has said no hello, or is not in a room that it was
#: rendered for, in seconds: no network that works is so slow.
TELL_SECONDS: Final = 10.0

#: How long a page waits that reloads because there is no other way, at most, in seconds: all pages
#: of a room may have to, at once.
RELOAD_SECONDS: Final = 5

#: How often a room's snapshot is made for a page at most, where more comes meanwhile than is kept.
_SNAPSHOTS: Final = 3

#: Between two questions to a broker that is away, in seconds.
_AGAIN_SECONDS: Final = 0.5


class Delivers(Protocol):
    """What resuming needs of whoever writes publications."""

    def last_of(self, room: str) -> Position | None: ...
    def read(self, room: str, payload: Any) -> Publication | None: ...
    def messages_for(
        self, conn: Connection, room: str, publication: Publication
    ) -> tuple[Message, ...]: ...


class Replays(Protocol):
    """What resuming needs of the hub."""

    backend: Backend
    rules: Rooms
    tabs: Tabs

    @property
    def delivery(self) -> Delivers: ...


@dataclass(slots=True)
class _Gate:
    """A room that waits for its page: what came meanwhile, from ``first`` to ``last``."""

    ready: Awaitable[bool] | None = None
    first: Position | None = None
    last: Position | None = None
    is_moving: bool = False


class Resume:
    """The rooms of one page that resumes: where it is in each, and which still wait.

    ``refusal`` says what an error of a snapshot turns the page away with, if it does.
    """

    __slots__ = (
        *("_conn", "_cursors", "_hub", "_left_early", "_opened", "_refusal", "_tasks", "_timer"),
        *("_waits", "bases", "special"),
    )

    def __init__(
        self, conn: Connection, hub: Replays, refusal: Callable[[Exception], Refused | None]
    ) -> None:
        self._conn = conn
        self._hub = hub
        self._refusal = refusal
        self._cursors: dict[str, Position] | None = None  # what the page has fields of
        #: The rooms of which not all that comes is written to the page as it comes: those that
        #: wait, those of which it has seen, by the history, what is still to come from the
        #: broker, and those of ``bases``.
        self.special: dict[str, _Gate | Position] = {}
        self._opened: dict[str, Position] = {}  # where the page was when it was brought up to date
        #: Where rooms began that waited for no hello. Until it comes they get no cursors: one
        #: would say that the page has what came before, too.
        self.bases: dict[str, Position] = {}
        self._left_early: frozenset[str] = frozenset()  # before the hello, which has its cursors
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._waits = True  # for the hello

    def begin(self) -> None:
        """Wait for the hello from now on, which comes when the connect hook is done."""
        if self._waits:
            self._wait(HELLO_SECONDS, self._go_on_without)

    def enter(self, room: str, ready: Awaitable[bool] | None = None) -> None:
        """Take note that the page has joined a resumable room, which is heard once it is ready."""
        self.special[room] = _Gate(ready)
        if not self._waits:
            self._open(room)

    def leave(self, room: str) -> None:
        """Take note that the page has left a room, which begins anew should it join again."""
        for rooms in (self._opened, self.special, self.bases):
            rooms.pop(room, None)
        # What the page shows of it by then, if anything, is not known here; nor what it shows of
        # the rooms that it came back with and is not in, now that it goes from one to another.
        joined = self._conn.rooms
        if self._cursors is None:
            if room in joined and len(self._left_early) < self._conn.limits.rooms:
                self._left_early |= {room}
            return
        for each in list(self._cursors):
            if each == room or (room in joined and each not in joined):
                self._take_field(each)

    def takes(self, room: str, position: Position) -> bool:
        """Whether a publication to a special room is to be written to the page now."""
        special = self.special[room]
        if isinstance(special, _Gate):
            special.first = special.first or position
            special.last = position
            return False
        if special.epoch == position.epoch and position.offset <= special.offset:
            return False
        if room not in self.bases:
            del self.special[room]
        return True

    def close(self, room: str | None) -> None:
        """Bring the page up to date again, in one room or all: something may be missing."""
        for name in [room] if room is not None else list(self._opened):
            at = self._where(name)
            if at is not None:
                self._wait_again(name, at)

    def _wait_again(self, room: str, at: Position) -> None:
        """Have a room that was open wait, until the page is brought to where that is."""
        self._opened.pop(room, None)
        self.special[room] = _Gate()
        self._start(room, at)

    def _where(self, room: str) -> Position | None:
        """Give where the page is in a room; None where that is not open."""
        opened, last = self._opened.get(room), self._hub.delivery.last_of(room)
        if opened is None or last is None or last.epoch != opened.epoch:
            return opened
        return max(opened, last)

    def stop(self) -> None:
        """Do nothing more: the page has gone."""
        self._stop_waiting()
        for task in self._tasks:
            task.cancel()

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._timer = self._conn.home.loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        self._waits = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- the hello ---------------------------------------------------------------------

    def hear(self, values: Mapping[str, Any]) -> None:
        """Take the hello of the page; it has one."""
        if self._cursors is not None:
            return
        read = read_cursors(values, self._conn.limits.rooms)
        self._cursors = {room: Position(*at) for room, at in read.items()}
        tab = values.get(TAB)
        self._stop_waiting()
        for room in self._left_early & self._cursors.keys():
            self._take_field(room)
        # A page that is back also says where it was in rooms that its handlers have yet to join.
        if not tab and self._not_joined():
            self._wait(TELL_SECONDS, self._tell_of_rooms)
        self._hub.tabs.hear(self._conn, tab if isinstance(tab, str) else "")
        for room in list(self.special):
            self._open(room)
        for room, base in self.bases.items():
            self._run(self._fill_in, room, self._cursors.get(room), base)

    def _go_on_without(self) -> None:
        self._stop_waiting()
        self._wait(TELL_SECONDS, self._tell_of_silence)
        self._hub.tabs.miss(self._conn)
        for room in list(self.special):
            self._open(room)

    def _tell_of_silence(self) -> None:
        self._timer = None
        self._conn.report_once("no hello", TELL_SECONDS)

    def _tell_of_rooms(self) -> None:
        self._timer = None
        for room in self._not_joined():
            self._conn.report_once("not joined", room[:500], TELL_SECONDS)

    def _not_joined(self) -> list[str]:
        """Give the rooms of which the page says where it is, and in which it is not."""
        return [room for room in self._cursors or () if room not in self._conn.rooms]

    def _open(self, room: str) -> None:
        self._start(room, None if self._cursors is None else self._cursors.get(room))

    def _start(self, room: str, since: Position | None) -> None:
        gate = self.special[room]
        if isinstance(gate, _Gate) and not gate.is_moving:
            gate.is_moving = True
            self._run(self._bring_up, room, gate, since)

    def _run(self, work: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        # It outlives the handler that joined, and so does what the snapshot needs.
        trying = self._try(work, *args)
        task = asyncio.create_task(self._conn.runtime.background(trying), name="resume")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: trying.close())  # of which Python would warn

    async def _try(self, work: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Bring the page up to date; where that fails, send it back to try again."""
        conn, refused = self._conn, None
        try:
            await work(*args)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            assert task is not None
            if task.cancelling():  # the page has gone; else it was the snapshot that gave up
                raise
            if isinstance(error, Exception):
                refused = error if isinstance(error, Refused) else self._refusal(error)
            if refused is not None:
                await conn.turn_away(refused)
            else:
                conn.report("resume failed", conn.limits.hook_seconds, error=error)
                conn.close(refuse("resume failed"), "error")

    # --- catching up -------------------------------------------------------------------

    async def _bring_up(self, room: str, gate: _Gate, since: Position | None) -> None:
        """Bring the page from a position to where the room is, and open the gate."""
        if gate.ready is not None:
            await gate.ready
        if since is None:
            since = await self._begin_at(room, gate)
        has_field, snapshots = since is not None, 0
        while True:
            history = await self._ask(room, since)
            if self.special.get(room) is not gate:
                return
            if since is not None and self._is_whole(history):
                await self._replay(room, history)
            else:
                now = await self._now(room, snapshots < _SNAPSHOTS)
                if self.special.get(room) is not gate:
                    return
                self._begin_anew(room, now, history.last, has_field)
                has_field, snapshots = True, snapshots + 1
                await self._conn.drained()
            since = history.last
            if self.special.get(room) is not gate:
                return
            came = gate.last
            if came is None or (came.epoch == since.epoch and came.offset <= since.offset):
                break
        self._opened[room] = since
        if self._hub.delivery.last_of(room) == since and room not in self.bases:
            del self.special[room]
        else:
            self.special[room] = since  # until the broker has brought it as far

    async def _begin_at(self, room: str, gate: _Gate) -> Position | None:
        """Give where to begin with a page that has not said it; None with the snapshot."""
        # Of a page that says nothing of the room it is only known that it is here now.
        here = _before(gate.first) if gate.first else (await self._ask(room, None)).last
        if self.special.get(room) is not gate:  # it was left meanwhile
            return here
        if self._cursors is None:
            self.bases[room] = here
            return here
        if room in self._cursors:  # its hello came meanwhile
            return self._cursors[room]
        if self._hub.rules.of(room).snapshot is not None:
            return None
        self._give_field(room, here)
        return here

    async def _fill_in(self, room: str, since: Position | None, base: Position) -> None:
        """Send what came before a page was live that said hello late, and then where it is."""
        missed: list[Message] = []
        newer: set[str | None] = set()
        if since is not None and since != base:
            history = await self._ask(room, since)
            if not self._is_whole(history):
                if self.bases.pop(room, None) is not None:
                    self._wait_again(room, since)
                return
            for offset, payload in history.payloads:
                messages = self._messages_of(room, payload)
                if offset <= base.offset:
                    missed += messages
                else:
                    newer.update(message.supersedes for message in messages)
        if self.bases.pop(room, None) is None:  # it was left meanwhile
            return
        for message in missed:
            if message.supersedes is None or message.supersedes not in newer:
                self._conn.push(message)
        at = self._where(room)
        if since is None:
            self._give_field(room, at or base)
        elif at is not None and at != since:
            self._conn.push(cursor_message(room, at))

    async def _ask(self, room: str, since: Position | None) -> History:
        most = self._conn.limits.replay_messages
        while True:
            try:
                return await self._hub.backend.history(room, since, most)
            except BackendError as error:
                self._conn.report("history away", room, error, room=self._pattern_of(room))
                await asyncio.sleep(_AGAIN_SECONDS * (1 + random.random()))

    def _pattern_of(self, room: str) -> str:
        return self._hub.rules.of(room).pattern

    def _is_whole(self, history: History) -> bool:
        if not history.is_whole:
            return False
        size = sum(len(bytes(payload)) for _, payload in history.payloads)
        return size <= self._conn.limits.replay_bytes

    async def _replay(self, room: str, history: History) -> None:
        messages: list[Message] = []
        for offset, payload in history.payloads:
            its = self._messages_of(room, payload)
            at = Position(history.last.epoch, offset)
            messages += its if room in self.bases else with_cursor(its, room, at)
        for message in leave_out_superseded(messages):
            self._conn.push(message)
        await self._conn.drained()

    def _messages_of(self, room: str, payload: Any) -> tuple[Message, ...]:
        delivery, conn = self._hub.delivery, self._conn
        publication = delivery.read(room, payload)
        if publication is None or not publication.is_for(conn):
            return ()
        return delivery.messages_for(conn, room, publication)

    async def _now(self, room: str, may_ask: bool) -> list[object]:
        """Make what a room is now, where what is missing cannot be had or is not known."""
        conn, snapshot = self._conn, self._hub.rules.of(room).snapshot
        if snapshot is None or not may_ask:
            conn.report("no snapshot", room, room=self._pattern_of(room))
            wait = random.randint(1, RELOAD_SECONDS)
            return [append("body", HTML(f'<meta http-equiv="refresh" content="{wait}">'))]
        content: Any
        async with asyncio.timeout(conn.limits.hook_seconds):
            if iscoroutinefunction(snapshot):
                content = await snapshot(conn, room)
            else:
                content = await conn.runtime.run_sync(snapshot, conn, room)
            async with aclosing(stream(content, conn.runtime)) as pieces:
                return [await conn.runtime.rendered(piece) async for piece in pieces]

    def _begin_anew(self, room: str, now: list[object], at: Position, has_field: bool) -> None:
        """Send what a room is now, and where that is."""
        for piece in now:
            self._conn.send(piece)
        self.bases.pop(room, None)
        if has_field:
            self._conn.push(cursor_message(room, at))
        else:
            self._give_field(room, at)

    def _give_field(self, room: str, at: Position) -> None:
        """Put the cursor of a room that the page was not rendered for into its hello."""
        assert self._cursors is not None
        self._cursors[room] = at
        self._conn.send(append(f"#{HELLO}", HTML(cursor_field(room, *at))))

    def _take_field(self, room: str) -> None:
        """Take the cursor of a room out of the page, which begins anew in it."""
        assert self._cursors is not None
        del self._cursors[room]
        self._conn.send(remove(f"#{id_of(room)}"))


def _before(position: Position) -> Position:
    return Position(position.epoch, position.offset - 1)


def cursor_message(room: str, at: Position) -> Message:
    """Make the message that only tells a page where it is in a room."""
    text = cursor_field(room, at.epoch, at.offset, "outerHTML")
    return Message(text, f"outerHTML:#{id_of(room)}")


def with_cursor(messages: tuple[Message, ...], room: str, at: Position) -> tuple[Message, ...]:
    """Give the messages of a publication with the position that they bring a page to.

    It stands at the end of the last one, or in one of its own where that one takes none.
    """
    if not messages or not takes_cursor(messages[-1]):
        return (*messages, cursor_message(room, at))
    field = cursor_field(room, at.epoch, at.offset, "outerHTML")
    last = messages[-1]
    variants = last.variants and {name: text + field for name, text in last.variants.items()}
    return (*messages[:-1], last._replace(text=last.text + field, variants=variants))

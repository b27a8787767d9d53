"""Who is in which room here, and the only place that delivers.

A publication is rendered and serialised once, put into the backend's order, and pushed to
the room's pages when the backend hands it back: in this process too, so that every page of
a room sees one order wherever it is connected. Pushing never blocks, so no page waits for
another.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import suppress
from contextvars import Context
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from os import getpid
from threading import get_ident
from typing import Any, Final

from .backends import KEEP_NONE, NOWHERE, Backend, Keep, Position, SyncAppender
from .connection import Connection, release_spare
from .delivery import Delivery, id_of
from .dual import Done, Home, Waiting
from .ending import HURRY_SECONDS
from .errors import BackendError, HtmxWSError, LimitError, Refused
from .incidents import refuse, report
from .peers import ROOM, Peers, Said
from .presence import Presence, Roll
from .publication import Publication
from .results import DEFAULT, Runtime
from .rooms import MayJoin, Rooms
from .tabs import Tabs
from .telemetry import Telemetry, emit

__all__ = ["Hub"]

#: How long stopping waits for the pages that it closes, with their disconnect hooks, in seconds.
STOP_SECONDS: Final = 15.0

#: How long publications that failed are gathered, to be told in one line, in seconds: who awaits
#: one has begun to by then.
LOST_SECONDS: Final = 1.0

#: How long a page that is rendered waits to be told where its rooms are, in seconds.
WHERE_SECONDS: Final = 2.0

#: How often draining closes the pages that are due, in seconds, and how many it closes in a
#: second at least: few pages need no pacing.
DRAIN_STEP: Final = 0.02
DRAIN_RATE: Final = 100.0


class Hub:
    """The rooms of one process, on one event loop at a time."""

    def __init__(
        self,
        backend: Backend,
        *,
        strict_html: bool = False,
        telemetry: Telemetry | None = None,
        begin: Callable[[], Callable[[], None]] | None = None,
        runtime: Runtime = DEFAULT,
    ) -> None:
        self.backend = backend
        self._telemetry = telemetry
        self._begin = begin
        self._runtime = runtime
        self._let_end: Callable[[], None] | None = None
        self.rules: Rooms = Rooms()
        self.tabs: Tabs = Tabs(self.leave_all)
        self.peers: Peers = self._make_peers()
        self.roll: Roll = self._make_roll()
        self._talking: asyncio.Task[None] | None = None
        self._rooms: dict[str, dict[Connection, None]] = {}
        self._home: Home | None = None
        self._starting: asyncio.Task[None] | None = None
        self._empty: asyncio.Event | None = None
        self._abandoned: set[Connection] = set()  # that have had all their time
        self.is_draining: bool = False
        self._subscribing: dict[str, asyncio.Task[bool]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._outside: SyncAppender | None = None
        self._warned_of_nobody = False
        self._lost: list[tuple[str, Waiting[int], BaseException]] = []
        self._telling_lost: asyncio.TimerHandle | None = None
        self._tells_on: asyncio.AbstractEventLoop | None = None
        self._warned_of_nowhere = False
        self.delivery: Delivery = Delivery(
            self.rules, self._rooms, strict_html=strict_html, telemetry=telemetry
        )
        #: The pages that are here, and when each came, or was last known to be logged in.
        self.connections: dict[Connection, float] = {}
        #: By the text of it, in which 5 is what an address says it is.
        self._by_identity: dict[str, dict[Connection, None]] = {}
        self._by_address: Counter[str] = Counter()
        #: What was told once of the pages of a path: the path's pattern and the incident.
        self.told: set[tuple[str, str]] = set()

    # --- who is here -------------------------------------------------------------------

    def enter(self, conn: Connection) -> str | None:
        """Take a page in; say why not, where it may not come."""
        if self.is_draining:
            return "this process is being drained"
        limits, address = conn.limits, conn.address
        if len(self.connections) >= limits.connections:
            return "one more would be over Limits.connections"
        most = limits.connections_per_address
        if most is not None and self._by_address[address] >= most:
            return "one more would be over Limits.connections_per_address"
        most = limits.connections_per_identity
        if conn.identity is not None:
            if most is not None and len(self._by_identity.get(str(conn.identity), ())) >= most:
                return "one more would be over Limits.connections_per_identity"
            self._by_identity.setdefault(str(conn.identity), {})[conn] = None
        self._by_address[address] += 1
        self.connections[conn] = conn.home.loop.time()
        self.tabs.enter(conn)
        return None

    def find(
        self, *, user: object = None, room: str | None = None, conn: Connection | str | None = None
    ) -> list[Connection]:
        """Give the pages of a visitor, of a room, or the one of that id."""
        found = list(self.connections)
        if user is not None:
            found = list(self._by_identity.get(str(user), ()))
        if room is not None:
            members = self._rooms.get(room, {})
            found = [each for each in found if each in members]
        if conn is not None:
            found = [each for each in found if each.id == id_of(conn)]
        return found

    def ask(self, what: dict[str, Any]) -> Awaitable[int]:
        """Have all processes do something with the pages that ``find`` gives; give how many.

        A process that has not started gets no answers, and gives 0; raises ``HtmxWSError`` where
        they are all that was wanted.
        """
        if isinstance(what["conn"], Connection):
            what = {**what, "conn": what["conn"].id}
        if what["user"] is not None:
            what = {**what, "user": str(what["user"])}
        home = self._home_here()
        if home is not None and get_ident() != home.thread:
            return home.call(self.ask, what, otherwise=0)
        if not self.backend.is_shared:
            return Done(0 if home is None else self._answer(what))
        if home is None:
            return self._ask_outside(what)
        asking = asyncio.ensure_future(self.peers.ask(what))
        asking.add_done_callback(_note_error)
        return Waiting(asking)

    def _ask_outside(self, what: dict[str, Any]) -> Awaitable[int]:
        if what["do"] == "count":
            raise HtmxWSError(
                "Pages are counted by the processes that serve them, and this one is none of them, "
                "so nobody answers it: count within `async with live.lifespan()`."
            )
        said = json.dumps({"does": "ask", "by": "", "what": what}).encode()
        saying = self._append_outside(ROOM, said, KEEP_NONE)
        if isinstance(saying, Done):
            return Done(0)
        return Waiting(asyncio.ensure_future(_no_answer(saying)))

    # --- start and stop ----------------------------------------------------------------

    async def start(self) -> None:
        """Serve on the running loop; does nothing where it does already.

        A loop that has ended, as each test's does, takes its pages with it.
        """
        home = Home.here()
        if self._home is not None and self._home.loop is home.loop:
            return
        if self._home is not None and self.connections and not self._home.is_over:
            raise RuntimeError(
                "This HtmxWS serves pages on another event loop that still runs: make one "
                "HtmxWS for each loop, or serve all pages on one."
            )
        if self._starting is None or self._starting.get_loop() is not home.loop:
            self._starting = home.loop.create_task(self._start(home))
        await asyncio.shield(self._starting)

    async def _start(self, home: Home) -> None:
        """Start once, whoever asked first: until then nobody is served."""
        try:
            if self._home is not None:
                self.is_draining = False
            self._empty = None
            self._forget_all()
            self._subscribing.clear()
            await self.backend.start(self, self.rules.keeps())
            self._home = home
            self._let_end = None if self._begin is None else self._begin()
            self.peers = self._make_peers()
            self.roll = self._make_roll()
            if self.backend.is_shared:
                await self.backend.subscribe((ROOM,))
                self._talking = home.loop.create_task(self.peers.live_on(), context=Context())
        finally:
            self._starting = None

    def _forget_all(self) -> None:
        """Forget the pages of a loop that has ended."""
        self._abandoned.clear()
        self.connections.clear()
        self._by_identity.clear()
        self._by_address.clear()
        self._rooms.clear()
        self.delivery.clear()
        self.tabs.clear()

    def _make_roll(self) -> Roll:
        def presence_of(room: str) -> Presence | None:
            return self.rules.of(room).presence

        return Roll(self.peers, presence_of, runtime=self._runtime, telemetry=self._telemetry)

    def _make_peers(self) -> Peers:
        return Peers(
            self._say,
            answer=self._answer,
            listen=lambda said: self.roll.hear(said),
            forget=lambda peer: self.roll.forget(peer),
        )

    def _say(self, said: bytes) -> Awaitable[int]:
        placing = self.backend.append(ROOM, said, KEEP_NONE)
        return placing if isinstance(placing, Done) else self._watch(ROOM, placing)

    def _answer(self, what: Said) -> int:
        """Do what any process asks of all."""
        which = {name: what[name] for name in ("user", "room", "conn")}
        found = self.find(**which)
        if what["do"] == "disconnect":
            for conn in found:
                conn.close(what["code"], what["reason"])
        return len(found)

    async def stop(self, wait: float | None = None) -> None:
        """Close every page with 1012, so that it comes back, and let the backend go.

        What has not ended after ``wait`` seconds, 15 without, is let go.
        """
        if self._let_end is not None:
            self._let_end()
        for conn in list(self.connections):
            _send_back(conn)
        await self._wait_until_empty(STOP_SECONDS if wait is None else wait)
        self.roll.stop()
        if self._talking is not None:
            self._talking.cancel()
            self._talking = None
            self.peers.say("bye")
            await self.peers.have_said()
        await self.roll.have_called()
        await self.backend.stop()
        await asyncio.sleep(0)  # so that it is known what has failed by that
        self._tell_lost()
        moving: list[asyncio.Task[Any]] = [*self._subscribing.values(), *self._leaving]
        for task in moving:
            task.cancel()
        await asyncio.gather(*moving, return_exceptions=True)
        if self._outside is not None:
            await asyncio.to_thread(self._outside.close)
            self._outside = None
        self._home = None
        self.is_draining = False

    async def drain(self, seconds: float, wait: float = STOP_SECONDS) -> None:
        """Take no more pages in, and close those that are here one after the other.

        What has not ended ``wait`` seconds after the last is let go.
        """
        self.is_draining = True
        pages = list(self.connections)
        loop = asyncio.get_running_loop()
        began, closed = loop.time(), 0
        emit(self._telemetry, "drain.start", {"pages": len(pages)})
        rate = max(DRAIN_RATE, len(pages) / seconds) if seconds > 0 else float("inf")
        while any(conn in self.connections for conn in pages[closed:]):
            due = min(len(pages), 1 + rate * (loop.time() - began)) if closed else 1
            due = len(pages) if rate == float("inf") else int(due)
            for conn in pages[closed:due]:
                _send_back(conn)
            closed = due
            await asyncio.sleep(DRAIN_STEP if closed < len(pages) else 0)
        await self._wait_until_empty(wait)
        took = {"seconds": loop.time() - began, "pages": len(pages)}
        emit(self._telemetry, "drain.stop", took)

    async def _wait_until_empty(self, seconds: float) -> None:
        if self.connections.keys() <= self._abandoned:  # a drain has waited for them
            return
        if self._empty is None:
            self._empty = asyncio.Event()
        empty = self._empty
        try:
            async with asyncio.timeout(seconds):
                await empty.wait()
        except TimeoutError:
            left = list(self.connections)
            self._abandoned.update(left)
            report("pages left", len(left), seconds, telemetry=self._telemetry)
            for conn in left:
                conn.abandon()
            with suppress(TimeoutError):
                async with asyncio.timeout(3 * HURRY_SECONDS):
                    await empty.wait()

    # --- rooms -------------------------------------------------------------------------

    def join(self, conn: Connection, room: str) -> Awaitable[bool]:
        """Put a page into a room; a page that has gone joins nothing."""
        check_room(room)
        if conn.gone:
            return Done(False)
        if room in conn.rooms:
            return Done(True)
        self._check_limits(conn, room)
        may_join = self.rules.of(room).may_join
        if may_join is None:
            return self._put(conn, room)
        # A plain function that joins waits for the answer, in its thread: in that of its own the
        # rule can be asked.
        joining = self._ask_and_join(conn, room, may_join)
        asking = conn.spawn(conn.runtime.background(joining), _join_name(room))
        asking.add_done_callback(lambda _: joining.close())  # of which Python would warn
        return _Joining(asking, otherwise=False)

    def _check_limits(self, conn: Connection, room: str) -> None:
        limits = conn.limits
        if len(room) > limits.room_name:
            limit, why = "room_name", f"A room's name has {len(room)} characters, over the limit of"
        elif len(conn.rooms) >= limits.rooms:
            limit, why = "rooms", f"A page is in {len(conn.rooms)} rooms, and is to join more than"
        else:
            return
        emit(conn.telemetry, "limit", route=conn.route, limit=limit)
        raise LimitError(f"{why} {getattr(limits, limit)} (Limits.{limit}).")

    def _put(self, conn: Connection, room: str) -> Awaitable[bool]:
        members = self._rooms.get(room)
        if members is None:
            members = self._rooms[room] = {}
            if self.backend.is_shared:
                subscribing = asyncio.ensure_future(self._subscribe(room))
                self._subscribing[room] = subscribing
                subscribing.add_done_callback(lambda _: self._note_subscribed(room, subscribing))
        members[conn] = None
        conn.note_joined(room)
        waits_for = self._subscribing.get(room)
        self.roll.enter(conn, room, waits_for)
        if conn.resume is not None and self.rules.of(room).keep.most:
            conn.resume.enter(room, waits_for)
        return Done(True) if waits_for is None else Waiting(waits_for, otherwise=False)

    def _note_subscribed(self, room: str, subscribing: asyncio.Task[bool]) -> None:
        if self._subscribing.get(room) is subscribing:  # and not one that came after a leave
            del self._subscribing[room]

    async def _subscribe(self, room: str) -> bool:
        await self.backend.subscribe((room,))
        return True

    def _drop(self, room: str) -> None:
        """Forget a room that nobody is in any more."""
        del self._rooms[room]
        self.delivery.forget(room)
        if self.backend.is_shared:
            self._subscribing.pop(room, None)
            leaving = asyncio.ensure_future(self._unsubscribe(room))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def _unsubscribe(self, room: str) -> None:
        await self.backend.unsubscribe((room,))

    async def _ask_and_join(self, conn: Connection, room: str, may_join: MayJoin) -> Any:
        """Join if the rule of the room says so; give what it is refused with."""
        may: Any
        try:
            if iscoroutinefunction(may_join):
                may = await may_join(conn, room)
            else:
                may = await conn.runtime.run_sync(may_join, conn, room)
                may = await may if isawaitable(may) else may
        except Refused as refused:
            may = refused
        if not may:
            may = Refused("not your room", code=refuse("join refused"))
        if isinstance(may, Refused):
            conn.report("join refused", room)
            return may
        if conn.gone:
            return False
        if room in conn.rooms:
            return True
        self._check_limits(conn, room)
        return await self._put(conn, room)

    def leave(self, conn: Connection, room: str) -> Awaitable[bool]:
        """Take a page out of a room; False when it was not in it."""
        conn.cancel(_join_name(room))
        if conn.resume is not None:
            conn.resume.leave(room)
        members = self._rooms.get(room)
        if members is None or conn not in members:
            return Done(False)
        del members[conn]
        self.roll.leave(conn, room)
        if not members:
            self._drop(room)
        conn.rooms.discard(room)
        return Done(True)

    def leave_all(self, conn: Connection) -> None:
        """Take a page out of all its rooms; its ``rooms`` goes on to name them."""
        for room in conn.rooms:
            members = self._rooms.get(room)
            if members is None or conn not in members:
                continue
            del members[conn]
            self.roll.leave(conn, room)
            if not members:
                self._drop(room)

    def forget(self, conn: Connection) -> None:
        """Take a page out of all its rooms, and of the hub."""
        self.leave_all(conn)
        if conn in self.connections:
            del self.connections[conn]
            self._abandoned.discard(conn)
            self.tabs.forget(conn)
            address = conn.address
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
            its = self._by_identity.get(str(conn.identity))
            if its is not None:
                its.pop(conn, None)
                if not its:
                    del self._by_identity[str(conn.identity)]
        if not self.connections:
            release_spare(conn.home)
            if self._empty is not None:
                self._empty.set()
                self._empty = None

    def members(self, room: str) -> list[Connection]:
        """The pages that are in a room here, in the order in which they joined."""
        return list(self._rooms.get(room, ()))

    # --- publishing --------------------------------------------------------------------

    def publish(
        self,
        room: str,
        content: object,
        *,
        exclude: Connection | str | Iterable[Connection | str] | None = None,
        to: Connection | str | None = None,
        variant: Callable[[Connection], object] | None = None,
    ) -> Awaitable[int]:
        """Send content to every page of a room; see ``HtmxWS.publish``."""
        check_room(room)
        publication = self.delivery.publication(room, content, exclude, to, variant)
        payload: Publication | bytes = publication
        if self.backend.is_shared:
            payload = publication.pack()
        else:
            publication.check_size()  # lest a limit show in production alone
        keep, home = self.rules.of(room).keep, self._home
        if home is not None and home.is_here:
            placing = self.backend.append(room, payload, keep)
            return placing if isinstance(placing, Done) else self._watch(room, placing)
        home = self._home_here()
        if home is not None and not home.is_over:
            placing = home.call(self.backend.append, room, payload, keep, otherwise=0)
            if isinstance(placing, Waiting):  # on a loop of its own
                note = partial(self._note_lost, room, placing)
                placing.if_it_fails(partial(home.loop.call_soon_threadsafe, note))
            return placing
        return self._publish_outside(room, payload, keep)

    def _watch(self, room: str, placing: Awaitable[int]) -> Awaitable[int]:
        """Tell what fails where nobody awaits it."""
        if not isinstance(placing, Waiting):
            placing = Waiting(asyncio.ensure_future(placing))
        placing.if_it_fails(partial(self._note_lost, room, placing))
        return placing

    def _note_lost(self, room: str, placing: Waiting[int], error: BaseException) -> None:
        if room == ROOM:  # which is told of by whoever said it
            return
        self._lost.append((room, placing, error))
        loop = asyncio.get_running_loop()
        if self._telling_lost is None or self._tells_on is not loop:  # that may have ended
            self._tells_on = loop
            self._telling_lost = loop.call_later(LOST_SECONDS, self._tell_lost)

    def _tell_lost(self) -> None:
        if self._telling_lost is not None:
            self._telling_lost.cancel()
            self._telling_lost = None
        lost = [(room, error) for room, placing, error in self._lost if not placing.is_awaited]
        self._lost.clear()
        if lost:
            patterns = sorted({self.rules.of(room).pattern for room, _ in lost})
            why = str(lost[0][1]).rstrip(".")
            report("lost", len(lost), patterns, why, telemetry=self._telemetry)

    def _home_here(self) -> Home | None:
        """Give where pages are served; None in a process that was forked since: not in that."""
        home = self._home
        return None if home is None or home.process != getpid() else home

    def _publish_outside(self, room: str, payload: Any, keep: Keep) -> Awaitable[int]:
        """Publish from a process that serves no pages, or none yet, or none just now."""
        if not self.backend.is_shared:
            home = self._home_here()
            if home is not None and self.connections:
                try:  # it stands still: they hear it when it goes on, should it do so
                    home.loop.call_soon_threadsafe(self.backend.append, room, payload, keep)
                    return Done(0)
                except RuntimeError:  # it is closed
                    self._forget_all()
            if not self._warned_of_nobody:
                self._warned_of_nobody = True
                report("unheard", room, telemetry=self._telemetry)
            # In a process that was forked, the pages are those of the one that it was.
            is_forked = home is not self._home
            return Done(0) if is_forked else self.backend.append(room, payload, keep)
        placing = self._append_outside(room, payload, keep)
        return placing if isinstance(placing, Done) else self._watch(room, placing)

    def _append_outside(self, room: str, payload: Any, keep: Keep) -> Awaitable[int]:
        append = partial(self._appender().append, room, payload, keep)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return Done(append())
        return Waiting(asyncio.ensure_future(asyncio.to_thread(append)))

    def _appender(self) -> SyncAppender:
        if self._outside is None:
            self._outside = self.backend.sync()
        return self._outside

    def deliver(self, room: str, epoch: str, offset: int, payload: Any) -> None:
        """Take what the backend hands over: for pages, or from another process."""
        if room == ROOM:
            self.peers.take(payload)
        else:
            self.delivery.take(room, Position(epoch, offset), payload)

    def report_gap(self, room: str | None, why: str) -> None:
        """Take note that publications may be missing."""
        if room in (None, ROOM):
            self.roll.catch_up()
        pattern = None if room is None else self.rules.of(room).pattern
        for conn in list(self.connections if room is None else self._rooms.get(room, ())):
            if conn.resume is not None:
                conn.resume.close(room)
        report("gap", room or "all rooms", why, telemetry=self._telemetry, room=pattern)

    def where(self, rooms: Iterable[str]) -> Awaitable[dict[str, Position]]:
        """Say where rooms are now, ``NOWHERE`` of those of which the broker does not.

        Acts at once on the loop, and blocks in a thread.
        """
        rooms, home = tuple(rooms), self._home
        for room in rooms:
            check_room(room)
        if home is not None and get_ident() != home.thread:
            return home.call(self.where, rooms, otherwise=dict.fromkeys(rooms, NOWHERE))
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return Done(self._where_outside(rooms))
        return Waiting(loop.create_task(self._where(rooms)))

    def _where_outside(self, rooms: tuple[str, ...]) -> dict[str, Position]:
        where, outside = dict.fromkeys(rooms, NOWHERE), self._appender()
        try:
            for room in rooms:
                where[room] = outside.position(room)
                self._warned_of_nowhere = False
        except BackendError as error:
            self._note_nowhere(where, error)
        return where

    async def _where(self, rooms: tuple[str, ...]) -> dict[str, Position]:
        await self.start()
        where = dict.fromkeys(rooms, NOWHERE)
        try:
            async with asyncio.timeout(WHERE_SECONDS):
                for room in rooms:
                    where[room] = (await self.backend.history(room, None)).last
                    self._warned_of_nowhere = False
        except BackendError as error:
            self._note_nowhere(where, error)
        except TimeoutError:
            self._note_nowhere(where, f"the broker gave no answer in {WHERE_SECONDS} s")
        return where

    def _note_nowhere(self, where: dict[str, Position], why: object) -> None:
        if self._warned_of_nowhere:
            return
        self._warned_of_nowhere = True
        unknown = [room for room, at in where.items() if at == NOWHERE]
        pattern = self.rules.of(unknown[0]).pattern
        report("nowhere", unknown, why, telemetry=self._telemetry, room=pattern)


def check_room(room: object) -> None:
    """Raise ``TypeError`` for what cannot name a room."""
    if not isinstance(room, str) or not room or room == ROOM:
        raise TypeError(f"A room is named by a str such as 'chat:lobby', not {room!r}.")


def _send_back(conn: Connection) -> None:
    """Close a page, so that it comes back to another process."""
    conn.report("restart")
    conn.close(refuse("restart"), "restart")


def _join_name(room: str) -> str:
    """The name of the work that asks whether a page may join."""
    return f"join {room}"


async def _no_answer(saying: Awaitable[int]) -> int:
    await saying
    return 0


def _note_error(asking: asyncio.Future[int]) -> None:
    """Look at an error that perhaps nobody awaits, and that was logged: else asyncio complains."""
    if not asking.cancelled():
        asking.exception()


class _Joining(Waiting[Any]):
    """Raises a refusal where it is awaited; elsewhere the page is not in the room, and stays."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, bool]:
        may = yield from super().__await__()
        if isinstance(may, Refused):
            raise may
        return bool(may)

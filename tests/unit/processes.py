"""Several processes in one: hubs behind one ordered bus, on one loop, in a time that leaps.

The bus gives every payload its place at once, and hands it over later, to each process by itself:
a test can hold a process back, have it miss things, kill it, or take the bus away.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

from htmx_ws.backends import History, Keep, Position, Receiver, SyncAppender
from htmx_ws.connection import Connection
from htmx_ws.errors import BackendError
from htmx_ws.hub import Hub
from htmx_ws.peers import ROOM
from htmx_ws.presence import Presence, Present
from htmx_ws.rooms import Room
from htmx_ws.telemetry import Telemetry
from htmx_ws.types import Message as Event
from htmx_ws.wire.content import html
from htmx_ws.wire.fragment import Fragment, append


class Bus:
    """The one order of all rooms; ``log`` is what it gave a place, ``is_away`` gives it to none."""

    def __init__(self) -> None:
        self.is_away = False
        self.log: list[tuple[str, bytes]] = []
        self.backends: list[OnBus] = []
        self._offsets: Counter[str] = Counter()
        self._lock = Lock()

    def place(self, room: str, payload: bytes) -> int:
        """Give a payload its place; from any thread."""
        if self.is_away:
            raise BackendError("the bus is away")
        with self._lock:
            self._offsets[room] += 1
            self.log.append((room, payload))
            for backend in self.backends:
                backend.note(room, self._offsets[room], payload)
            return self._offsets[room]

    def where(self, room: str) -> Position:
        return Position("epoch", self._offsets[room])

    def come_back(self) -> None:
        """Be there again; what was subscribed meanwhile holds from now on."""
        self.is_away = False
        for backend in self.backends:
            backend.confirm()

    async def quiet(self) -> None:
        """Let all be handed over that can be, and what follows from it, while no time passes."""
        idle = 0
        while idle < 20:
            await asyncio.sleep(0)
            idle = 0 if any(backend.is_due for backend in self.backends) else idle + 1


class OnBus:
    """The backend of one process.

    While ``is_held`` nothing is handed over but by ``hand_over``. ``misses`` says of a room and a
    payload whether it is lost on its way here. While ``holds_subscriptions`` they are asked for
    and do not hold, until ``confirm``. While it ``queues``, what is appended waits until
    ``append_all``. A process that ``is_dead`` says and hears nothing.
    """

    is_shared = True

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.is_held = False
        self.is_dead = False
        self.queues = False
        self.holds_subscriptions = False
        self.misses: Callable[[str, bytes], bool] = lambda room, payload: False
        self.rooms: set[str] = set()
        self.calls: list[tuple[str, str]] = []
        self.appenders: list[Appender] = []
        self.keeps: list[tuple[str, Keep | None]] = []
        self.is_started = False
        self._queue: deque[tuple[str, bytes, asyncio.Future[int]]] = deque()
        self._receiver: Receiver | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inbox: deque[tuple[str, int, bytes]] = deque()
        self._changes: deque[tuple[Callable[[str], None], list[str], asyncio.Future[None]]] = (
            deque()
        )
        bus.backends.append(self)

    # --- the contract ------------------------------------------------------------------

    async def start(self, receiver: Receiver, keeps: Mapping[str, Keep] | None = None) -> None:
        self._receiver, self._loop = receiver, asyncio.get_running_loop()
        self._inbox.clear()
        self.is_started = True

    async def stop(self) -> None:
        self.is_started = False
        self.confirm()  # so that nobody waits any more
        self.rooms.clear()
        self._inbox.clear()
        self._receiver = None

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> asyncio.Future[int]:
        placed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self.is_dead:
            return placed
        self.keeps.append((room, keep))
        self._queue.append((room, bytes(payload), placed))
        if not self.queues:
            self.append_all()
        return placed

    def append_all(self) -> None:
        """Append what waits, and let nothing wait any more."""
        self.queues = False
        while self._queue:
            room, payload, placed = self._queue.popleft()
            try:
                offset = self.bus.place(room, payload)
            except BackendError as error:
                placed.set_exception(error)
                placed.exception()  # which nobody has to look at
            else:
                if not placed.done():
                    placed.set_result(offset)

    def subscribe(self, rooms: Iterable[str]) -> asyncio.Future[None]:
        return self._change("subscribe", self.rooms.add, rooms)

    def unsubscribe(self, rooms: Iterable[str]) -> asyncio.Future[None]:
        return self._change("unsubscribe", self.rooms.discard, rooms)

    def _change(
        self, name: str, change: Callable[[str], None], rooms: Iterable[str]
    ) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._changes.append((change, list(rooms), done))
        self.calls += [(name, room) for room in self._changes[-1][1]]
        if self.bus.is_away:
            done.set_result(None)
        elif not self.holds_subscriptions:
            loop.call_soon(self.confirm)
        return done

    async def history(self, room: str, since: Position | None, most: int = 1_000) -> History:
        last = self.bus.where(room)
        return History(last, is_whole=since in (None, last))

    def sync(self) -> SyncAppender:
        self.appenders.append(Appender(self.bus))
        return self.appenders[-1]

    # --- what the bus and the tests do -------------------------------------------------

    def confirm(self) -> None:
        """Do what was asked for, in its order."""
        while self._changes:
            change, rooms, done = self._changes.popleft()
            for room in rooms:
                change(room)
            if not done.done():
                done.set_result(None)

    def note(self, room: str, offset: int, payload: bytes) -> None:
        """Have something to hand over."""
        if not self.is_started or self.is_dead or room not in self.rooms:
            return
        if self.misses(room, payload):
            return
        self._inbox.append((room, offset, payload))
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._hand_over_by_itself)

    @property
    def is_due(self) -> bool:
        """Whether something is on its way here."""
        return bool(self._inbox) and not self.is_held and not self.is_dead

    @property
    def waits(self) -> int:
        """How much is on its way here."""
        return len(self._inbox)

    def _hand_over_by_itself(self) -> None:
        if self.is_due:
            self.hand_over()

    def hand_over(self, count: int = 1) -> None:
        """Hand over what came first."""
        for _ in range(min(count, len(self._inbox))):
            room, offset, payload = self._inbox.popleft()
            assert self._receiver is not None
            self._receiver.deliver(room, "epoch", offset, payload)

    def release(self) -> None:
        """Hand over all, and be held no more."""
        self.is_held = False
        self.hand_over(len(self._inbox))

    def lose_all(self) -> None:
        """Lose what is on its way here."""
        self._inbox.clear()


class Appender:
    """Appends to the bus from any thread."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.is_closed = False

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> int:
        return self._bus.place(room, bytes(payload))

    def position(self, room: str) -> Position:
        return self._bus.where(room)

    def close(self) -> None:
        self.is_closed = True


class Page:
    """A page of a process, and what it has received."""

    def __init__(self, hub: Hub, identity: object = None, query: bytes = b"") -> None:
        self.texts: list[str] = []
        self.hub = hub
        self.conn = Connection({"path": "/", "query_string": query}, self._write, hub)
        self.conn.identity = identity
        self.conn.on_close = self.go
        assert hub.enter(self.conn) is None

    async def _write(self, event: Event) -> None:
        self.texts.append(event["text"])

    @property
    def received(self) -> list[str]:
        """What stands within the elements of each message."""
        return [re.sub("<[^>]*>", "", text) for text in self.texts]

    def go(self) -> None:
        """Go away, as when a tab is closed."""
        self.conn.let_go()
        self.hub.forget(self.conn)


class Process:
    """A process: its hub on the bus, with a rule for rooms whose names begin with ``chat:``."""

    def __init__(
        self, bus: Bus, rule: Presence | None = None, told: Telemetry | None = None
    ) -> None:
        self.bus = bus
        self.backend = OnBus(bus)
        self.hub = Hub(self.backend, telemetry=told)
        if rule is not None:
            self.hub.rules.declare(Room("chat:*", presence=rule))

    async def start(self) -> Process:
        await self.hub.start()
        return self

    @property
    def id(self) -> str:
        return self.hub.peers.id

    def visit(self, who: object = None, *rooms: str) -> Page:
        """Open a page, which joins rooms."""
        page = Page(self.hub, who)
        for room in rooms or ("chat:a",):
            self.hub.join(page.conn, room)
        return page

    def look(self, room: str = "chat:a") -> list[Any]:
        """Who is there."""
        return [present.key for present in self.hub.roll.look(room)]

    def said(self, does: str) -> list[Any]:
        """What it said of a kind to the others, as far as it had a place."""
        said = [json.loads(payload) for payload in said_in(self.bus)]
        return [each for each in said if (each["does"], each["by"]) == (does, self.id)]

    async def kill(self) -> None:
        """Say and hear nothing any more, and leave nothing on the loop of the test."""
        self.backend.is_dead = True
        hub, peers = self.hub, self.hub.peers
        hub.roll.stop()
        peers._is_over = True
        peers._stop_settling()
        for conn in list(hub.connections):
            conn.let_go()
            hub.forget(conn)
        tasks = [*peers._saying, *hub._leaving, *hub.roll._calls]
        if hub._talking is not None:
            tasks.append(hub._talking)
            hub._talking = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def item(text: object) -> Fragment:
    return append("#log", html("<li>{}</li>", text))


class Hooks:
    """Hooks that note what they are called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []

    async def joined(self, room: str, who: Present) -> None:
        self.calls.append(("join", room, who.key))

    async def left(self, room: str, who: Present) -> None:
        self.calls.append(("leave", room, who.key))

    @property
    def said(self) -> list[str]:
        return [f"{key} {name}s {room}" for name, room, key in self.calls]


def said_in(bus: Bus) -> list[bytes]:
    """What processes said to each other."""
    return [payload for room, payload in bus.log if room == ROOM]


@contextmanager
def leaping_time(loop: Any) -> Iterator[None]:
    """Have the time of a loop leap to what it waits for next, where it would wait."""
    now, time, select = loop.time(), loop.time, loop._selector.select

    def leap(timeout: float | None = None) -> Any:
        nonlocal now
        events = select(0)
        if events or timeout == 0:
            return events
        if timeout is None:  # a thread may still do something
            events = select(10)
            assert events, "everything waits for ever"
            return events
        now += timeout
        return events

    loop.time, loop._selector.select = lambda: now, leap
    try:
        yield
    finally:
        loop.time, loop._selector.select = time, select

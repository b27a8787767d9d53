"""Who is in which room here, and the only place that delivers.

A publication is rendered and serialised once, put into the backend's order, and pushed to
the room's pages when the backend hands it back: in this process too, so that every page of
a room sees one order wherever it is connected. Pushing never blocks, so no page waits for
another.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from inspect import iscoroutinefunction
from threading import get_ident
from typing import Any, Final

from .backends import Backend
from .connection import Connection, write_to
from .dual import Done, Home
from .errors import LimitError
from .reflection import report_reflection
from .results import is_deferred, refuse_bare_str
from .security import refuse
from .wire.serialise import Message, serialise

__all__ = ["Hub", "Publication", "Render"]

_log = logging.getLogger("htmx_ws")

#: How long stopping waits for the pages that it closes, with their disconnect hooks, in seconds.
STOP_SECONDS: Final = 15.0

#: How often draining closes the pages that are due, in seconds.
DRAIN_STEP: Final = 0.02

#: Renders a publication for one page.
Render = Callable[[Connection], object]


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published once: ``messages`` for all, or ``render`` for each by ``variant``.

    ``exclude`` holds the ids of connections that are left out, or the tokens of their pages;
    ``to`` the id of the only one meant.
    """

    messages: tuple[Message, ...] = ()
    render: Render | None = None
    variant: Callable[[Connection], object] | None = None
    exclude: frozenset[str] = frozenset()
    to: str | None = None

    def is_for(self, conn: Connection) -> bool:
        """Whether a page is meant."""
        if self.exclude and (conn.id in self.exclude or conn.page in self.exclude):
            return False
        return self.to is None or conn.id == self.to


class Hub:
    """The rooms of one process, on one event loop at a time."""

    def __init__(self, backend: Backend, *, strict_html: bool = False) -> None:
        self._backend = backend
        self._strict = strict_html
        self._rooms: dict[str, dict[Connection, None]] = {}
        self._home: Home | None = None
        self._starting: asyncio.Task[None] | None = None
        self._empty: asyncio.Event | None = None
        self.is_draining: bool = False
        self._due: deque[tuple[str, Publication]] = deque()
        self._delivers = False
        self.connections: dict[Connection, None] = {}
        self._by_identity: dict[object, dict[Connection, None]] = {}
        self._by_address: Counter[str] = Counter()

    # --- who is here -------------------------------------------------------------------

    def enter(self, conn: Connection) -> str | None:
        """Take a page in; say why not, where it may not come."""
        if self.is_draining:
            return "this process is being drained"
        limits, address = conn.limits, _address(conn)
        if len(self.connections) >= limits.connections:
            return "one more would be over Limits.connections"
        most = limits.connections_per_address
        if most is not None and self._by_address[address] >= most:
            return "one more would be over Limits.connections_per_address"
        most = limits.connections_per_identity
        if conn.identity is not None:
            if most is not None and len(self._by_identity.get(conn.identity, ())) >= most:
                return "one more would be over Limits.connections_per_identity"
            self._by_identity.setdefault(conn.identity, {})[conn] = None
        self._by_address[address] += 1
        self.connections[conn] = None
        return None

    def find(
        self, *, user: object = None, room: str | None = None, conn: Connection | str | None = None
    ) -> list[Connection]:
        """Give the pages of a visitor, of a room, or the one of that id."""
        found = list(self.connections)
        if user is not None:
            found = list(self._by_identity.get(user, ()))
        if room is not None:
            members = self._rooms.get(room, {})
            found = [each for each in found if each in members]
        if conn is not None:
            found = [each for each in found if each.id == _id_of(conn)]
        return found

    def disconnect(self, code: int, reason: str, **which: Any) -> int:
        """Close the pages that ``find`` gives; give how many there were."""
        home = self._home
        if home is None:
            return 0
        if get_ident() != home.thread:
            return home.run(partial(self.disconnect, code, reason, **which), otherwise=0)
        found = self.find(**which)
        for conn in found:
            conn.close(code, reason)
        return len(found)

    # --- start and stop ----------------------------------------------------------------

    async def start(self) -> None:
        """Serve on the running loop; does nothing where it does already.

        A loop that has ended, as each test's does, takes its pages with it.
        """
        home = Home()
        if self._home is not None and self._home.loop is home.loop:
            return
        if self._home is not None and self.connections and self._home.loop.is_running():
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
            self.is_draining = False
            self.connections.clear()
            self._by_identity.clear()
            self._by_address.clear()
            self._rooms.clear()
            await self._backend.start(self.deliver)
            self._home = home
        finally:
            self._starting = None

    async def stop(self) -> None:
        """Close every page with 1012, so that it comes back, and let the backend go."""
        for conn in list(self.connections):
            conn.close(refuse("restart"), "restart")
        await self._wait_until_empty()
        await self._backend.stop()
        self._home = None

    async def drain(self, seconds: float) -> None:
        """Take no more pages in, and close those that are here one after the other."""
        self.is_draining = True
        pages = list(self.connections)
        loop = asyncio.get_running_loop()
        began, closed = loop.time(), 0
        while closed < len(pages):
            due = len(pages) * (loop.time() - began) / seconds if seconds > 0 else len(pages)
            for conn in pages[closed : int(due) + 1]:
                conn.close(refuse("restart"), "restart")
            closed = max(closed, int(due) + 1)
            await asyncio.sleep(DRAIN_STEP)
        await self._wait_until_empty()

    async def _wait_until_empty(self) -> None:
        if not self.connections:
            return
        self._empty = asyncio.Event()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._empty.wait()
        except TimeoutError:
            _log.error("%d pages did not end in %s s", len(self.connections), STOP_SECONDS)

    # --- rooms -------------------------------------------------------------------------

    def join(self, conn: Connection, room: str) -> Awaitable[bool]:
        """Put a page into a room; a page that has gone joins nothing."""
        check_room(room)
        if conn.gone:
            return Done(False)
        limits = conn.limits
        if len(room) > limits.room_name:
            raise LimitError(
                f"A room's name has {len(room)} characters, over the limit of {limits.room_name} "
                "(Limits.room_name)."
            )
        if len(conn.rooms) >= limits.rooms and room not in conn.rooms:
            raise LimitError(
                f"A page is in {len(conn.rooms)} rooms, and that is the limit (Limits.rooms)."
            )
        self._rooms.setdefault(room, {})[conn] = None
        conn.rooms.add(room)
        return Done(True)

    def leave(self, conn: Connection, room: str) -> Awaitable[bool]:
        """Take a page out of a room; False when it was not in it."""
        members = self._rooms.get(room)
        if members is None or conn not in members:
            return Done(False)
        del members[conn]
        if not members:
            del self._rooms[room]
        conn.rooms.discard(room)
        return Done(True)

    def leave_all(self, conn: Connection) -> None:
        """Take a page out of all its rooms; its ``rooms`` goes on to name them."""
        for room in conn.rooms:
            members = self._rooms.get(room, {})
            members.pop(conn, None)
            if not members:
                self._rooms.pop(room, None)

    def forget(self, conn: Connection) -> None:
        """Take a page out of all its rooms, and of the hub."""
        self.leave_all(conn)
        if conn in self.connections:
            del self.connections[conn]
            address = _address(conn)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
            its = self._by_identity.get(conn.identity)
            if its is not None:
                its.pop(conn, None)
                if not its:
                    del self._by_identity[conn.identity]
        if self._empty is not None and not self.connections:
            self._empty.set()

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
        publication = self._publication(content, exclude, to, variant)
        home = self._home
        if home is not None and get_ident() != home.thread:
            return home.call(self._backend.append, room, publication, otherwise=0)
        return self._backend.append(room, publication)

    def _publication(
        self,
        content: object,
        exclude: Connection | str | Iterable[Connection | str] | None,
        to: Connection | str | None,
        variant: Callable[[Connection], object] | None,
    ) -> Publication:
        exclude = exclude or ()
        left_out = (exclude,) if isinstance(exclude, (str, Connection)) else exclude
        ids = frozenset(map(_id_of, left_out))
        only = None if to is None else _id_of(to)
        if callable(content) and not hasattr(type(content), "__html__"):
            if iscoroutinefunction(content):
                raise TypeError(
                    "publish() renders for each page with a plain function, and "
                    "this one is async: await what it needs before publishing."
                )
            return Publication(render=content, variant=variant, exclude=ids, to=only)
        if is_deferred(content):
            raise TypeError(
                f"publish() takes finished content, not {type(content).__name__}: await it, or "
                "publish each piece of the generator."
            )
        return Publication(self._serialise(content), exclude=ids, to=only)

    def _serialise(self, content: object) -> tuple[Message, ...]:
        if self._strict:
            refuse_bare_str(content)
        messages = serialise(content)
        report_reflection(messages)
        return messages

    def deliver(self, room: str, epoch: str, offset: int, publication: Publication) -> None:
        """Push what the backend hands over to the room's pages, in its order."""
        self._due.append((room, publication))
        if self._delivers:  # what a publication's rendering publishes comes after it
            return
        self._delivers = True
        try:
            while self._due:
                self._deliver(*self._due.popleft())
        finally:
            self._delivers = False

    def _deliver(self, room: str, publication: Publication) -> None:
        members = self._rooms.get(room)
        if not members:
            return
        meant = list(members)  # a page that is lost by being written to leaves the room
        if publication.exclude or publication.to is not None:
            meant = [conn for conn in meant if publication.is_for(conn)]
        if publication.render is not None:
            self._deliver_rendered(room, publication, meant)
            return
        for message in publication.messages:
            write_to(meant, message, room)

    def _deliver_rendered(
        self, room: str, publication: Publication, meant: list[Connection]
    ) -> None:
        render, variant = publication.render, publication.variant
        assert render is not None
        rendered: dict[object, tuple[Message, ...]] = {}
        for conn in meant:
            try:
                key = conn if variant is None else variant(conn)
                if key not in rendered:
                    rendered[key] = self._serialise(render(conn))
            except Exception:  # one page's rendering is no other page's matter
                _log.exception("%r: rendering a publication to %r failed", conn, room)
                continue
            for message in rendered[key]:
                conn.deliver(room, message)


def check_room(room: object) -> None:
    """Raise ``TypeError`` for what cannot name a room."""
    if not isinstance(room, str) or not room:
        raise TypeError(f"A room is named by a str such as 'chat:lobby', not {room!r}.")


def _address(conn: Connection) -> str:
    return str((conn.scope.get("client") or ("",))[0])


def _id_of(conn: Connection | str) -> str:
    return conn if isinstance(conn, str) else conn.id

"""Writes what is published to the pages of a room: the one place where that happens.

Once for all of them, wherever it can be: it is serialised when it is published, and has one text
for the pages that keep a cursor and one for all others. Pushing never blocks, so no page waits
for another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import iscoroutinefunction
from time import perf_counter
from typing import Any

from .backends import Position
from .connection import Connection, write_to
from .errors import BackendError
from .incidents import report
from .outbox import weigh
from .publication import Publication
from .reflection import report_reflection
from .results import is_deferred, refuse_bare_str
from .resume import cursor_message, with_cursor
from .rooms import Rooms
from .telemetry import Telemetry, emit
from .wire.once import make_once
from .wire.serialise import Message, serialise

__all__ = ["Delivery", "id_of"]


class Delivery:
    """The publications of one process: ``members`` are the pages of each room."""

    def __init__(
        self,
        rules: Rooms,
        members: Mapping[str, Mapping[Connection, None]],
        *,
        strict_html: bool = False,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._rules = rules
        self._members = members
        self._strict = strict_html
        self._telemetry = telemetry
        self._last: dict[str, Position] = {}  # of rooms with a history
        self._due: deque[tuple[str, Position, Publication]] = deque()
        self._delivers = False

    def publication(
        self,
        room: str,
        content: object,
        exclude: Connection | str | Iterable[Connection | str] | None,
        to: Connection | str | None,
        variant: Callable[[Connection], object] | None,
    ) -> Publication:
        """Make what is published to a room; see ``HtmxWS.publish``."""
        exclude = exclude or ()
        left_out = (exclude,) if isinstance(exclude, (str, Connection)) else exclude
        names = frozenset(map(name_of, left_out))
        only = None if to is None else name_of(to)
        if callable(content) and not hasattr(type(content), "__html__"):
            if iscoroutinefunction(content):
                raise TypeError(
                    "publish() renders for each page with a plain function, and "
                    "this one is async: await what it needs before publishing."
                )
            return Publication(render=content, variant=variant, exclude=names, to=only)
        if is_deferred(content):
            raise TypeError(
                f"publish() takes finished content, not {type(content).__name__}: await it, or "
                "publish each piece of the generator."
            )
        return Publication(self._serialise(room, content), exclude=names, to=only)

    def _serialise(self, room: str, content: object) -> tuple[Message, ...]:
        if self._strict:
            refuse_bare_str(content)
        messages = serialise(content)
        report_reflection(messages)
        return tuple(map(make_once, messages)) if self._rules.of(room).keep.most else messages

    def take(self, room: str, at: Position, payload: Any) -> None:
        """Push what the backend hands over to the room's pages, in its order."""
        publication = self.read(room, payload)
        if publication is None:
            return
        self._due.append((room, at, publication))
        if self._delivers:  # what a publication's rendering publishes comes after it
            return
        self._delivers = True
        try:
            while self._due:
                self._deliver(*self._due.popleft())
        finally:
            self._delivers = False

    def forget(self, room: str) -> None:
        """Forget a room that nobody is in any more."""
        self._last.pop(room, None)

    def clear(self) -> None:
        """Forget every room."""
        self._last.clear()

    def last_of(self, room: str) -> Position | None:
        """Give where a room is whose pages have been written to here; None for any other."""
        return self._last.get(room)

    def read(self, room: str, payload: Any) -> Publication | None:
        """Give the publication of a payload; None for what is none."""
        if not isinstance(payload, bytes):
            assert isinstance(payload, Publication)
            return payload
        try:
            return Publication.read(payload)
        except BackendError as error:
            report("unreadable", room, error, telemetry=self._telemetry)
            return None

    def messages_for(
        self, conn: Connection, room: str, publication: Publication
    ) -> tuple[Message, ...]:
        """Give what a publication is for one page."""
        if publication.render is None:
            return publication.messages
        return tuple(
            message
            for _, messages in self._render(room, publication, (conn,), [])
            for message in messages
        )

    def _deliver(self, room: str, at: Position, publication: Publication) -> None:
        members = self._members.get(room)
        if not members:
            return
        began = perf_counter()
        meant = list(members)  # a page that is lost by being written to leaves the room
        counted = 0 if self._telemetry is None else sum(map(publication.is_for, meant))
        sent = list(publication.messages)
        if self._rules.of(room).keep.most:
            meant = self._deliver_to_resuming(room, at, publication, meant, sent)
        if publication.exclude or publication.to is not None:
            meant = [conn for conn in meant if publication.is_for(conn)]
        if publication.render is not None:
            for conn, messages in self._render(room, publication, meant, sent):
                for message in messages:
                    conn.deliver(room, message)
        else:
            for message in publication.messages:
                write_to(meant, message, room)
        if self._telemetry is not None:
            told = {"seconds": perf_counter() - began, "pages": counted, **weigh(sent)}
            emit(self._telemetry, "publish", told, room=self._rules.of(room).pattern)

    def _deliver_to_resuming(
        self,
        room: str,
        at: Position,
        publication: Publication,
        meant: list[Connection],
        sent: list[Message],
    ) -> list[Connection]:
        """Write to the pages that keep a cursor, and give the others; ``sent`` is what was."""
        last = self._last.get(room)
        if last is not None and last.epoch == at.epoch and at.offset <= last.offset:
            return [conn for conn in meant if conn.resume is None]  # they have had it
        if last is not None and last.epoch != at.epoch:  # the broker has lost its memory
            for conn in meant:
                if conn.resume is not None:
                    conn.resume.close(room)
        self._last[room] = at
        is_for_all = not publication.exclude and publication.to is None
        others: list[Connection] = []
        due: list[Connection] = []
        told: list[Connection] = []  # where the room is, and nothing else
        for conn in meant:
            resume = conn.resume
            if resume is None:
                others.append(conn)
                continue
            if room in resume.special:
                if not resume.takes(room, at):
                    continue
                if room in resume.bases:  # no cursor yet
                    others.append(conn)
                    continue
            (due if is_for_all or publication.is_for(conn) else told).append(conn)
        if told:
            write_to(told, cursor_message(room, at), room)
        if due and publication.render is None:
            for message in with_cursor(publication.messages, room, at):
                write_to(due, message, room)
        elif due:
            for conn, messages in self._render(room, publication, due, sent):
                for message in with_cursor(messages, room, at):
                    conn.deliver(room, message)
        return others

    def _render(
        self,
        room: str,
        publication: Publication,
        meant: Iterable[Connection],
        made: list[Message],
    ) -> Iterator[tuple[Connection, tuple[Message, ...]]]:
        """Render for each page, or once for all of a variant; what fails is left out.

        ``made`` gets what is rendered, each once.
        """
        render, variant = publication.render, publication.variant
        assert render is not None
        rendered: dict[object, tuple[Message, ...]] = {}
        for conn in meant:
            try:
                key = conn if variant is None else variant(conn)
                if key not in rendered:
                    rendered[key] = self._serialise(room, render(conn))
                    made += rendered[key]
            except Exception as error:  # one page's rendering is no other page's matter
                conn.report("rendering failed", room, error=error)
                continue
            yield conn, rendered[key]


def id_of(conn: Connection | str) -> str:
    """Give the id of a page, by itself or as it is given."""
    return conn if isinstance(conn, str) else conn.id


def name_of(conn: Connection | str) -> str:
    """Give the name by which a publication knows a page, also when that comes back."""
    return conn if isinstance(conn, str) else conn.place or conn.id

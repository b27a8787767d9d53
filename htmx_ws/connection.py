"""One open page, from the server's side: what it is told, where it belongs, what runs for it.

A message is written by stepping the server's ``send`` once, at once: on an idle socket that
is all, with no task, queue or timer. Only where ``send`` blocks, because the page reads
slower than we write, does the rest of it move to the page's own task, and what comes
meanwhile waits in an outbox with a limit. So whoever pushes is never held up by a page.

The step is taken in the name of that task, not of whoever pushes: a timeout or cancel scope
in the host's middleware notes the current task, and must not cancel a publisher because one
page of thousands is slow.
"""

# write_to is a method of many connections at once, and so of none.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import secrets
from asyncio.tasks import (
    _enter_task,  # documented, for those who implement tasks
    _leave_task,
)
from collections.abc import (
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import aclosing
from contextvars import Context
from inspect import iscoroutine
from threading import get_ident
from types import SimpleNamespace, coroutine
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import parse_qs

from .backends import Position
from .dual import Done, Home, Waiting
from .errors import Refused, one_line
from .incidents import refuse, report
from .markup import PAGE
from .outbox import Outbox, weigh
from .reflection import handling, report_reflection
from .results import (
    DEFAULT,
    Runtime,
    close_unbegun,
    is_deferred,
    refuse_bare_str,
    render_now,
    stream,
)
from .security import Limits, address_of
from .telemetry import Telemetry, emit
from .types import Scope, Send
from .wire.fragment import Fragment
from .wire.frame import Dialect
from .wire.serialise import Message, serialise

__all__ = ["TOO_SLOW", "Connection", "Rooms", "close_reason", "release_spare", "write_to"]

T = TypeVar("T")
#: Why a page is closed that does not read, and so will hardly read that either.
TOO_SLOW: Final = "too slow"

_SENT: Final = Done(True)
_GONE: Final = Done(False)


class Rooms(Protocol):
    """What a connection needs of the hub."""

    def join(self, conn: Connection, room: str) -> Awaitable[bool]: ...
    def leave(self, conn: Connection, room: str) -> Awaitable[bool]: ...
    def leave_all(self, conn: Connection) -> None: ...
    @property
    def told(self) -> set[tuple[str, str]]: ...
    def forget(self, conn: Connection) -> None: ...


class Resuming(Protocol):
    """What is known of a page that comes back to where it was: see ``resume``."""

    @property
    def special(self) -> Mapping[str, object]: ...
    @property
    def bases(self) -> Mapping[str, Position]: ...
    def begin(self) -> None: ...
    def hear(self, values: Mapping[str, Any]) -> None: ...
    def enter(self, room: str, ready: Awaitable[bool] | None = None) -> None: ...
    def leave(self, room: str) -> None: ...
    def takes(self, room: str, position: Position) -> bool: ...
    def close(self, room: str | None) -> None: ...
    def stop(self) -> None: ...


class Connection:
    """One open page: its ``id``, ``scope``, ``path_params``, ``query``, ``state`` and ``rooms``.

    ``state`` is yours: it starts as the lifespan's state and dies with the page. ``dialect``
    is the htmx that the page runs, as soon as it is known. ``identity`` is who its visitor is,
    as ``identify`` said, ``address`` where it connects from, and ``route`` the pattern of its
    path.
    """

    __slots__ = (
        *("__weakref__", "_busy", "_drained", "_gates", "_holds", "_hub", "_loop", "_outbox"),
        *("_query", "_strict", "_stuck_since", "_swap", "_target", "_thread", "_transport"),
        *("_work", "_writer", "address", "app"),
        *("closing", "dialect", "gone", "heir", "home", "id", "identity", "limits", "on_block"),
        *("on_abandon", "on_close", "path_params", "place", "resume", "rooms", "route"),
        *("runtime", "scope", "state", "telemetry"),
    )

    def __init__(
        self,
        scope: Scope,
        transport: Send,
        rooms: Rooms,
        *,
        limits: Limits | None = None,
        app: Any = None,
        target: str | None = None,
        swap: str = "innerHTML",
        strict_html: bool = False,
        runtime: Runtime = DEFAULT,
        route: str = "",
        telemetry: Telemetry | None = None,
    ) -> None:
        self.id: str = secrets.token_urlsafe(9)
        self.scope: Scope = scope
        self.path_params: Mapping[str, Any] = scope.get("path_params") or {}
        self.app: Any = scope.get("app", app)
        self.address: str = address_of(scope)
        self.route: str = route
        self.telemetry: Telemetry | None = telemetry
        self.state: SimpleNamespace = SimpleNamespace(**(scope.get("state") or {}))
        self.rooms: set[str] = set()
        self.resume: Resuming | None = None
        self.place: str | None = None  # its page and tab, the same when it comes back
        self.dialect: Dialect | None = None
        self.limits: Limits = Limits() if limits is None else limits
        self.home: Home = Home.here()
        self._loop, self._thread = self.home.loop, self.home.thread
        self.gone: bool = False
        self.heir: Connection | None = None
        self.identity: Any = None
        self.closing: tuple[int, str] | None = None
        self.on_close: Callable[[], None] | None = None
        self.on_abandon: Callable[[], None] | None = None
        self.on_block: Callable[[], None] | None = None
        self._target, self._swap, self._strict = target, swap, strict_html
        self.runtime: Runtime = runtime
        self._hub = rooms
        self._transport = transport
        self._writer: asyncio.Task[None] | None = None
        self._busy = False
        self._outbox: Outbox | None = None  # where something waits
        self._stuck_since = 0.0
        self._drained: asyncio.Future[bool] | None = None
        self._gates: dict[str, list[Message]] = {}
        self._holds = False
        self._work: dict[asyncio.Task[Any], str] = {}
        self._query: dict[str, str | list[str]] | None = None

    def __repr__(self) -> str:
        path = one_line(self.scope.get("path", ""))
        return f"<Connection {self.id} {path}{' gone' if self.gone else ''}>"

    @property
    def query(self) -> dict[str, str | list[str]]:
        """The query of the connect URL: a list for a field that comes more than once."""
        if self._query is None:
            text = self.scope.get("query_string", b"").decode("latin-1")
            fields = parse_qs(text, keep_blank_values=True, max_num_fields=1000)
            self._query = {k: v[0] if len(v) == 1 else v for k, v in fields.items()}
        return self._query

    @property
    def page(self) -> str | None:
        """The token of its page, which it wrote itself; None without one."""
        token = self.query.get(PAGE)
        return token if isinstance(token, str) else None

    def report(
        self,
        incident: str,
        *args: object,
        error: BaseException | None = None,
        measurements: Mapping[str, float] | None = None,
        **attributes: str | int | None,
    ) -> None:
        """Report an incident of this page; its log line begins with the page."""
        attributes["route"] = self.route
        report(
            incident,
            self,
            *args,
            telemetry=self.telemetry,
            error=error,
            measurements=measurements,
            **attributes,
        )

    def report_once(self, incident: str, *args: object) -> None:
        """Report what every page of its markup would be reported for: once for its path."""
        told = (self.route, incident)
        if told not in self._hub.told:
            self._hub.told.add(told)
            self.report(incident, *args)

    # --- to the page -------------------------------------------------------------------

    def send(self, content: object) -> Awaitable[bool]:
        """Send content to this page: HTML, a fragment, or whatever a handler may return.

        Acts at once; awaiting it waits for the transport, and gives False when the page has
        gone. In a thread it blocks until then. A generator is streamed, an awaitable awaited.
        Raises ``FragmentError`` for content without a place, ``TypeError`` for what is not HTML.
        """
        if get_ident() != self._thread:
            return self.home.call(self.send, render_now(content), otherwise=False)
        if type(content) is not Fragment and is_deferred(content):
            return Waiting(
                self._spawn_beside(self.send_all(content), content, "send"), otherwise=False
            )
        for message in self.serialise(content):
            self.push(message)
        if self.gone:
            return _GONE
        return Waiting(self._drain()) if self._busy else _SENT

    def serialise(self, content: object) -> tuple[Message, ...]:
        """Turn content into messages by this endpoint's defaults."""
        if self._strict:
            refuse_bare_str(content)
        messages = serialise(content, self._target, self._swap)
        if handling.get() is not None:
            report_reflection(messages)
        if self.telemetry is not None:
            emit(self.telemetry, "fragment", weigh(messages), route=self.route)
        return messages

    @property
    def places_nothing(self) -> bool:
        """Whether fragments are sent just as they say."""
        return self._target is None and not self._strict

    def push(self, message: Message) -> bool:
        """Write a message now, or keep it until the page can take it; never blocks.

        False when the page has gone. A page whose outbox is full is closed with 1012, and
        comes back.
        """
        if self.gone:
            return False
        if self._busy:
            self._keep(message)
        else:
            write_to((self,), message)
        return not self.gone

    async def tell(self, messages: Iterable[Message]) -> None:
        """Write messages from the page's own task, which waits until the page takes them."""
        for message in messages:
            if self.is_idle:
                await self.write(message.text_for(self.dialect))
            else:
                self.push(message)
        if self._busy:
            await self.drained()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being written, and the page is there."""
        return not (self._busy or self.gone)

    async def write(self, text: str) -> None:
        """Write a text to a page that is idle, from its own task, until the page has taken it."""
        self._busy = True
        try:
            await self._transport({"type": "websocket.send", "text": text})
        except Exception as error:
            self._lose(error)
        self._stuck_since = 0.0
        if self._outbox is not None:
            self._writer = _take_spare(self.home).become_of(self)
            await self.drained()
        else:
            self._busy = False
            if self._drained is not None:
                self._report_drained(True)

    def _block(self, writer: asyncio.Task[None]) -> None:
        """Take note that a task goes on with a write that could not be finished at once."""
        self._busy = True
        self._writer = writer
        if self.on_block is not None:
            self.on_block()

    async def write_on(self, blocked: tuple[Any, Any] | None) -> None:
        """Finish what a step could not, then empty the outbox: what its writer does."""
        try:
            if blocked is not None:
                await _finish(*blocked)
                self._stuck_since = 0.0
            while self._outbox is not None and not self.gone:
                if not self._outbox:
                    self._outbox = None
                    break
                text = self._outbox.take()
                await self._transport({"type": "websocket.send", "text": text})
                self._stuck_since = 0.0
        except (Exception, asyncio.CancelledError) as error:
            # Cancelled by us when the page has gone, or by a timeout of the host's middleware.
            if not self.gone:
                self._lose(error)
        self._writer = None
        self._busy = False
        self._report_drained(not self.gone)

    def _keep(self, message: Message) -> None:
        outbox = self._outbox
        if outbox is None:
            outbox = self._outbox = Outbox(self.limits)
        dropped = outbox.dropped
        if not outbox.put(message, self.dialect):
            self._give_up("outbox full", len(outbox), outbox.bytes)
        elif outbox.dropped > dropped:
            self.report("dropped", measurements=self._measure_outbox())

    def is_writing(self, now: float) -> bool:
        """Whether a write is under way at this time of the loop; one that is stuck is given up.

        For the clock, which looks at pages that it knows to be busy.
        """
        if not self._busy or self.gone:
            return False
        if not self._stuck_since:
            self._stuck_since = now
        elif now - self._stuck_since > self.limits.write_seconds:
            self._give_up("stuck", self.limits.write_seconds)
            return False
        return True

    def _give_up(
        self, incident: str, *args: object, measurements: Mapping[str, float] | None = None
    ) -> None:
        self.report(incident, *args, measurements=measurements or self._measure_outbox())
        self.close(refuse(incident), TOO_SLOW)
        self.let_go()

    def _measure_outbox(self) -> dict[str, float]:
        outbox = self._outbox
        return {} if outbox is None else {"messages": len(outbox), "bytes": outbox.bytes}

    async def drained(self) -> bool:
        """Wait until the page has taken all that waits for it; False when it has gone."""
        return not self.gone and (not self._busy or await asyncio.shield(self._drain()))

    def _drain(self) -> asyncio.Future[bool]:
        if self._drained is None:
            self._drained = self._loop.create_future()
        return self._drained

    def _report_drained(self, value: bool) -> None:
        if self._drained is not None:
            self._drained.set_result(value)
            self._drained = None

    def _lose(self, error: BaseException) -> None:
        # Servers raise what they like when the page has gone. Should it still be there, it is
        # closed, so that it comes back; what it sent before is read in any case.
        self.report("unwritable", error=error)
        self.let_go()
        if self.on_close is not None:
            self.on_close()

    # --- rooms -------------------------------------------------------------------------

    def join(self, room: str) -> Awaitable[bool]:
        """Join a room: what is published to it reaches this page. False when the page has gone.

        Where a rule says who may join such rooms (``HtmxWS.room``), it does so once that has been
        asked; awaiting it raises ``Refused`` for a page that may not.
        """
        if get_ident() != self._thread:
            return self.home.call(self.join, room, otherwise=False)
        if self.heir is not None:
            return self.heir.join(room)
        return self._hub.join(self, room)

    def inherit_to(self, heir: Connection) -> None:
        """Have another socket of the page written to from now on; this one is read as before."""
        self.heir = heir
        if self.resume is not None:
            self.resume.stop()

        async def write_to_heir(event: Mapping[str, Any]) -> None:
            heir.push(Message(event["text"]))

        self._transport = write_to_heir

    def note_joined(self, room: str) -> None:
        """Take note that it is in a room, which is held where all that it joins is."""
        self.rooms.add(room)
        if self._holds:
            self.hold(room)

    def leave(self, room: str) -> Awaitable[bool]:
        """Leave a room; every room is left by itself when the page goes."""
        if get_ident() != self._thread:
            return self.home.call(self.leave, room, otherwise=False)
        if self.heir is not None:
            return self.heir.leave(room)
        self._gates.pop(room, None)
        return self._hub.leave(self, room)

    def hold(self, room: str) -> None:
        """Keep what is published to a room until ``release``, so that older things can go first."""
        self._gates.setdefault(room, [])

    def release(self, room: str) -> None:
        """Let what was held of a room go to the page, in order, and the rest as it comes."""
        for message in self._gates.pop(room, ()):
            self.push(message)

    def hold_what_it_joins(self) -> None:
        """Hold the rooms that are joined from now on, until ``release_all``."""
        self._holds = True

    def release_all(self) -> None:
        """Release every room."""
        self._holds = False
        for room in list(self._gates):
            self.release(room)

    def deliver(self, room: str, message: Message) -> None:
        """Push a room's message, or hold it where the room's gate is closed."""
        held = self._gates.get(room)
        if held is None:
            self.push(message)
            return
        held.append(message)
        if len(held) > self.limits.outbox_messages:
            self._give_up("held too long", len(held), room, measurements=weigh(held))

    # --- background work ---------------------------------------------------------------

    def start(self, work: object, name: str = "") -> asyncio.Task[Any]:
        """Run a coroutine, or stream a generator to the page, beside its frames.

        It ends with the page. ``name`` is for ``cancel``; without one it is the function's.
        """
        if get_ident() != self._thread:
            return self.home.run(self.start, work, name)
        name = name or getattr(work, "__name__", "")
        running = work if iscoroutine(work) else self.send_all(work)
        task = self._spawn_beside(running, work, name)
        task.add_done_callback(self.report_work)
        return task

    def _spawn_beside(
        self, running: Coroutine[Any, Any, Any], work: object, name: str
    ) -> asyncio.Task[Any]:
        """Run work that may outlive the handler that began it, as the host runs such."""
        task = self.spawn(self.runtime.background(running), name)
        # Python warns of what is never awaited, and a page that goes is no mistake.
        task.add_done_callback(lambda _: close_unbegun([running, work]))
        return task

    def spawn_stream(self, content: object, name: str) -> asyncio.Task[bool]:
        """Send deferred content as ``spawn`` runs a coroutine."""
        task = self.spawn(self.send_all(content), name)
        # Python warns of what is never awaited, and a page that goes is no mistake.
        task.add_done_callback(lambda _: close_unbegun(content))
        return task

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run a coroutine as ``start`` does, for a caller who awaits it and so sees its error."""
        task = self._loop.create_task(work, name=name)
        self._work[task] = name
        task.add_done_callback(self._work.pop)
        if self.gone:
            task.cancel()
        return task

    def cancel(self, name: str | None = None) -> int:
        """Cancel background work and streams of that name, or all; gives how many there were."""
        if get_ident() != self._thread:
            return self.home.run(self.cancel, name, otherwise=0)
        found = [task for task, its in self._work.items() if name in (None, its)]
        for task in found:
            task.cancel()
        return len(found)

    def report_work(self, task: asyncio.Task[Any]) -> None:
        """Log the error of work that nobody awaits."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.report("work failed", task.get_name(), error=error)

    async def send_all(self, content: object) -> bool:
        """Send the pieces of deferred content as they come; False when the page has gone."""
        async with aclosing(stream(content, self.runtime)) as pieces:
            async for piece in pieces:
                if not await self.send(await self.runtime.rendered(piece)):
                    return False
                # A generator that never waits must not keep the loop from everybody else.
                await asyncio.sleep(0)
        return True

    @property
    def work(self) -> list[asyncio.Task[Any]]:
        """The background work and streams under way."""
        return list(self._work)

    # --- the end -----------------------------------------------------------------------

    def close(self, code: int = 1008, reason: str = "") -> None:
        """Close the socket: 1008 and 4000 to 4999 keep htmx away, 1012 makes it come back.

        What was sent before goes first. A close frame takes 123 bytes of ``reason``.
        """
        if get_ident() != self._thread:
            self.home.run(self.close, code, reason, otherwise=None)
        elif self.closing is None and not self.gone:
            self.closing = (code, close_reason(reason))
            if self.on_close is not None:
                self.on_close()

    async def turn_away(self, refused: Refused) -> None:
        """Send what a refusal has to say, as far as it is there in time, and close."""
        try:
            async with asyncio.timeout(self.limits.hook_seconds):
                await self.send(refused.content)
        except Exception as error:
            self.report("refusal failed", error=error)
        self.close(refused.close_code, refused.reason)

    def abandon(self) -> None:
        """Cancel its handlers, as at the end of their time; for a process that must end."""
        self.let_go()
        if self.on_abandon is not None:
            self.on_abandon()

    def leave_all(self) -> None:
        """Leave every room; ``rooms`` goes on to name them for the disconnect hook."""
        self._hub.leave_all(self)

    def forget(self) -> None:
        """Be nowhere any more: the last thing that happens to a page."""
        self._hub.forget(self)

    def let_go(self) -> None:
        """Take note that the page has gone: sends do nothing, streams and work are cancelled."""
        if self.gone:
            return
        self.gone = True
        self._outbox = None
        self._gates.clear()
        if self.resume is not None:
            self.resume.stop()
        self._report_drained(False)
        if self._writer is not None:
            self._writer.cancel()
        self.cancel()


def close_reason(text: str) -> str:
    """Cut a reason to the 123 bytes that a close frame takes."""
    return text.encode(errors="replace")[:123].decode(errors="ignore")


def write_to(conns: Iterable[Connection], message: Message, room: str = "") -> None:
    """Write a message to pages, one after the other, without waiting for any.

    All are written by one coroutine, which is stepped by hand, in the name of a spare task. Where
    a page's ``send`` blocks, that task becomes the page's own and ends that write, and another
    coroutine goes on with the next page, in the name of the next spare.
    """
    loop = asyncio.get_running_loop()
    pusher = asyncio.current_task(loop)
    if pusher is not None:
        _leave_task(loop, pusher)
    try:
        left = iter(conns)
        while True:
            turn = _Turn()
            writing = _write_in_turn(left, message, room, turn)
            spare = _take_spare(turn.home)
            _enter_task(loop, spare.task)
            try:
                waits_for = writing.send(None)
            except StopIteration:
                turn.home.spare = spare
                return
            finally:
                _leave_task(loop, spare.task)
            turn.is_over = True
            turn.conn._block(spare.become_of(turn.conn, (writing, waits_for)))
    finally:
        if pusher is not None:
            _enter_task(loop, pusher)


class _Turn:
    """Whose write is under way, and whether it was left to that page's task."""

    __slots__ = ("conn", "home", "is_over")

    def __init__(self) -> None:
        self.conn: Any = None
        self.home = Home.here()
        self.is_over = False


async def _write_in_turn(
    conns: Iterator[Connection], message: Message, room: str, turn: _Turn
) -> None:
    text, has_variants = message.text, message.variants is not None
    for conn in conns:
        if conn._busy or conn.gone or room in conn._gates:
            conn.deliver(room, message)
            continue
        if has_variants:
            text = message.text_for(conn.dialect)
        turn.conn = conn
        try:
            await conn._transport({"type": "websocket.send", "text": text})
        except (Exception, asyncio.CancelledError) as error:
            conn._lose(error)
        if turn.is_over:
            return


class _Spare:
    """A task of no page, until a page needs one: few do, and a task is as large as a page."""

    __slots__ = ("_owner", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._owner: asyncio.Future[tuple[Connection, Any]] = loop.create_future()
        # In no page's context, and not in that of whoever happens to publish.
        self.task = loop.create_task(self._serve(), context=Context())
        # asyncio complains of tasks that a closed loop takes with it; this one has no work yet.
        self.task._log_destroy_pending = False  # type: ignore[attr-defined]  # as gather does

    async def _serve(self) -> None:
        conn, blocked = await self._owner
        await conn.write_on(blocked)

    def become_of(self, conn: Connection, blocked: Any = None) -> asyncio.Task[None]:
        """Be the writer of a page, until it has caught up."""
        self.task._log_destroy_pending = True  # type: ignore[attr-defined]  # as above
        self._owner.set_result((conn, blocked))
        return self.task


def _take_spare(home: Home) -> _Spare:
    spare: _Spare | None = home.spare
    home.spare = None
    if spare is None or spare.task.done() or spare.task.cancelling():
        spare = _Spare(home.loop)
    return spare


def release_spare(home: Home) -> None:
    """End the task that is kept for whichever page needs one next: there is none left."""
    if home.spare is not None:
        home.spare.task.cancel()
        home.spare = None


@coroutine
def _finish(steps: Any, waits_for: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that was stepped once and waits for something."""
    while True:
        try:
            yield waits_for
        except BaseException as error:
            try:
                waits_for = steps.throw(error)
            except StopIteration:
                return
        else:
            break
    yield from steps

"""The life of one open page: accept, connect hook, frames in order, disconnect hook.

The page's task reads a frame, handles it and reads the next, and on the common path that is
all: no second task, no queue, no timer. A handler is stepped by hand in a copy of the
context, so that what it sets does not show in the next frame; one that does not finish in
its first step is told to a clock that all pages share. Should it still run when the clock
has ticked twice, a reader goes on reading for it: then a Stop button is seen, and that the
page has gone, while the handler works.

Where a page goes, its streams and background work are cancelled, but handlers that began,
and frames that were received, are finished: on htmx 4 every tab switch is a disconnect, and a
purchase must not be cut in half.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Generator, Mapping
from contextlib import suppress
from contextvars import Context, copy_context
from time import perf_counter
from types import coroutine
from typing import Any, Final, TypeVar, cast

from .answers import Answers
from .around import within
from .clock import Clock
from .connection import TOO_SLOW, Connection
from .cursor import RESERVED
from .dual import is_cancelled
from .ending import COMES_BACK, RESTART, Ending, is_of_a_code, send_close
from .endpoint import Endpoint, Handler
from .errors import (
    BindingError,
    FragmentError,
    FrameError,
    LimitError,
    Refused,
    one_line,
)
from .host import Call
from .incidents import refuse
from .opening import run_connect_hook
from .overlay import show_failure
from .pace import Pace
from .reflection import handling
from .results import is_deferred
from .security import check_size
from .telemetry import emit
from .types import Message as Event
from .types import Receive, Send
from .wire.fragment import Fragment
from .wire.frame import Dialect, Frame, parse
from .wire.serialise import quick_text

__all__ = ["Page"]

T = TypeVar("T")

#: What a page sent, a Frame or a FrameError, and who answers it: nobody where it is an error.
Work = tuple[Any, Handler | None]

#: How long a page that is closed may take for what was sent before, and then for the close
#: frame, in seconds: it may not be reading.
CLOSE_SECONDS: Final = 2.0
SLOW_CLOSE_SECONDS: Final = 0.1

#: Ends of pages' lives, which go on when a server cancels the page's task.
_endings: Final[set[asyncio.Task[None]]] = set()


class _Cut(asyncio.CancelledError):
    """A handler or stream was cancelled by itself; what is around it has to know, not the page."""


class Page:
    """One connection, served by one endpoint, in the task in which it is made."""

    __slots__ = (
        *("__weakref__", "_answers", "_began", "_beside", "_cancelled_by_us", "_clock", "_closer"),
        *("_context", "_deadline", "_debug", "_ending", "_endpoint", "_entered", "_has_room"),
        *("_hint", "_holds", "_inbox", "_isolates", "_left", "_most_beside", "_most_fields"),
        *("_overlay", "_pace", "_plain", "_reader", "_reading_on", "_receive", "_send"),
        *("_surely_small", "_task", "_telemetry", "_told", "_unclosable", "_waits", "at_work"),
        *("conn", "is_watched"),
    )

    def __init__(
        self,
        conn: Connection,
        endpoint: Endpoint,
        receive: Receive,
        send: Send,
        clock: Clock,
        *,
        debug: bool = False,
        overlay: bool = False,
    ) -> None:
        self.conn = conn
        self._endpoint = endpoint
        self._receive = receive
        self._send = send
        self._clock = clock
        self._debug = debug
        self._overlay = overlay
        self._telemetry = conn.telemetry
        self._began: float | None = None  # when it was accepted
        self._context = copy_context()
        # Handlers run in the page's own context until one of them sets a variable: then the
        # following ones each get a copy of what it was before.
        self._isolates = debug or conn.telemetry is not None or bool(endpoint.wrappers)
        self._holds = conn.limits.slow_pages == "hold"
        self._most_fields = conn.limits.frame_fields
        self._plain = not debug and conn.places_nothing
        self._hint: Dialect | None = conn.dialect
        self._surely_small = conn.limits.frame_bytes // 4  # characters: UTF-8 takes up to four
        self._most_beside = conn.limits.concurrent
        self._pace = Pace(conn, clock.loop.time())
        self._told: set[str] | None = None  # of which limits
        self.at_work: bool = False  # on a handler, in the page's order
        self.is_watched: bool = False  # by the clock
        self._inbox: deque[Work] | None = None  # of what was read ahead
        self._has_room: asyncio.Future[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._reading_on = False
        self._entered = False
        self._left = False
        self._beside: set[asyncio.Task[None]] | None = None
        self._answers: Answers | None = None  # to the errors there were
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._waits = False  # for the page, not for a handler
        self._cancelled_by_us = False
        self._deadline: asyncio.TimerHandle | None = None
        self._closer: asyncio.Task[None] | None = None
        self._unclosable: Exception | None = None
        self._ending = Ending(conn)

    async def serve(self, subprotocol: str | None = None) -> None:
        """Accept the page and serve it until it has gone."""
        conn = self.conn
        conn.on_close = self._interrupt
        conn.on_block = self._be_watched
        conn.on_abandon = self._hurry
        try:
            await self._send({"type": "websocket.accept", "subprotocol": subprotocol})
            self._began = self._clock.loop.time()
            emit(self._telemetry, "connection.start", route=conn.route, dialect=conn.dialect)
            if await self._connect():
                try:
                    await self._serve_frames()
                except asyncio.CancelledError:
                    if not self._is_our_cancel():
                        raise
                    await self._serve_frames()  # those that had come before the end
        except OSError as error:  # what servers raise when the page has gone
            conn.report("gone", error)
        except asyncio.CancelledError:
            if not self._is_our_cancel():
                # A server that stops, as hypercorn does: it would close with 1011 itself, after
                # which some htmx stay away.
                conn.close(refuse("restart"), "restart")
                raise
        finally:
            self._waits = False
            conn.on_abandon = self._ending.hurry
            ending = asyncio.create_task(self._end(), context=self._context.copy())
            _endings.add(ending)
            ending.add_done_callback(_endings.discard)
            await asyncio.shield(ending)
        if self._unclosable is not None:
            raise self._unclosable

    # --- reading -----------------------------------------------------------------------

    async def _serve_frames(self) -> None:
        """Read and handle frames in order until the end.

        The way of nearly every frame is one straight line through this function.
        """
        conn, receive, pace = self.conn, self._receive, self._pace
        self._waits = False
        if conn.resume is not None:
            conn.resume.begin()
        while True:
            work: Work | None
            if self._inbox:
                if conn.closing is not None and conn.closing[0] not in COMES_BACK:
                    return
                work = self._inbox.popleft()
                self._make_room()
            elif self._left or conn.closing is not None:
                return
            elif self._reader is not None:
                self._waits, self._reading_on = True, False
                self._make_room()
                await self._reader
                self._waits, self._reader = False, None
                continue
            else:
                self._waits = True
                event = await receive()
                pace.spent += 1
                if pace.spent > pace.burst and not await pace.hold_back():
                    self._left = True
                self._waits = False
                work = self._take(event)
                if work is None:
                    continue
            if self._holds and not conn.is_idle:
                await self._catch_up()
            frame, handler = work
            if handler is None:
                await self._refuse_frame(frame)
                continue
            try:
                arguments = handler.bind(conn, frame)
                if self._answers is not None:
                    self._answers.clear(frame)
                if self._isolates or not handler.is_plain:
                    handling_it = self._handle(frame, handler, arguments)
                    await self._run_in(self._context.copy(), handling_it)
                    continue
                self.at_work = True
                if not self.is_watched:
                    self._clock.watch(self)
                try:
                    result = await handler.call(**arguments)
                finally:
                    self.at_work = False
                    self._isolates = copy_context() != self._context
                if type(result) is Fragment:
                    text = quick_text(result) if self._plain and conn.is_idle else None
                    self._waits = True
                    if text is None:
                        await conn.tell(conn.serialise(result))
                    else:
                        await conn.write(text)
                    self._waits = False
                elif result is not None:
                    await self._send_result(result, handler)
            except Exception as error:
                await self._answer(error, frame, handler)
            except _Cut:
                pass
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
                conn.report("wait cancelled", handler.name)

    async def _handle(self, frame: Frame, handler: Handler, arguments: dict[str, Any]) -> None:
        """Call a handler and send its result, in a context of this frame's own."""
        if self._debug:
            handling.set((frame, handler.name))

        async def answer(more: Mapping[str, Any]) -> None:
            calling = handler.call(**arguments, **more)
            if handler.cancel:
                result = await self._watch_over(self.conn.spawn(calling, handler.work_name))
            else:
                result = await calling
            if result is not None:
                await self._send_result(result, handler)

        call: Call = answer
        for wrapper in reversed(self._endpoint.wrappers):
            call = within(wrapper, self.conn, frame, call)
        await self._run_around(handler, frame, call)

    async def _run_around(self, handler: Handler, frame: Frame | None, call: Call) -> None:
        """Call a handler within what its host does around the calls."""
        about: dict[str, str | int | None] = {
            "route": self.conn.route,
            "handler": handler.name,
            "kind": handler.kind,
        }
        emit(self._telemetry, "handler.start", None, **about)
        began, failed = perf_counter(), None
        try:
            if handler.around is None:
                await call({})
            else:
                await handler.around.run(self.conn, frame, call)
        except BaseException as error:
            failed = self._name_failure(error)
            raise
        finally:
            taken = {"seconds": perf_counter() - began}
            emit(self._telemetry, "handler.stop", taken, error=failed, **about)

    def _name_failure(self, error: BaseException) -> str | None:
        """Name an error; None where a page goes, or is turned away, as it should."""
        if isinstance(error, (Refused, asyncio.CancelledError, GeneratorExit)):
            return None
        if isinstance(error, Exception) and self._endpoint.host.refusal(error) is not None:
            return None
        return type(error).__name__

    async def _catch_up(self) -> None:
        """Wait until a page has read what it was sent, before more is done for it."""
        self.at_work = True
        self._be_watched()
        try:
            await self.conn.drained()
        finally:
            self.at_work = False

    async def _handle_beside(self, frame: Frame, handler: Handler) -> None:
        """Handle one frame beside the others, in a task of its own."""
        try:
            arguments = handler.bind(self.conn, frame)
            if self._answers is not None:
                self._answers.clear(frame)
            with suppress(_Cut):
                await self._handle(frame, handler, arguments)
        except Exception as error:
            await self._answer(error, frame, handler)

    async def _refuse_frame(self, frame: Frame | FrameError) -> None:
        if isinstance(frame, FrameError):
            await self._answer(frame, None, None)
            return
        sender = frame.sender if frame.sender is None else one_line(frame.sender)
        fields = one_line(repr(sorted(frame.values)))
        self.conn.report("no handler", sender, fields, self._endpoint)

    def _be_watched(self) -> None:
        if not self.is_watched:
            self._clock.watch(self)

    def is_writing(self, now: float) -> bool:
        """Whether a write is under way; one that takes too long is given up."""
        return self.conn.is_writing(now)

    def read_on(self) -> None:
        """Go on reading while a handler works."""
        if self._waits:
            return
        self._reading_on = True
        if self._reader is None and not self._left:
            self._reader = asyncio.create_task(self._read_ahead(), context=self._context.copy())

    async def _read_ahead(self) -> None:
        pace = self._pace
        while self._reading_on and not self._left:
            if len(self._inbox or ()) >= self.conn.limits.frames_waiting:
                # Not reading is what holds the page back: TCP does the rest.
                self._tell_once("waiting", self.conn.limits.frames_waiting, limit="frames_waiting")
                self._has_room = self._clock.loop.create_future()
                await self._has_room
                continue
            event = await self._receive()
            pace.spent += 1
            if pace.spent > pace.burst and not await pace.hold_back():
                self._left = True
            work = self._take(event)
            if work is not None:
                if self._inbox is None:
                    self._inbox = deque()
                self._inbox.append(work)

    def _make_room(self) -> None:
        if self._has_room is not None and not self._has_room.done():
            self._has_room.set_result(None)
        self._has_room = None

    def _tell_once(self, incident: str, most: float, *, limit: str) -> None:
        """Report that a page reached a limit, which it then may do with every frame."""
        if self._told is None:
            self._told = set()
        if limit not in self._told:
            self._told.add(limit)
            self.conn.report(incident, most, limit=limit)

    def _take(self, event: Event) -> Work | None:
        """Give a frame and who answers it; None for what has no place in the page's order."""
        conn = self.conn
        text: str | None = event.get("text")
        if text is None and event["type"] == "websocket.disconnect":
            self._left = True
            conn.let_go()
            self._set_deadline()
            return None
        if conn.closing is not None and conn.closing[0] not in COMES_BACK:
            return None
        try:
            if text is None:
                raise FrameError("A page sent a binary message; htmx sends text, of JSON.")
            if len(text) > self._surely_small:
                check_size(text, conn.limits)
            frame = parse(text, self._hint, self._most_fields)
        except FrameError as error:
            return error, None
        if frame.dialect is not conn.dialect and frame.dialect != "raw":
            conn.dialect = frame.dialect
        if self._telemetry is not None:
            size = {"bytes": len(text.encode("utf-8", "surrogatepass"))}
            emit(self._telemetry, "frame", size, route=conn.route, dialect=frame.dialect)
        if RESERVED in frame.values:
            if conn.resume is None:
                conn.report_once("stray hello")
            else:
                conn.resume.hear(frame.values)
            return None
        handler = self._endpoint.sole or self._endpoint.match(frame)
        if handler is None or not handler.concurrent:
            return frame, handler
        if self._beside is None:
            self._beside = set()
        if len(self._beside) >= self._most_beside:
            self._tell_once("taking turns", self._most_beside, limit="concurrent")
            return frame, handler
        task = asyncio.create_task(
            self._handle_beside(frame, handler), context=self._context.copy()
        )
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return None

    # --- handling ----------------------------------------------------------------------

    @coroutine
    def _run_in(self, context: Context, call: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Step a coroutine in a context of its own, as part of this task."""
        run = context.run
        is_in_turn = asyncio.current_task() is self._task  # and not beside the frames
        if is_in_turn:
            self.at_work = True
            if not self.is_watched:
                self._clock.watch(self)
        try:
            waits_for = run(call.send, None)
            while True:
                try:
                    value = yield waits_for
                except BaseException as error:
                    waits_for = run(call.throw, error)
                else:
                    waits_for = run(call.send, value)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # StopIteration is untyped
        finally:
            if is_in_turn:
                self.at_work = False

    async def _send_result(self, result: object, handler: Handler) -> None:
        conn = self.conn
        if is_deferred(result):
            await self._watch_over(conn.spawn_stream(result, handler.work_name))
            return
        try:
            messages = conn.serialise(await conn.runtime.rendered(result))
        except (TypeError, FragmentError) as error:
            raise type(error)(f"{handler.name} returned what cannot be sent. {error}") from None
        for message in messages:
            conn.push(message)
        await conn.drained()

    async def _watch_over(self, task: asyncio.Task[T]) -> T:
        """Await work that may be cancelled under its name, which raises ``_Cut``."""
        self.read_on()
        try:
            return await task
        except asyncio.CancelledError:
            if not task.cancelled() or is_cancelled():
                raise
            raise _Cut from None

    async def _answer(self, error: Exception, frame: Frame | None, handler: Handler | None) -> None:
        if self._answers is None:
            self._answers = Answers(
                self.conn,
                self._endpoint,
                self._run_apart,
                debug=self._debug,
                overlay=self._overlay,
            )
        await self._answers.answer(error, frame, handler)

    async def _run_apart(self, hook: Handler, frame: Frame | None, call: Call) -> None:
        await self._run_in(self._context.copy(), self._run_around(hook, frame, call))

    # --- connect and disconnect --------------------------------------------------------

    async def _connect(self) -> bool:
        """Run the connect hook; False when the page is turned away."""
        conn, hook = self.conn, self._endpoint.connect
        if hook is None:
            self._entered = True
            return True
        try:
            arguments = hook.bind(conn)
            self._entered = True
            # What it reads may be older than what is published meanwhile, and must come first.
            conn.hold_what_it_joins()
            beginning = run_connect_hook(conn, hook, arguments, self._run_around)
            await self._run_in(self._context.copy(), beginning)
            conn.release_all()
        except Refused as refused:
            await self.conn.turn_away(refused)
        except (BindingError, LimitError) as error:  # coming back would not help
            path = ", ".join(conn.path_params) or "nothing"
            conn.report("bad address", hook.name, error, path)
            conn.close(refuse("bad address"), "bad query")
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            turned_away = isinstance(error, Exception) and self._endpoint.host.refusal(error)
            if turned_away:
                await self.conn.turn_away(turned_away)
            else:
                conn.report("connect hook failed", hook.name, error=error)
                if self._overlay:
                    conn.send(show_failure(error, hook.name))
                conn.close(refuse("connect hook failed"), "error")
        return conn.closing is None

    def _interrupt(self) -> None:
        """Close the socket: ``close`` was called, or a write failed."""
        if self._closer is None:
            code, reason = self.conn.closing or (refuse("unwritable"), "")
            self._closer = asyncio.create_task(self._close(code, reason))
            self._set_deadline()

    async def _close(self, code: int, reason: str) -> None:
        conn = self.conn
        with suppress(TimeoutError):  # a page that reads nothing
            async with asyncio.timeout(CLOSE_SECONDS):
                await conn.drained()
        conn.let_go()
        # First, for granian closes nothing while something waits to receive.
        if conn.closing is not None:
            if self._waits:
                self._cancel()
            elif self._reader is not None:
                self._reader.cancel()
        # What a page does not read holds up the close frame too, and all that waits for its end.
        most = SLOW_CLOSE_SECONDS if reason == TOO_SLOW else CLOSE_SECONDS
        try:
            async with asyncio.timeout(most):
                await send_close(self._send, code, reason)
        except Exception as error:  # it has gone, unless
            conn.report("unclosable", error)
            # At a deploy daphne would close with 1011, after which some htmx stay away; they come
            # back when it cuts what is open, at its end.
            if is_of_a_code(error) and (code, reason) != RESTART:
                self._unclosable = error

    def _set_deadline(self) -> None:
        if self._deadline is None:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(self.conn.limits.handler_seconds, self._expire)

    def _expire(self) -> None:
        seconds = self.conn.limits.handler_seconds
        self.conn.report("late handlers", seconds, limit="handler_seconds")
        self._cancel_handlers()

    def _cancel_handlers(self) -> None:
        self._inbox = None
        self._cancel()
        for task in self._beside or ():
            task.cancel()

    def _hurry(self) -> None:
        """Cancel the handlers, and let the end take a moment: the process must end."""
        self._ending.hurry()
        self.conn.report("abandoned")
        self._cancel_handlers()

    def _cancel(self) -> None:
        self._cancelled_by_us = True
        self._task.cancel()

    def _is_our_cancel(self) -> bool:
        """Whether a cancellation came from here alone; then it is taken back."""
        if not self._cancelled_by_us:
            return False
        self._cancelled_by_us = False
        return self._task.uncancel() == 0

    async def _end(self) -> None:
        """Let everything of the page finish or go, then run the disconnect hook."""
        conn = self.conn
        if self._deadline is not None:
            self._deadline.cancel()
        if self._reader is not None:
            self._reader.cancel()
        if self._closer is not None:
            await self._closer
        conn.let_go()
        await self._ending.wait_for([*(self._beside or ()), *conn.work])
        conn.leave_all()
        if self._entered and self._endpoint.disconnect is not None:
            await self._ending.run(self._endpoint.disconnect, self._run_around)
        conn.forget()
        if self._began is not None:
            emit(
                self._telemetry,
                "connection.stop",
                {"seconds": self._clock.loop.time() - self._began},
                route=conn.route,
                dialect=conn.dialect,
                code=None if conn.closing is None else conn.closing[0],
            )

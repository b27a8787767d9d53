"""Functions that act at once on the event loop and block in a thread.

``send``, ``publish``, ``join`` and ``leave`` are used by async handlers, by sync handlers in
the thread pool, and by code that belongs to no handler. A plain function that acts and
returns an awaitable serves them all: async code awaits the transport or the broker, or does
not; in a thread the same call returns when it is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import CancelledError, Future
from os import getpid
from threading import get_ident
from typing import Any, ClassVar, Final, Generic, TypeVar

__all__ = ["Done", "Home", "Waiting", "is_cancelled"]

T = TypeVar("T")
Work = Coroutine[Any, Any, Any]
_RAISE: Final[Any] = object()


def is_cancelled() -> bool:
    """Whether somebody cancels this task; else a CancelledError is one of what it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Done(Generic[T]):
    """An awaitable of something that has happened; true when its value is."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value: T = value

    def __await__(self) -> Generator[Any, None, T]:
        return self.value
        yield  # makes this a generator, which is what an awaitable returns

    def __bool__(self) -> bool:
        return bool(self.value)

    def __repr__(self) -> str:
        return f"<Done: awaiting it gives {self.value!r}>"


class Waiting(Generic[T]):
    """An awaitable of something that was accepted and is under way; true until it is known.

    ``otherwise`` is what it gives when that is cancelled, as a stream is whose page has gone.
    ``is_awaited`` says whether somebody has begun to await it, who is told its error.
    """

    __slots__ = ("_future", "_otherwise", "is_awaited")

    def __init__(self, future: asyncio.Future[T], otherwise: T = _RAISE) -> None:
        self._future = future
        self._otherwise = otherwise
        self.is_awaited: bool = False

    def __await__(self) -> Generator[Any, None, T]:
        self.is_awaited = True
        try:
            # A waiter that is cancelled does not take back what others wait for too.
            return (yield from asyncio.shield(self._future).__await__())
        except asyncio.CancelledError:
            if is_cancelled() or not self._future.cancelled() or self._otherwise is _RAISE:
                raise
            return self._otherwise

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return "<Waiting: await it>"

    def if_it_fails(self, call: Callable[[BaseException], object]) -> None:
        """Have its error handed over; then asyncio does not say that nobody has asked for it."""

        def look(future: asyncio.Future[T]) -> None:
            error = None if future.cancelled() else future.exception()
            if error is not None:
                call(error)

        self._future.add_done_callback(look)


class Home:
    """The event loop, and its thread, in which objects live; ``Home.here()`` gives the one.

    ``spare`` is for whoever needs a task of this loop at hand.
    """

    __slots__ = ("loop", "process", "spare", "thread")

    #: The loops that run only when they are asked to, as those of plain tests, and what asks one.
    on_demand: ClassVar[dict[asyncio.AbstractEventLoop, Callable[[Work], Future[Any]]]] = {}

    _last: ClassVar[Home | None] = None

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.thread: int = get_ident()
        self.process: int = getpid()
        self.spare: Any = None

    @classmethod
    def here(cls) -> Home:
        """Give the home of the running loop, the same one for all that live there."""
        home = cls._last
        if home is None or home.loop is not asyncio.get_running_loop():
            home = cls._last = cls()
        return home

    @property
    def is_here(self) -> bool:
        """Whether whoever asks runs on this loop."""
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    @property
    def is_over(self) -> bool:
        """Whether nothing can be run here, as far as is known."""
        return not self.loop.is_running() and self.loop not in self.on_demand

    def call(self, function: Callable[..., Awaitable[T]], *args: Any, otherwise: T) -> Awaitable[T]:
        """Call a function of this home from another thread; ``otherwise`` when it is over.

        A thread without a loop of its own blocks until it is done; one with a running loop
        gets an awaitable for that loop.
        """

        async def call_at_home() -> T:
            return await function(*args)

        future = self._begin(call_at_home())
        if future is None:
            return Done(otherwise)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            try:
                return Done(future.result())
            except CancelledError:  # the loop ended meanwhile
                return Done(otherwise)
        return Waiting(asyncio.wrap_future(future), otherwise)

    def run(self, function: Callable[..., T], *args: Any, otherwise: T = _RAISE) -> T:
        """Run a function of this home from another thread, and give its result.

        ``otherwise`` when the loop is over; without it that is a ``RuntimeError``.
        """

        async def run_at_home() -> T:
            return function(*args)

        future = self._begin(run_at_home())
        if future is not None:
            return future.result()
        if otherwise is _RAISE:
            raise RuntimeError(f"The event loop of {function!r} is over.")
        return otherwise

    def _begin(self, calling: Coroutine[Any, Any, T]) -> Future[T] | None:
        """Run a coroutine at home; None when the loop is over."""
        demand = self.on_demand.get(self.loop)
        if demand is not None:
            return demand(calling)
        try:
            if self.loop.is_running():
                return asyncio.run_coroutine_threadsafe(calling, self.loop)
        except RuntimeError:  # it ended between the question and the call
            pass
        calling.close()
        return None

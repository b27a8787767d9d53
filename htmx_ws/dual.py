"""Functions that act at once on the event loop and block in a thread.

``send``, ``publish``, ``join`` and ``leave`` are used by async handlers, by sync handlers in
the thread pool, and by code that belongs to no handler. A plain function that acts and
returns an awaitable serves them all: async code awaits the transport or the broker, or does
not; in a thread the same call returns when it is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from threading import get_ident
from typing import Any, Generic, TypeVar

__all__ = ["Done", "Home", "Waiting"]

T = TypeVar("T")


class Done(Generic[T]):
    """An awaitable of something that has happened; true when its value is."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, None, T]:
        return self.value
        yield  # makes this a generator, which is what an awaitable returns

    def __bool__(self) -> bool:
        return bool(self.value)


class Waiting(Generic[T]):
    """An awaitable of something that was accepted and is under way; true until it is known."""

    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[T]) -> None:
        self._future = future

    def __await__(self) -> Generator[Any, None, T]:
        # A waiter that is cancelled does not take back what others wait for too.
        return asyncio.shield(self._future).__await__()

    def __bool__(self) -> bool:
        return True


class Home:
    """The event loop, and its thread, in which an object lives."""

    __slots__ = ("loop", "thread")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.thread = get_ident()

    def call(self, function: Callable[..., Awaitable[T]], *args: Any, otherwise: T) -> Awaitable[T]:
        """Call a function of this home from another thread; ``otherwise`` when it is over.

        A thread without a loop of its own blocks until it is done; one with a running loop
        gets an awaitable for that loop.
        """

        async def call_at_home() -> T:
            return await function(*args)

        calling = call_at_home()
        try:
            if not self.loop.is_running():
                raise RuntimeError("the event loop is over")
            future = asyncio.run_coroutine_threadsafe(calling, self.loop)
        except RuntimeError:
            calling.close()
            return Done(otherwise)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return Done(future.result())
        return Waiting(asyncio.wrap_future(future))

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Run a function of this home from another thread, and give its result."""

        async def run_at_home() -> T:
            return function(*args)

        return asyncio.run_coroutine_threadsafe(run_at_home(), self.loop).result()

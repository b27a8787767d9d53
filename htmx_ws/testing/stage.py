"""What the tests of a backend use: instances on one broker, and receivers to wait for."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any, ClassVar, Final, NamedTuple

from ..backends import Backend, Keep

__all__ = ["KEEP_ALL", "Handed", "Heard", "Stage", "Suite", "in_a_loop"]

#: Keeps all that a test appends.
KEEP_ALL: Final = Keep(100)


class Handed(NamedTuple):
    """What a receiver was handed."""

    epoch: str
    offset: int
    payload: bytes


class Heard:
    """A receiver that notes what it is handed: ``in_room`` waits for it.

    ``fails_with`` is raised at the next payload instead.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._news = asyncio.Event()
        self.rooms: dict[str, list[Handed]] = {}
        self.gaps: list[tuple[str | None, str]] = []
        self.fails_with: Exception | None = None

    def deliver(self, room: str, epoch: str, offset: int, payload: Any) -> None:
        """Note what came."""
        failure, self.fails_with = self.fails_with, None
        if failure is not None:
            self._news.set()
            raise failure
        self.rooms.setdefault(room, []).append(Handed(epoch, offset, bytes(payload)))
        self._news.set()

    def report_gap(self, room: str | None, why: str) -> None:
        """Note that something is missing."""
        self.gaps.append((room, why))
        self._news.set()

    async def in_room(self, room: str, count: int) -> list[Handed]:
        """Wait until that many came of a room, and give all that did."""
        await self.until(lambda: len(self.rooms.get(room, ())) >= count, f"{count} in {room!r}")
        return self.rooms[room]

    async def until(self, is_so: Callable[[], object], what: str) -> None:
        """Wait until something that was handed over has made it so."""
        try:
            async with asyncio.timeout(self._seconds):
                while not is_so():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            came = {room: len(handed) for room, handed in self.rooms.items()}
            raise AssertionError(
                f"In {self._seconds} s not {what}: {came} came, and the gaps {self.gaps}"
            ) from None


class Stage:
    """What one test uses: instances of a backend on one broker, stopped at its end."""

    def __init__(self, make: Callable[[], Backend], seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._ending = AsyncExitStack()
        self._name = secrets.token_hex(4)
        self._rooms = 0

    def room(self, name: str = "") -> str:
        """Give the name of a room that nobody else uses; it begins with ``contract:``."""
        self._rooms += 1
        return f"contract:{self._name}:{self._rooms}{name}"

    async def start(
        self, *rooms: str, keeps: Mapping[str, Keep] | None = None
    ) -> tuple[Backend, Heard]:
        """Start one more instance, as of another process, that has subscribed to rooms."""
        backend, heard = self._make(), Heard(self._seconds)
        await backend.start(heard, keeps)
        self._ending.push_async_callback(backend.stop)
        await backend.subscribe(rooms)
        return backend, heard

    async def end(self) -> None:
        """Stop all instances."""
        await self._ending.aclose()


class Suite:
    """What a backend's tests are told of it."""

    #: No wait takes longer, in seconds.
    seconds: ClassVar[float] = 10.0
    #: Whether rooms can have a history.
    has_history: ClassVar[bool] = True
    #: Whether what one instance appends reaches the others.
    is_shared: ClassVar[bool] = True
    #: Whether all instances see what several of them append in one order.
    has_one_order: ClassVar[bool] = True
    #: Whether a room's offsets count its messages; else they only rise, as where all rooms of a
    #: test have one count, which then has to begin with the test.
    counts_by_one: ClassVar[bool] = True
    #: Whether the rules that one instance starts with hold for what others append without any.
    shares_rules: ClassVar[bool] = True

    def make(self) -> Backend:
        """Give one more instance, not started, on the same broker as all others."""
        raise NotImplementedError


def in_a_loop(
    test: Callable[[Any, Stage], Coroutine[Any, Any, None]],
) -> Callable[[Any], None]:
    """Make a plain function of a test."""

    def run(suite: Suite) -> None:
        async def play() -> None:
            stage = Stage(suite.make, suite.seconds)
            try:
                async with asyncio.timeout(10 * suite.seconds):
                    await test(suite, stage)
            finally:
                async with asyncio.timeout(2 * suite.seconds):
                    await stage.end()

        asyncio.run(play())

    # Not by wraps(): a runner would look through it, and find a coroutine function of a stage.
    run.__name__, run.__qualname__, run.__doc__ = test.__name__, test.__qualname__, test.__doc__
    return run

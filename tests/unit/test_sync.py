"""Appends without an event loop, through a backend that needs one; the suite runs it too."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Iterator, Mapping
from typing import Any

import pytest

from htmx_ws.backends import History, Keep, MemoryBackend, Position, Receiver
from htmx_ws.backends.sync import LoopAppender
from htmx_ws.errors import BackendError


class Slow(MemoryBackend):
    """A backend whose broker answers when it may."""

    made: list[Slow]

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()
        self.calls: list[str] = []
        self.error: Exception | None = None

    async def start(self, receiver: Receiver, keeps: Mapping[str, Keep] | None = None) -> None:
        self.calls.append("start")
        receiver.report_gap(None, "it begins")
        self.thread = threading.current_thread()
        await super().start(receiver, keeps)
        if self.error is not None:
            raise self.error

    async def stop(self) -> None:
        self.calls.append("stop")
        await super().stop()
        if self.error is not None:
            raise self.error

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> Awaitable[int]:  # type: ignore[override]
        async def append() -> int:
            await self.may_answer.wait()
            return super(Slow, self).append(room, payload, keep).value

        return append()

    async def history(self, room: str, since: Position | None, most: int = 1_000) -> History:
        await self.may_answer.wait()
        return await super().history(room, since, most)


class Fails(MemoryBackend):
    def append(self, room: str, payload: Any, keep: Keep | None = None) -> Any:
        async def append() -> int:
            raise TimeoutError("of the broker")

        return append()


@pytest.fixture
def made() -> Iterator[list[Slow]]:
    """The backends that were made; all have to be stopped."""
    made: list[Slow] = []
    yield made
    for backend in made:
        assert not backend.thread.is_alive()


def appender(made: list[Slow], answers: bool = True, seconds: float = 5.0) -> LoopAppender:
    def make() -> Slow:
        made.append(Slow())
        if answers:
            made[-1].may_answer.set()
        return made[-1]

    return LoopAppender(make, seconds)


def test_nothing_is_made_before_the_first_append(made: list[Slow]) -> None:
    appending = appender(made)
    assert not made
    appending.close()
    assert not made
    assert appending.append("room", b"1") == 1
    assert appending.append("room", b"2") == 2
    assert appending.position("room").offset == 2
    appending.close()
    assert [backend.calls for backend in made] == [["start", "stop"]]


def test_after_its_close_it_makes_another(made: list[Slow]) -> None:
    appending = appender(made)
    for _ in range(2):
        assert appending.append("room", b"1") == 1
        appending.close()
        appending.close()
    assert [backend.calls for backend in made] == [["start", "stop"]] * 2


def test_who_waits_too_long_is_told_that_it_may_have_a_place(made: list[Slow]) -> None:
    appending = appender(made, answers=False, seconds=0.05)
    with pytest.raises(BackendError, match=r"gave what was published to 'room' no place yet, in 0"):
        appending.append("room", b"1")
    with pytest.raises(BackendError, match=r"did not say where 'room' is, in 0\.05 s"):
        appending.position("room")
    appending.close()


def test_a_timeout_of_the_backend_is_its_own() -> None:
    appending = LoopAppender(Fails)
    with pytest.raises(TimeoutError, match="of the broker"):
        appending.append("room", b"1")
    appending.close()


def test_a_backend_that_cannot_start_leaves_no_thread(made: list[Slow]) -> None:
    def make() -> Slow:
        made.append(Slow())
        made[-1].error = BackendError("no")
        return made[-1]

    appending = LoopAppender(make)
    for _ in range(2):
        with pytest.raises(BackendError, match="no"):
            appending.append("room", b"1")
    assert len(made) == 2


def test_a_backend_that_cannot_stop_leaves_no_thread(made: list[Slow]) -> None:
    appending = appender(made)
    appending.append("room", b"1")
    made[0].error = BackendError("no")
    with pytest.raises(BackendError, match="no"):
        appending.close()


def test_a_forked_process_makes_its_own_and_leaves_its_parents_alone(
    made: list[Slow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where a thread of the parent was appending at the fork: what it held is held there."""
    appending = appender(made)
    appending.append("room", b"1")
    parent = os.getpid()
    assert appending._locks[parent].acquire()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    assert appending.append("room", b"1") == 1
    appending.close()
    assert [backend.calls for backend in made] == [["start"], ["start", "stop"]]
    appending._running = (parent, appending._running)  # type: ignore[assignment]  # as at the fork
    appending.close()
    monkeypatch.undo()
    assert made[0].calls == ["start"]
    made[0]._home.loop.call_soon_threadsafe(made[0]._home.loop.stop)  # type: ignore[union-attr]
    made[0].thread.join(5)

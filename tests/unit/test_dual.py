"""One function serves the event loop, where it acts at once, and threads, where it blocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

import pytest

from htmx_ws.dual import Done, Home, Waiting

# --- awaitables ------------------------------------------------------------------------


@pytest.mark.parametrize("value", [True, False, 0, 7, "text", None])
async def test_what_is_done_gives_its_value_and_is_as_true_as_that(value: object) -> None:
    done = Done(value)
    assert bool(done) is bool(value)
    assert await done is value
    assert await done is value  # as often as one likes


async def test_what_is_to_be_awaited_says_so() -> None:
    """A beginner prints what ``publish`` gives."""
    assert repr(Done(7)) == "<Done: awaiting it gives 7>"
    assert repr(Waiting(asyncio.get_running_loop().create_future())) == "<Waiting: await it>"


async def test_awaiting_what_is_done_lets_nothing_else_run() -> None:
    ran: list[str] = []
    asyncio.get_running_loop().call_soon(ran.append, "other")
    await Done(True)
    assert ran == []


async def test_what_is_under_way_is_true_until_it_is_known() -> None:
    future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    waiting = Waiting(future)
    assert waiting
    future.set_result(False)
    assert await waiting is False
    assert waiting


async def test_it_is_known_whether_anybody_has_awaited_it() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = Waiting(future)
    assert not waiting.is_awaited
    future.set_result(1)
    assert await waiting == 1
    assert waiting.is_awaited


@pytest.mark.parametrize("ends_by", ["set_result", "set_exception", "cancel"])
async def test_an_error_is_handed_over_and_no_other_end_is(ends_by: str) -> None:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    errors: list[BaseException] = []
    Waiting(future).if_it_fails(errors.append)
    error = ZeroDivisionError()
    getattr(future, ends_by)(*[error][: ends_by != "cancel"])
    await asyncio.sleep(0)
    assert errors == ([error] if ends_by == "set_exception" else [])


async def test_awaiting_what_is_under_way_raises_its_error() -> None:
    future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    future.set_exception(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await Waiting(future)


async def test_a_waiter_that_is_cancelled_leaves_the_work_to_the_others() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def wait() -> str:
        return await Waiting(future)

    first, second = asyncio.create_task(wait()), asyncio.create_task(wait())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not future.cancelled()
    future.set_result("done")
    assert await second == "done"


async def test_work_that_is_cancelled_gives_the_other_value() -> None:
    """A page that has gone takes its streams with it, which is no error of who awaits one."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    waiting = Waiting(future, "it has gone")
    future.cancel()
    assert await waiting == "it has gone"


async def test_work_that_is_cancelled_without_another_value_is_a_cancellation() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await Waiting(future)


@pytest.mark.parametrize("work_too", [False, True])
async def test_a_waiter_that_is_cancelled_itself_does_not_go_on(work_too: bool) -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def wait() -> str:
        return await Waiting(future, "it has gone")

    waiter = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiter.cancel()
    if work_too:
        future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert future.cancelled() is work_too


# --- from a thread ---------------------------------------------------------------------


class Work:
    """What belongs to a loop: notes in which thread it was called, and takes its time."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.may_end = asyncio.Event()

    def at_once(self, value: str) -> Awaitable[str]:
        self.threads.append(threading.get_ident())
        return Done(value)

    async def later(self, value: str) -> str:
        self.threads.append(threading.get_ident())
        await self.may_end.wait()
        return value

    def fail(self) -> Awaitable[str]:
        raise ZeroDivisionError


def test_a_home_is_made_where_a_loop_runs() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        Home()


async def test_a_call_from_a_thread_runs_at_home_and_has_happened_when_it_returns() -> None:
    home, work = Home(), Work()
    assert home.loop is asyncio.get_running_loop()

    def call() -> tuple[bool, list[int]]:
        done = home.call(work.at_once, "value", otherwise="")
        return isinstance(done, Done) and done.value == "value", list(work.threads)

    assert await asyncio.to_thread(call) == (True, [home.thread])
    assert home.thread == threading.get_ident()


async def test_a_call_from_a_thread_blocks_until_what_it_awaits_is_done() -> None:
    home, work = Home(), Work()
    returned = threading.Event()

    def call() -> Awaitable[str]:
        done = home.call(work.later, "value", otherwise="")
        returned.set()
        return done

    calling = asyncio.create_task(asyncio.to_thread(call))
    while not work.threads:
        await asyncio.sleep(0)
    assert not returned.is_set()
    work.may_end.set()
    assert await (await calling) == "value"
    assert returned.is_set()


async def test_an_error_at_home_is_raised_in_the_thread() -> None:
    home, work = Home(), Work()
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(home.call, work.fail, otherwise="")


async def test_a_thread_with_a_loop_of_its_own_gets_an_awaitable_for_it() -> None:
    """Blocking there would stop everything else of that loop."""
    home, work = Home(), Work()
    seen: list[str] = []

    async def elsewhere() -> str:
        waiting = home.call(work.later, "value", otherwise="")
        assert isinstance(waiting, Waiting)
        seen.append("goes on")
        home.loop.call_soon_threadsafe(work.may_end.set)
        value: str = await waiting
        return value

    assert await asyncio.to_thread(lambda: asyncio.run(elsewhere())) == "value"
    assert seen == ["goes on"]
    assert work.threads == [home.thread]


async def test_an_error_at_home_reaches_a_loop_elsewhere() -> None:
    home, work = Home(), Work()

    async def elsewhere() -> None:
        with pytest.raises(ZeroDivisionError):
            await home.call(work.fail, otherwise="")

    await asyncio.to_thread(lambda: asyncio.run(elsewhere()))


async def home_and_work() -> tuple[Home, Work]:
    return Home(), Work()


def test_when_the_loop_is_over_a_call_gives_the_other_value() -> None:
    home, work = asyncio.run(home_and_work())
    done = home.call(work.at_once, "value", otherwise="it is over")
    assert isinstance(done, Done)
    assert done.value == "it is over"
    assert work.threads == []


def test_when_the_loop_stands_still_a_call_gives_the_other_value() -> None:
    loop = asyncio.new_event_loop()
    try:
        home, work = loop.run_until_complete(home_and_work())
        done = home.call(work.at_once, "value", otherwise="it is over")
    finally:
        loop.close()
    assert isinstance(done, Done)
    assert done.value == "it is over"


async def test_a_plain_function_runs_at_home_and_gives_its_result() -> None:
    home = Home()

    def where(*args: Any) -> tuple[int, tuple[Any, ...]]:
        return threading.get_ident(), args

    assert await asyncio.to_thread(home.run, where, 1, "two") == (home.thread, (1, "two"))


async def test_an_error_of_a_plain_function_is_raised_in_the_thread() -> None:
    home = Home()
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(home.run, divmod, 1, 0)


def test_when_the_loop_is_over_a_plain_function_gives_the_other_value() -> None:
    home, work = asyncio.run(home_and_work())
    assert home.run(work.threads.append, 1, otherwise=None) is None
    assert work.threads == []


def test_when_the_loop_is_over_a_plain_function_without_one_is_an_error_that_names_it() -> None:
    home, work = asyncio.run(home_and_work())
    with pytest.raises(RuntimeError, match=r"The event loop of .*Work\.fail.* is over"):
        home.run(work.fail)


async def test_a_loop_that_ends_just_as_it_is_called_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between asking whether it runs and calling it, it may have ended."""
    home, work = Home(), Work()
    ended = asyncio.new_event_loop()
    ended.close()
    monkeypatch.setattr(ended, "is_running", lambda: True)
    home.loop = ended
    done = await asyncio.to_thread(home.call, work.at_once, "value", otherwise="it is over")
    assert await done == "it is over"
    assert await asyncio.to_thread(home.run, divmod, 1, 1, otherwise=(0, 0)) == (0, 0)


def test_a_thread_that_waits_when_the_loop_ends_is_let_go() -> None:
    begun, gave = threading.Event(), list[object]()

    async def never() -> bool:
        begun.set()
        await asyncio.Event().wait()
        return True

    async def main() -> threading.Thread:
        home = Home()

        thread = threading.Thread(target=lambda: gave.append(home.call(never, otherwise=False)))
        thread.start()
        await asyncio.to_thread(begun.wait, 5)
        return thread

    asyncio.run(main()).join(5)
    assert len(gave) == 1
    assert not gave[0]

"""What was appended and has no place yet, whose broker is played by the tests."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from htmx_ws.backends import PROCESSES
from htmx_ws.backends.nats.appends import Append, Appends
from htmx_ws.errors import BackendError


def make(**given: Any) -> Appends:
    usual = {"may_wait": False, "most": 3, "seconds": 5.0, "names_last": 100.0}
    return Appends(**{**usual, "late": lambda: None, **given})


def put(appends: Appends, *payloads: bytes, is_away: bool = False) -> list[Append]:
    return [appends.put("room", payload, None, is_away=is_away) for payload in payloads]


async def sent(appends: Appends, count: int) -> list[Append]:
    async with asyncio.timeout(5):
        return [await appends.next() for _ in range(count)]


async def why(item: Append) -> str:
    with pytest.raises(BackendError) as raised:
        await item.place
    return str(raised.value)


class Clock:
    """The loop's time, which passes as a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time()
        monkeypatch.setattr(self._loop, "time", lambda: self.now)

    async def advance(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def test_they_are_sent_in_order_and_answered_by_name() -> None:
    appends = make()
    one, two = put(appends, b"1", b"2")
    assert await sent(appends, 2) == [one, two]
    assert one.name != two.name
    appends.answer(two.name, 7)
    appends.answer(one.name, None, "no room")
    appends.answer("of somebody else", 9)
    assert await two.place == 7
    assert await why(one) == "What was published to 'room' failed: no room."
    assert len(appends) == 0


async def test_sending_waits_for_the_next() -> None:
    appends = make()
    sending = asyncio.create_task(appends.next())
    await asyncio.sleep(0)
    [item] = put(appends, b"1")
    assert await sending is item


async def test_an_answer_for_which_nobody_waits_any_more_is_no_matter() -> None:
    appends = make()
    one, two = put(appends, b"1", b"2")
    await sent(appends, 2)
    one.place.cancel()
    two.place.cancel()
    appends.answer(one.name, 1)
    appends.answer(two.name, None, "no room")
    assert len(appends) == 0


# --- while the broker is away ----------------------------------------------------------


async def test_where_they_must_not_wait_they_fail_at_once() -> None:
    appends = make()
    [item] = put(appends, b"1", is_away=True)
    assert await why(item) == "What was published to 'room' failed: the broker is away."


async def test_what_was_not_answered_when_the_broker_went_may_have_a_place() -> None:
    appends = make()
    one, two = put(appends, b"1", b"2")
    await sent(appends, 1)
    appends.lose("the connection was lost")
    assert "the connection was lost; it may have a place or not." in await why(one)
    assert (await why(two)).endswith("failed: the connection was lost.")
    assert len(appends) == 0


async def test_where_they_may_wait_they_are_sent_again_in_order() -> None:
    appends = make(may_wait=True)
    items = put(appends, b"1", b"2")
    await sent(appends, 2)
    items += put(appends, b"3", is_away=True)
    appends.lose("the connection was lost")
    assert await sent(appends, 3) == items
    for number, item in enumerate(items):
        appends.answer(item.name, number)
    assert [await item.place for item in items] == [0, 1, 2]


async def test_what_is_said_to_other_processes_waits_for_no_broker() -> None:
    appends = make(may_wait=True)
    say = partial(appends.put, PROCESSES, b"said", None)
    assert (await why(say(is_away=True))) == (
        "What was said to the other processes failed: the broker is away."
    )
    answered, sent_first, unsent = say(is_away=False), say(is_away=False), say(is_away=False)
    await sent(appends, 2)
    [waits] = put(appends, b"1")
    appends.answer(answered.name, 1)
    appends.lose("the connection was lost")
    assert "the connection was lost; it may have a place or not." in await why(sent_first)
    assert (await why(unsent)).endswith("failed: the connection was lost.")
    assert await sent(appends, 1) == [waits]


async def test_what_is_said_to_other_processes_is_not_sent_twice() -> None:
    appends = make(may_wait=True)
    said = appends.put(PROCESSES, b"said", None, is_away=False)
    [waits] = put(appends, b"1")
    await sent(appends, 2)
    appends.send_again()
    assert (await why(said)).endswith("gave no answer; it may have a place or not.")
    assert await sent(appends, 1) == [waits]


async def test_where_they_must_not_wait_nothing_is_sent_twice() -> None:
    appends = make()
    [item] = put(appends, b"1")
    await sent(appends, 1)
    appends.send_again()
    appends.answer(item.name, 1)
    assert await item.place == 1


async def test_as_many_wait_as_may() -> None:
    appends = make(may_wait=True)
    items = put(appends, b"1", b"2", b"3", b"4", is_away=True)
    assert (await why(items[3])).endswith("the broker is away, and 3 wait for it already.")
    assert await sent(appends, 3) == items[:3]


async def test_while_answers_come_more_may_wait() -> None:
    appends = make(may_wait=True)
    items = put(appends, b"1", b"2", b"3", b"4")
    assert await sent(appends, 4) == items


async def test_a_broker_that_owes_an_answer_is_away(clock: Clock) -> None:
    appends = make(may_wait=True)
    items = put(appends, b"1", b"2", b"3")
    await sent(appends, 3)
    await clock.advance(1.1)
    [refused] = put(appends, b"4")
    assert "3 wait for it already" in await why(refused)
    appends.send_again()
    [refused] = put(appends, b"4")
    assert "3 wait for it already" in await why(refused)
    await sent(appends, 3)
    appends.answer(items[0].name, 1)
    appends.send_again()
    appends.answer((await sent(appends, 1))[0].name, 2)
    taken = put(appends, b"4", b"5")
    assert await sent(appends, 3) == [items[2], *taken]


async def test_what_is_no_longer_known_by_its_name_is_not_sent_again(clock: Clock) -> None:
    appends = make(may_wait=True)
    [old] = put(appends, b"1")
    await sent(appends, 1)
    await clock.advance(99.0)
    [new] = put(appends, b"2")
    await sent(appends, 1)
    await clock.advance(2.0)
    appends.lose("the connection was lost")
    assert "away for too long; it may have a place or not." in await why(old)
    assert await sent(appends, 1) == [new]


# --- what takes too long ---------------------------------------------------------------


async def test_an_answer_that_does_not_come_is_given_up(clock: Clock) -> None:
    appends = make()
    [one] = put(appends, b"1")
    await sent(appends, 1)
    await clock.advance(3.0)
    two, three = put(appends, b"2", b"3")
    await sent(appends, 1)
    await clock.advance(2.0)
    assert "gave no answer in 5.0 s; it may have a place or not." in await why(one)
    assert not two.place.done()
    await clock.advance(3.0)
    assert "gave no answer in 5.0 s" in await why(two)
    assert "gave no answer in 5.0 s" in await why(three)
    assert len(appends) == 0
    [four] = put(appends, b"4")
    await sent(appends, 1)
    await clock.advance(5.0)
    assert "gave no answer" in await why(four)


async def test_where_they_may_wait_it_is_told(clock: Clock) -> None:
    told: list[float] = []
    appends = make(may_wait=True, late=lambda: told.append(clock.now))
    began = clock.now
    [item] = put(appends, b"1")
    await sent(appends, 1)
    await clock.advance(5.0)
    await clock.advance(1.25)
    assert told == [began + 5, began + 6.25]
    appends.answer(item.name, 1)
    await clock.advance(5.0)
    assert len(told) == 2


# --- the end ---------------------------------------------------------------------------


async def test_the_end_waits_for_what_is_under_way() -> None:
    appends = make()
    await appends.wait_until_quiet()
    [item] = put(appends, b"1")
    await sent(appends, 1)
    ending = asyncio.create_task(appends.wait_until_quiet())
    await asyncio.sleep(0)
    assert not ending.done()
    appends.answer(item.name, 1)
    async with asyncio.timeout(5):
        await ending


@pytest.mark.parametrize("may_wait", [True, False])
async def test_at_the_end_whatever_waits_fails(may_wait: bool) -> None:
    appends = make(may_wait=may_wait)
    one, two = put(appends, b"1", b"2")
    await sent(appends, 1)
    appends.fail_all("this process ends")
    assert "this process ends; it may have a place or not." in await why(one)
    assert (await why(two)).endswith("failed: this process ends.")

"""Processes know of each other, hear all in one order or find out, and answer each other."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from htmx_ws.backends import MemoryBackend
from htmx_ws.errors import BackendError
from htmx_ws.peers import (
    ANSWER_SECONDS,
    BEAT_SECONDS,
    DEAD_SECONDS,
    ROOM,
    SETTLE_SECONDS,
    Peers,
    Said,
)
from tests.unit.processes import Bus, OnBus, leaping_time, said_in

WHAT = {"do": "count"}


class Talker:
    """A process that talks, and notes what it hears; it ``has`` so many pages.

    As processes do, it answers a hello by all that there is to tell: here, nothing.
    """

    def __init__(self, bus: Bus, has: int = 0) -> None:
        self.bus = bus
        self.backend = OnBus(bus)
        self.has = has
        self.asked: list[Said] = []
        self.heard: list[Said] = []
        self.lost: list[str] = []
        self.fails: Exception | None = None
        self.peers = Peers(
            lambda said: self.backend.append(ROOM, said),
            answer=self._answer,
            listen=self._listen,
            forget=self.lost.append,
        )
        self._talking: asyncio.Task[None] | None = None

    def _listen(self, said: Said) -> None:
        self.heard.append(said)
        if said["does"] == "hello" and said["by"] != self.id:
            self.peers.say("roll", of=self.id, part=0)

    def _answer(self, what: Said) -> int:
        self.asked.append(what)
        if self.fails is not None:
            raise self.fails
        return self.has

    def deliver(self, room: str, epoch: str, offset: int, payload: Any) -> None:
        self.peers.take(payload)

    def report_gap(self, room: str | None, why: str) -> None: ...

    async def start(self) -> Talker:
        await self.backend.start(self)
        await self.backend.subscribe((ROOM,))
        self._talking = asyncio.create_task(self.peers.live_on())
        await asyncio.sleep(0)
        return self

    async def stop(self) -> None:
        self.kill()
        self.peers.say("bye")
        await self.peers.have_said()
        await self.backend.stop()

    def kill(self) -> None:
        """End, without a word."""
        if self._talking is not None:
            self._talking.cancel()
        self._talking = None

    @property
    def id(self) -> str:
        return self.peers.id

    def hears(self, does: str) -> list[Said]:
        return [said for said in self.heard if said["does"] == does]

    def says(self, does: str) -> list[Said]:
        """What it said of a kind, as far as the bus took it."""
        said = [json.loads(data) for data in said_in(self.bus)]
        return [each for each in said if (each["does"], each["by"]) == (does, self.id)]


Start = Callable[..., Awaitable[Talker]]


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
async def start(bus: Bus) -> AsyncIterator[Start]:
    """Starts processes, in a time that leaps, and ends them."""
    started: list[Talker] = []

    async def start(has: int = 0) -> Talker:
        started.append(await Talker(bus, has).start())
        return started[-1]

    with leaping_time(asyncio.get_running_loop()):
        yield start
        for talker in started:
            talker.kill()
            if not talker.peers._is_over:
                await talker.peers.have_said()
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def pass_by(seconds: float) -> None:
    """Let time pass, which takes none."""
    await asyncio.sleep(seconds)


async def settled(start: Start, *have: int) -> list[Talker]:
    talkers = [await start(has) for has in have]
    await pass_by(SETTLE_SECONDS + 0.1)
    assert all(talker.peers.is_settled for talker in talkers)
    return talkers


# --- who is there ----------------------------------------------------------------------


async def test_processes_know_each_other_and_not_themselves(start: Start) -> None:
    talkers = await settled(start, 0, 0, 0)
    ids = {talker.id for talker in talkers}
    assert len(ids) == 3
    for talker in talkers:
        assert talker.peers.others.keys() == ids - {talker.id}


async def test_a_process_that_says_bye_is_gone_at_once(start: Start) -> None:
    a, b, c = await settled(start, 0, 0, 0)
    await c.stop()
    assert a.lost == b.lost == [c.id]
    assert a.peers.others.keys() == {b.id}


async def test_a_process_that_nobody_knows_is_not_lost(start: Start) -> None:
    [a] = await settled(start, 0)
    a.peers.take(b'{"does":"bye","by":"x","number":7}')
    assert (a.lost, a.peers.others) == ([], {})


async def test_a_process_that_was_killed_is_gone_after_some_silence(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    a, b, c = await settled(start, 0, 0, 0)
    c.kill()
    await pass_by(a.peers.others[c.id] + DEAD_SECONDS - asyncio.get_running_loop().time())
    assert a.lost == b.lost == []
    await pass_by(BEAT_SECONDS + 0.1)
    assert a.lost == b.lost == [c.id]
    assert caplog.messages == [f"The process {c.id} has said nothing for 30.0 s"] * 2


async def test_a_process_that_beats_lives(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    talkers = await settled(start, 0, 0)
    await pass_by(20 * DEAD_SECONDS)
    assert [talker.lost for talker in talkers] == [[], []]
    assert [len(talker.says("beat")) for talker in talkers] == [60, 60]
    assert [len(talker.says("hello")) for talker in talkers] == [1, 1]
    assert [talker.says("tell") for talker in talkers] == [[], []]
    assert caplog.messages == []


async def test_who_heard_nothing_for_long_takes_nobody_for_dead(start: Start) -> None:
    """As a process that was suspended, or whose loop was blocked."""
    a, b = await settled(start, 0, 0)
    a.backend.is_held = True
    await pass_by(3 * DEAD_SECONDS)
    a.backend.release()
    await pass_by(3 * DEAD_SECONDS)
    assert a.lost == []
    assert a.peers.others.keys() == {b.id}


async def test_after_an_outage_nobody_is_taken_for_dead(start: Start, bus: Bus) -> None:
    talkers = await settled(start, 0, 0, 0)
    for seconds in (11, 60, 100, 3):
        bus.is_away = True
        await pass_by(seconds)
        bus.come_back()
        await pass_by(2 * BEAT_SECONDS + SETTLE_SECONDS)
        assert all(talker.peers.is_settled for talker in talkers)
    assert [talker.lost for talker in talkers] == [[], [], []]


async def test_a_process_that_comes_back_is_known_again(start: Start) -> None:
    a, b = await settled(start, 0, 0)
    b.kill()
    await pass_by(DEAD_SECONDS + BEAT_SECONDS)
    assert a.lost == [b.id]
    b.peers.say("beat")
    await pass_by(0.1)
    assert b.id in a.peers.others
    assert [said["whom"] for said in a.says("tell")] == [b.id]  # and all that it has is asked


# --- what is said ----------------------------------------------------------------------


async def test_what_is_said_is_heard_by_all_in_one_order(start: Start, bus: Bus) -> None:
    talkers = await settled(start, 0, 0, 0)
    for number in range(5):
        for talker in talkers:
            talker.peers.say("note", text=f"ü{number}")
    await bus.quiet()
    orders = [
        [(said["by"], said["number"], said["text"]) for said in t.hears("note")] for t in talkers
    ]
    assert orders[0] == orders[1] == orders[2]
    assert len(orders[0]) == 15


async def test_what_is_not_json_is_said_by_nobody(start: Start, bus: Bus) -> None:
    a, b = await settled(start, 0, 0)
    with pytest.raises(TypeError, match="not JSON serializable"):
        a.peers.say("note", text=b"bytes")
    a.peers.say("note", text="text")
    await bus.quiet()
    assert [said["text"] for said in b.hears("note")] == ["text"]
    assert b.says("tell") == []


async def test_what_cannot_be_said_is_logged_once_and_told_later(
    start: Start, bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = await settled(start, 0, 0)
    bus.is_away = True
    for _ in range(3):
        a.peers.say("note")
    await bus.quiet()
    assert caplog.messages == ["The other processes could not be told: the bus is away"]
    assert caplog.records[0].levelno == logging.WARNING
    bus.come_back()
    assert a.hears("missed") == []
    await pass_by(BEAT_SECONDS)
    assert a.hears("missed") == [{"does": "missed", "by": a.id}]
    await pass_by(3 * BEAT_SECONDS)
    assert len(a.hears("missed")) == 1
    assert len(a.says("hello")) == len(b.says("hello")) == 1
    bus.is_away = True
    a.peers.say("note")
    await bus.quiet()
    assert len(caplog.messages) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b'"hello"',
        b'{"does":"beat"}',
        b'{"by":"x"}',
        b'{"does":"beat","by":"x"}',
        b'{"does":"beat","by":["x"],"number":1}',
        b'{"does":"ask","by":""}',
        b'{"does":"ask","by":"x","number":1}',
        b'{"does":"answer","by":"x","number":1}',
        b"[" * 100_000,
    ],
)
async def test_what_cannot_be_understood_is_logged_and_the_next_is_heard(
    start: Start, bus: Bus, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    a, b = await settled(start, 0, 0)
    bus.place(ROOM, data)
    b.peers.say("note")
    await bus.quiet()
    assert len(a.hears("note")) == len(b.hears("note")) == 1
    records = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(records) == 2  # each process has a log of its own
    assert records[0].getMessage().startswith("What a process said cannot be understood: b")
    assert len(records[0].getMessage()) < 300
    assert records[0].exc_info is not None


async def test_what_a_newer_version_says_is_let_pass(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    [a] = await settled(start, 0)
    a.peers.take(b'{"does":"sing","by":"x","number":1,"song":"..."}')
    assert (len(a.hears("sing")), caplog.messages) == (1, [])


# --- what was missed -------------------------------------------------------------------


async def test_whoever_missed_something_asks_to_be_told_again(start: Start, bus: Bus) -> None:
    a, b = await settled(start, 0, 0)
    a.backend.misses = lambda room, payload: b'"lost"' in payload
    b.peers.say("lost")
    await bus.quiet()
    assert a.says("tell") == []  # it cannot know yet
    for _ in range(3):
        b.peers.say("note")
    await bus.quiet()
    assert [said["whom"] for said in a.says("tell")] == [b.id]
    assert [said["whom"] for said in b.hears("tell")] == [b.id]
    assert len(a.hears("note")) == 3  # what it heard holds


async def test_a_beat_shows_that_something_was_missed(start: Start) -> None:
    a, b = await settled(start, 0, 0)
    a.backend.misses = lambda room, payload: b'"lost"' in payload
    b.peers.say("lost")
    await pass_by(BEAT_SECONDS)
    assert [said["whom"] for said in a.says("tell")] == [b.id]


async def test_who_is_about_to_be_told_all_does_not_ask(start: Start, bus: Bus) -> None:
    a, b = await settled(start, 0, 0)
    a.backend.misses = lambda room, payload: b'"lost"' in payload
    for does, more in (("hello", {}), ("roll", {"of": b.id, "part": 0})):
        b.peers.say("lost")
        b.peers.say(does, **more)
        b.peers.say("note")
    await bus.quiet()
    assert a.says("tell") == []
    for count, more in enumerate(({"of": b.id, "part": 1}, {"of": a.id, "part": 0}), 1):
        b.peers.say("lost")
        b.peers.say("roll", **more)
        await bus.quiet()
        assert len(a.says("tell")) == count


async def test_a_new_process_that_hears_others_first_waits_for_their_answers(
    start: Start, bus: Bus
) -> None:
    """Its hello asks all of them: a beat that comes before shows nothing."""
    [a] = await settled(start, 0)
    a.backend.is_held = True
    b = await start()
    a.peers.say("beat")
    a.backend.release()
    await bus.quiet()
    assert not b.peers.is_settled
    assert [said["does"] for said in b.heard] == ["hello", "beat", "roll"]
    assert b.says("tell") == []
    a.backend.misses = lambda room, payload: True
    b.backend.misses = lambda room, payload: b'"lost"' in payload
    a.peers.say("lost")
    a.peers.say("note")
    await bus.quiet()
    assert [said["whom"] for said in b.says("tell")] == [a.id]  # but this does


async def test_a_process_whose_hello_was_not_heard_is_asked(start: Start, bus: Bus) -> None:
    [a] = await settled(start, 0)
    a.backend.misses = lambda room, payload: b'"hello"' in payload
    b = await start()
    await pass_by(2 * BEAT_SECONDS)
    assert [said["whom"] for said in a.says("tell")] == [b.id]


async def test_who_missed_what_it_said_itself_tells_it_again(start: Start, bus: Bus) -> None:
    a, b = await settled(start, 0, 0)
    a.backend.misses = lambda room, payload: b'"lost"' in payload
    a.peers.say("lost")
    await pass_by(2 * BEAT_SECONDS)
    assert len(a.hears("missed")) == 1
    assert b.hears("missed") == []
    await pass_by(3 * BEAT_SECONDS)
    assert len(a.hears("missed")) == 1


async def test_who_did_not_hear_a_hello_is_asked_by_name(start: Start, bus: Bus) -> None:
    a, b = await settled(start, 0, 0)
    a.backend.misses = b.backend.misses = lambda room, payload: b'"hello"' in payload
    new = await start()
    for talker in (a, b):
        talker.peers.say("note")
    await bus.quiet()
    await b.stop()
    assert new.says("tell") == []
    await pass_by(SETTLE_SECONDS + 0.1)
    assert [said["whom"] for said in new.says("tell")] == [a.id]
    new.peers.greet()
    await pass_by(SETTLE_SECONDS + 0.1)
    assert len(new.says("tell")) == 1


async def test_who_has_answered_a_hello_is_not_asked_again(start: Start, bus: Bus) -> None:
    [a] = await settled(start, 0)
    a.backend.is_held = True
    new = await start()
    a.peers.say("note")
    a.backend.release()
    await pass_by(SETTLE_SECONDS + 0.1)
    assert [said["does"] for said in new.heard] == ["hello", "note", "roll", "settled"]
    assert new.says("tell") == []


# --- settling --------------------------------------------------------------------------


async def test_a_process_is_settled_when_the_others_had_time_to_tell(start: Start) -> None:
    a = await start()
    assert a.hears("settled") == []
    assert not a.peers.is_settled
    await pass_by(SETTLE_SECONDS - 0.1)
    assert not a.peers.is_settled
    await pass_by(0.2)
    assert a.peers.is_settled
    assert a.hears("settled") == [{"does": "settled", "by": a.id}]


async def test_the_time_counts_from_when_it_hears_its_own_hello(start: Start) -> None:
    """Only then all others have, or will before they say anything else."""
    a = await start()
    a.backend.is_held = True
    await pass_by(5 * SETTLE_SECONDS)
    assert not a.peers.is_settled
    a.backend.release()
    await pass_by(SETTLE_SECONDS - 0.1)
    assert not a.peers.is_settled
    await pass_by(0.2)
    assert a.peers.is_settled


async def test_an_earlier_hello_is_not_the_one_that_it_waits_for(start: Start, bus: Bus) -> None:
    a = await start()
    a.backend.is_held = True
    await asyncio.sleep(0)
    a.peers.greet()
    a.backend.hand_over(1)
    await pass_by(2 * SETTLE_SECONDS)
    assert not a.peers.is_settled
    a.peers.take(said_in(bus)[-1])
    a.peers.take(said_in(bus)[-1])  # which may come twice
    await pass_by(SETTLE_SECONDS + 0.1)
    assert a.peers.is_settled
    assert len(a.hears("settled")) == 1


async def test_to_greet_again_begins_anew(start: Start, bus: Bus) -> None:
    a = await start()
    await pass_by(SETTLE_SECONDS - 0.1)
    a.backend.is_held = True
    a.peers.greet()
    await pass_by(0.2)
    assert not a.peers.is_settled  # the time of the first counts no more
    a.backend.release()
    await pass_by(SETTLE_SECONDS - 0.1)
    assert not a.peers.is_settled
    await pass_by(0.2)
    assert len(a.hears("settled")) == 1


async def test_a_hello_that_could_not_be_said_is_said_again(start: Start, bus: Bus) -> None:
    [a] = await settled(start, 0)
    bus.is_away = True
    b = await start()
    await pass_by(2.5 * BEAT_SECONDS)
    assert b.says("hello") == []
    bus.come_back()
    await pass_by(BEAT_SECONDS + SETTLE_SECONDS)
    assert b.peers.is_settled
    assert b.peers.others.keys() == {a.id}
    assert len(b.says("hello")) == 1


async def test_a_hello_that_nobody_heard_is_said_again(start: Start) -> None:
    """As the subscription may not hold yet, where the broker was away."""
    a = await start()
    a.backend.lose_all()
    await pass_by(BEAT_SECONDS + SETTLE_SECONDS + 0.1)
    assert a.peers.is_settled
    assert len(a.says("hello")) == 2


async def test_a_later_hello_that_nobody_heard_is_said_again_too(start: Start) -> None:
    [a] = await settled(start, 0)
    a.backend.misses = lambda room, payload: b'"hello"' in payload
    a.peers.greet()
    await pass_by(BEAT_SECONDS / 2)
    a.backend.misses = lambda room, payload: False
    await pass_by(2 * BEAT_SECONDS)
    assert a.peers.is_settled
    assert len(a.says("hello")) == 3


async def test_who_does_not_hear_its_own_beat_greets_the_others_anew(start: Start) -> None:
    a, b = await settled(start, 0, 0)
    a.backend.misses = lambda room, payload: True
    await pass_by(BEAT_SECONDS)
    assert a.peers.is_settled
    await pass_by(BEAT_SECONDS)
    assert not a.peers.is_settled
    a.backend.misses = lambda room, payload: False
    await pass_by(BEAT_SECONDS + SETTLE_SECONDS)
    assert a.peers.is_settled
    assert len(b.hears("hello")) > 1
    assert a.lost == []


async def test_while_a_broker_is_slow_not_more_is_said_but_one_hello(start: Start) -> None:
    a, b = await settled(start, 0, 0)
    a.backend.queues = True
    await pass_by(10 * BEAT_SECONDS + 1)
    assert not a.peers.is_settled
    a.backend.append_all()
    await pass_by(SETTLE_SECONDS + 0.1)
    assert a.peers.is_settled
    assert len(a.says("beat")) == 1
    assert len(a.says("hello")) == 2
    assert a.lost == []
    await pass_by(DEAD_SECONDS)
    assert len(a.says("hello")) == 2
    assert a.peers.others.keys() == {b.id}
    a.backend.queues = True
    await pass_by(3 * BEAT_SECONDS)
    a.backend.append_all()
    await pass_by(SETTLE_SECONDS + 0.1)
    assert len(a.says("hello")) == 3


# --- questions -------------------------------------------------------------------------


async def test_the_answers_of_all_are_summed(start: Start) -> None:
    a, b, c = await settled(start, 1, 20, 300)
    before = asyncio.get_running_loop().time()
    assert await a.peers.ask({"do": "count", "room": None}) == 321
    assert await c.peers.ask(WHAT) == 321
    assert asyncio.get_running_loop().time() == before  # nobody is waited for who has answered
    assert a.asked == b.asked == [{"do": "count", "room": None}, WHAT]


async def test_who_asks_alone_has_his_own_answer(start: Start) -> None:
    [a] = await settled(start, 7)
    assert await a.peers.ask(WHAT) == 7


async def test_several_may_ask_at_once(start: Start) -> None:
    a, b = await settled(start, 1, 2)
    asking = [each.peers.ask(WHAT) for each in (a, b, a, b)]
    assert await asyncio.gather(*asking) == [3, 3, 3, 3]
    assert a.peers._waiting == {}


async def test_a_question_is_put_whether_its_answer_is_awaited_or_not(
    start: Start, bus: Bus
) -> None:
    a, b = await settled(start, 0, 0)
    asking = asyncio.ensure_future(a.peers.ask(WHAT))
    assert len(a.says("ask")) == 1
    asking.cancel()
    await bus.quiet()
    assert b.asked == [WHAT]
    assert a.peers._waiting == {}


async def test_who_does_not_answer_is_waited_for_so_long_and_left_out(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    a, b, c = await settled(start, 1, 20, 300)
    c.backend.is_held = True
    before = asyncio.get_running_loop().time()
    assert await a.peers.ask(WHAT) == 21
    assert asyncio.get_running_loop().time() - before == pytest.approx(ANSWER_SECONDS, abs=0.1)
    c.backend.release()
    await b.bus.quiet()
    assert c.asked == [WHAT]  # its answer comes too late
    assert caplog.messages == []


async def test_who_fails_to_answer_is_left_out(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = await settled(start, 1, 20)
    b.fails = ZeroDivisionError("no answer")
    assert await a.peers.ask(WHAT) == 1
    assert "ZeroDivisionError: no answer" in caplog.text


async def test_who_goes_meanwhile_is_waited_for_no_more(start: Start, bus: Bus) -> None:
    a, b, c = await settled(start, 1, 20, 300)
    b.backend.is_held = True
    asking = asyncio.ensure_future(a.peers.ask(WHAT))
    await bus.quiet()
    assert not asking.done()
    before = asyncio.get_running_loop().time()
    b.kill()
    b.peers.say("bye")
    assert await asking == 301
    assert asyncio.get_running_loop().time() == before
    await bus.quiet()
    assert c.lost == [b.id]


async def test_who_has_just_started_waits_for_those_it_does_not_know_yet(
    start: Start, bus: Bus
) -> None:
    [a] = await settled(start, 1)
    a.backend.is_held = True
    b = await start(20)
    asking = asyncio.ensure_future(b.peers.ask(WHAT))
    await bus.quiet()
    assert b.peers.others == {}
    assert not asking.done()
    a.backend.release()
    before = asyncio.get_running_loop().time()
    assert await asking == 21
    assert asyncio.get_running_loop().time() - before == pytest.approx(SETTLE_SECONDS, abs=0.1)


async def test_a_question_of_a_process_without_pages_gets_no_answer(start: Start, bus: Bus) -> None:
    a, b = await settled(start, 1, 20)
    bus.place(ROOM, json.dumps({"does": "ask", "by": "", "what": WHAT}).encode())
    await bus.quiet()
    assert a.asked == b.asked == [WHAT]
    assert a.says("answer") == b.says("answer") == []
    assert a.peers.others.keys() == {b.id}


async def test_what_is_not_json_cannot_be_asked(start: Start) -> None:
    [a] = await settled(start, 1)
    with pytest.raises(TypeError, match="Object of type bytes is not JSON serializable"):
        a.peers.ask({"room": b"bytes"})
    assert (a.asked, a.peers._waiting) == ([], {})


async def test_where_the_others_cannot_be_asked_this_one_does_it_and_says_so(
    start: Start, bus: Bus
) -> None:
    a, b = await settled(start, 1, 20)
    bus.is_away = True
    with pytest.raises(BackendError, match=r"Only this process could be asked\. the bus is away"):
        await a.peers.ask(WHAT)
    assert (a.asked, b.asked) == ([WHAT], [])
    assert a.peers._waiting == {}


@pytest.mark.parametrize("is_taken", [True, False])
async def test_where_a_question_does_not_come_back_this_one_does_it_and_says_so(
    start: Start, is_taken: bool
) -> None:
    """Whether the broker has not taken it yet, or hands nothing over."""
    a, b = await settled(start, 1, 20)
    a.backend.queues, a.backend.is_held = not is_taken, is_taken
    with pytest.raises(BackendError, match=r"Only this process could be asked\. .* in 2\.0 s"):
        await a.peers.ask(WHAT)
    assert (a.asked, b.asked) == ([WHAT], [WHAT] * is_taken)


# --- the end ---------------------------------------------------------------------------


async def test_at_its_end_a_process_has_heard_what_it_said(start: Start, bus: Bus) -> None:
    [a] = await settled(start, 0)
    a.backend.is_held = True
    a.kill()
    for does in ("note", "bye"):
        a.peers.say(does)
    ending = asyncio.create_task(a.peers.have_said())
    await bus.quiet()
    a.backend.hand_over()
    await bus.quiet()
    assert len(a.hears("note")) == 1
    assert not ending.done()
    a.backend.release()
    await ending


async def test_who_has_heard_all_ends_at_once(start: Start, bus: Bus) -> None:
    [a] = await settled(start, 0)
    a.kill()
    a.peers.say("bye")
    await bus.quiet()
    before = asyncio.get_running_loop().time()
    await a.peers.have_said()
    assert asyncio.get_running_loop().time() == before


async def test_who_said_nothing_ends_at_once(bus: Bus) -> None:
    await Talker(bus).peers.have_said()


@pytest.mark.parametrize("is_away", [True, False])
async def test_an_end_waits_for_no_broker_that_is_away_or_slow(
    start: Start, bus: Bus, is_away: bool
) -> None:
    [a] = await settled(start, 0)
    bus.is_away, a.backend.queues = is_away, not is_away
    a.kill()
    a.peers.say("bye")
    before = asyncio.get_running_loop().time()
    await a.peers.have_said()
    took = asyncio.get_running_loop().time() - before
    assert took == pytest.approx(0 if is_away else ANSWER_SECONDS, abs=0.1)
    assert not a.peers._saying


async def test_after_its_end_a_process_hears_nothing_and_settles_no_more(
    start: Start, bus: Bus
) -> None:
    [a] = await settled(start, 0)
    a.peers.greet()
    await bus.quiet()
    asking = asyncio.ensure_future(a.peers.ask({"do": "count"}))
    await asyncio.sleep(0)
    a.kill()
    await a.peers.have_said()
    before, now = len(a.heard), asyncio.get_running_loop().time()
    assert await asking == 0
    assert asyncio.get_running_loop().time() == now  # who waited for others waits no more
    a.peers.take(b'{"does":"note","by":"x","number":1}')
    await pass_by(SETTLE_SECONDS * 2)
    assert len(a.heard) == before
    assert not a.peers.is_settled


async def test_within_one_process_all_is_heard_at_once() -> None:
    backend = MemoryBackend()
    heard: list[Said] = []
    peers = Peers(
        lambda said: backend.append(ROOM, said),
        answer=lambda what: 5,
        listen=heard.append,
        forget=lambda peer: None,
    )

    class Receiver:
        def deliver(self, room: str, epoch: str, offset: int, payload: Any) -> None:
            peers.take(payload)

        def report_gap(self, room: str | None, why: str) -> None: ...

    await backend.start(Receiver())
    peers.say("note")
    assert [said["does"] for said in heard] == ["note"]
    assert peers.is_settled
    assert await peers.ask(WHAT) == 5
    await peers.have_said()

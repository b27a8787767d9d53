"""Who is in a room is known in every process, and his coming and going is told once."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack
from contextvars import ContextVar
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from htmx_ws import HtmxWS, presence
from htmx_ws.backends import MemoryBackend
from htmx_ws.hub import Hub
from htmx_ws.peers import BEAT_SECONDS, DEAD_SECONDS, ROOM, SETTLE_SECONDS
from htmx_ws.presence import Presence, Present
from htmx_ws.rooms import Room
from htmx_ws.telemetry import Event
from htmx_ws.testing import Socket
from tests.unit.processes import Bus, Hooks, OnBus, Page, Process, item, leaping_time, said_in

GUIDE = Path(__file__).parents[2] / "docs/guide.md"

GRACE = Presence().grace

Start = Callable[..., Awaitable[Process]]


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


@pytest.fixture
async def start(bus: Bus, hooks: Hooks) -> AsyncIterator[Start]:
    """Starts processes, in a time that leaps; at the end they stop, and leave nothing."""
    started: list[Process] = []

    async def start(rule: Presence | None = None, told: Any = None) -> Process:
        rule = rule or Presence(on_join=hooks.joined, on_leave=hooks.left)
        started.append(await Process(bus, rule, told).start())
        return started[-1]

    loop: Any = asyncio.get_running_loop()
    with leaping_time(loop):
        yield start
        bus.is_away = False
        for process in started:
            if not process.backend.is_dead:
                process.backend.queues = process.backend.is_held = False
                await process.hub.stop()
                assert not process.backend.rooms
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not [timer for timer in loop._scheduled if not timer.cancelled()]


async def pass_by(seconds: float) -> None:
    """Let time pass, which takes none."""
    await asyncio.sleep(seconds)


async def settled(start: Start, count: int = 1, **how: Any) -> Any:
    """Start processes that know each other: one, or a list of several."""
    processes = [await start(**how) for _ in range(count)]
    await pass_by(SETTLE_SECONDS + 0.5)
    return processes if count > 1 else processes[0]


# --- in one process --------------------------------------------------------------------


@pytest.fixture
async def alone(hooks: Hooks) -> AsyncIterator[Hub]:
    """A hub that shares its backend with nobody."""
    hub = Hub(MemoryBackend())
    hub.rules.declare(Room("chat:*", presence=Presence(on_join=hooks.joined, on_leave=hooks.left)))
    with leaping_time(asyncio.get_running_loop()):
        await hub.start()
        yield hub
        await hub.stop()


async def test_who_joins_is_there_at_once(alone: Hub, hooks: Hooks) -> None:
    page = Page(alone, "ann")
    await alone.join(page.conn, "chat:a")
    assert alone.roll.look("chat:a") == [Present("ann", None)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert hooks.said == ["ann joins chat:a"]


async def test_who_leaves_is_there_for_a_while(alone: Hub, hooks: Hooks) -> None:
    page = Page(alone, "ann")
    await alone.join(page.conn, "chat:a")
    page.go()
    await pass_by(GRACE - 0.1)
    assert alone.roll.look("chat:a") == [Present("ann", None)]
    await pass_by(0.2)
    assert alone.roll.look("chat:a") == []
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"]


async def test_a_room_without_a_rule_has_no_presence(alone: Hub, hooks: Hooks) -> None:
    page = Page(alone, "ann")
    await alone.join(page.conn, "other")
    assert alone.roll.look("other") == []
    page.go()
    await pass_by(GRACE + 1)
    assert hooks.said == []


async def test_of_a_room_without_a_rule_nothing_is_said(start: Start, bus: Bus) -> None:
    process = await settled(start)
    before = len(said_in(bus))
    page = process.visit("ann", "other")
    await bus.quiet()
    page.go()
    await bus.quiet()
    assert len(said_in(bus)) == before


async def test_a_visitor_with_several_pages_is_there_once(start: Start, hooks: Hooks) -> None:
    process = await settled(start)
    first, second = process.visit("ann"), process.visit("ann")
    await pass_by(1)
    assert process.look() == ["ann"]
    first.go()
    await pass_by(2 * GRACE)
    assert process.look() == ["ann"]
    second.go()
    await pass_by(GRACE + 1)
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"]


async def test_a_page_may_be_counted_for_itself(start: Start) -> None:
    process = await settled(start, rule=Presence(by="connection"))
    pages = [process.visit("ann") for _ in range(2)]
    await pass_by(1)
    assert process.look() == [page.conn.id for page in pages]


async def test_who_has_no_identity_is_his_connection(start: Start) -> None:
    process = await settled(start)
    page = process.visit(None)
    await pass_by(1)
    assert process.look() == [page.conn.id]


@pytest.mark.parametrize(
    ("identity", "key"),
    [
        (7, 7),
        ("7", "7"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (("a", 1), "('a', 1)"),
    ],
)
async def test_a_visitor_is_called_the_same_in_all_processes(
    start: Start, identity: object, key: object
) -> None:
    a, b = await settled(start, 2)
    a.visit(identity)
    b.visit(identity)
    await pass_by(1)
    assert a.look() == b.look() == [key]


async def test_nobody_is_in_a_room_that_nobody_joined(start: Start) -> None:
    process = await settled(start)
    assert process.look("chat:none") == []


async def test_they_are_looked_up_in_the_order_in_which_they_came(start: Start) -> None:
    a, b = await settled(start, 2)
    for process, who in ((b, "cal"), (a, "ann"), (b, "bob"), (b, "ann")):
        process.visit(who)
        await pass_by(1)
    assert a.look() == b.look() == ["cal", "ann", "bob"]
    await pass_by(100)
    a.hub.report_gap(ROOM, "a test")
    await pass_by(5)
    assert a.look() == b.look() == ["cal", "ann", "bob"]


async def test_threads_may_look_too(start: Start) -> None:
    process = await settled(start)
    process.visit("ann")
    await pass_by(1)
    assert await asyncio.to_thread(process.look) == ["ann"]
    process.hub.roll._all["chat:a"]["bob"] = {}  # as between two steps of the loop
    assert await asyncio.to_thread(process.look) == ["ann"]
    del process.hub.roll._all["chat:a"]["bob"]


async def test_a_page_enters_once_and_leaves_once(start: Start, hooks: Hooks) -> None:
    process = await settled(start)
    page, roll = process.visit("ann"), process.hub.roll
    await pass_by(1)
    other = process.visit("ann", "other")
    roll.enter(page.conn, "chat:a")
    roll.leave(other.conn, "chat:a")
    await pass_by(2 * GRACE)
    assert process.look() == ["ann"]
    page.go()
    await pass_by(GRACE + 1)
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"]


async def test_who_leaves_is_who_came_whatever_he_is_called_now(start: Start, hooks: Hooks) -> None:
    process = await settled(start)
    page = process.visit("ann")
    await pass_by(1)
    page.conn.identity = "bob"
    process.hub.leave(page.conn, "chat:a")
    await pass_by(GRACE + 1)
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"]
    page.conn.identity = "ann"


# --- what is told of one ---------------------------------------------------------------


async def test_something_may_be_told_of_each(start: Start) -> None:
    rule = Presence(about=lambda conn: {"name": conn.identity.title(), "at": (1, None)})
    a, b = await settled(start, 2, rule=rule)
    a.visit("ann")
    await pass_by(1)
    told = [Present("ann", {"name": "Ann", "at": [1, None]})]
    assert a.hub.roll.look("chat:a") == b.hub.roll.look("chat:a") == told


async def test_as_much_may_be_told_of_one_as_goes_into_a_message(start: Start) -> None:
    a, b = await settled(start, 2, rule=Presence(about=lambda conn: "x" * 65_534))
    a.visit("ann")
    await pass_by(1)
    assert b.hub.roll.look("chat:a") == [Present("ann", "x" * 65_534)]


async def test_what_is_told_of_the_first_page_holds(start: Start) -> None:
    told = iter("first second third".split())
    a, b = await settled(start, 2, rule=Presence(about=lambda conn: next(told)))
    pages = [process.visit("ann") for process in (a, b, a)]
    await pass_by(1)
    assert a.hub.roll.look("chat:a") == b.hub.roll.look("chat:a") == [Present("ann", "first")]
    pages[0].go()
    pages[2].go()
    await pass_by(GRACE + 1)
    assert a.hub.roll.look("chat:a") == [Present("ann", "second")]


async def fails_with(conn: object) -> object:
    raise AssertionError


@pytest.mark.parametrize(
    ("about", "why"),
    [
        (lambda conn: 1 / 0, "ZeroDivisionError"),
        (lambda conn: b"bytes", "TypeError: Object of type bytes is not JSON serializable"),
        (lambda conn: {conn}, "TypeError: Object of type set is not JSON serializable"),
        (lambda conn: "x" * 65_535, "LimitError: 65537 bytes are told of one, over the limit of"),
    ],
)
async def test_what_cannot_be_told_of_one_is_logged_and_he_is_there(
    start: Start,
    hooks: Hooks,
    caplog: pytest.LogCaptureFixture,
    about: Callable[[Any], Any],
    why: str,
) -> None:
    a, b = await settled(start, 2, rule=Presence(about=about, on_join=hooks.joined))
    page = a.visit("ann")
    await pass_by(1)
    assert a.hub.roll.look("chat:a") == b.hub.roll.look("chat:a") == [Present("ann", None)]
    assert hooks.said == ["ann joins chat:a"]
    assert a.hub.members("chat:a") == [page.conn]
    [record] = caplog.records
    assert record.getMessage() == "The hook about of the room 'chat:a' failed"
    assert why in caplog.text


# --- in several processes --------------------------------------------------------------


async def test_all_processes_know_who_is_there_and_one_tells_it(start: Start, hooks: Hooks) -> None:
    a, b, c = await settled(start, 3)
    pages = [process.visit("ann") for process in (a, b, c)]
    await pass_by(1)
    assert a.look() == b.look() == c.look() == ["ann"]
    assert hooks.said == ["ann joins chat:a"]
    for page in pages:
        page.go()
    await pass_by(GRACE + 1)
    assert a.look() == b.look() == c.look() == []
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"]


async def test_rooms_are_told_apart(start: Start, hooks: Hooks) -> None:
    a, b = await settled(start, 2)
    page = a.visit("ann", "chat:a", "chat:b")
    b.visit("ann", "chat:b")
    await pass_by(1)
    assert sorted(hooks.said) == ["ann joins chat:a", "ann joins chat:b"]
    page.go()
    await pass_by(GRACE + 1)
    assert hooks.said[2:] == ["ann leaves chat:a"]
    assert (b.look("chat:a"), a.look("chat:b")) == ([], ["ann"])


async def test_a_page_that_comes_back_in_time_is_not_told(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    process = await settled(start)
    page = process.visit("ann")
    await pass_by(1)
    for _ in range(5):
        page.go()
        await pass_by(GRACE - 0.1)
        page = process.visit("ann")
    await pass_by(2 * GRACE)
    assert hooks.said == ["ann joins chat:a"]
    assert len(process.said("join")) == 1
    assert process.said("leave") == []


async def test_a_page_that_comes_back_to_another_process_is_not_told(
    start: Start, hooks: Hooks
) -> None:
    a, b = await settled(start, 2)
    page = a.visit("ann")
    await pass_by(1)
    page.go()
    await pass_by(GRACE - 0.1)
    page = b.visit("ann")
    await pass_by(2 * GRACE)
    assert a.look() == b.look() == ["ann"]
    assert hooks.said == ["ann joins chat:a"]
    page.go()
    await pass_by(GRACE + 1)
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"]


async def test_a_page_may_leave_a_room_and_join_it_again(start: Start, hooks: Hooks) -> None:
    process = await settled(start)
    page = process.visit("ann")
    await pass_by(1)
    for _ in range(3):
        process.hub.leave(page.conn, "chat:a")
        process.hub.join(page.conn, "chat:a")
    await pass_by(2 * GRACE)
    assert hooks.said == ["ann joins chat:a"]
    process.hub.leave(page.conn, "chat:a")
    await pass_by(GRACE + 1)
    assert hooks.said[1:] == ["ann leaves chat:a"]


async def test_two_that_say_it_at_once_tell_it_once(start: Start, hooks: Hooks) -> None:
    """Each has said that she came before it heard the other: the order decides."""
    a, b = await settled(start, 2)
    for process in (a, b):
        process.backend.is_held = True
        process.visit("ann")
    await pass_by(0.1)
    assert hooks.said == []
    b.backend.release()
    await pass_by(0.1)
    assert hooks.said == []  # it was not the first
    a.backend.release()
    await pass_by(0.1)
    assert hooks.said == ["ann joins chat:a"]


async def test_without_grace_each_leave_is_told_at_once(start: Start, hooks: Hooks) -> None:
    rule = Presence(grace=0, on_join=hooks.joined, on_leave=hooks.left)
    a, b = await settled(start, 2, rule=rule)
    for process in (a, b, a):
        page = process.visit("ann")
        await pass_by(0.1)
        page.go()
        await pass_by(0.1)
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"] * 3


# --- a process that starts -------------------------------------------------------------


async def test_a_new_process_learns_who_is_there(start: Start, hooks: Hooks) -> None:
    a, b = await settled(start, 2)
    a.visit("ann")
    b.visit("bob", "chat:b")
    await pass_by(1)
    new = await settled(start)
    assert (new.look(), new.look("chat:b")) == (["ann"], ["bob"])
    assert len(hooks.said) == 2


async def test_who_comes_to_a_process_that_knows_nobody_yet_is_not_told_twice(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    a = await settled(start)
    a.visit("ann")
    await pass_by(1)
    a.backend.is_held = True
    new = await start()
    new.visit("ann")
    new.visit("bob")
    await bus.quiet()
    assert new.look() == []
    a.backend.release()
    await pass_by(SETTLE_SECONDS + 0.5)
    assert a.look() == new.look() == ["ann", "bob"]
    assert hooks.said == ["ann joins chat:a", "bob joins chat:a"]


async def test_who_came_and_went_before_a_process_knew_the_others_is_not_told(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    rule = Presence(grace=0, on_join=hooks.joined, on_leave=hooks.left)
    a = await settled(start, rule=rule)
    a.visit("ann")
    await pass_by(1)
    new = await start(rule=rule)
    pages = [new.visit("ann"), new.visit("bob")]
    await pass_by(0.2)
    for page in pages:
        page.go()
    await pass_by(SETTLE_SECONDS + 0.5)
    assert hooks.said == ["ann joins chat:a"]
    assert a.look() == new.look() == ["ann"]


async def test_processes_that_start_at_once_tell_each_visitor_once(
    start: Start, hooks: Hooks
) -> None:
    """As the workers of one server, when all its pages come back."""
    processes = [await start() for _ in range(4)]
    for process in processes:
        for who in ("ann", "bob"):
            process.visit(who)
    await pass_by(SETTLE_SECONDS + 0.5)
    assert sorted(hooks.said) == ["ann joins chat:a", "bob joins chat:a"]
    for process in processes:
        assert sorted(process.look()) == ["ann", "bob"]


async def test_several_that_ask_at_once_are_told_in_one(start: Start) -> None:
    a = await settled(start)
    a.visit("ann")
    await pass_by(1)
    before = len(a.said("roll"))
    new = [await start() for _ in range(3)]
    await pass_by(SETTLE_SECONDS + 0.5)
    assert len(a.said("roll")) == before + 1
    assert [process.look() for process in new] == [["ann"]] * 3


async def test_a_process_that_is_not_settled_tells_what_it_has_said(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    a = await settled(start)
    a.visit("ann")
    await pass_by(1)
    a.hub.report_gap(ROOM, "a test")
    a.visit("bob")
    a.backend.is_held = True  # so that it cannot settle
    new = await start()
    a.backend.hand_over(3)
    await pass_by(0.5)
    assert new.look() == ["ann"]
    a.backend.release()
    await pass_by(SETTLE_SECONDS + 0.5)
    assert a.look() == new.look() == ["ann", "bob"]
    assert hooks.said == ["ann joins chat:a", "bob joins chat:a"]


async def test_whoever_has_gone_is_forgotten(start: Start) -> None:
    a, b, c = await settled(start, 3)
    for process in (a, b, c):
        pages = [process.visit(who, "chat:a", "chat:b") for who in ("ann", process.id)]
        await pass_by(0.1)
        for page in pages:
            page.go()
    await settled(start)
    await deaf_and_dumb(b, 2 * DEAD_SECONDS)
    a.hub.report_gap(ROOM, "a test")
    part = {"who": [["chat:a", "cal", None]], "part": 0, "is_last": False, "has_gone": False}
    c.hub.peers.say("roll", of=c.id, **part)
    await c.hub.stop()
    await pass_by(5 * DEAD_SECONDS)
    for process in (a, b):
        roll = process.hub.roll
        kept = [roll._keys, roll._pages, roll._here, roll._said, roll._leaving, roll._all]
        kept += [roll._parts, roll._silent, roll._have_told, roll._buried, roll._burying]
        kept += [roll._calls, roll._last_call, process.hub.peers._are_to_tell]
        assert not any(kept), kept
        assert roll._telling is None
        assert process.hub.peers._counts.keys() == {process.id, *process.hub.peers.others}


# --- a process that starts in the place of another -------------------------------------


async def test_who_comes_back_to_a_process_that_took_the_place_of_his_was_never_away(
    start: Start, hooks: Hooks
) -> None:
    """The new one did not hear who was on the old one; another that did tells it."""
    a, b = await settled(start, 2)
    for who in ("ann", "bob"):
        a.visit(who)
    await pass_by(1)
    await a.hub.stop()
    new = await start()
    new.visit("ann")
    await pass_by(SETTLE_SECONDS + 0.5)
    assert new.look() == b.look() == ["ann", "bob"]
    await pass_by(GRACE)
    assert new.look() == b.look() == ["ann"]
    assert hooks.said == ["ann joins chat:a", "bob joins chat:a", "bob leaves chat:a"]


async def test_nor_was_he_away_where_nobody_knows_yet_that_it_was_killed(
    start: Start, hooks: Hooks
) -> None:
    processes = await settled(start, 3)
    a, b, c = sorted(processes, key=lambda process: process.id)
    for who in ("ann", "bob"):
        a.visit(who)
    await pass_by(1)
    await a.kill()
    new = await start()
    new.visit("ann")
    await pass_by(SETTLE_SECONDS + 0.5)
    assert new.look() == b.look() == c.look() == ["ann", "bob"]
    await pass_by(60)
    assert new.look() == b.look() == c.look() == ["ann"]
    assert hooks.said == ["ann joins chat:a", "bob joins chat:a", "bob leaves chat:a"]


async def test_one_process_tells_for_those_that_cannot(start: Start) -> None:
    processes = await settled(start, 4)
    for process in processes:
        process.visit(process.id)
    await pass_by(1)
    await processes[0].hub.stop()
    await processes[1].kill()
    [await start() for _ in range(3)]
    await pass_by(SETTLE_SECONDS + 0.5)
    told = [said for process in processes[2:] for said in process.said("roll")]
    of = Counter(said["of"] for said in told if said["of"] not in (said["by"],))
    # Once, as all three asked at the same time, or for each, as one did before the others.
    assert of.keys() == {processes[0].id, processes[1].id}
    assert set(of.values()) <= {1, 2, 3}
    teller = {said["by"] for said in told if said["of"] != said["by"]}
    assert teller == {min(process.id for process in processes[2:])}


async def test_whoever_has_nobody_is_not_told_of(start: Start) -> None:
    a, b, c = await settled(start, 3)
    await a.hub.stop()
    await b.kill()
    await settled(start)
    assert {said["of"] for said in c.said("roll")} == {c.id}


async def test_a_process_that_tells_late_is_taken_at_its_own_word(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    a, b = await settled(start, 2)
    ann = a.visit("ann")
    a.visit("bob")
    await pass_by(1)
    ann.go()
    await pass_by(GRACE - 0.1)
    a.backend.is_held = a.backend.queues = True
    new = await start()
    await pass_by(0.7)
    assert new.look() == ["ann", "bob"]  # as another told it
    a.backend.append_all()
    a.backend.release()
    await pass_by(SETTLE_SECONDS)
    assert new.look() == b.look() == ["bob"]
    assert hooks.said[2:] == ["ann leaves chat:a"]


async def test_what_a_process_told_of_itself_is_not_told_by_another(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    rule = Presence(grace=0, on_join=hooks.joined, on_leave=hooks.left)
    a, b = await settled(start, 2, rule=rule)
    page = a.visit("ann")
    await pass_by(1)
    # So it takes the other for silent, and ann for there.
    b.backend.misses = lambda room, payload: b'"roll"' in payload or b'"leave"' in payload
    new = await start(rule=rule)
    await pass_by(0.4)
    assert new.look() == ["ann"]
    page.go()
    new.hub.peers.say("beat")
    await pass_by(0.3)
    assert {said["of"] for said in b.said("roll")} == {a.id, b.id}
    assert (b.look(), new.look()) == (["ann"], [])
    b.backend.misses = lambda room, payload: False
    await pass_by(BEAT_SECONDS)
    assert b.look() == []


async def test_who_is_told_of_is_not_who_was_buried_meanwhile(start: Start, bus: Bus) -> None:
    a, b = await settled(start, 2)
    a.visit("ann")
    await pass_by(1)
    await a.hub.stop()
    new = await start()
    await pass_by(0.2)
    b.hub.peers.say("gone", whom=a.id, grace=GRACE)
    await bus.quiet()
    b.hub.roll._join(a.id, [["chat:a", "ann", None]])
    b.hub.roll.forget(a.id)
    new.hub.peers.say("beat")
    await pass_by(0.5)
    assert {said["of"] for said in b.said("roll")} == {a.id, b.id}
    assert new.look() == []
    b.hub.roll._all.clear()


async def test_who_was_told_of_may_go_like_any_other(start: Start, hooks: Hooks) -> None:
    """Also where whoever told it has gone too: then this one says it."""
    a, b = await settled(start, 2)
    a.visit("ann")
    await pass_by(1)
    await a.kill()
    new = await settled(start)
    await b.hub.stop()
    await pass_by(60)
    assert new.look() == []
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"]


async def test_who_was_told_of_as_gone_is_there_for_the_grace_and_no_longer(
    start: Start, hooks: Hooks
) -> None:
    a, b = await settled(start, 2)
    a.visit("ann")
    await pass_by(1)
    await a.hub.stop()
    new = await settled(start)
    await b.hub.stop()
    await pass_by(GRACE - 1.5)
    assert new.look() == ["ann"]
    await pass_by(2)
    assert new.look() == []
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"]


async def test_who_is_not_settled_tells_of_nobody(start: Start, bus: Bus) -> None:
    """It may not know that they were buried long ago."""
    a, b = await settled(start, 2)
    a.visit("ann")
    await pass_by(1)
    await a.kill()
    b.hub.report_gap(ROOM, "a test")
    b.backend.misses = lambda room, payload: b'"hello"' in payload and b.id.encode() in payload
    await bus.quiet()
    new = await start()
    await pass_by(SETTLE_SECONDS)
    assert {said["of"] for said in b.said("roll")} == {b.id}
    assert new.look() == []
    b.backend.misses = lambda room, payload: False


async def test_a_process_that_asks_twice_is_told_twice(start: Start, bus: Bus) -> None:
    a, b = await settled(start, 2)
    a.visit("ann")
    await pass_by(1)
    await a.hub.stop()
    new = await start()
    await pass_by(0.3)
    new.hub.report_gap(ROOM, "a test")
    await pass_by(0.3)
    assert {said["of"] for said in b.said("roll")} == {b.id}
    await pass_by(0.3)
    assert [said["of"] for said in b.said("roll")][-1] == a.id
    assert new.look() == ["ann"]


async def test_nobody_is_told_what_this_process_knows_better(start: Start, bus: Bus) -> None:
    a, b = await settled(start, 2)
    who = [["chat:a", "ann", None]]
    more = {"part": 0, "is_last": True, "has_gone": False}
    b.hub.peers.say("roll", of="another", who=who, **more)
    await bus.quiet()
    assert a.look() == []  # it knows all that there is to know
    a.hub.report_gap(ROOM, "a test")
    b.hub.peers.say("roll", of=a.id, who=who, **more)
    await bus.quiet()
    assert a.look() == []  # and itself in any case


# --- a process that ends ---------------------------------------------------------------


async def test_who_was_on_a_process_that_ends_has_time_to_come_back(
    start: Start, hooks: Hooks
) -> None:
    a, b, c = await settled(start, 3)
    for who in ("ann", "bob"):
        a.visit(who)
    await pass_by(1)
    await a.hub.stop()
    await pass_by(1)
    b.visit("ann")
    await pass_by(GRACE - 2)
    assert b.look() == c.look() == ["ann", "bob"]
    await pass_by(3)
    assert b.look() == c.look() == ["ann"]
    assert hooks.said == ["ann joins chat:a", "bob joins chat:a", "bob leaves chat:a"]


async def test_who_was_on_a_process_that_was_killed_is_there_no_longer_than_a_minute(
    start: Start, hooks: Hooks
) -> None:
    """So long as it may be silent, till the next beat shows it, and then the grace."""
    assert DEAD_SECONDS + BEAT_SECONDS + GRACE <= 60
    a, b, c = await settled(start, 3)
    for who in ("ann", "bob"):
        a.visit(who)
    c.visit("ann")
    await pass_by(1)
    await a.kill()
    await pass_by(DEAD_SECONDS - BEAT_SECONDS)
    assert b.look() == c.look() == ["ann", "bob"]
    await pass_by(60 - (DEAD_SECONDS - BEAT_SECONDS))
    assert b.look() == c.look() == ["ann"]
    assert hooks.said[2:] == ["bob leaves chat:a"]


async def test_rooms_have_each_its_grace_when_a_process_ends(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    a, b = [await start() for _ in range(2)]
    short = Presence(grace=1, on_join=hooks.joined, on_leave=hooks.left)
    for process in (a, b):
        process.hub.rules.declare(Room("short:*", presence=short))
    await pass_by(SETTLE_SECONDS + 0.5)
    a.visit("ann", "chat:a", "short:a")
    await pass_by(1)
    await a.hub.stop()
    await pass_by(2)
    assert (b.look("short:a"), b.look()) == ([], ["ann"])
    await pass_by(GRACE)
    assert b.look() == []
    assert hooks.said[2:] == ["ann leaves short:a", "ann leaves chat:a"]


async def test_a_room_that_has_no_rule_here_has_no_grace(start: Start, bus: Bus) -> None:
    """As while two versions of an application run side by side."""
    a, b = await settled(start, 2)
    a.hub.rules.declare(Room("new:*", presence=Presence()))
    a.visit("ann", "new:a")
    await pass_by(1)
    assert b.look("new:a") == ["ann"]
    await a.hub.stop()
    await pass_by(1)
    assert b.look("new:a") == []


async def test_a_room_that_has_no_rule_here_has_no_hooks(start: Start, hooks: Hooks) -> None:
    a, b = await settled(start, 2)
    a.hub.rules.declare(Room("new:*", presence=Presence()))
    b.hub.roll._join(b.id, [["new:a", "ann", None]])
    assert hooks.said == []
    b.hub.roll._take_out(b.id, "new:a", "ann", calls=True)
    assert a.look("new:a") == []


async def test_that_a_process_has_gone_is_said_until_it_is_heard(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    a, b, c = await settled(start, 3)
    a.visit("ann")
    await pass_by(1)
    await a.hub.stop()
    bus.is_away = True
    await pass_by(2 * GRACE)
    assert b.look() == ["ann"]
    bus.come_back()
    await pass_by(3 * BEAT_SECONDS)
    assert b.look() == c.look() == []
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"]


async def test_whoever_was_to_say_it_may_be_gone_too(start: Start, hooks: Hooks) -> None:
    a, b, c = await settled(start, 3)
    a.visit("ann")
    await pass_by(1)
    await a.hub.stop()
    await pass_by(GRACE - 1)
    await min(b, c, key=lambda process: process.id).kill()
    await pass_by(2)
    left = max(b, c, key=lambda process: process.id)
    assert left.look() == []
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"]


async def deaf_and_dumb(process: Process, seconds: float) -> None:
    """Stop a process for some time, as a debugger does."""
    process.backend.is_held = process.backend.queues = True
    await pass_by(seconds)
    process.backend.append_all()
    process.backend.release()


async def test_a_process_that_is_back_in_time_has_not_gone(start: Start, hooks: Hooks) -> None:
    a, b = await settled(start, 2)
    a.visit("ann")
    await pass_by(1)
    await deaf_and_dumb(a, DEAD_SECONDS + BEAT_SECONDS + GRACE / 2)
    await pass_by(5 * GRACE)
    assert a.look() == b.look() == ["ann"]
    assert hooks.said == ["ann joins chat:a"]


async def test_a_process_that_is_back_too_late_tells_anew_who_is_there(
    start: Start, hooks: Hooks
) -> None:
    a, b, c = await settled(start, 3)
    a.visit("ann")
    a.visit("bob")
    b.visit("bob")
    await pass_by(1)
    await deaf_and_dumb(a, 2 * DEAD_SECONDS + BEAT_SECONDS + GRACE)
    await pass_by(5 * GRACE)
    assert sorted(a.look()) == sorted(b.look()) == sorted(c.look()) == ["ann", "bob"]
    assert hooks.said[2:] == ["ann leaves chat:a", "ann joins chat:a"]


async def test_a_process_that_hears_that_it_has_gone_tells_anew_who_is_there(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    a, b = await settled(start, 2)
    a.visit("ann")
    await pass_by(1)
    b.hub.peers.say("gone", whom=a.id, grace=GRACE)
    await bus.quiet()
    assert a.look() == b.look() == []
    await pass_by(0.5)
    assert a.look() == b.look() == ["ann"]
    assert hooks.said[1:] == ["ann leaves chat:a", "ann joins chat:a"]


async def test_a_process_that_is_lost_twice_is_buried_once(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    a, b = await settled(start, 2)
    a.visit("ann")
    await pass_by(1)
    b.hub.peers._lose(a.id)
    await pass_by(1)
    a.hub.peers.say("beat")
    await bus.quiet()
    await a.hub.stop()
    await pass_by(GRACE - 0.5)
    assert b.look() == ["ann"]
    await pass_by(1)
    assert b.look() == []
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"]


# --- what is missed --------------------------------------------------------------------


async def test_what_a_process_missed_it_is_told_again(start: Start, hooks: Hooks) -> None:
    a, b, c = await settled(start, 3)
    ann = a.visit("ann")
    await pass_by(1)
    told = len(c.said("roll"))
    b.backend.misses = lambda room, payload: b'"join"' in payload or b'"leave"' in payload
    a.visit("bob")
    ann.go()
    await pass_by(GRACE + 1)
    b.backend.misses = lambda room, payload: False
    await pass_by(BEAT_SECONDS + 1)
    assert a.look() == b.look() == ["bob"]
    assert hooks.said == ["ann joins chat:a", "bob joins chat:a", "ann leaves chat:a"]
    assert len(c.said("roll")) == told  # nobody else is asked


async def test_what_happened_in_an_outage_is_told_after_it(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    a, b = await settled(start, 2)
    ann, bob = a.visit("ann"), b.visit("bob")
    await pass_by(1)
    bus.is_away = True
    ann.go()
    a.visit("cal")
    bob.go()
    await pass_by(3 * GRACE)
    b.visit("dan")
    bus.come_back()
    await pass_by(2 * BEAT_SECONDS)
    assert sorted(a.look()) == sorted(b.look()) == ["cal", "dan"]
    assert sorted(hooks.said[2:]) == [
        "ann leaves chat:a",
        "bob leaves chat:a",
        "cal joins chat:a",
        "dan joins chat:a",
    ]


async def test_a_single_thing_that_could_not_be_said_is_told_with_the_next_beat(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    a, b = await settled(start, 2)
    bus.is_away = True
    a.visit("ann")
    await bus.quiet()
    bus.come_back()
    await pass_by(BEAT_SECONDS + 1)
    assert a.look() == b.look() == ["ann"]
    assert hooks.said == ["ann joins chat:a"]
    assert len(a.said("hello")) == len(b.said("hello")) == 1


async def test_who_may_have_missed_something_says_nothing_before_he_has_caught_up(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    a, b = await settled(start, 2)
    ann = a.visit("ann")
    await pass_by(1)
    a.backend.misses = lambda room, payload: b'"join"' in payload
    b.visit("bob")
    await bus.quiet()
    a.backend.misses = lambda room, payload: False
    a.hub.report_gap(ROOM, "a test")
    ann.go()
    for who in ("bob", "cal"):
        a.visit(who)
    await bus.quiet()
    assert (a.look(), b.look()) == (["ann"], ["ann", "bob"])
    await pass_by(GRACE + SETTLE_SECONDS)
    assert sorted(a.look()) == sorted(b.look()) == ["bob", "cal"]
    assert hooks.said == [f"{who} chat:a" for who in _BOB_AND_CAL]


_BOB_AND_CAL = ["ann joins", "bob joins", "cal joins", "ann leaves"]


async def test_who_leaves_while_it_catches_up_is_told_afterwards(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    a, b = await settled(start, 2)
    ann = a.visit("ann")
    await pass_by(1)
    ann.go()
    await pass_by(GRACE - 0.5)
    a.hub.report_gap(None, "a test")
    await pass_by(0.7)
    assert (hooks.said, a.said("leave")) == (["ann joins chat:a"], [])
    await pass_by(SETTLE_SECONDS)
    assert a.look() == b.look() == []
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"]


async def test_a_gap_in_another_room_is_no_matter(start: Start) -> None:
    a = await settled(start)
    a.hub.report_gap("chat:a", "a test")
    assert a.hub.peers.is_settled
    assert len(a.said("hello")) == 1


# --- rooms with many -------------------------------------------------------------------


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "PART_SIZE", 200)


async def test_thousands_are_told_in_parts_that_every_broker_takes(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    a, b = await settled(start, 2, rule=Presence(about=lambda conn: "x" * 100))
    for number in range(3_000):
        a.visit(number)
    await bus.quiet()
    new = await settled(start)
    assert new.look() == b.look() == list(range(3_000))
    rolls = [payload for payload in said_in(bus) if b'"roll"' in payload]
    assert max(map(len, rolls)) < 1.5 * presence.PART_SIZE
    assert len([payload for payload in rolls if a.id.encode() in payload]) > 4


@pytest.mark.usefixtures("small_parts")
async def test_a_single_one_may_be_larger_than_a_part(start: Start) -> None:
    a = await settled(start, rule=Presence(about=lambda conn: "x" * conn.identity))
    for size in (500, 10, 10, 500, 500):
        a.visit(size)
        a.visit(size + 1)
    await pass_by(1)
    new = await settled(start)
    assert new.look() == a.look() == [500, 501, 10, 11]
    assert [len(each["who"]) for each in a.said("roll")[-3:]] == [1, 1, 2]


@pytest.mark.usefixtures("small_parts")
async def test_between_two_parts_nobody_is_missing(start: Start, bus: Bus, hooks: Hooks) -> None:
    """A leave that stands between them is told only if it was the last."""
    rule = Presence(grace=0, on_join=hooks.joined, on_leave=hooks.left)
    a, b = await settled(start, 2, rule=rule)
    for number in range(30):
        a.visit(number)
    page = b.visit(29)
    await pass_by(0.1)
    told = len(hooks.said)
    b.backend.is_held = True
    b.hub.peers.say("tell", whom=a.id)
    await pass_by(0.2)
    b.backend.hand_over(3)
    assert len(b.look()) == 30
    page.go()
    while b.backend.waits:
        b.backend.hand_over(1)
        await asyncio.sleep(0)
        assert len(b.look()) == 30
    assert len(hooks.said) == told


@pytest.mark.usefixtures("small_parts")
async def test_a_part_that_is_missed_has_all_told_again(start: Start, bus: Bus) -> None:
    a, b = await settled(start, 2)
    for number in range(30):
        a.visit(number)
    await pass_by(1)
    lost = iter([False, True])
    b.backend.misses = lambda room, payload: b'"roll"' in payload and next(lost, False)
    b.hub.roll._all.clear()  # as if it had missed all
    b.hub.peers.say("tell", whom=a.id)
    await pass_by(1)
    assert b.look() == list(range(30))
    assert len(b.said("tell")) == 2


@pytest.mark.usefixtures("small_parts")
async def test_who_hears_but_the_end_of_what_is_told_waits_for_the_whole(
    start: Start, bus: Bus
) -> None:
    a = await settled(start)
    for number in range(30):
        a.visit(number)
    await pass_by(1)
    a.hub.roll._tell()
    new = await start()
    end = [payload for payload in said_in(bus) if b'"roll"' in payload][-1]
    new.hub.deliver(ROOM, "epoch", 1, end)
    assert new.look() == []
    await pass_by(SETTLE_SECONDS + 0.5)
    assert new.look() == list(range(30))
    assert new.hub.roll._parts == {}


# --- hooks -----------------------------------------------------------------------------


async def test_a_hook_that_fails_is_reported_and_no_matter_to_the_others(
    start: Start, hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Event] = []

    async def fail(room: str, who: Present) -> None:
        raise ZeroDivisionError("the hook fails")

    rule = Presence(on_join=fail, on_leave=hooks.left)
    a, b = await settled(start, 2, rule=rule, told=told.append)
    page = a.visit("ann")
    await pass_by(1)
    page.go()
    await pass_by(GRACE + 1)
    assert hooks.said == ["ann leaves chat:a"]
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "The hook on_join of the room 'chat:a' failed"
    assert "ZeroDivisionError: the hook fails" in caplog.text
    failures = [dict(event.attributes) for event in told if event.name == "failure"]
    assert failures == [{"why": "presence hook failed", "route": None}]
    assert a.look() == b.look() == []


async def test_a_rule_may_have_no_hooks(start: Start) -> None:
    a = await settled(start, rule=Presence(grace=0))
    page = a.visit("ann")
    await pass_by(1)
    page.go()
    await pass_by(1)
    assert a.look() == []


async def test_that_one_came_is_told_before_that_he_left(start: Start, hooks: Hooks) -> None:
    may_end = asyncio.Event()

    async def slow(room: str, who: Present) -> None:
        await may_end.wait()
        await hooks.joined(room, who)

    a = await settled(start, rule=Presence(grace=0, on_join=slow, on_leave=hooks.left))
    page = a.visit("ann")
    await pass_by(1)
    page.go()
    await pass_by(1)
    a.visit("bob")
    await pass_by(1)
    assert hooks.said == []
    may_end.set()
    await pass_by(1)
    assert sorted(hooks.said[:2]) == ["ann joins chat:a", "bob joins chat:a"]
    assert hooks.said[2:] == ["ann leaves chat:a"]


async def test_what_a_hook_publishes_reaches_the_page_that_joined(start: Start, bus: Bus) -> None:
    """The room is subscribed before the others are told."""
    processes: list[Process] = []

    async def welcome(room: str, who: Present) -> None:
        await processes[0].hub.publish(room, item(f"welcome {who.key}"))

    processes += await settled(start, 2, rule=Presence(on_join=welcome))
    processes[1].backend.holds_subscriptions = True
    page = processes[1].visit("ann")
    await pass_by(1)
    assert processes[0].look() == []
    processes[1].backend.confirm()
    await pass_by(1)
    assert page.received == ["welcome ann"]


async def test_who_left_before_his_room_was_subscribed_never_came(
    start: Start, bus: Bus, hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    rule = Presence(grace=0, on_join=hooks.joined, on_leave=hooks.left)
    a = await settled(start, rule=rule)
    a.backend.holds_subscriptions = True
    page = a.visit("ann")
    await pass_by(0.1)
    page.go()
    a.backend.confirm()
    a.backend.holds_subscriptions = False
    await pass_by(1)
    assert a.said("join") == []
    assert hooks.said == []
    assert caplog.messages == []


async def test_who_was_told_before_his_room_was_subscribed_is_not_told_again(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    a = await start()
    a.backend.holds_subscriptions = True
    a.visit("ann")
    await pass_by(SETTLE_SECONDS + 0.5)
    assert hooks.said == ["ann joins chat:a"]
    a.backend.confirm()
    await pass_by(1)
    assert a.said("join") == []


page_of: ContextVar[str] = ContextVar("page_of", default="nobody")


async def test_hooks_know_nothing_of_the_page_that_has_them_called(hooks: Hooks) -> None:
    found: list[str] = []

    async def look(room: str, who: Present) -> None:
        found.append(page_of.get())

    hub = Hub(MemoryBackend())
    hub.rules.declare(Room("*", presence=Presence(on_join=look)))
    await hub.start()
    page_of.set("a page's")
    page = Page(hub, "ann")
    await hub.join(page.conn, "a")
    await hub.stop()
    assert found == ["nobody"]


@pytest.mark.parametrize("is_object", [True, False])
async def test_plain_hooks_run_in_a_thread(is_object: bool) -> None:
    called: list[tuple[str, Any, bool]] = []
    here = threading.get_ident()

    def note(room: str, who: Present) -> None:
        called.append((room, who, threading.get_ident() == here))

    class Hook:
        def __call__(self, room: str, who: Present) -> Any:
            async def call() -> None:
                note(room, who)

            return call()

    hub = Hub(MemoryBackend())
    hub.rules.declare(Room("*", presence=Presence(on_join=Hook() if is_object else note)))
    await hub.start()
    await hub.join(Page(hub, "ann").conn, "a")
    await hub.stop()
    assert called == [("a", Present("ann", None), is_object)]


async def test_the_list_of_the_guide_is_right_on_every_page(bus: Bus) -> None:
    [code] = [
        block
        for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
        if "Presence(" in block
    ]
    lives: list[HtmxWS] = []
    with leaping_time(asyncio.get_running_loop()):
        async with AsyncExitStack() as ending:
            for _ in range(2):
                live = HtmxWS(backend=OnBus(bus), identify=lambda conn: int(str(conn.query["id"])))
                names: dict[str, Any] = {"live": live}
                exec(compile(code, "guide.md", "exec"), names)
                live.ws("/{room}", conn=names["joined"])(lambda: None)
                await ending.enter_async_context(live.lifespan())
                lives.append(live)
            await pass_by(SETTLE_SECONDS + 0.5)

            def visit(live: HtmxWS, key: int, name: str) -> Socket:
                known = {"is_authenticated": True, "display_name": name}
                user = SimpleNamespace(**known if name else {"is_authenticated": False})
                scope = {"user": user}
                return Socket(live, f"/lobby?id={key}", scope=scope, timeout=60)

            shown: defaultdict[Socket, set[str]] = defaultdict(set)

            async def until(expected: set[str], *pages: Socket) -> None:
                """Read what comes as a browser does, until all pages show just these."""
                for page in pages:
                    while shown[page] != expected:
                        text = await page.receive()
                        if "innerHTML:#people" in text:
                            shown[page].clear()
                        shown[page] |= set(re.findall(r'id="p-(\d)"', text))
                        shown[page] -= set(re.findall(r"delete:#p-(\d)", text))

            async with visit(lives[0], 1, "Ann") as ann:
                await until({"1"}, ann)
                async with visit(lives[1], 2, "Bob") as bob:
                    await until({"1", "2"}, ann, bob)
                async with visit(lives[1], 1, "Ann") as again:
                    await until({"1", "2"}, again)
                    await until({"1"}, ann, again)
                async with visit(lives[1], 3, "") as anybody:
                    await until({"1", "3"}, ann, anybody)
                    assert [who.about for who in lives[0].presence("chat:lobby")][1] == "Somebody"


# --- the end ---------------------------------------------------------------------------


async def test_a_process_that_ends_takes_back_nothing_and_says_bye(
    start: Start, bus: Bus, hooks: Hooks
) -> None:
    a, b = await settled(start, 2)
    a.visit("ann")
    page = a.visit("bob")
    await pass_by(1)
    page.go()
    await a.hub.stop()
    assert a.said("leave") == []
    assert len(a.said("bye")) == 1
    await pass_by(0.1)
    assert b.look() == ["ann", "bob"]


async def test_who_asks_at_the_end_is_told_before_it(start: Start, bus: Bus) -> None:
    """The new process that took its place would know nobody."""
    a = await settled(start)
    a.visit("ann")
    await pass_by(1)
    new = await start()
    await bus.quiet()
    await a.hub.stop()
    await pass_by(0.1)
    assert new.look() == ["ann"]


async def test_what_was_said_before_the_end_is_told(start: Start, bus: Bus, hooks: Hooks) -> None:
    """Nobody else would: the others take it for told."""
    a, b = await settled(start, 2)
    a.backend.is_held = True
    a.visit("ann")
    await bus.quiet()
    stopping = asyncio.create_task(a.hub.stop())
    await bus.quiet()
    assert hooks.said == []
    a.backend.release()
    await stopping
    assert hooks.said == ["ann joins chat:a"]
    await pass_by(GRACE + 1)
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"]
    assert b.look() == []


async def test_the_end_waits_for_hooks_but_not_for_long(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []

    async def slow(room: str, who: Present) -> None:
        await asyncio.sleep(float(who.key))
        ended.append(str(who.key))

    a = await settled(start, rule=Presence(on_join=slow))
    for seconds in (2, 100):
        a.visit(seconds)
    await pass_by(1)
    await a.hub.stop()
    assert ended == ["2"]


async def test_at_the_end_nobody_is_asked_or_told_anything_any_more(start: Start, bus: Bus) -> None:
    a, b = await settled(start, 2)
    page = a.visit("ann")
    a.visit("bob")
    await pass_by(1)
    a.hub.roll.stop()
    before = [len(a.said(does)) for does in ("roll", "join", "leave", "gone")]
    for does in ("hello", "beat"):
        b.hub.peers.say(does)
    b.hub.peers.say("tell", whom=a.id)
    b.hub.peers.say("gone", whom=a.id, grace=GRACE)
    await bus.quiet()
    a.hub.peers._lose(b.id)
    a.hub.roll.leave(page.conn, "chat:a")
    a.hub.roll.enter(page.conn, "chat:a")
    a.visit("cal")
    await pass_by(1)
    assert [len(a.said(does)) for does in ("roll", "join", "leave", "gone")] == before


async def test_a_new_start_knows_nothing_of_the_last(start: Start, hooks: Hooks) -> None:
    a, b = await settled(start, 2)
    a.visit("ann")
    await pass_by(1)
    before = a.id
    await a.hub.stop()
    await a.hub.start()
    await pass_by(SETTLE_SECONDS + 0.5)
    assert a.id != before
    assert a.look() == b.look() == ["ann"]  # in case she comes back
    await pass_by(GRACE)
    assert a.look() == b.look() == []
    assert hooks.said == ["ann joins chat:a", "ann leaves chat:a"]


# --- whatever happens, in whatever order -----------------------------------------------

PEOPLE = ("ann", "bob", 3)
ROOMS = ("chat:a", "chat:b", "quick:a")
QUICK = 0.05


class Crowd(RuleBasedStateMachine):
    """Up to four processes, each of which hears what is said when the test lets it.

    The model is the order of what was said: whoever is first there, or last, has to be told.
    """

    #: Whether things may be lost: then who is there is the same for all at last, and no more.
    loses = False

    who = st.sampled_from(PEOPLE)
    room = st.sampled_from(ROOMS)
    number = st.integers(0, 10)

    def __init__(self) -> None:
        super().__init__()
        self.loop: Any = asyncio.new_event_loop()
        self.undo = ExitStack()
        self.undo.enter_context(leaping_time(self.loop))
        names = count()  # of processes, in the order of which one is the first
        named = SimpleNamespace(token_urlsafe=lambda size: f"p{next(names):03}")
        self.undo.enter_context(patch("htmx_ws.peers.secrets", named))
        self.bus = Bus()
        self.hooks = Hooks()
        self.alive: list[Process] = []
        self.pages: list[tuple[Process, Page]] = []
        # Somebody, of whom the others tell: nothing is promised where they end before they could.
        self.is_new = True
        self.is_in_doubt = False

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(work)

    def hold(self, is_held: bool) -> None:
        for process in self.alive:
            process.backend.is_held = is_held
            if not is_held:
                process.backend.release()

    async def pass_by(self, seconds: float) -> None:
        """Let time pass, in which everything is heard as soon as it is said."""
        self.hold(False)
        await asyncio.sleep(seconds)
        await self.bus.quiet()
        self.hold(True)
        self.is_new = self.is_in_doubt = False

    def pick(self, number: int) -> Process:
        return self.alive[number % len(self.alive)]

    @initialize(how_many=st.integers(1, 3))
    def begin_all(self, how_many: int) -> None:
        for _ in range(how_many):
            self.begin()

    @precondition(lambda self: len(self.alive) < 4 and not self.is_in_doubt)
    @rule()
    def begin(self) -> None:
        async def begin() -> None:
            process = Process(self.bus)
            for pattern, grace in (("chat:*", GRACE), ("quick:*", QUICK)):
                kept = Presence(grace=grace, on_join=self.hooks.joined, on_leave=self.hooks.left)
                process.hub.rules.declare(Room(pattern, presence=kept))
            self.alive.append(await process.start())
            process.backend.is_held = True

        self.is_new = True
        self.run(begin())

    @precondition(lambda self: len(self.alive) > 1 and not self.is_new)
    @rule(number=number)
    def stop(self, number: int) -> None:
        async def stop() -> None:
            process = self.pick(number)
            self.alive.remove(process)
            self.pages = [(its, page) for its, page in self.pages if its is not process]
            process.backend.is_held = False
            process.backend.release()
            await process.hub.stop()

        self.run(stop())

    @precondition(lambda self: len(self.alive) > 1 and not self.is_new and not self.is_in_doubt)
    @rule(number=number)
    def kill(self, number: int) -> None:
        """What it said before it has heard, and told."""

        async def kill() -> None:
            process = self.pick(number)
            process.backend.is_held = False
            process.backend.release()
            await self.bus.quiet()
            self.alive.remove(process)
            self.pages = [(its, page) for its, page in self.pages if its is not process]
            await process.kill()

        self.run(kill())

    @rule(number=number, who=who, room=room)
    def visit(self, number: int, who: Any, room: str) -> None:
        async def visit() -> None:
            process = self.pick(number)
            self.pages.append((process, process.visit(who, room)))
            await asyncio.sleep(0)

        self.run(visit())

    @precondition(lambda self: self.pages)
    @rule(number=number)
    def leave(self, number: int) -> None:
        async def leave() -> None:
            _, page = self.pages.pop(number % len(self.pages))
            page.go()
            await asyncio.sleep(0)

        self.run(leave())

    @rule(number=number, much=st.integers(1, 5), turns=st.integers(0, 5))
    def hear(self, number: int, much: int, turns: int) -> None:
        async def hear() -> None:
            self.pick(number).backend.hand_over(much)
            for _ in range(turns):
                await asyncio.sleep(0)

        self.run(hear())

    @precondition(lambda self: not self.is_new and not self.is_in_doubt)
    @rule(seconds=st.sampled_from([0.01, QUICK, 0.1, 0.4]))
    def pass_a_moment(self, seconds: float) -> None:
        self.run(self.pass_by(seconds))

    @rule(seconds=st.sampled_from([SETTLE_SECONDS + 0.6, GRACE - 0.1, GRACE, 45.0]))
    def pass_a_while(self, seconds: float) -> None:
        self.run(self.pass_by(seconds))

    @precondition(lambda self: not self.is_new)
    @rule(number=number)
    def doubt(self, number: int) -> None:
        async def doubt() -> None:
            self.pick(number).hub.report_gap(ROOM, "a test")

        self.is_in_doubt = True
        self.run(doubt())

    @invariant()
    def what_was_told_is_what_the_order_says(self) -> None:
        self.run(self.bus.quiet())
        if not self.loses and not any(process.backend.waits for process in self.alive):
            assert Counter(self.hooks.calls) == self.expected()

    def expected(self) -> Counter[tuple[str, str, Any]]:
        """What is to be told, by the order of what was said."""
        told: Counter[tuple[str, str, Any]] = Counter()
        there: defaultdict[tuple[str, Any], set[str]] = defaultdict(set)

        def put(by: str, place: tuple[str, Any]) -> None:
            told["join", *place] += not there[place]
            there[place].add(by)

        def take(by: str, place: tuple[str, Any]) -> None:
            told["leave", *place] += there[place] == {by}
            there[place].discard(by)

        for payload in said_in(self.bus):
            said = json.loads(payload)
            does, by = said["does"], said["by"]
            if does == "join":
                [[room, key, _]] = said["who"]
                put(by, (room, key))
            elif does == "leave":
                [place] = said["who"]
                take(by, tuple(place))
            elif does == "gone":
                for place in list(there):
                    if said["grace"] >= (QUICK if place[0].startswith("quick") else GRACE):
                        take(said["whom"], place)
            elif does == "roll" and said["of"] == by:
                assert said["is_last"], "nobody has so many here"
                its = {(room, key) for room, key, _ in said["who"]}
                for place in list(there):
                    if place not in its:
                        take(by, place)
                for place in its:
                    put(by, place)
        return +told

    def teardown(self) -> None:
        with self.undo:
            for process in self.alive:
                process.backend.misses = lambda room, payload: False
            self.bus.come_back()
            self.run(self.pass_by(200))
            self.all_know_at_last_who_is_there()
            if not self.loses:
                self.what_was_told_is_what_the_order_says()
                self.each_came_before_he_left()
            self.hold(False)
            for process in self.alive:
                self.run(process.hub.stop())
            assert asyncio.all_tasks(self.loop) == set()
            assert not [timer for timer in self.loop._scheduled if not timer.cancelled()]
        self.loop.close()

    def all_know_at_last_who_is_there(self) -> None:
        for room in ROOMS:
            there = {page.conn.identity for _, page in self.pages if room in page.conn.rooms}
            for process in self.alive:
                assert set(process.look(room)) == there

    def each_came_before_he_left(self) -> None:
        for room in ROOMS:
            there = self.alive[0].look(room)
            for who in PEOPLE:
                calls = [name for name, its, key in self.hooks.calls if (its, key) == (room, who)]
                assert calls == (["join", "leave"] * len(calls))[: len(calls)]
                assert len(calls) % 2 == (who in there)


class LossyCrowd(Crowd):
    """The same, where things are lost, and the bus goes away."""

    loses = True
    number = st.integers(0, 10)

    @rule(number=number, kind=st.sampled_from(["join", "leave", "roll", "gone", "hello", ""]))
    def lose(self, number: int, kind: str) -> None:
        """Lose what comes of a kind, until the next."""
        self.pick(number).backend.misses = lambda room, payload: f'"{kind}"'.encode() in payload

    @rule(number=number)
    def find(self, number: int) -> None:
        self.pick(number).backend.misses = lambda room, payload: False

    @rule()
    def go_away(self) -> None:
        self.bus.is_away = True

    @rule()
    def come_back(self) -> None:
        self.run(self.come_back_on_the_loop())

    async def come_back_on_the_loop(self) -> None:
        self.bus.come_back()


Crowd.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
LossyCrowd.TestCase.settings = settings(max_examples=40, stateful_step_count=40)
test_whatever_happens_each_coming_and_going_is_told_once = Crowd.TestCase
test_whatever_is_lost_all_processes_know_at_last_who_is_there = LossyCrowd.TestCase


async def test_that_somebody_left_who_was_not_there_changes_nothing() -> None:
    live = HtmxWS()
    live.room("room", presence=True)
    async with live.lifespan():
        said = {"does": "leave", "by": "another", "number": 1, "who": [["room", "nobody"]]}
        live._hub.roll.hear(said)
        assert live.presence("room") == []

"""The Redis backend on a real redis-server, to which happens what happens to brokers."""

from __future__ import annotations

import asyncio
import gc
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from htmx_ws import HtmxWS, update
from htmx_ws.backends import KEEP_NONE, PROCESSES, History, Keep, Position
from htmx_ws.backends.keeps import Keeps
from htmx_ws.backends.redis import RedisBackend
from htmx_ws.errors import BackendError
from htmx_ws.hub import WHERE_SECONDS
from htmx_ws.peers import ANSWER_SECONDS
from htmx_ws.testing import BackendContract
from htmx_ws.testing.stage import Heard

from .brokers import RedisServer

pytestmark = pytest.mark.service

#: Within this many seconds of the return of Redis, what is published arrives.
BACK_SECONDS = 2.0
KEEP = Keep(1_000)
ROOM = "chat:lobby"
DOCS = Path(__file__).parents[2] / "docs/scaling.md"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that nothing happens to."""
    with RedisServer(tmp_path_factory.mktemp("redis") / "data") as server:
        yield server


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own."""
    with RedisServer(tmp_path / "data") as server:
        yield server


class TestTheContract(BackendContract):
    @pytest.fixture(autouse=True)
    def _on(self, server: RedisServer) -> None:
        self.url = server.url(f"prefix={secrets.token_hex(4)}")

    def make(self) -> RedisBackend:
        return RedisBackend(self.url)


class TestTheContractWithFewRights(BackendContract):
    """Those that the docs name are enough."""

    @pytest.fixture(autouse=True)
    def _on(self, server: RedisServer) -> None:
        found = re.search(r"(ACL SETUSER shop .*)", DOCS.read_text())
        assert found
        ask(server, *found[1].replace("PASSWORD", "pw").split())
        self.url = server.url("prefix=shop", user="shop:pw@")

    def make(self) -> RedisBackend:
        return RedisBackend(self.url)


Process = Callable[..., Awaitable[tuple[RedisBackend, Heard]]]


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    """Start backends, as of so many processes, that have subscribed to the room."""
    async with AsyncExitStack() as ending:

        async def start(url: str, *rooms: str, **options: Any) -> tuple[RedisBackend, Heard]:
            backend, heard = RedisBackend(url, **options), Heard(15.0)
            await backend.start(heard)
            ending.push_async_callback(backend.stop)
            await backend.subscribe(rooms or (ROOM,))
            return backend, heard

        yield start


def ask(server: RedisServer, *command: Any, **options: Any) -> Any:
    """Ask the server something, as an operator does."""
    with redis.Redis(port=server.port, **options) as client:
        return client.execute_command(*command)


def numbers(heard: Heard, room: str = ROOM) -> list[int]:
    return [int(each.payload) for each in heard.rooms.get(room, ())]


async def publish(backend: RedisBackend, *which: int, keep: Keep = KEEP, room: str = ROOM) -> None:
    for number in which:
        await backend.append(room, b"%d" % number, keep)


async def away(backend: RedisBackend) -> None:
    """Wait until a backend knows that Redis is away."""
    running = backend._running
    assert running is not None
    async with asyncio.timeout(10):
        while not (running.link.is_away or running.writer.is_stuck):
            await asyncio.sleep(0.01)


# --- Redis goes and comes back ---------------------------------------------------------


async def test_a_killed_redis_that_comes_back_has_lost_nothing(
    doomed: RedisServer, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    url = doomed.url()
    raising, first = await process(url)
    queueing, second = await process(url, outage="queue")
    await publish(raising, 1, 2)
    await publish(queueing, 3)
    doomed.kill()
    with pytest.raises(BackendError, match=r"'chat:lobby' may have no place: redis://127.0.0.1:"):
        await publish(raising, -1)
    queued = [queueing.append(ROOM, b"%d" % number, KEEP) for number in (5, 6)]
    await away(queueing)
    await asyncio.sleep(3)  # the outage
    assert not any(bool(each._future.done()) for each in queued)  # type: ignore[attr-defined]
    doomed.start()
    back = time.monotonic()
    appender = queueing.sync()
    await asyncio.to_thread(appender.append, ROOM, b"4", KEEP)  # before anybody listens again
    appender.close()
    await asyncio.gather(*queued)
    await publish(raising, 7)
    for heard in (first, second):
        await heard.in_room(ROOM, 7)
    assert time.monotonic() - back < BACK_SECONDS
    assert first.rooms == second.rooms
    assert sorted(numbers(first)) == [1, 2, 3, 4, 5, 6, 7]
    assert [each.offset for each in first.rooms[ROOM]] == list(range(1, 8))
    assert len({each.epoch for each in first.rooms[ROOM]}) == 1
    assert first.gaps == second.gaps == []
    told = [record.getMessage() for record in caplog.records if record.name == "htmx_ws"]
    assert sum("is away" in each for each in told) == 2, told
    assert sum("is back, after" in each for each in told) == 2, told


async def test_a_redis_that_comes_back_empty_is_a_gap(
    doomed: RedisServer, process: Process
) -> None:
    kept, lost = "kept", "lost"
    backend, heard = await process(doomed.url(), kept, lost)
    await publish(backend, 1, 2, room=kept)
    await publish(backend, 1, 2, room=lost, keep=KEEP_NONE)
    for room in (kept, lost):
        await heard.in_room(room, 2)
    doomed.kill()
    doomed.forget()
    doomed.start()
    await heard.until(lambda: len(heard.gaps) == 2, "the gaps")
    assert {room for room, _ in heard.gaps} == {kept, lost}
    assert {why for _, why in heard.gaps} == {
        "the broker has lost the room's count, and began another"
    }
    await publish(backend, 3, room=kept)
    (*_, before, after) = await heard.in_room(kept, 3)
    assert before.epoch != after.epoch
    assert after.offset == 1
    since = Position(before.epoch, before.offset)
    assert await backend.history(kept, since) == History(Position(after.epoch, 1), is_whole=False)


@pytest.mark.parametrize("again", [0, 1, 2, 3, 4])
async def test_a_redis_that_forgot_the_last_messages_is_a_gap(
    doomed: RedisServer, process: Process, tmp_path: Path, again: int
) -> None:
    """As after a power cut, when the last second was not written; however far it has counted since.

    Its epoch ends, by which pages too know that their places are not its.
    """
    backend, heard = await process(doomed.url())
    await publish(backend, 1, 2)
    doomed.kill()
    shutil.copytree(doomed.directory, tmp_path / "old")
    doomed.start()
    await publish(backend, 3, 4)
    await heard.in_room(ROOM, 4)
    epoch = heard.rooms[ROOM][0].epoch
    doomed.kill()
    doomed.forget()
    shutil.copytree(tmp_path / "old", doomed.directory)
    doomed.start()
    with redis.Redis(port=doomed.port) as stranger:  # who knows nothing of 3 and 4, and is first
        appender = RedisBackend(doomed.url()).sync()
        for number in range(again):
            appender.append(ROOM, b"%d" % (10 + number), KEEP)
        appender.close()
        assert stranger.hget("htmx-ws:room:chat:lobby", "n") == b"%d" % (2 + again)
    await heard.until(lambda: heard.gaps, "the gap")
    await publish(backend, 20)
    await heard.until(lambda: numbers(heard)[-1] == 20, "the next")
    assert numbers(heard)[:4] == [1, 2, 3, 4]
    assert heard.rooms[ROOM][-1].epoch != epoch
    assert [room for room, _ in heard.gaps] == [ROOM]


async def test_a_redis_that_hangs_loses_and_doubles_nothing(
    doomed: RedisServer, process: Process
) -> None:
    """Nobody knows whether what was sent before a timeout was taken: it is, as it goes on."""
    patient, first = await process(doomed.url())
    queueing, second = await process(doomed.url("socket_timeout=0.5&outage=queue"))
    raising, _ = await process(doomed.url("socket_timeout=0.5"))
    await publish(patient, 1)
    await first.in_room(ROOM, 1)
    doomed.pause()
    paused = time.monotonic()
    waiting = asyncio.create_task(publish(patient, 2))
    queued = [queueing.append(ROOM, b"%d" % number, KEEP) for number in (3, 4, 5)]
    with pytest.raises(BackendError, match="may have no place"):
        await publish(raising, 6)
    await asyncio.sleep(paused + 3 - time.monotonic())  # under the socket_timeout of the patient
    doomed.resume()
    back = time.monotonic()
    await asyncio.gather(waiting, *queued)
    await publish(patient, 7)
    await first.until(lambda: 7 in numbers(first), "the last")
    await second.until(lambda: 7 in numbers(second), "the last")
    assert time.monotonic() - back < BACK_SECONDS
    assert first.rooms == second.rooms
    assert sorted(numbers(first)) == [1, 2, 3, 4, 5, 6, 7]  # 6 was told to have a place, perhaps
    assert [number for number in numbers(first) if number in (3, 4, 5)] == [3, 4, 5]
    assert first.gaps == second.gaps == []


async def test_connections_that_are_cut_lose_nothing(doomed: RedisServer, process: Process) -> None:
    url, count = doomed.url(), 400
    publisher, first = await process(url, outage="queue")
    _, second = await process(url)

    async def cut() -> None:
        while len(numbers(first)) < count - 100:
            await first.in_room(ROOM, len(numbers(first)) + 10)
            for kind in ("pubsub", "normal"):
                killed.append(ask(doomed, "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"))

    killed: list[int] = []
    cutting = asyncio.create_task(cut())
    for start in range(0, count, 5):
        await asyncio.gather(
            *(publisher.append(ROOM, b"%d" % (start + each), KEEP) for each in range(5))
        )
    await cutting
    assert sum(killed) >= 8, killed
    for heard in (first, second):
        await heard.in_room(ROOM, count)
        assert numbers(heard) == list(range(count))
        assert heard.gaps == []


async def test_what_is_lost_of_a_room_that_keeps_nothing_is_a_gap(
    doomed: RedisServer, process: Process
) -> None:
    """What comes after it is handed over, once and in order."""
    backend, heard = await process(doomed.url())
    appender = backend.sync()
    await publish(backend, 1, keep=KEEP_NONE)
    await heard.in_room(ROOM, 1)
    listener = backend._running.listener  # type: ignore[union-attr]
    seen, listener._take = listener._take, lambda channel, data: None  # type: ignore[method-assign]
    await publish(backend, 2, 3, keep=KEEP_NONE)
    other, elsewhere = await process(doomed.url())
    await publish(other, 4, keep=KEEP_NONE)
    await elsewhere.in_room(ROOM, 1)
    listener._take = seen  # type: ignore[method-assign]
    await publish(backend, 5, 6, keep=KEEP_NONE)
    await heard.in_room(ROOM, 3)
    assert numbers(heard) == [1, 5, 6]
    assert heard.gaps == [(ROOM, "the broker has kept too little of what came after 1")]
    appender.close()


async def test_a_silent_room_is_asked_about_when_its_connection_was_lost(
    doomed: RedisServer, process: Process
) -> None:
    """Of many rooms, too, each with what it missed, though nothing new comes of any."""
    rooms = [f"room:{number}" for number in range(700)]
    backend, heard = await process(doomed.url(), *rooms)
    doomed.kill()
    await away(backend)
    doomed.start()
    ask(doomed, "CONFIG", "SET", "appendfsync", "no")  # which is quicker
    appender = backend.sync()
    appender.append(rooms[0], b"x" * 900_000, KEEP)  # so much that not all fits into one answer
    for room in rooms:
        for number in (1, 2):
            appender.append(room, b"%d" % number, KEEP)
    appender.close()
    for room in rooms[1:]:
        assert [each.payload for each in await heard.in_room(room, 2)] == [b"1", b"2"]
    assert [len(each.payload) for each in await heard.in_room(rooms[0], 3)] == [900_000, 1, 1]
    assert heard.gaps == []


# --- while Redis is away ---------------------------------------------------------------


@pytest.mark.parametrize("outage", ["raise", "queue"])
async def test_pages_are_rendered_and_soon_while_redis_is_away_or_hangs(
    doomed: RedisServer, outage: str
) -> None:
    live = HtmxWS(backend=doomed.url(f"outage={outage}"))
    live.room("chat:*", history=10)

    async def render() -> str:
        async with asyncio.timeout(WHERE_SECONDS + 1):
            return (await live.page("/ws", rooms=[ROOM])).hello

    async with live.lifespan():
        assert 'value="0::' not in await render()
        doomed.pause()
        assert f'value="0::{ROOM}"' in await render()
        doomed.resume()
        assert 'value="0::' not in await render()
        doomed.kill()
        assert f'value="0::{ROOM}"' in await render()
        doomed.start()
        assert 'value="0::' not in await render()


async def test_backends_start_and_subscribe_without_redis(
    doomed: RedisServer, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    doomed.kill()
    backend, heard = await process(doomed.url())
    with pytest.raises(BackendError, match="cannot be asked"):
        await backend.history(ROOM, None)
    with pytest.raises(BackendError, match="may have no place"):
        await publish(backend, 1)
    await backend.subscribe(["another"])
    appender = backend.sync()
    with pytest.raises(BackendError, match="may have no place"):
        appender.append(ROOM, b"2")
    with pytest.raises(BackendError, match="cannot be asked"):
        appender.position(ROOM)
    doomed.start()
    appender.append("another", b"3", KEEP)
    await heard.until(lambda: len(heard.gaps) == 2, "what could be missing")
    assert {room for room, _ in heard.gaps} == {ROOM, "another"}
    assert {why for _, why in heard.gaps} == {"it was subscribed to while the broker was away"}
    appender.append("another", b"4", KEEP)
    await heard.in_room("another", 1)
    assert numbers(heard, "another") == [4]
    appender.close()


async def test_the_queue_is_bounded(doomed: RedisServer, process: Process) -> None:
    backend, heard = await process(doomed.url("outage=queue&queue=2"))
    doomed.kill()
    await away(backend)
    queued = [backend.append(ROOM, b"%d" % number, KEEP) for number in range(3)]
    with pytest.raises(BackendError, match=r"is away, and 2 others wait for it: 2 may \(queue=\)"):
        await queued[2]
    doomed.start()
    await asyncio.gather(*queued[:2])
    await heard.in_room(ROOM, 2)
    assert numbers(heard) == [0, 1]


@pytest.mark.parametrize("is_first", [True, False])
async def test_what_processes_say_to_each_other_waits_for_no_redis(
    doomed: RedisServer, process: Process, is_first: bool
) -> None:
    """A disconnect that is carried out when Redis is back would close pages that came since."""
    backend, heard = await process(doomed.url("outage=queue"), ROOM, PROCESSES)
    await publish(backend, 1)
    await heard.in_room(ROOM, 1)
    doomed.kill()
    queued = [] if is_first else [backend.append(ROOM, b"2", KEEP)]
    said = [backend.append(PROCESSES, b"one"), backend.append(PROCESSES, b"two")]
    queued += [backend.append(ROOM, b"3", KEEP)]
    for each in said:
        with pytest.raises(
            BackendError, match=r"^What was said to the other processes may have no"
        ):
            await asyncio.wait_for(asyncio.ensure_future(each), 5)
    with pytest.raises(BackendError, match="What was said"):  # while the others are tried again
        await backend.append(PROCESSES, b"three")
    doomed.start()
    await asyncio.gather(*queued)
    await backend.append(PROCESSES, b"four", KEEP)  # so that it comes whoever listens when
    await heard.in_room(PROCESSES, 1)
    assert [each.payload for each in heard.rooms[PROCESSES]] == [b"four"]
    assert numbers(heard) == ([1, 3] if is_first else [1, 2, 3])


@pytest.mark.parametrize("outage", ["raise", "queue"])
@pytest.mark.parametrize("hangs", [True, False])
async def test_without_redis_the_other_processes_cannot_be_asked(
    doomed: RedisServer, outage: str, hangs: bool
) -> None:
    live = HtmxWS(backend=doomed.url(f"outage={outage}"))
    async with live.lifespan():
        assert await live.count() == 0
        doomed.pause() if hangs else doomed.kill()
        for asking in (live.count(), live.disconnect(user="ann")):
            with pytest.raises(BackendError, match=r"^Only this process could be asked\. "):
                await asyncio.wait_for(asyncio.ensure_future(asking), ANSWER_SECONDS + 1)


async def test_what_is_in_line_at_the_end_is_appended(
    server: RedisServer, process: Process
) -> None:
    backend, _ = await process(server.url("prefix=end"))
    for number in range(500):
        backend.append(ROOM, b"%d" % number, KEEP)
    await backend.stop()
    assert ask(server, "XLEN", "end:log:" + ROOM) == 500
    with pytest.raises(BackendError, match=r"'redis://127.0.0.1:\d+/0'\) is not started"):
        await publish(backend, 1)
    await backend.unsubscribe([ROOM])


async def test_what_is_in_line_when_it_ends_without_redis_is_told(
    doomed: RedisServer, process: Process
) -> None:
    backend, _ = await process(doomed.url("outage=queue"))
    doomed.kill()
    await away(backend)
    queued = backend.append(ROOM, b"1", KEEP)
    await backend.stop()
    with pytest.raises(BackendError, match="this process ends without redis://"):
        await queued


@pytest.mark.parametrize(
    ("rights", "line"),
    [
        (("-evalsha", "-eval"), "refuses htmx-ws its scripts: .* 'evalsha'"),
        (("resetchannels",), "refuses htmx-ws its channels: .* one of the channels"),
    ],
    ids=["scripts", "channels"],
)
async def test_rights_that_are_missing_are_told_once_and_hold_up_no_start(
    doomed: RedisServer,
    process: Process,
    caplog: pytest.LogCaptureFixture,
    rights: tuple[str, ...],
    line: str,
) -> None:
    def allow(*rights: str) -> None:
        ask(doomed, "ACL", "SETUSER", "shop", "on", ">pw", "~*", "&*", "+@all", *rights)

    def told() -> list[str]:
        return [each for each in caplog.messages if "refuses" in each]

    async def tried(times: int) -> None:
        """Wait until Redis has refused something so often."""
        ask(doomed, "ACL", "LOG", "RESET")
        while sum(each[b"count"] for each in ask(doomed, "ACL", "LOG", protocol=3)) < times:
            await asyncio.sleep(0.05)  # Redis tells nobody

    allow(*rights)
    async with asyncio.timeout(20):
        backend, heard = await process(doomed.url(user="shop:pw@"))
        await tried(3)
        [said] = told()
        assert re.search(line, said)
        assert "is back" not in caplog.text
        allow()
        while not numbers(heard):
            with suppress(BackendError):
                await publish(backend, 1)
            await asyncio.sleep(0.05)  # Redis tells nobody
        assert len(told()) == 1
        allow(*rights)
        ask(doomed, "CLIENT", "KILL", "TYPE", "pubsub")
        await tried(3)
        assert told()[1:] == [said]


async def test_what_is_in_line_when_an_application_ends_without_redis_is_told_in_one_line(
    doomed: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    live = HtmxWS(backend=doomed.url("outage=queue"))
    async with live.lifespan():
        assert await live.count() == 0
        doomed.kill()
        for number in range(3):
            live.publish(f"chat:{number}", update("#n", str(number)))
        with pytest.raises(BackendError):
            await live.count()
    gc.collect()
    told = [record for record in caplog.records if "away" not in record.getMessage()[:60]]
    assert [record.getMessage().partition(" to ")[0] for record in told] == [
        "The other processes could not be told: What was said",
        "3 publications",
    ], caplog.text
    assert "this process ends" in told[1].getMessage()


async def test_a_redis_that_is_full_is_as_good_as_away(
    doomed: RedisServer, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    raising, heard = await process(doomed.url())
    queueing, _ = await process(doomed.url("outage=queue"))
    ask(doomed, "CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(BackendError, match="OOM"):
        await publish(raising, 1)
    queued = queueing.append(ROOM, b"2", KEEP)
    await away(queueing)
    assert len([each for each in caplog.messages if "takes nothing: OOM" in each]) == 2
    ask(doomed, "CONFIG", "SET", "maxmemory", 0)
    assert await queued == 1
    await heard.in_room(ROOM, 1)
    assert numbers(heard) == [2]
    assert ask(doomed, "HGET", "htmx-ws:room:" + ROOM, "n") == b"1"


async def test_scripts_that_redis_was_told_to_forget_are_sent_again(
    doomed: RedisServer, process: Process
) -> None:
    backend, heard = await process(doomed.url())
    appender = backend.sync()
    for number in range(3):
        ask(doomed, "SCRIPT", "FLUSH")
        appender.append(ROOM, b"%d" % number)
        ask(doomed, "SCRIPT", "FLUSH")
        assert (await backend.history(ROOM, None)).last.offset == number + 1
    await heard.in_room(ROOM, 3)
    appender.close()


# --- what others do there --------------------------------------------------------------


async def test_what_is_not_ours_on_a_channel_is_logged_and_ignored(
    server: RedisServer, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    backend, heard = await process(server.url("prefix=wrong"))
    wrong = [b"", b"hello", b"a b c d\n", b"e 1 2\n", b"e x 2 3\n<p>", b" 1 2 3\n", b"\xff 1 2 3\n"]
    for data in wrong:
        ask(server, "PUBLISH", "wrong:room:" + ROOM, data)
    ask(server, "PUBLISH", "wrong:room:" + ROOM, b"another 7 8 9\n<p>what claims to be ours</p>")
    await publish(backend, 1)
    await heard.in_room(ROOM, 1)
    assert numbers(heard) == [1]
    assert heard.gaps == []
    assert len([each for each in caplog.messages if "is not of htmx-ws" in each]) == len(wrong)


async def test_a_key_of_somebody_else_stops_one_room_alone(
    server: RedisServer, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    ask(server, "SET", "clash:room:taken", "somebody's")
    backend, heard = await process(server.url("prefix=clash"), "taken", ROOM)
    appended = [backend.append(room, b"1", KEEP) for room in (ROOM, "taken", ROOM)]
    with pytest.raises(BackendError, match=r"'taken' may have no place: .*WRONGTYPE"):
        await appended[1]
    assert [await appended[0], await appended[2]] == [1, 2]
    await heard.in_room(ROOM, 2)
    with pytest.raises(BackendError, match=r"cannot be asked: .*WRONGTYPE"):
        await backend.history("taken", None)
    appender = backend.sync()
    with pytest.raises(BackendError, match=r"cannot be asked: .*WRONGTYPE"):
        appender.position("taken")
    appender.close()
    assert any("'taken' cannot be asked about" in each for each in caplog.messages)


async def test_applications_do_not_hear_each_other(server: RedisServer, process: Process) -> None:
    ours, heard = await process(server.url("prefix=ours"))
    theirs, elsewhere = await process(server.url(), prefix="theirs")
    await publish(ours, 1)
    await publish(theirs, 2)
    await heard.in_room(ROOM, 1)
    await elsewhere.in_room(ROOM, 1)
    assert (numbers(heard), numbers(elsewhere)) == ([1], [2])


async def test_little_is_left_of_a_room_that_keeps_nothing(
    doomed: RedisServer, process: Process
) -> None:
    backend, _ = await process(doomed.url())
    await publish(backend, 1, keep=KEEP_NONE)
    await publish(backend, 1, room="kept", keep=Keep(10, seconds=1_000))
    day = 24 * 3600
    with redis.Redis(port=doomed.port) as client:
        keys = {key.decode() for key in client.scan_iter() if b":did:" not in key}
        assert keys == {f"htmx-ws:room:{ROOM}", "htmx-ws:room:kept", "htmx-ws:log:kept"}
        assert day - 60 < client.ttl(f"htmx-ws:room:{ROOM}") <= day
        assert day + 900 < client.ttl("htmx-ws:room:kept") <= day + 1_000
        assert 900 < client.ttl("htmx-ws:log:kept") <= 1_000
        assert all(0 < client.ttl(key) <= day for key in client.keys("htmx-ws:did:*"))


async def test_what_is_too_old_is_not_replayed_though_what_came_after_it_is(
    server: RedisServer, process: Process
) -> None:
    room, keep = "aging", Keep(10, seconds=3.0)
    backend, _ = await process(server.url(), room)
    first = (await backend.history(room, None)).last
    await publish(backend, 1, keep=keep, room=room)
    await asyncio.sleep(1.5)  # Redis says how old things are, by a clock that nobody can move
    await publish(backend, 2, keep=keep, room=room)
    assert len((await backend.history(room, first)).payloads) == 2
    async with asyncio.timeout(10):
        while (await backend.history(room, first)).is_whole:
            await asyncio.sleep(0.05)  # nobody tells when something is too old
    after = await backend.history(room, Position(first.epoch, first.offset + 1))
    assert [bytes(each) for _, each in after.payloads] == [b"2"]


async def test_redis_and_python_agree_on_which_rule_fits(server: RedisServer) -> None:
    patterns = ["a", "a*", "*a", "a*a", "a*b*c", "*b*", "**", "a**a", "*æ*", "%*[", "*a*a*a*"]
    rooms = [
        "a",
        "aa",
        "aaa",
        "ab",
        "ba",
        "abc",
        "axbxc",
        "abbc",
        "acb",
        "b",
        "æ",
        "xæ",
        "%[",
        "%x[",
    ]
    rooms += ["aaaa", "xaxaxax", "abcabc", "ac", "a*b*c"]
    for pattern in patterns:
        backend = RedisBackend(server.url(), prefix=f"fits:{pattern}")
        await backend.start(Heard(5), {pattern: KEEP})
        await backend.subscribe(["any"])
        fits = Keeps({pattern: KEEP})
        for room in rooms:
            await backend.append(room, b"x")
            kept = ask(server, "EXISTS", f"fits:{pattern}:log:{room}")
            assert kept == (fits.of(room) is KEEP), (pattern, room)
        await backend.stop()


# --- addresses -------------------------------------------------------------------------


async def test_a_password_is_taken_from_the_address_and_never_told(
    tmp_path: Path, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    with RedisServer(tmp_path / "data", "--requirepass", "s3cret") as server:
        backend, heard = await process(server.url(user=":s3cret@"))
        await publish(backend, 1)
        await heard.in_room(ROOM, 1)
        wrong, _ = await process(server.url(user="default:wr0ng@"))
        with pytest.raises(BackendError) as raised:
            await publish(wrong, 2)
        told = [*caplog.messages, str(raised.value), repr(wrong), repr(backend)]
        assert any("is away (AuthenticationError" in each for each in told)
        assert not any("s3cret" in each or "wr0ng" in each for each in told)


async def test_redis_is_reached_by_tls(tmp_path: Path, process: Process) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out cert.pem"
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *name], cwd=tmp_path, check=True, capture_output=True)
    settings = "--tls-cert-file ../cert.pem --tls-key-file ../key.pem --tls-auth-clients no"
    with RedisServer(tmp_path / "data", *settings.split(), scheme="rediss") as server:
        backend, heard = await process(server.url(f"ssl_ca_certs={tmp_path / 'cert.pem'}"))
        await publish(backend, 1)
        appender = backend.sync()
        await asyncio.to_thread(appender.append, ROOM, b"2")
        appender.close()
        await heard.in_room(ROOM, 2)
        stranger, _ = await process(server.url())
        with pytest.raises(BackendError, match="certificate"):
            await publish(stranger, 3)

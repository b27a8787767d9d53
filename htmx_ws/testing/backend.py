"""What every backend must do, as tests: for those of this package, and for yours.

    class TestMine(BackendContract):
        def make(self) -> Backend:
            return MyBackend("mine://127.0.0.1")

pytest collects them, and so does any other runner of methods whose names begin with ``test_``:
they are plain functions, each with an event loop of its own. No test waits longer than
``seconds`` for anything, and none shares a room with another, so they can share a broker.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from itertools import chain
from typing import Any

from ..backends import KEEP_NONE, Backend
from .history import HistoryContract
from .stage import KEEP_ALL, Heard, Stage, in_a_loop

__all__ = ["BackendContract"]


class BackendContract(HistoryContract):
    """The suite: subclass it with ``make``, and say what your backend does not have."""

    # --- what is handed over -----------------------------------------------------------

    @in_a_loop
    async def test_what_is_appended_is_handed_back_with_its_place(self, stage: Stage) -> None:
        room = stage.room()
        backend, heard = await stage.start(room)
        assert backend.is_shared is self.is_shared, "is_shared is not what the tests were told"
        assert await backend.append(room, b"<p>1</p>", KEEP_NONE) == 1, "offsets begin at 1"
        [handed] = await heard.in_room(room, 1)
        assert (handed.offset, handed.payload) == (1, b"<p>1</p>"), handed
        assert type(handed.epoch) is str, "an epoch is a str"
        assert handed.epoch, "an epoch has a name"
        assert " " not in handed.epoch, "an epoch is a word"
        assert not heard.gaps, heard.gaps

    @in_a_loop
    async def test_each_room_counts_in_one_epoch(self, stage: Stage) -> None:
        rooms = [stage.room() for _ in range(3)]
        backend, heard = await stage.start(*rooms)
        offsets = [await backend.append(rooms[number % 3], b"%d" % number) for number in range(12)]
        for first, room in enumerate(rooms):
            its = offsets[first::3]
            assert its == ([1, 2, 3, 4] if self.counts_by_one else sorted({*its})), its
            handed = await heard.in_room(room, 4)
            assert [each.offset for each in handed] == its, handed
            assert [int(each.payload) for each in handed] == list(range(first, 12, 3)), handed
            assert len({each.epoch for each in handed}) == 1, "its epoch changed"

    @in_a_loop
    async def test_calls_have_places_in_the_order_in_which_they_are_made(
        self, stage: Stage
    ) -> None:
        """Though nobody awaits the first before making the next, nor awaits any but the last."""
        room = stage.room()
        backend, heard = await stage.start(room)
        appending = [backend.append(room, b"%d" % number) for number in range(100)]
        assert await appending[-1] == 100, "the last has not the last place"
        handed = await heard.in_room(room, 100)
        assert [int(each.payload) for each in handed] == list(range(100)), handed

    @in_a_loop
    async def test_payloads_come_as_they_were(self, stage: Stage) -> None:
        class Page:
            def __bytes__(self) -> bytes:
                return b"<p>of an object</p>"

        room = stage.room()
        backend, heard = await stage.start(room)
        payloads: list[Any] = [b"", bytes(range(256)), b"\n\r\0 $-1", b"<p>" * 100_000, Page()]
        for payload in payloads:
            await backend.append(room, payload, KEEP_ALL)
        handed = await heard.in_room(room, len(payloads))
        assert [each.payload for each in handed] == [bytes(each) for each in payloads]

    @in_a_loop
    async def test_a_room_may_have_any_name(self, stage: Stage) -> None:
        names = [
            "",
            ".",
            "*",
            ">",
            ":*",
            " a b ",
            "a\nb\r\n",
            "\0",
            "Ærøskøbing/\N{SNOWMAN}",
            "%s{}",
        ]
        names += ["[a]", "?", "$", "x" * 400, "\N{SNOWMAN}" * 100]
        base = stage.room()
        rooms = [base + name for name in names]
        backend, heard = await stage.start(*rooms)
        for room in rooms:
            await backend.append(room, room.encode(), KEEP_ALL)
        for room in rooms:
            [handed] = await heard.in_room(room, 1)
            assert handed.payload == room.encode(), f"{room!r} was handed what another was sent"

    @in_a_loop
    async def test_a_receiver_that_fails_is_handed_what_comes_next(self, stage: Stage) -> None:
        room = stage.room()
        backend, heard = await stage.start(room)
        heard.fails_with = ZeroDivisionError("a receiver fails")
        with suppress(ZeroDivisionError):  # as it may come where the failure was caused
            await backend.append(room, b"1")
        await heard.until(lambda: heard.fails_with is None, "the failure")
        await backend.append(room, b"2")
        assert [each.payload for each in await heard.in_room(room, 1)] == [b"2"]

    # --- who is handed it --------------------------------------------------------------

    @in_a_loop
    async def test_what_is_appended_reaches_all_who_subscribed(self, stage: Stage) -> None:
        if not self.is_shared:
            return
        room, other = stage.room(), stage.room()
        backend, first = await stage.start(room)
        _, second = await stage.start(room, other)
        _, third = await stage.start(other)
        await backend.append(room, b"1")
        await backend.append(other, b"2")
        seen = [await heard.in_room(room, 1) for heard in (first, second)]
        if self.has_one_order:
            assert seen[0] == seen[1], "they were handed different things"
        assert [each.payload for each in seen[0]] == [b"1"], seen
        for heard in (second, third):
            assert [each.payload for each in await heard.in_room(other, 1)] == [b"2"]
        assert room not in third.rooms, "it was handed what it had not subscribed to"
        assert other not in first.rooms, "it was handed what it had not subscribed to"

    @in_a_loop
    async def test_rooms_can_be_left_and_subscribed_again(self, stage: Stage) -> None:
        room, other = stage.room(), stage.room()
        backend, heard = await stage.start(room, other)
        await backend.append(room, b"1")
        await heard.in_room(room, 1)
        await backend.unsubscribe([room, stage.room()])
        if self.is_shared:  # within one process it is the hub that hands nothing on
            await backend.append(room, b"2")
            await backend.append(other, b"3")
            await heard.in_room(other, 1)
            assert len(heard.rooms[room]) == 1, "it was handed what it had left"
        heard.rooms.clear()
        await backend.subscribe([room])
        await backend.append(room, b"4")
        handed = await heard.in_room(room, 1)
        assert [each.payload for each in handed] == [b"4"], handed
        assert not heard.gaps, f"what was not subscribed cannot be missing: {heard.gaps}"

    @in_a_loop
    async def test_a_room_that_is_subscribed_twice_is_handed_over_once(self, stage: Stage) -> None:
        room, other = stage.room(), stage.room()
        backend, heard = await stage.start(room, room)
        await asyncio.gather(backend.subscribe([room]), backend.subscribe([room, other]))
        await backend.append(room, b"1")
        await backend.append(other, b"2")
        await heard.in_room(other, 1)
        assert len(await heard.in_room(room, 1)) == 1, heard.rooms

    @in_a_loop
    async def test_many_rooms_can_be_subscribed_at_once(self, stage: Stage) -> None:
        rooms = [stage.room() for _ in range(1_000)]
        backend, heard = await stage.start(*rooms)
        for room in rooms:
            backend.append(room, room.encode())
        for room in rooms:
            assert [each.payload for each in await heard.in_room(room, 1)] == [room.encode()]
        await backend.unsubscribe(rooms)

    # --- order -------------------------------------------------------------------------

    @in_a_loop
    async def test_all_see_what_several_append_at_once_in_one_order(self, stage: Stage) -> None:
        if not self.is_shared:
            return
        room, each_appends = stage.room(), 50
        started = [await stage.start(room) for _ in range(3)]

        async def append(name: int, backend: Backend) -> list[int]:
            payloads = [b"%d %d" % (name, number) for number in range(each_appends)]
            return [await backend.append(room, payload) for payload in payloads]

        offsets = await asyncio.gather(
            *(append(name, backend) for name, (backend, _) in enumerate(started))
        )
        total = each_appends * len(started)
        seen = [await heard.in_room(room, total) for _, heard in started]
        for name in range(len(started)):  # what one appends is in its own order in any case
            its = [each.payload for each in seen[0] if each.payload.startswith(b"%d " % name)]
            assert its == [b"%d %d" % (name, number) for number in range(each_appends)], its
        if not self.has_one_order:
            return
        assert sorted(chain(*offsets)) == list(range(1, total + 1)), "two have one place"
        assert [each.offset for each in seen[0]] == list(range(1, total + 1)), "not in order"
        assert seen[0] == seen[1] == seen[2], "they see different orders"

    # --- without an event loop ---------------------------------------------------------

    @in_a_loop
    async def test_threads_append_without_an_event_loop(self, stage: Stage) -> None:
        room, each_appends, threads = stage.room(), 10, 4
        backend, heard = await stage.start(room)
        appender = backend.sync()

        def append(name: int) -> list[int]:
            numbers = range(each_appends)
            return [appender.append(room, b"%d %d" % (name, number)) for number in numbers]

        try:
            appending = [asyncio.to_thread(append, name) for name in range(threads)]
            offsets = list(chain(*await asyncio.gather(*appending)))
        finally:
            await asyncio.to_thread(appender.close)
        total = each_appends * threads
        assert sorted(offsets) == list(range(1, total + 1)), offsets
        handed = await heard.in_room(room, total)
        assert [each.offset for each in handed] == list(range(1, total + 1)), handed
        for name in range(threads):
            its = [each.payload for each in handed if each.payload.startswith(b"%d " % name)]
            assert its == [b"%d %d" % (name, number) for number in range(each_appends)], its

    @in_a_loop
    async def test_threads_ask_where_a_room_is(self, stage: Stage) -> None:
        room = stage.room()
        backend, _ = await stage.start(room)
        appender = backend.sync()
        try:
            here = await asyncio.to_thread(appender.position, room)
            assert here == (await backend.history(room, None)).last, here
            for _ in range(2):
                offset = await backend.append(room, b"1", KEEP_ALL)
                there = await asyncio.to_thread(appender.position, room)
                assert there == (here.epoch, offset), f"{there} is not {offset} of {here}"
        finally:
            await asyncio.to_thread(appender.close)

    @in_a_loop
    async def test_an_appender_can_be_closed_twice_and_used_again(self, stage: Stage) -> None:
        room = stage.room()
        backend, heard = await stage.start(room)
        appender = backend.sync()

        def use() -> None:
            appender.close()
            appender.append(room, b"1", KEEP_NONE)
            appender.close()
            appender.append(room, b"2", KEEP_ALL)
            appender.close()
            appender.close()

        await asyncio.to_thread(use)
        handed = await heard.in_room(room, 2)
        assert [each.payload for each in handed] == [b"1", b"2"], handed

    # --- start and stop ----------------------------------------------------------------

    @in_a_loop
    async def test_after_its_stop_nothing_is_handed_over(self, stage: Stage) -> None:
        room = stage.room()
        backend, heard = await stage.start(room)
        other, elsewhere = await stage.start(room)
        await backend.append(room, b"1")
        await heard.in_room(room, 1)
        await backend.stop()
        await backend.stop()
        if self.is_shared:
            await other.append(room, b"2")
            await elsewhere.in_room(room, 2)
        assert len(heard.rooms[room]) == 1, "it was handed something after stop()"

    def test_it_can_be_started_again_on_another_loop(self) -> None:
        """As by the tests of an application, each of which has a loop of its own."""
        backend, room = self.make(), f"contract:{secrets.token_hex(4)}"
        for number in (1, 2):

            async def use(number: int = number) -> None:
                heard = Heard(self.seconds)
                await backend.start(heard)
                try:
                    await backend.subscribe([room])
                    assert await backend.append(room, b"%d" % number) == number
                    [handed] = await heard.in_room(room, 1)
                    assert handed.payload == b"%d" % number, handed
                finally:
                    await backend.stop()

            asyncio.run(use())

"""What every backend must do with the history of rooms: keep by a rule, and say what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..backends import KEEP_NONE, History, Keep, Position
from .stage import KEEP_ALL, Stage, Suite, in_a_loop

__all__ = ["HistoryContract"]


class HistoryContract(Suite):
    """Tests of ``Backend.history``, and of what is kept for it."""

    @in_a_loop
    async def test_where_a_room_is_now_can_be_asked(self, stage: Stage) -> None:
        """Also before anything was appended: what comes next is of that epoch."""
        room = stage.room()
        backend, heard = await stage.start(room)
        here = await backend.history(room, None)
        assert here == History(Position(here.last.epoch, 0)), here
        await backend.append(room, b"1", KEEP_ALL)
        [handed] = await heard.in_room(room, 1)
        assert handed.epoch == here.last.epoch, "its epoch began with the first payload"
        assert await backend.history(room, None) == History(Position(handed.epoch, 1))

    @in_a_loop
    async def test_what_came_after_a_position_can_be_had(self, stage: Stage) -> None:
        if not self.has_history:
            return
        room, other = stage.room(), stage.room()
        backend, _ = await stage.start(room)
        asked = (await stage.start())[0] if self.is_shared else backend
        appended: list[tuple[int, bytes]] = []
        for payload in (b"1", b"2", b"3", b"4", b"5"):
            appended.append((await backend.append(room, payload, KEEP_ALL), payload))
            await backend.append(other, b"other", KEEP_ALL)
        last = (await asked.history(room, None)).last
        assert last.offset == appended[-1][0], "it is not where its last payload is"
        for number, since in enumerate([0, *(offset for offset, _ in appended)]):
            history = await asked.history(room, Position(last.epoch, since))
            assert (history.last, history.is_whole) == (last, True), history
            came = [(offset, bytes(each)) for offset, each in history.payloads]
            assert came == appended[number:], (since, came)

    @in_a_loop
    async def test_positions_that_are_not_of_the_room_have_no_history(self, stage: Stage) -> None:
        if not self.has_history:
            return
        room = stage.room()
        backend, _ = await stage.start(room)
        for _ in range(3):
            await backend.append(room, b"x", KEEP_ALL)
        last = (await backend.history(room, None)).last
        for since in (
            *(Position(last.epoch, 4), Position(last.epoch, 10**9), Position(last.epoch, -1)),
            *(Position("another", 2), Position("", 3), Position("another", 10**30)),
        ):
            history = await backend.history(room, since)
            assert history == History(last, is_whole=False), (since, history)

    @in_a_loop
    async def test_no_more_is_given_than_was_asked_for(self, stage: Stage) -> None:
        if not self.has_history:
            return
        room = stage.room()
        backend, _ = await stage.start(room)
        for _ in range(5):
            await backend.append(room, b"x", KEEP_ALL)
        last = (await backend.history(room, None)).last
        most = await backend.history(room, Position(last.epoch, 1), 4)
        assert len(most.payloads) == 4, most
        over = await backend.history(room, Position(last.epoch, 1), 3)
        assert over == History(last, is_whole=False), over
        none = await backend.history(room, last, 0)
        assert none == History(last), none

    @in_a_loop
    async def test_a_room_that_keeps_nothing_says_that_something_is_missing(
        self, stage: Stage
    ) -> None:
        room = stage.room()
        backend, _ = await stage.start(room)
        first = (await backend.history(room, None)).last
        await backend.append(room, b"1", KEEP_NONE)
        last = Position(first.epoch, 1)
        assert await backend.history(room, first) == History(last, is_whole=False)
        assert await backend.history(room, last) == History(last)

    @in_a_loop
    async def test_history_is_bounded_by_number(self, stage: Stage) -> None:
        await self._check_bound(stage, Keep(3), [b"x"] * 5, kept=3)

    @in_a_loop
    async def test_history_is_bounded_by_size(self, stage: Stage) -> None:
        await self._check_bound(stage, Keep(100, size=3_500), [b"x" * 1_000] * 5, kept=3)
        await self._check_bound(stage, Keep(100, size=50), [b"x", b"x" * 100, b"x"], kept=1)

    async def _check_bound(
        self, stage: Stage, keep: Keep, payloads: list[bytes], kept: int
    ) -> None:
        if not self.has_history:
            return
        room = stage.room()
        backend, _ = await stage.start(room)
        for payload in payloads:
            await backend.append(room, payload, keep)
        last = (await backend.history(room, None)).last
        whole = await backend.history(room, Position(last.epoch, last.offset - kept))
        assert [bytes(each) for _, each in whole.payloads] == payloads[-kept:], whole
        over = await backend.history(room, Position(last.epoch, last.offset - kept - 1))
        assert over == History(last, is_whole=False), over

    @in_a_loop
    async def test_history_is_bounded_by_age(self, stage: Stage) -> None:
        if not self.has_history:
            return
        room, keep = stage.room(), Keep(100, seconds=1.0)
        backend, _ = await stage.start(room)
        first = (await backend.history(room, None)).last
        await backend.append(room, b"1", keep)
        last = Position(first.epoch, 1)
        assert (await backend.history(room, first)).is_whole, "it was forgotten at once"
        async with asyncio.timeout(self.seconds):
            while (await backend.history(room, first)).is_whole:
                await asyncio.sleep(0.05)  # age is nothing that anybody tells
        assert await backend.history(room, first) == History(last, is_whole=False)
        assert await backend.history(room, last) == History(last)

    @in_a_loop
    async def test_what_was_not_kept_is_a_hole_in_the_history(self, stage: Stage) -> None:
        if not self.has_history:
            return
        room = stage.room()
        backend, _ = await stage.start(room)
        first = (await backend.history(room, None)).last
        for keep in (KEEP_ALL, KEEP_NONE, KEEP_ALL, KEEP_ALL):
            await backend.append(room, b"x", keep)
        last = Position(first.epoch, 4)
        for since in (0, 1):
            history = await backend.history(room, Position(first.epoch, since))
            assert history == History(last, is_whole=False), (since, history)
        after = await backend.history(room, Position(first.epoch, 2))
        assert [offset for offset, _ in after.payloads] == [3, 4], after

    # --- rules -------------------------------------------------------------------------

    @in_a_loop
    async def test_an_append_that_brings_no_rule_is_kept_by_that_of_its_room(
        self, stage: Stage
    ) -> None:
        if not self.has_history:
            return
        base = stage.room()
        keeps = {f"{base}:none:*": KEEP_NONE, f"{base}:*:tail": Keep(2), f"{base}:*": Keep(3)}
        backend, _ = await stage.start(keeps=keeps)
        other = (await stage.start())[0] if self.shares_rules else backend
        sync = other.sync()
        appenders: list[Callable[[str, bytes], Awaitable[int]]] = [backend.append, other.append]
        appenders.append(lambda room, payload: asyncio.to_thread(sync.append, room, payload))
        for number, append in enumerate(appenders):
            for name, kept in ((f":none:{number}", 0), (f":{number}:tail", 2), (f":{number}", 3)):
                for payload in (b"1", b"2", b"3", b"4"):
                    await append(base + name, payload)
                last = (await backend.history(base + name, None)).last
                since = Position(last.epoch, last.offset - kept)
                history = await backend.history(base + name, since)
                assert len(history.payloads) == kept, (name, history)
                over = await backend.history(base + name, Position(last.epoch, since.offset - 1))
                assert not over.is_whole, (name, over)
        await asyncio.to_thread(sync.close)

"""Where a process is in a stream, which is played by the tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest

from htmx_ws.backends.nats import follower
from htmx_ws.backends.nats.follower import Follower
from htmx_ws.backends.nats.jetstream import Place, State


class Heard:
    """A receiver."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str, int, bytes]] = []
        self.gaps: list[tuple[str | None, str]] = []

    def deliver(self, room: str, epoch: str, offset: int, payload: Any) -> None:
        if payload == b"bad":
            raise LookupError
        self.came.append((room, epoch, offset, payload))

    def report_gap(self, room: str | None, why: str) -> None:
        self.gaps.append((room, why.split(" messages")[0]))


@dataclass
class Message:
    subject: str
    data: bytes
    reply: str = ""
    headers: None = None


class Stream:
    """Has the offsets that it has."""

    def __init__(self, epoch: str, *offsets: int, last: int | None = None) -> None:
        self.offsets = offsets
        first = offsets[0] if offsets else (last or 0) + 1
        self._state = State(epoch, first, max(offsets) if last is None else last)
        self.changes: list[bool] = []

    async def find(self, *, changes: bool) -> State:
        self.changes.append(changes)
        return self._state

    async def next(self, offset: int) -> int | None:
        return min((each for each in self.offsets if each >= offset), default=None)


class Consumer:
    """Is given a function to hand messages to."""

    def __init__(self, connection: object, take: Callable[..., bool], fail: object) -> None:
        self.take = take
        self.first = 0

    async def begin(self, stream: Stream, first: int) -> None:
        self.first = first

    def hand(self, offset: int, data: bytes = b"", subject: str = "chat") -> bool:
        return self.take(Place(offset, 1, 0.0, 0), Message(subject, data))


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "Consumer", Consumer)


async def follow(process: Follower, stream: Stream) -> Consumer:
    await process.find(cast(Any, stream))
    consumer = await process.read(cast(Any, stream), cast(Any, None), lambda: None)
    return cast(Consumer, consumer)


async def started(stream: Stream) -> tuple[Follower, Heard, Consumer]:
    heard = Heard()
    process = Follower(heard)
    process.rooms["chat"] = "the chat"
    return process, heard, await follow(process, stream)


async def test_it_begins_where_the_stream_is_and_hands_over_what_is_of_its_rooms() -> None:
    stream = Stream("a", 1, 2, 3)
    _, heard, consumer = await started(stream)
    assert stream.changes == [True]
    assert consumer.first == 4
    assert consumer.hand(4, b"4")
    assert consumer.hand(5, b"5", "another")
    assert consumer.hand(6, b"6")
    assert heard.came == [("the chat", "a", 4, b"4"), ("the chat", "a", 6, b"6")]
    assert not heard.gaps


async def test_it_goes_on_behind_what_it_saw() -> None:
    process, heard, consumer = await started(Stream("a", last=0))
    consumer.hand(1)
    again = Stream("a", 1, 2, 3)
    assert (await follow(process, again)).first == 2
    assert again.changes == [False], "its settings are looked at once"
    assert not heard.gaps


async def test_who_appends_alone_leaves_the_settings_of_a_stream() -> None:
    stream = Stream("a", last=0)
    await Follower(Heard(), changes=False).find(cast(Any, stream))
    assert stream.changes == [False]


async def test_what_the_stream_has_dropped_is_a_gap() -> None:
    process, heard, consumer = await started(Stream("a", last=0))
    consumer.hand(1)
    assert (await follow(process, Stream("a", 5, 6))).first == 5
    assert (await follow(process, Stream("a", last=9))).first == 10
    assert heard.gaps == [(None, "3"), (None, "5")]


async def test_another_stream_is_a_gap_and_read_from_its_first() -> None:
    process, heard, _ = await started(Stream("a", 1, 2, 3))
    other = await follow(process, Stream("b", 1, 2))
    assert other.first == 1
    other.hand(1, b"1")
    assert heard.came == [("the chat", "b", 1, b"1")]
    assert len(heard.gaps) == 1
    assert "another stream" in heard.gaps[0][1]


async def test_a_stream_that_has_lost_its_last_messages_is_a_gap() -> None:
    process, heard, _ = await started(Stream("a", 1, 2, 3))
    assert (await follow(process, Stream("a", 1, 2))).first == 3
    assert "lost the last" in heard.gaps[0][1]


async def test_a_consumer_that_skips_is_believed_the_second_time() -> None:
    process, heard, consumer = await started(Stream("a", last=0))
    assert consumer.hand(1)
    assert not consumer.hand(3, b"3")
    again = await follow(process, Stream("a", 1, 2, 3))
    assert again.first == 2
    assert again.hand(3, b"3")
    assert heard.gaps == [(None, "1")]
    assert heard.came[-1][2:] == (3, b"3")


async def test_without_rooms_nothing_can_be_missing() -> None:
    process, heard, _ = await started(Stream("a", 1))
    process.rooms.clear()
    await follow(process, Stream("b", 1))
    assert not heard.gaps


async def test_a_receiver_that_fails_is_handed_what_comes_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, heard, consumer = await started(Stream("a", last=0))
    assert consumer.hand(1, b"bad")
    assert consumer.hand(2, b"2")
    assert [payload for *_, payload in heard.came] == [b"2"]
    assert "What came to 'the chat' could not be delivered" in caplog.text


async def test_after_its_end_nothing_is_handed_over() -> None:
    process, heard, consumer = await started(Stream("a", last=0))
    process.end()
    consumer.hand(1)
    consumer.hand(5)
    consumer.hand(5)
    assert not heard.came
    assert not heard.gaps

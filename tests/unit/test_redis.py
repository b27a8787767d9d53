"""The pure parts of the Redis backend: a room's order, addresses, and what is said to Redis.

``tests/services/test_redis.py`` has the rest, on a real one.
"""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import TimeoutError as LateError

from htmx_ws.backends import Keep
from htmx_ws.backends.keeps import Keeps
from htmx_ws.backends.redis import RedisBackend
from htmx_ws.backends.redis.address import FAILURES, Address, Backoff, is_for_now
from htmx_ws.backends.redis.calls import (
    Given,
    Item,
    Keys,
    read_answers,
    read_given,
    read_message,
    write_keeps,
)
from htmx_ws.backends.redis.link import Link
from htmx_ws.backends.redis.order import (
    MOST_HELD,
    MOST_OFFSET,
    Answer,
    Mark,
    Message,
    Order,
    Settled,
)
from htmx_ws.errors import BackendError

# --- the order of a room ---------------------------------------------------------------


class Room:
    """What Redis has of one room, in the words of its scripts."""

    def __init__(self) -> None:
        self.epochs = 1
        self.time = 0
        self.mark = Mark("1", 0, 0)
        self.kept: dict[int, Message] = {}

    def append(self, keeps: bool) -> Message:
        self.time += 1
        epoch, offset, before = self.mark
        message = Message(epoch, offset + 1, self.time, before, b"%d" % self.time)
        self.mark = Mark(epoch, offset + 1, self.time)
        if keeps:
            self.kept[offset + 1] = message
        return message

    def begin_epoch(self, offset: int = 0, stamp: int = 0) -> None:
        self.epochs += 1
        self.mark = Mark(str(self.epochs), offset, stamp)
        self.kept.clear()

    def ask(self, since: Mark | None, most: int) -> Answer:
        if since is None:
            return Answer(self.mark)
        epoch, offset, stamp = self.mark
        if since.epoch != epoch and stamp > since.stamp:
            return Answer(self.mark, is_whole=False)
        same = self.kept.get(since.offset)
        if (
            since.epoch != epoch
            or since.offset > offset
            or (since.offset == offset and since.stamp != stamp)
            or (since.offset < offset and same is not None and same.stamp != since.stamp)
        ):
            self.begin_epoch(offset, stamp)
            return Answer(self.mark, is_whole=False)
        missing = range(since.offset + 1, offset + 1)[:most]
        if not all(each in self.kept for each in missing):
            return Answer(self.mark, is_whole=False)
        entries = ((each, self.kept[each].stamp, self.kept[each].payload) for each in missing)
        return Answer(self.mark, tuple(entries))


class Listening(RuleBasedStateMachine):
    """One process listens to one room, whatever happens to both."""

    #: Whether Redis may lose what it has.
    may_lose = True

    def __init__(self) -> None:
        super().__init__()
        self.room, self.order = Room(), Order()
        self.coming: list[Message] = []  # on the connection, not read yet
        self.is_due = True
        self.asked: Mark | None = None
        self.is_asking = False
        self.answer: Answer | None = None
        self.handed: deque[tuple[str, int, bytes] | str] = deque()
        self.last: tuple[str, int, bytes] | None = None
        self.offsets: list[int] = []
        self.is_told, self.told = False, 0
        self.saved = self.room.mark, dict(self.room.kept)
        self.gave_up = False

    @rule(keeps=st.booleans())
    def append(self, keeps: bool) -> None:
        self.coming.append(self.room.append(keeps or not self.may_lose))

    @precondition(lambda self: self.coming)
    @rule()
    def read(self) -> None:
        self.handed += self.order.take(self.coming.pop(0))

    @rule(read=st.integers(0, 3))
    def lose_the_connection(self, read: int = 0) -> None:
        """What was not read is lost; the subscription is confirmed again."""
        for message in self.coming[:read]:
            self.handed += self.order.take(message)
        self.coming.clear()
        self.order.doubt()
        self.is_due = True

    @precondition(lambda self: not self.is_asking and (self.order.asks or self.is_due))
    @rule()
    def ask(self) -> None:
        self.asked, self.is_asking, self.answer = self.order.ask(), True, None
        self.is_due = False

    @precondition(lambda self: self.is_asking and self.answer is None)
    @rule(most=st.integers(1, 3))
    def be_heard(self, most: int) -> None:
        """Redis answers; the answer is on its way."""
        self.answer = self.room.ask(self.asked, most)

    @precondition(lambda self: self.answer is not None)
    @rule()
    def settle(self) -> None:
        self._settle(self.answer)

    @precondition(lambda self: self.may_lose and self.is_asking)
    @rule()
    def give_up(self) -> None:
        self.gave_up = True
        self._settle(None)

    def _settle(self, answer: Answer | None) -> None:
        messages, gap = self.order.settle(answer)
        self.is_asking, self.answer = False, None
        self.handed += [gap] if gap else []
        self.handed += messages

    @precondition(lambda self: self.may_lose)
    @rule(count=st.integers(1, 4))
    def forget_the_oldest(self, count: int) -> None:
        for offset in sorted(self.room.kept)[:count]:
            del self.room.kept[offset]

    @precondition(lambda self: self.may_lose)
    @rule(read=st.integers(0, 3))
    def come_back_empty(self, read: int) -> None:
        self.room.begin_epoch()
        self.lose_the_connection(read)

    @rule()
    def write_down(self) -> None:
        self.saved = self.room.mark, dict(self.room.kept)

    @precondition(lambda self: self.may_lose)
    @rule(read=st.integers(0, 3), others=st.integers(0, 3))
    def roll_back(self, read: int, others: int) -> None:
        """Redis comes back with what it had written down, and others are faster to go on there."""
        self.room.mark, self.room.kept = self.saved[0], dict(self.saved[1])
        self.lose_the_connection(read)
        for _ in range(others):
            self.room.append(keeps=True)

    @invariant()
    def what_is_handed_over_follows_or_a_gap_is_told(self) -> None:
        while self.handed:
            each = self.handed.popleft()
            if isinstance(each, str):
                self.is_told = True
                self.told += 1
                continue
            self.offsets.append(each[1])
            last, self.last = self.last, each
            if last is not None and each[:2] != (last[0], last[1] + 1):
                assert self.is_told, (last, each)
                assert self.gave_up or each[0] != last[0] or each[1] > last[1], (last, each)
            self.is_told = False

    def teardown(self) -> None:
        """When all is quiet, the process is where Redis is, with the next message at the latest."""
        self.is_due |= self.gave_up
        self._be_quiet()
        if not self.may_lose:
            assert self.order._seen == self.room.mark
            assert not self.told, "a gap is told of what could be had"
            last = self.room.mark.offset
            assert self.offsets == list(range(last - len(self.offsets) + 1, last + 1))
        self.coming.append(self.room.append(keeps=True))
        self._be_quiet()
        assert self.order._seen == self.room.mark

    def _be_quiet(self) -> None:
        for message in self.coming:
            self.handed += self.order.take(message)
        self.coming.clear()
        for _ in range(50):
            self.what_is_handed_over_follows_or_a_gap_is_told()
            if not (self.order.asks or self.is_due):
                return
            self.is_due = False
            self._settle(self.room.ask(self.order.ask(), 2))
        raise AssertionError("it asks for ever")


class ListeningToWhatIsKept(Listening):
    """Where Redis loses nothing, nothing is lost."""

    may_lose = False


TestListening = Listening.TestCase
TestListeningToWhatIsKept = ListeningToWhatIsKept.TestCase
TestListening.settings = TestListeningToWhatIsKept.settings = settings(
    max_examples=100, stateful_step_count=20
)


def message(offset: int, epoch: str = "e") -> Message:
    return Message(epoch, offset, 10 * offset, 10 * (offset - 1), b"%d" % offset)


def flowing(*offsets: int) -> Order:
    """An order that has handed over messages up to the last of these."""
    order = Order()
    assert order.ask() is None
    assert order.settle(Answer(Mark("e", 0, 0))) == Settled([])
    for offset in offsets:
        assert order.take(message(offset)) == [("e", offset, b"%d" % offset)]
    return order


def test_what_follows_is_handed_over_at_once() -> None:
    order = flowing(1, 2, 3)
    assert not order.asks
    assert order.take(message(2)) == []  # an answer had it
    assert not order.asks


def test_what_does_not_follow_waits_for_the_answer() -> None:
    order = flowing(1)
    assert order.take(message(4)) == order.take(message(5)) == []
    assert order.asks
    assert order.ask() == Mark("e", 1, 10)
    assert order.take(message(6)) == []
    entries = tuple((offset, 10 * offset, b"%d" % offset) for offset in (2, 3, 4, 5))
    messages, gap = order.settle(Answer(Mark("e", 5, 50), entries))
    assert [offset for _, offset, _ in messages] == [2, 3, 4, 5, 6]
    assert not gap
    assert not order.asks


def test_a_gap_says_why() -> None:
    order = flowing(1)
    order.take(message(4))
    order.ask()
    why = "the broker has kept too little of what came after 1"
    assert order.settle(Answer(Mark("e", 4, 40), is_whole=False)) == Settled([("e", 4, b"4")], why)
    order.doubt()
    order.ask()
    why = "the broker has lost the room's count, and began another"
    assert order.settle(Answer(Mark("f", 9, 90), is_whole=False)) == Settled([], why)


def test_a_place_that_comes_again_shows_that_redis_has_forgotten() -> None:
    """It is told so, by a place that it never reached: then it begins another epoch."""
    order = flowing(1, 2, 3)
    assert order.take(Message("e", 2, 95, 90, b"another")) == []
    assert order.ask() == Mark("e", MOST_OFFSET, 30)


def test_a_place_that_redis_is_not_at_yet_shows_that_it_has_forgotten() -> None:
    order = Order()
    order.take(message(3))
    order.ask()
    order.take(message(1))
    assert order.settle(Answer(Mark("e", 1, 10))) == Settled([])
    assert order.ask() == Mark("e", 3, 30)


def test_what_redis_says_after_it_has_forgotten_does_not_hide_what_it_forgot() -> None:
    order = flowing(1)
    order.take(message(3))
    order.take(Message("e", 2, 95, 90, b"another"))
    order.ask()
    assert order.settle(Answer(Mark("e", 2, 95), is_whole=False)) == Settled([])
    assert order.ask() == Mark("e", 3, 30)


def test_what_came_before_a_connection_was_lost_is_where_the_room_begins() -> None:
    order = Order()
    order.take(message(3))
    order.doubt()
    assert order.ask() == Mark("e", 2, 20)


def test_a_room_that_is_quiet_can_be_asked_about() -> None:
    order = flowing(1)
    assert order.ask() == Mark("e", 1, 10)
    assert order.take(message(2)) == []
    order.doubt()
    assert order.settle(Answer(Mark("e", 1, 10))) == Settled([("e", 2, b"2")])
    order.doubt()
    order.doubt()
    assert order.asks


def test_an_answer_that_has_no_room_for_all_is_followed_by_a_question() -> None:
    order = flowing(1)
    order.take(message(4))
    order.ask()
    answer = Answer(Mark("e", 4, 40), ((2, 20, b"2"), (3, 30, b"3")))
    assert order.settle(answer) == Settled([("e", 2, b"2"), ("e", 3, b"3")])
    assert order.ask() == Mark("e", 3, 30)
    assert order.settle(Answer(Mark("e", 4, 40), ((4, 40, b"4"),))) == Settled([("e", 4, b"4")])
    assert not order.asks


def test_not_more_waits_than_may() -> None:
    order = flowing(1)
    for offset in range(3, MOST_HELD + 3):
        assert not order.is_full
        order.take(message(offset))
    assert not order.is_full
    order.take(message(MOST_HELD + 3))
    assert order.is_full
    messages, why = order.settle(None)
    assert [offset for _, offset, _ in messages] == list(range(3, MOST_HELD + 4))
    assert why == "the broker cannot be asked"


def test_an_order_that_cannot_be_asked_about_asks_again_with_the_next_message() -> None:
    order = Order()
    order.ask()
    assert order.settle(None) == Settled([])
    assert order.take(message(7)) == []
    assert order.asks


# --- what is said to Redis -------------------------------------------------------------

KEYS = Keys("shop")


def test_names_begin_with_the_prefix_and_lead_back_to_each_other() -> None:
    channel = KEYS.channel("chat:\N{SNOWMAN}\ud800")
    assert channel == b"shop:room:chat:\xe2\x98\x83\xed\xa0\x80"
    assert KEYS.log(channel) == b"shop:log:chat:\xe2\x98\x83\xed\xa0\x80"
    assert {KEYS.keeps, KEYS.nothing, KEYS.did("x")} == {
        b"shop:keeps", b"shop:nothing", b"shop:did:x",
    }  # fmt: skip


def test_a_batch_names_what_each_room_keeps() -> None:
    items = [
        Item("a", b"1", Keep(5, 1.5, 99)),
        Item("b", b"2", None),
        Item("c", b"3", Keep(5, float("inf"))),
        Item("d", b"4", Keep(0, -1.0)),
    ]
    call = KEYS.append(items, "me", 7, 1_000)
    assert call.keys[:2] == [b"shop:did:me", b"shop:keeps"]
    assert call.keys[2::2] == [b"shop:room:%c" % name for name in b"abcd"]
    assert call.keys[3::2] == [b"shop:log:%c" % name for name in b"abcd"]
    number, did_ms, _, _, *each = call.args
    assert (number, did_ms) == (7, 1_000)
    assert each[:5] == [b"a", b"1", 5, 1_500, 99]
    assert each[5:10] == [b"b", b"2", "", "", ""]
    assert each[10:14] == [b"c", b"3", 5, 315_360_000_000]
    assert each[17:19] == [0, 1]
    assert call.by_sha()[:2] == (call.script.sha, 10)
    assert call.by_text()[:2] == (call.script.text, 10)
    assert call.by_sha()[2:] == call.by_text()[2:] == (*call.keys, *call.args)


@pytest.mark.parametrize(
    ("reply", "given"),
    [
        ([5, 6], [Given(5), Given(6)]),
        ([5, b"OOM no"], [Given(5), Given(0, "OOM no")]),
        ([0, 6], [Given(0), Given(6)]),  # of a batch that was done, where the first failed
        ([], [Given(0), Given(0)]),  # of one before the last that was done
    ],
)
def test_what_became_of_a_batch_is_read(reply: list[Any], given: list[Given]) -> None:
    assert read_given(reply, 2) == given


def test_questions_name_a_place_or_none() -> None:
    call = KEYS.ask([(b"shop:room:a", None), (b"shop:room:b", Mark("e", 3, 30))])
    assert call.keys == [b"shop:room:a", b"shop:log:a", b"shop:room:b", b"shop:log:b"]
    assert call.args[4:7] == [b"", "", ""]
    assert call.args[8:11] == [b"e", 3, 30]
    one = KEYS.ask_one("a", "\ud800", 3, 50)
    assert one.args[4:] == [b"\xed\xa0\x80", 3, "", 50]


def test_answers_are_read() -> None:
    reply = [
        [b"e", 5, b"50", 1],
        [b"e", 5, b"50", 0],
        [b"e", 5, b"50", 1, 4, b"40", b"four", 5, b"50", b"five"],
        b"WRONGTYPE no",
        "as text",
    ]
    assert read_answers(reply) == [
        Answer(Mark("e", 5, 50)),
        Answer(Mark("e", 5, 50), is_whole=False),
        Answer(Mark("e", 5, 50), ((4, 40, b"four"), (5, 50, b"five"))),
        "WRONGTYPE no",
        "as text",
    ]


@given(st.binary())
def test_what_comes_is_a_message_or_a_value_error(data: bytes) -> None:
    for each in (data, b"e 1 2 3\n" + data):
        try:
            read = read_message(each)
        except ValueError:
            assert each is data
        else:
            assert isinstance(read, Message)
    assert read_message(b"e 1 2 3\n" + data) == Message("e", 1, 2, 3, data)


@pytest.mark.parametrize(
    "data", [b"", b"e 1 2 3", b" 1 2 3\n", b"e 1 2\n", b"e 1 x 3\n", b"\xff 1 2 3\n", b"e  1 2\n"]
)
def test_what_is_no_message_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_message(data)


def test_rules_are_written_as_what_stands_between_their_stars() -> None:
    written = write_keeps(Keeps({"chat:*:\N{SNOWMAN}": Keep(5, 2.0, 99), "a": Keep()}))
    assert json.loads(written) == [
        [["chat:", ":\N{SNOWMAN}"], 5, 2_000, 99],
        [["a"], *Keep(0, 3_600_000)],
    ]


# --- addresses -------------------------------------------------------------------------


def test_an_address_says_all_that_there_is_to_say() -> None:
    assert Address.read("redis://host", None, None, None) == (
        "redis://host", "htmx-ws", "raise", 1_000,
    )  # fmt: skip
    url = "rediss://me:s%40y@host:1/2?prefix=shop&ssl_ca_certs=%2Fa%20b&outage=queue&queue=5"
    assert Address.read(url, None, None, None) == (
        "rediss://me:s%40y@host:1/2?ssl_ca_certs=%2Fa+b", "shop:db2", "queue", 5,
    )  # fmt: skip
    assert Address.read(url, "bar", "raise", 0)[1:] == ("bar:db2", "raise", 0)
    bytes_only = Address.read("redis://host?decode_responses=True&db=1", None, None, None)
    assert bytes_only.url == "redis://host?db=1"


@pytest.mark.parametrize(
    "end",
    [
        "host:abc",
        "s3/cret@host/0",
        "12/cret@host/1",
        "s3#cret@host/0",
        "#s3cret@host",
        "@host?db=x",
        "@host?que=1",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_and_not_repeated(end: str) -> None:
    with pytest.raises(ValueError, match="The address of Redis cannot be read") as refused:
        RedisBackend(f"redis://:{end}")
    assert "cret" not in str(refused.value)


def test_an_option_that_is_none_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"'prefx'\. .* prefix, outage, queue and those of redis"):
        RedisBackend("redis://host?prefx=shop")


async def test_a_redis_can_be_at_a_path(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/redis.sock?db=1"
    address = Address.read(f"{url}&prefix=shop", None, None, None)
    assert address[:2] == (url, "shop:db1")
    link = Link(address)
    with pytest.raises(FAILURES, match="No such file"):
        await link.client.ping()
    await link.close()
    with pytest.raises(BackendError, match="No such file"):
        RedisBackend(url).sync().append("room", b"lost")


def test_databases_of_one_redis_share_no_channel() -> None:
    """Redis knows channels by their names alone, whatever database who listens has selected."""
    names = {Address.read(f"redis://host/{db}", None, None, None).prefix for db in ("", "0", "1")}
    assert names == {"htmx-ws", "htmx-ws:db1"}


def test_what_is_secret_is_in_no_label() -> None:
    for url in ("redis://:s3cret@host:1/2", "redis://me:s3cret@host:1/2?password=s3cret"):
        backend = RedisBackend(url, prefix="shop")
        assert repr(backend) == "RedisBackend('redis://host:1/2')"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("outage=wait", r"outage is 'wait': it is one of \('raise', 'queue'\)"),
        ("queue=many", "queue is 'many': it must be a number of 0 or more"),
        ("queue=-1", "queue is '-1': it must be a number of 0 or more"),
    ],
)
def test_what_an_address_cannot_say_is_an_error(query: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RedisBackend(f"redis://host?{query}")


@pytest.mark.parametrize(
    ("failure", "is_so"),
    [
        *((kind("no"), True) for kind in (LostError, LateError, BusyLoadingError, ReadOnlyError)),
        *((kind("no"), True) for kind in (AuthenticationError, ConnectionResetError, TimeoutError)),
        *((ResponseError(text), True) for text in ("BUSY no", "MISCONF no", "OOM no")),
        *((kind("no"), False) for kind in (ResponseError, NoPermissionError)),
        *(("LOADING no", True), ("READONLY no", True), ("WRONGTYPE no", False), ("", False)),
    ],
    ids=repr,
)
def test_some_failures_are_for_now(failure: Exception | str, is_so: bool) -> None:
    assert is_for_now(failure) is is_so


def test_attempts_become_rarer_and_are_never_the_same() -> None:
    backoff = Backoff()
    waits = [backoff.next() for _ in range(20)]
    for least, wait in zip((0.025, 0.05, 0.1, 0.2, *[0.25] * 16), waits, strict=True):
        assert least <= wait <= 2 * least
    assert len(set(waits)) == len(waits)
    backoff.reset()
    assert backoff.next() <= 0.05

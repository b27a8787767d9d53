"""Backends: the suite that all must pass, what it notices, and what is the memory backend's own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from threading import Lock
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmx_ws.backends import (
    KEEP_NONE,
    Backend,
    History,
    Keep,
    MemoryBackend,
    Position,
    Receiver,
    SyncAppender,
    from_url,
    memory,
)
from htmx_ws.backends.keeps import Keeps
from htmx_ws.backends.sync import LoopAppender
from htmx_ws.dual import Done
from htmx_ws.rooms import Room, Rooms
from htmx_ws.testing import BackendContract
from htmx_ws.testing.stage import Suite


class TestMemory(BackendContract):
    is_shared: ClassVar[bool] = False
    shares_rules: ClassVar[bool] = False

    def make(self) -> Backend:
        return MemoryBackend()


# --- a backend that processes share, as somebody else may write one --------------------


class Broker:
    """One order for several instances of a backend, in any threads."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.order = MemoryBackend()
        self.instances: list[Shared] = []

    def deliver(self, room: str, epoch: str, offset: int, payload: Any) -> None:
        for instance in self.instances:
            instance.take(room, epoch, offset, payload)

    def report_gap(self, room: str | None, why: str) -> None:
        raise AssertionError("nothing is missing here")


class Shared:
    is_shared = True

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.rooms: set[str] = set()
        self.receiver: Receiver | None = None

    async def start(self, receiver: Receiver, keeps: Mapping[str, Keep] | None = None) -> None:
        self.receiver, self.loop = receiver, asyncio.get_running_loop()
        self.broker.instances.append(self)
        await self.broker.order.start(self.broker, keeps)

    async def stop(self) -> None:
        if self in self.broker.instances:
            self.broker.instances.remove(self)

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> Awaitable[int]:
        with self.broker.lock:
            return self.broker.order.append(room, bytes(payload), keep)

    def take(self, room: str, epoch: str, offset: int, payload: bytes) -> None:
        if room in self.rooms:
            self.loop.call_soon_threadsafe(self.hand_over, room, epoch, offset, payload)

    def hand_over(self, room: str, epoch: str, offset: int, payload: bytes) -> None:
        assert self.receiver is not None
        if self in self.broker.instances:
            try:
                self.receiver.deliver(room, epoch, offset, payload)
            except ZeroDivisionError:
                return

    def subscribe(self, rooms: Iterable[str]) -> Awaitable[None]:
        self.rooms.update(rooms)
        return Done(None)

    def unsubscribe(self, rooms: Iterable[str]) -> Awaitable[None]:
        self.rooms.difference_update(rooms)
        return Done(None)

    async def history(self, room: str, since: Position | None, most: int = 1_000) -> History:
        return await self.broker.order.history(room, since, most)

    def sync(self) -> SyncAppender:
        return LoopAppender(lambda: Shared(self.broker))


class TestShared(BackendContract):
    """Its appends without an event loop are those of ``LoopAppender``."""

    kind: ClassVar[Callable[[Broker], Backend]] = Shared

    def setup_method(self) -> None:
        self.broker = Broker()

    def make(self) -> Backend:
        return type(self).kind(self.broker)


class TestAFeatureless(TestShared):
    """A backend that has as little as one may have."""

    has_history: ClassVar[bool] = False
    has_one_order: ClassVar[bool] = False
    counts_by_one: ClassVar[bool] = False


# --- what the suite notices ------------------------------------------------------------


class Deaf(Shared):
    def take(self, *handed: Any) -> None:
        return None


class Doubling(Shared):
    def take(self, *handed: Any) -> None:
        super().take(*handed)
        super().take(*handed)


class Indiscriminate(Shared):
    def take(self, *handed: Any) -> None:
        self.loop.call_soon_threadsafe(self.hand_over, *handed)


class Unending(Shared):
    async def stop(self) -> None:
        return None


class Disordered(Shared):
    def take(self, room: str, epoch: str, offset: int, payload: Any) -> None:
        def wait() -> None:
            delay = 0.02 if offset % 2 else 0
            self.loop.call_later(delay, self.hand_over, room, epoch, offset, payload)

        self.loop.call_soon_threadsafe(wait)


class Truncating(Shared):
    def hand_over(self, room: str, epoch: str, offset: int, payload: bytes) -> None:
        super().hand_over(room, epoch, offset, payload[:1_000])


class Fickle(Shared):
    def take(self, room: str, epoch: str, offset: int, payload: Any) -> None:
        super().take(room, f"{epoch}{offset}", offset, payload)


class Pessimistic(Shared):
    def hand_over(self, room: str, epoch: str, offset: int, payload: bytes) -> None:
        assert self.receiver is not None
        self.receiver.report_gap(room, "it may be")
        super().hand_over(room, epoch, offset, payload)


class Fragile(Shared):
    def hand_over(self, *handed: Any) -> None:
        try:
            assert self.receiver is not None
            self.receiver.deliver(*handed)
        except ZeroDivisionError:
            self.rooms.clear()


class Complacent(Shared):
    """It says of every history that it is whole."""

    async def history(self, room: str, since: Position | None, most: int = 1_000) -> History:
        return (await super().history(room, since, most))._replace(is_whole=True)


class Hoarding(Shared):
    """It knows no bounds."""

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> Awaitable[int]:
        return super().append(room, payload, Keep(1_000_000) if keep is None or keep.most else keep)


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (Deaf, "test_what_is_appended_is_handed_back_with_its_place"),
        (Deaf, "test_many_rooms_can_be_subscribed_at_once"),
        (Doubling, "test_a_room_that_is_subscribed_twice_is_handed_over_once"),
        (Doubling, "test_all_see_what_several_append_at_once_in_one_order"),
        (Indiscriminate, "test_what_is_appended_reaches_all_who_subscribed"),
        (Indiscriminate, "test_rooms_can_be_left_and_subscribed_again"),
        (Unending, "test_after_its_stop_nothing_is_handed_over"),
        (Disordered, "test_calls_have_places_in_the_order_in_which_they_are_made"),
        (Disordered, "test_all_see_what_several_append_at_once_in_one_order"),
        (Truncating, "test_payloads_come_as_they_were"),
        (Fickle, "test_each_room_counts_in_one_epoch"),
        (Fickle, "test_where_a_room_is_now_can_be_asked"),
        (Pessimistic, "test_what_is_appended_is_handed_back_with_its_place"),
        (Pessimistic, "test_rooms_can_be_left_and_subscribed_again"),
        (Fragile, "test_a_receiver_that_fails_is_handed_what_comes_next"),
        (Complacent, "test_positions_that_are_not_of_the_room_have_no_history"),
        (Complacent, "test_no_more_is_given_than_was_asked_for"),
        (Complacent, "test_a_room_that_keeps_nothing_says_that_something_is_missing"),
        (Complacent, "test_what_was_not_kept_is_a_hole_in_the_history"),
        (Hoarding, "test_history_is_bounded_by_number"),
        (Hoarding, "test_history_is_bounded_by_size"),
        (Hoarding, "test_history_is_bounded_by_age"),
        (Hoarding, "test_an_append_that_brings_no_rule_is_kept_by_that_of_its_room"),
    ],
    ids=lambda given: given if isinstance(given, str) else given.__name__,
)
def test_the_suite_notices(kind: Callable[[Broker], Backend], test: str) -> None:
    suite = type("Impatient", (TestShared,), {"seconds": 0.3, "kind": kind})()
    suite.setup_method()
    with pytest.raises((AssertionError, TimeoutError)):
        getattr(suite, test)()


def test_the_suite_says_what_did_not_come() -> None:
    suite = type("Impatient", (TestShared,), {"seconds": 0.1, "kind": Deaf})()
    suite.setup_method()
    with pytest.raises(AssertionError, match=r"In 0\.1 s not 1 in 'contract:.*': {} came, and the"):
        suite.test_what_is_appended_is_handed_back_with_its_place()


def test_the_suite_is_made_of_plain_functions_that_say_what_they_promise() -> None:
    tests = {name: getattr(BackendContract, name) for name in dir(BackendContract)}
    tests = {name: test for name, test in tests.items() if name.startswith("test_")}
    assert len(tests) > 20
    for name, test in tests.items():
        assert test.__name__ == name
        assert not asyncio.iscoroutinefunction(test)
    with pytest.raises(NotImplementedError):
        Suite().make()


# --- the memory backend's own ----------------------------------------------------------


class Delivered(list[tuple[str, str, int, Any]]):
    """What was handed over: room, epoch, offset and payload."""

    def deliver(self, room: str, epoch: str, offset: int, payload: Any) -> None:
        self.append((room, epoch, offset, payload))

    def report_gap(self, room: str | None, why: str) -> None:
        raise AssertionError("a single process misses nothing")


async def started() -> tuple[MemoryBackend, Delivered]:
    backend, delivered = MemoryBackend(), Delivered()
    await backend.start(delivered)
    return backend, delivered


async def test_a_publication_is_handed_over_within_the_call() -> None:
    backend, delivered = await started()
    publication = object()
    appended = backend.append("room", publication)
    [(room, _, offset, handed)] = delivered
    assert (room, offset) == ("room", 1)
    assert handed is publication
    assert await appended == 1
    assert len(delivered) == 1


@given(st.lists(st.sampled_from(["a", "b", "c"])))
async def test_each_room_counts_from_one_without_a_gap(rooms: list[str]) -> None:
    backend, delivered = await started()
    awaited = [await backend.append(room, number) for number, room in enumerate(rooms)]
    assert [offset for _, _, offset, _ in delivered] == awaited
    for room in set(rooms):
        offsets = [offset for its, _, offset, _ in delivered if its == room]
        assert offsets == list(range(1, len(offsets) + 1))
    assert [publication for *_, publication in delivered] == list(range(len(rooms)))


async def test_the_epoch_stays_the_same_and_is_each_backends_own() -> None:
    backend, delivered = await started()
    other, elsewhere = await started()
    for room in ("a", "b", "a"):
        backend.append(room, None)
        other.append(room, None)
    [epoch] = {epoch for _, epoch, _, _ in delivered}
    assert {epoch} != {epoch for _, epoch, _, _ in elsewhere}


@pytest.mark.parametrize("stopped", [False, True])
async def test_without_a_hub_it_counts_and_hands_over_nothing(stopped: bool) -> None:
    backend, delivered = await started() if stopped else (MemoryBackend(), Delivered())
    if stopped:
        await backend.stop()
    assert await backend.append("room", None) == 1
    assert await backend.append("room", None) == 2
    assert delivered == []


async def test_after_a_new_start_the_order_goes_on() -> None:
    backend, first = await started()
    backend.append("room", "one")
    await backend.stop()
    second = Delivered()
    await backend.start(second)
    backend.append("room", "two")
    assert [(offset, publication) for _, _, offset, publication in first] == [(1, "one")]
    assert [(offset, publication) for _, _, offset, publication in second] == [(2, "two")]
    assert first[0][1] == second[0][1]


async def test_the_memory_for_rooms_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its counters begin again in a new epoch, by which pages see that offsets are not theirs."""
    monkeypatch.setattr(memory, "_MOST_ROOMS", 3)
    backend, delivered = await started()
    for room in ("a", "b", "c", "a", "c"):
        backend.append(room, b"", Keep(5))
    assert len({epoch for _, epoch, _, _ in delivered}) == 1
    assert [offset for _, _, offset, _ in delivered] == [1, 1, 1, 2, 2]
    before = (await backend.history("a", None)).last
    delivered.clear()
    for room in ("d", "a"):
        backend.append(room, b"", Keep(5))
    assert [offset for _, _, offset, _ in delivered] == [1, 1]
    assert len({epoch for _, epoch, _, _ in delivered}) == 1
    assert not (await backend.history("a", before)).is_whole


async def test_a_new_epoch_has_a_new_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MOST_ROOMS", 1)
    backend, delivered = await started()
    for room in ("a", "b", "c"):
        backend.append(room, None)
    assert len({epoch for _, epoch, _, _ in delivered}) == 3


async def test_what_is_kept_of_silent_rooms_is_forgotten_as_others_are_appended_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of one room more with each, so that a backend with many does not stop for all at once."""
    now = 0.0
    monkeypatch.setattr(memory, "monotonic", lambda: now)
    backend, _ = await started()
    for room in ("a", "b", "c"):
        backend.append(room, b"x" * 1_000, Keep(10, seconds=60))
    now = 61.0
    backend.append("d", b"", Keep(10, seconds=60))
    assert list(backend._kept) == ["b", "c", "d"]
    backend.append("d", b"", KEEP_NONE)
    assert list(backend._kept) == ["b", "c", "d"]
    for _ in range(3):
        backend.append("e", b"", Keep(10, seconds=60))
    assert list(backend._kept) == ["d", "e"]


async def test_threads_append_on_the_loop_that_serves() -> None:
    backend, delivered = await started()
    appender = backend.sync()
    assert appender.append("room", "here") == 1
    assert await asyncio.to_thread(appender.append, "room", "there") == 2
    assert [payload for *_, payload in delivered] == ["here", "there"]
    assert appender.position("room") == Position(delivered[0][1], 2)


def test_when_that_loop_is_over_nobody_is_there() -> None:
    async def serve() -> MemoryBackend:
        return (await started())[0]

    backend = asyncio.run(serve())
    done: list[int] = []
    asyncio.run(asyncio.to_thread(lambda: done.append(backend.sync().append("room", "late"))))
    assert done == [0]


def test_the_memory_backend_is_a_backend() -> None:
    backend: Backend = MemoryBackend()  # which mypy checks
    for name in ("start", "stop", "append"):
        assert callable(getattr(backend, name))
        assert getattr(Backend, name).__doc__


# --- rules -----------------------------------------------------------------------------

_PIECES = st.text(st.sampled_from("ab*æ\n"), min_size=1, max_size=8)


@given(_PIECES, st.text(st.sampled_from("abæ\n*"), min_size=1, max_size=12))
def test_a_rule_fits_the_rooms_that_it_fits_in_the_application(pattern: str, room: str) -> None:
    rooms, keep = Rooms(), Keep(7)
    rooms.declare(Room(pattern, keep=keep))
    assert Keeps({pattern: keep}).of(room) == rooms.of(room).keep


def test_the_first_rule_that_fits_holds() -> None:
    keeps = Keeps({"chat:vip": Keep(1), "chat:*": Keep(2), "*": Keep(3)})
    assert [keeps.of(room).most for room in ("chat:vip", "chat:a", "a")] == [1, 2, 3]
    assert Keeps({"a": Keep(1)}).of("b") == KEEP_NONE
    assert Keeps({"a*b*c": Keep(1)}).of("abdc") == Keep(1)
    assert Keeps({"a*b*c": Keep(1)}).of("addc") == KEEP_NONE


# --- addresses -------------------------------------------------------------------------


def test_an_address_names_a_backend() -> None:
    assert isinstance(from_url("memory://"), MemoryBackend)
    for url in ("redis://host", "rediss://host", "unix:///run/redis.sock", "nats://host"):
        assert from_url(url).is_shared


@pytest.mark.parametrize("url", ["", "http://host", "redis", "host:6379"])
def test_an_address_of_no_backend_is_an_error_that_lists_them(url: str) -> None:
    with pytest.raises(
        ValueError, match=r"memory://, redis://, rediss://, unix://, nats:// and tls"
    ):
        from_url(url)


@pytest.mark.parametrize(("url", "client"), [("redis://host", "redis"), ("nats://host", "nats")])
def test_a_client_that_is_not_installed_is_named(
    url: str, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.startswith((f"htmx_ws.backends.{client}", f"{client}.")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, client, None)
    with pytest.raises(ModuleNotFoundError, match=rf"pip install 'htmx-ws\[{client}\]'"):
        from_url(url)

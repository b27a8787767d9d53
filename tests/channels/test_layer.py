"""A channel layer as backend: in memory, and both of channels_redis' on a real redis-server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
import redis
from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from htmx_ws.backends import History
from htmx_ws.errors import BackendError
from htmx_ws.testing import BackendContract
from htmx_ws.testing.stage import Heard
from htmx_ws_channels import HtmxWS, layer
from htmx_ws_channels.layer import ChannelLayerBackend
from tests.services.brokers import RedisServer

IN_MEMORY = "channels.layers.InMemoryChannelLayer"
CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"


def layers(backend: str, **config: Any) -> dict[str, Any]:
    return {"default": {"BACKEND": backend, "CONFIG": config}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that nothing happens to."""
    with RedisServer(tmp_path_factory.mktemp("redis") / "data") as running:
        yield running


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own."""
    with RedisServer(tmp_path / "data") as running:
        yield running


class _OfALayer(BackendContract):
    """What every backend must do, but for what a layer cannot."""

    has_history: ClassVar[bool] = False
    has_one_order: ClassVar[bool] = False
    shares_rules: ClassVar[bool] = False

    def make(self) -> ChannelLayerBackend:
        return ChannelLayerBackend()


class TestInMemory(_OfALayer):
    @pytest.fixture(autouse=True)
    def _settings(self) -> Iterator[None]:
        with override_settings(CHANNEL_LAYERS=layers(IN_MEMORY, capacity=5_000)):
            yield


class TestRedis(_OfALayer):
    @pytest.fixture(autouse=True)
    def _settings(self, server: RedisServer) -> Iterator[None]:
        config = {"hosts": [server.url()], "capacity": 5_000}
        with override_settings(CHANNEL_LAYERS=layers(CORE, **config)):
            yield


class TestRedisPubSub(_OfALayer):
    @pytest.fixture(autouse=True)
    def _settings(self, server: RedisServer) -> Iterator[None]:
        with override_settings(CHANNEL_LAYERS=layers(PUBSUB, hosts=[server.url()])):
            yield


@asynccontextmanager
async def running(*rooms: str) -> AsyncIterator[tuple[ChannelLayerBackend, Heard]]:
    """Run a backend, as of one process, that has subscribed to rooms."""
    backend, heard = ChannelLayerBackend(), Heard(15.0)
    async with asyncio.timeout(40):
        await backend.start(heard)
        try:
            await backend.subscribe(rooms)
            yield backend, heard
        finally:
            await backend.stop()


@pytest.mark.parametrize("kind", [CORE, PUBSUB])
async def test_after_an_outage_it_is_heard_again_and_a_gap_reported(
    kind: str, doomed: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The server comes back without a memory of groups."""
    caplog.set_level(logging.INFO, "htmx_ws")
    with override_settings(CHANNEL_LAYERS=layers(kind, hosts=[doomed.url()])):
        async with running("room") as (one, heard), running() as (other, _):
            await other.append("room", b"1")
            [before] = await heard.in_room("room", 1)
            doomed.kill()
            doomed.forget()
            with pytest.raises(BackendError, match="did not take what was published to 'room'"):
                await other.append("room", b"2")
            await asyncio.sleep(3)  # the outage
            doomed.start()
            await heard.until(lambda: heard.gaps, "told of a gap")
            assert {room for room, _ in heard.gaps} <= {None, "room"}
            handed = await arrives(other, heard)
            assert handed.epoch != before.epoch
            assert not (await one.history("room", before[:2])).is_whole  # type: ignore[arg-type]
    assert len([line for line in caplog.messages if "'default' is away" in line]) == 2
    assert any("'default' is back" in line for line in caplog.messages)


async def arrives(backend: ChannelLayerBackend, heard: Heard) -> Any:
    """Append until something arrives: the layer is back at its own time."""
    heard.rooms.clear()
    async with asyncio.timeout(15):
        while not heard.rooms.get("room"):
            with suppress(BackendError):
                await backend.append("room", b"again")
            await asyncio.sleep(0.05)
    return heard.rooms["room"][-1]


async def test_it_starts_before_its_layer(doomed: RedisServer) -> None:
    doomed.kill()
    with override_settings(CHANNEL_LAYERS=layers(PUBSUB, hosts=[doomed.url()])):
        async with running("room") as (backend, heard):
            doomed.start()
            await arrives(backend, heard)


async def test_groups_that_are_forgotten_are_joined_again(doomed: RedisServer) -> None:
    """Without an error that would tell."""
    with override_settings(CHANNEL_LAYERS=layers(CORE, hosts=[doomed.url()])):
        async with running("room") as (backend, heard):
            with redis.Redis(port=doomed.port) as client:
                client.flushall()
            await heard.until(lambda: heard.gaps, "told of a gap")
            await arrives(backend, heard)


async def test_what_a_full_channel_drops_is_a_gap() -> None:
    with override_settings(CHANNEL_LAYERS=layers(IN_MEMORY, capacity=3)):
        async with running("room") as (backend, heard):
            await backend.append("room", b"1")
            first = (await heard.in_room("room", 1))[0]
            group, in_memory = backend.group("room"), backend.layer()
            for number in (2, 3, 4):
                message = layer._message("room", backend._sender, number, b"%d" % number)
                if number != 3:
                    await in_memory.group_send(group, message)
            handed = await heard.in_room("room", 3)
            assert [each.payload for each in handed] == [b"1", b"2", b"4"]
            assert heard.gaps == [("room", "the channel layer has lost 1 messages")]
            assert handed[1].epoch == first.epoch != handed[2].epoch


async def test_a_room_that_was_left_meanwhile_is_in_another_epoch() -> None:
    with override_settings(CHANNEL_LAYERS=layers(IN_MEMORY)):
        async with running("room") as (backend, _):
            here = (await backend.history("room", None)).last
            assert await backend.history("room", here) == History(here)
            await backend.unsubscribe(["room"])
            await backend.subscribe(["room"])
            assert not (await backend.history("room", here)).is_whole


async def test_what_it_cannot_promise_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with override_settings(CHANNEL_LAYERS=layers(IN_MEMORY, capacity=7)):
        backend = ChannelLayerBackend()
        for _ in range(2):
            await backend.start(Heard(1.0))
            await backend.stop()
    [said] = [line for line in caplog.messages if "shared by the channel layer" in line]
    for words in ("without order", "at most once", "7 messages", "without history"):
        assert words in said
    assert "reaches no other process" in said


async def test_without_a_layer_it_says_what_to_set() -> None:
    with (
        override_settings(CHANNEL_LAYERS={}),
        pytest.raises(ImproperlyConfigured, match=r"no channel layer 'default'.*CHANNEL_LAYERS"),
    ):
        await ChannelLayerBackend().start(Heard(1.0))


def test_a_prefix_has_to_fit_into_the_name_of_a_group() -> None:
    with pytest.raises(ValueError, match="up to 20 letters"):
        ChannelLayerBackend(prefix="a_b")


async def test_what_too_many_wait_for_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "MOST_WAITING", 2)
    with override_settings(CHANNEL_LAYERS=layers(IN_MEMORY)):
        async with running() as (backend, _):
            appending = [backend.append("room", b"") for _ in range(3)]
            assert [await each for each in appending[:2]] == [1, 2]
            with pytest.raises(BackendError, match="too many wait already"):
                await appending[2]
    with pytest.raises(BackendError, match="not started"):
        await backend.append("room", b"")


async def test_a_layer_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*message: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(layer, "SEND_SECONDS", 0.05)
    monkeypatch.setattr(layer, "STOP_SECONDS", 0.01)
    monkeypatch.setattr(InMemoryChannelLayer, "group_send", hang)
    with override_settings(CHANNEL_LAYERS=layers(IN_MEMORY)):
        async with running() as (backend, _):
            with pytest.raises(BackendError, match="or not for sure: TimeoutError"):
                await backend.append("room", b"1")
            monkeypatch.setattr(layer, "SEND_SECONDS", 5.0)
            backend.append("room", b"2")
            await asyncio.sleep(0)
            left = backend.append("room", b"3")
        with pytest.raises(BackendError, match="was not sent"):
            await left


# --- without an event loop -------------------------------------------------------------


@pytest.mark.parametrize("kind", [CORE, PUBSUB])
async def test_a_process_that_serves_nothing_publishes(kind: str, server: RedisServer) -> None:
    """From a thread, and from one that has a loop for the call, as a task queue's."""
    with override_settings(CHANNEL_LAYERS=layers(kind, hosts=[server.url()])):
        appender = ChannelLayerBackend().sync()

        async def within_a_call() -> None:
            await asyncio.to_thread(appender.append, "room", b"2")

        ways: list[Callable[[], Any]] = [
            lambda: appender.append("room", b"1"),
            lambda: async_to_sync(within_a_call)(),
        ]
        async with running("room") as (_, heard):
            for way in ways:
                await asyncio.to_thread(way)
            handed = await heard.in_room("room", 2)
            assert [each.payload for each in handed] == [b"1", b"2"]
            assert not heard.gaps
        appender.close()
        assert appender.position("room") != appender.position("room")


async def test_in_a_thread_it_waits_for_the_loop_that_serves_but_not_on_it_or_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hang(*message: object) -> None:
        await asyncio.Event().wait()

    with override_settings(CHANNEL_LAYERS=layers(IN_MEMORY)):
        async with running("room") as (backend, _):
            appender = backend.sync()
            assert await asyncio.to_thread(appender.append, "room", b"1") == 1
            at = await asyncio.to_thread(appender.position, "room")
            assert at == (await backend.history("room", None)).last
            for ask in (lambda: appender.append("room", b"2"), lambda: appender.position("room")):
                with pytest.raises(BackendError, match=r"await live\.publish"):
                    ask()
            monkeypatch.setattr(layer, "WAIT_SECONDS", 0.01)
            monkeypatch.setattr(layer, "STOP_SECONDS", 0.01)
            monkeypatch.setattr(InMemoryChannelLayer, "group_send", hang)
            with pytest.raises(BackendError, match="no answer in"):
                await asyncio.to_thread(appender.append, "room", b"3")


def test_an_outage_is_told_to_who_publishes(doomed: RedisServer) -> None:
    with override_settings(CHANNEL_LAYERS=layers(CORE, hosts=[doomed.url()])):
        doomed.kill()
        with pytest.raises(BackendError, match="did not take what was published to 'room'"):
            ChannelLayerBackend().sync().append("room", b"1")


def test_a_setting_names_the_backend() -> None:
    for given, kind in (
        ("channels://", "ChannelLayerBackend"),
        ("channels://other", "ChannelLayerBackend"),
        ("memory://", "MemoryBackend"),
        (None, "MemoryBackend"),
    ):
        with override_settings(HTMX_WS={"BACKEND": given}):
            assert type(HtmxWS()._hub.backend).__name__ == kind
    assert type(HtmxWS(backend=ChannelLayerBackend())._hub.backend) is ChannelLayerBackend

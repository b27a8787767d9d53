"""Rooms in several processes by a channel layer of Channels: for projects that have one already.

A layer promises less than htmx-ws's own backends, whatever is behind it: no order across
processes, each message at most once, none once a channel's capacity is full, and no history. So
each message says who sent it, and which of his in its room it is: one that is missing is noticed
when the next comes, and reported as a gap.

There is no order of a room that all processes see, so each has its own: an epoch begins when it
subscribes to a room and after each gap, and offsets count what came since. A position of before,
or of another process, is of no use here; pages that come back are sent their room's snapshot.

A process has one channel, in the groups of its rooms. It says something to itself now and then,
in a group too, as some layers do not tell that their broker was away or has forgotten its groups.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
from collections import Counter
from collections.abc import Awaitable, Coroutine, Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from random import uniform
from threading import Lock
from typing import Any, Final, TypeVar

from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.core.exceptions import ImproperlyConfigured

from htmx_ws.backends import History, Keep, Position, Receiver, SyncAppender, unplaced
from htmx_ws.backends.tasks import end
from htmx_ws.dual import Waiting
from htmx_ws.errors import BackendError

__all__ = ["ChannelLayerBackend"]

T = TypeVar("T")

_log = logging.getLogger("htmx_ws")

#: How often a process says something to itself, and after which silence its layer is away.
BEAT_SECONDS: Final = 2.0
SILENCE_SECONDS: Final = 5.0

#: How often groups are joined again, which some layers let go of after a day, in seconds.
AGAIN_SECONDS: Final = 3_600.0

#: How long a layer may take to take a message, in seconds, and how many may wait for it.
SEND_SECONDS: Final = 10.0
MOST_WAITING: Final = 1_000

#: How long a thread waits for what the loop that serves does for it, in seconds.
WAIT_SECONDS: Final = 30.0

#: How long stopping waits for what was appended, and asking for what this process has sent.
STOP_SECONDS: Final = 2.0

#: The senders of a room that are remembered.
_MOST_SENDERS: Final = 100


class _Room:
    """What came of a room since it was subscribed to, or since something was missing."""

    __slots__ = ("_heard", "at")

    def __init__(self) -> None:
        self.at = Position(secrets.token_urlsafe(6), 0)
        self._heard: dict[str, int] = {}  # the number of each sender's last message

    def take(self, sender: str, number: int) -> int:
        """Count a message; give how many of its sender are missing before it."""
        last = self._heard.pop(sender, None)
        self._heard[sender] = max(number, last or 0)
        if len(self._heard) > _MOST_SENDERS:
            del self._heard[next(iter(self._heard))]
        missing = 0 if last is None else max(0, number - last - 1)
        if missing:
            self.at = Position(secrets.token_urlsafe(6), 0)
        self.at = Position(self.at.epoch, self.at.offset + 1)
        return missing

    def heard(self, sender: str) -> int:
        """Give the number of a sender's last message."""
        return self._heard.get(sender, 0)


class ChannelLayerBackend:
    """A channel layer as backend: ``HtmxWS(backend=ChannelLayerBackend())``.

    ``alias`` is its name in ``CHANNEL_LAYERS``; ``prefix`` begins the names of its groups.
    """

    is_shared: bool = True

    def __init__(self, alias: str = "default", *, prefix: str = "htmx-ws") -> None:
        if not re.fullmatch(r"[A-Za-z0-9.-]{1,20}", prefix):
            raise ValueError(f"A prefix has up to 20 letters, digits, - and ., not {prefix!r}.")
        self._alias = alias
        self._prefix = prefix
        #: The loop that it serves on, while it does.
        self.loop: asyncio.AbstractEventLoop | None = None
        self._has_warned = False
        self._pid = 0
        self._sender = ""
        self._sent = Counter[str]()

    def layer(self) -> Any:
        """Give the layer; raises ``ImproperlyConfigured`` where there is none."""
        layer = get_channel_layer(self._alias)
        if layer is None:
            raise ImproperlyConfigured(
                f"There is no channel layer {self._alias!r} in the setting CHANNEL_LAYERS."
            )
        return layer

    def group(self, room: str) -> str:
        """Give the name of a room's group: letters, digits and dots, under 100 of them."""
        if re.fullmatch(r"[A-Za-z0-9.-]{1,60}", room):
            return f"{self._prefix}.{room}"
        return f"{self._prefix}_{sha256(room.encode(errors='surrogatepass')).hexdigest()}"

    # --- start and stop ----------------------------------------------------------------

    async def start(self, receiver: Receiver, keeps: Mapping[str, Keep] | None = None) -> None:
        """Begin to receive; returns when the first attempt has ended."""
        layer = self.layer()
        self.loop = asyncio.get_running_loop()
        self._receiver: Receiver | None = receiver
        self._rooms: dict[str, _Room] = {}
        self._joined: set[str] = set()
        self._moving = asyncio.Lock()
        if self._pid != os.getpid():  # it counts on when it is started again, but not in a fork
            self._pid, self._sender, self._sent = os.getpid(), secrets.token_urlsafe(6), Counter()
        self._unsent: asyncio.Queue[tuple[str, bytes, int, asyncio.Future[int]]] = asyncio.Queue()
        self._news = asyncio.Event()
        self._channel: str | None = None
        self._heard = self.loop.time()
        self._is_away = False
        self._warn(layer)
        tried = self.loop.create_future()
        self._tasks = [
            self.loop.create_task(self._receive(layer, tried)),
            self.loop.create_task(self._beat(layer)),
            self.loop.create_task(self._send(layer)),
        ]
        await tried

    def _warn(self, layer: Any) -> None:
        if self._has_warned:
            return
        self._has_warned = True
        _log.warning(
            "Rooms are shared by the channel layer %r (%s): without order across processes, at "
            "most once, %s messages waiting at most, and without history. htmx-ws's own backends "
            "for Redis and NATS promise more%s",
            self._alias,
            type(layer).__name__,
            getattr(layer, "capacity", "an unknown number of"),
            "; and this one reaches no other process" * isinstance(layer, InMemoryChannelLayer),
        )

    async def stop(self) -> None:
        """Wait for what was appended, but not long, and leave all groups."""
        if self.loop is None:
            return
        self.loop = None
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._unsent.join()
        self._receiver = None
        await end(self._tasks)
        while not self._unsent.empty():
            room, _, _, place = self._unsent.get_nowait()
            place.set_exception(unplaced(room, "was not sent"))
        self._rooms.clear()
        with suppress(Exception):  # a group is let go of in any case, later
            async with asyncio.timeout(STOP_SECONDS):
                layer = self.layer()
                await self._move(layer, [*self._joined])
                if self._channel is not None:
                    await layer.group_discard(self._own_group, self._channel)
                # That of channels_redis tidies up behind each message, and cannot be received
                # from again before it has.
                if hasattr(layer, "wait_received"):
                    await layer.wait_received()

    # --- receiving ---------------------------------------------------------------------

    async def _receive(self, layer: Any, tried: asyncio.Future[None]) -> None:
        """Receive, for ever; what fails is begun again."""
        while True:
            try:
                if self._channel is None:
                    self._channel = await layer.new_channel()
                await self._join_all(layer)
                if not tried.done():
                    tried.set_result(None)
                while True:
                    self._take(await layer.receive(self._channel))
            except Exception as error:
                self._note_away(error)
            if not tried.done():
                tried.set_result(None)
            await asyncio.sleep(uniform(0.2, 0.6))  # not all processes at once

    async def _join_all(self, layer: Any) -> None:
        """Join all groups, whether the layer knows that or not."""
        self._joined.clear()
        await layer.group_add(self._own_group, self._channel)
        await self._move(layer, [*self._rooms])

    @property
    def _own_group(self) -> str:
        return f"{self._prefix}_{self._sender}"

    def _take(self, message: Mapping[str, Any]) -> None:
        self._heard = asyncio.get_running_loop().time()
        room, sender, number = message["room"], message["sender"], message["number"]
        if room is None:
            if self._is_away:
                self._is_away = False
                self._report_gap(None, "the channel layer was away")
                _log.info("The channel layer %r is back", self._alias)
            return
        here = self._rooms.get(room)
        if here is None or self._receiver is None:
            return
        missing = here.take(sender, number)
        if missing:
            self._report_gap(room, f"the channel layer has lost {missing} messages")
        try:
            self._receiver.deliver(room, *here.at, message["payload"])
        except Exception:
            _log.exception("What came to %r could not be delivered", room)
        self._news.set()

    def _report_gap(self, room: str | None, why: str) -> None:
        if room is None:
            self._rooms.update((name, _Room()) for name in self._rooms)
        if self._receiver is not None and self._rooms:
            self._receiver.report_gap(room, why)

    def _note_away(self, error: Exception) -> None:
        why = str(error) or type(error).__name__
        level = logging.DEBUG if self._is_away else logging.WARNING
        _log.log(level, "The channel layer %r is away (%s); htmx-ws tries again", self._alias, why)
        self._is_away = True

    async def _beat(self, layer: Any) -> None:
        """Say something to oneself now and then; join all groups again where it does not come."""
        loop = asyncio.get_running_loop()
        joined = loop.time()
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                silent = loop.time() - self._heard
                if silent > SILENCE_SECONDS:
                    self._note_away(TimeoutError(f"nothing came for {silent:.0f} s"))
                if self._is_away or loop.time() - joined > AGAIN_SECONDS:
                    async with asyncio.timeout(SEND_SECONDS):
                        await self._join_all(layer)
                    joined = loop.time()
                async with asyncio.timeout(SEND_SECONDS):
                    await layer.group_send(self._own_group, _message(None, self._sender, 0, b""))
            except Exception as error:
                self._note_away(error)

    # --- rooms -------------------------------------------------------------------------

    def subscribe(self, rooms: Iterable[str]) -> Awaitable[None]:
        """Join the groups of rooms; where the layer is away, when it is back."""
        rooms = list(rooms)
        for room in rooms:
            self._rooms.setdefault(room, _Room())
        return self._begin(self._move_or_note(rooms))

    def unsubscribe(self, rooms: Iterable[str]) -> Awaitable[None]:
        """Leave the groups of rooms."""
        rooms = list(rooms)
        for room in rooms:
            self._rooms.pop(room, None)
        return self._begin(self._move_or_note(rooms))

    def _begin(self, work: Coroutine[Any, Any, None]) -> Awaitable[None]:
        return Waiting(asyncio.ensure_future(work))

    async def _move_or_note(self, rooms: list[str]) -> None:
        try:
            await self._move(self.layer(), rooms)
        except Exception as error:
            self._note_away(error)

    async def _move(self, layer: Any, rooms: list[str]) -> None:
        """Be in the groups of rooms that are subscribed to now, and in those of no others."""
        if self._channel is None:
            return
        async with self._moving:
            for room in rooms:
                if room in self._rooms and room not in self._joined:
                    await layer.group_add(self.group(room), self._channel)
                    self._joined.add(room)
                elif room not in self._rooms and room in self._joined:
                    self._joined.discard(room)
                    await layer.group_discard(self.group(room), self._channel)

    # --- appending ---------------------------------------------------------------------

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> Awaitable[int]:
        """Have a payload sent; awaiting it gives its number among this process's own."""
        place: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self.loop is None or self._unsent.qsize() >= MOST_WAITING:
            why = "its backend is not started" if self.loop is None else "too many wait already"
            place.set_exception(unplaced(room, f"failed: {why}"))
        else:
            self._sent[room] += 1
            self._unsent.put_nowait((room, bytes(payload), self._sent[room], place))
        return Waiting(place)

    async def _send(self, layer: Any) -> None:
        """Send what is appended, one after the other: two at once might change places."""
        while True:
            room, payload, number, place = await self._unsent.get()
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    message = _message(room, self._sender, number, payload)
                    await layer.group_send(self.group(room), message)
            except Exception as error:
                if not place.done():
                    place.set_exception(_not_sent(room, error))
            else:
                if not place.done():
                    place.set_result(number)
            finally:
                self._unsent.task_done()

    async def history(self, room: str, since: Position | None, most: int = 1_000) -> History:
        """Say where a room is here; whatever came after a position cannot be had."""
        here = self._rooms.get(room)
        if here is None:
            here = _Room()
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):  # what this process has sent comes before
                while room in self._joined and here.heard(self._sender) < self._sent[room]:
                    self._news.clear()
                    await self._news.wait()
                    here = self._rooms.get(room, here)
        return History(here.at, is_whole=since in (None, here.at))

    def sync(self) -> SyncAppender:
        """Give what appends in threads: by the loop that serves, or one for the call."""
        return _Sync(self)


class _Sync:
    """Appends from views, tasks and commands, without an event loop of theirs."""

    def __init__(self, backend: ChannelLayerBackend) -> None:
        self._backend = backend
        self._locks: dict[int, Lock] = {}  # by process: one that is forked begins anew
        self._senders: dict[int, tuple[str, Counter[str]]] = {}

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> int:
        """Send, and give its number among this process's own; raises ``BackendError``."""
        backend = self._backend
        if backend.loop is not None and backend.loop.is_running():

            async def append() -> int:
                return await backend.append(room, payload, keep)

            return _wait(append(), backend.loop)
        with self._locks.setdefault(os.getpid(), Lock()):
            sender, sent = self._senders.setdefault(
                os.getpid(), (secrets.token_urlsafe(6), Counter[str]())
            )
            sent[room] += 1
            message = _message(room, sender, sent[room], bytes(payload))
            layer = backend.layer()
            try:
                async_to_sync(layer.group_send)(backend.group(room), message)
            except Exception as error:
                raise _not_sent(room, error) from error
            return sent[room]

    def position(self, room: str) -> Position:
        """Give where a room is in this process; where that serves nobody, what no other knows.

        Pages that are rendered with the latter are sent the room's snapshot.
        """
        backend = self._backend
        if backend.loop is None or not backend.loop.is_running():
            return _Room().at
        return _wait(backend.history(room, None), backend.loop).last

    def close(self) -> None:
        """Do nothing: nothing is held."""


def _wait(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Wait in a thread for what the loop that serves does."""
    with suppress(RuntimeError):
        if asyncio.get_running_loop() is loop:
            work.close()
            raise BackendError(
                "This would wait for the event loop that it holds up: on an event loop, await "
                "live.publish(...) or publisher.apublish(...)."
            )
    doing = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        return doing.result(WAIT_SECONDS)
    except TimeoutError:
        doing.cancel()
        raise BackendError(
            f"The channel layer had no answer in {WAIT_SECONDS} s; it may have what was published."
        ) from None


def _message(room: str | None, sender: str, number: int, payload: bytes) -> dict[str, Any]:
    return {
        "type": "htmx_ws",
        "room": room,
        "sender": sender,
        "number": number,
        "payload": payload,
    }


def _not_sent(room: str, error: Exception) -> BackendError:
    return BackendError(
        f"The channel layer did not take what was published to {room!r}, or not for sure: {error!r}"
    )

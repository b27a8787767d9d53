"""What comes from Redis: one connection for all rooms of a process, made again for ever.

Whatever becomes of it, a confirmed subscription puts its room in doubt, and the broker is asked
what came meanwhile: for many rooms at once, and before anything newer is handed over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from redis.exceptions import ResponseError

from ..contract import Receiver
from ..keeps import Keeps
from ..tasks import end
from .address import FAILURES, Backoff
from .calls import read_answers, read_message, write_keeps
from .link import Link
from .order import MOST_HELD, Answer, Order

__all__ = ["Listener"]

_log = logging.getLogger("htmx_ws")

#: How many rooms one command names.
SUBSCRIBE_ROOMS: Final = 500
ASK_ROOMS: Final = 200

#: How often Redis is asked for a sign of life, and for how long without one it is alive.
PING_SECONDS: Final = 3.0
SILENCE_SECONDS: Final = 10.0

#: How often it is asked for all rooms, which keeps their counts alive.
REFRESH_SECONDS: Final = 6 * 3600.0

#: After so many messages others have their turn.
_TURN: Final = 64


class _Room:
    """A room that is subscribed; ``ready`` when what comes of it is handed over."""

    __slots__ = ("is_late", "name", "order", "ready", "settled")

    def __init__(self, name: str, ready: asyncio.Future[None]) -> None:
        self.name = name
        self.order = Order()
        self.ready = ready
        self.is_late = False  # whether nobody waits any more, though nothing was handed over yet
        self.settled = 0  # how often, by which an answer that comes too late is known


class Listener:
    """Hands what comes to a receiver, on one event loop."""

    def __init__(self, link: Link, receiver: Receiver, keeps: Keeps | None) -> None:
        self._link = link
        self._receiver = receiver
        self._keeps = keeps
        self._rooms: dict[bytes, _Room] = {}
        self._due: dict[bytes, _Room] = {}  # to be asked about
        self._is_lost = False
        # Of this connection: what was sent for, what of that is confirmed, and what is to be sent.
        self._sent: set[bytes] = set()
        self._confirmed: set[bytes] = set()
        self._to_add: dict[bytes, None] = {}
        self._to_drop: dict[bytes, None] = {}
        self._changed, self._asks = asyncio.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._refresh_at = self._loop.time() + REFRESH_SECONDS
        self._tasks = [
            self._loop.create_task(self._listen(), name="htmx-ws-redis-listener"),
            self._loop.create_task(self._ask(), name="htmx-ws-redis-asker"),
        ]

    async def stop(self) -> None:
        """Hand over nothing more."""
        await end(self._tasks)
        self._wait_no_more(list(self._rooms.values()))
        self._rooms.clear()

    # --- rooms -------------------------------------------------------------------------

    def add(self, rooms: Iterable[str]) -> list[asyncio.Future[None]]:
        """Subscribe to rooms; the futures are done when that holds, or Redis is away."""
        waiting: list[asyncio.Future[None]] = []
        for name in rooms:
            channel = self._link.keys.channel(name)
            room = self._rooms.get(channel)
            if room is None:
                room = self._rooms[channel] = _Room(name, self._loop.create_future())
                self._to_drop.pop(channel, None)
                if channel in self._confirmed:
                    self._put_due(channel, room)
                elif channel not in self._sent:
                    self._to_add[channel] = None
                    self._changed.set()
            if self._is_lost:
                self._wait_no_more([room], is_late=True)
            elif not room.ready.done():
                waiting.append(room.ready)
        return waiting

    def drop(self, rooms: Iterable[str]) -> None:
        """Subscribe to rooms no more."""
        for name in rooms:
            channel = self._link.keys.channel(name)
            room = self._rooms.pop(channel, None)
            if room is None:
                continue
            self._wait_no_more([room])
            self._due.pop(channel, None)
            self._to_add.pop(channel, None)
            if channel in self._sent:
                self._to_drop[channel] = None
                self._changed.set()

    def _wait_no_more(self, rooms: Iterable[_Room], is_late: bool = False) -> None:
        for room in rooms:
            if not room.ready.done():
                room.ready.set_result(None)
                room.is_late = is_late

    # --- the connection ----------------------------------------------------------------

    async def _listen(self) -> None:
        backoff = Backoff()
        while True:
            pubsub = self._link.client.pubsub()
            try:
                await self._attend(pubsub, backoff)
            except FAILURES as failure:
                self._link.note_failure("its channels", failure)
            except Exception:
                _log.exception("Listening to %s failed, and begins again", self._link.address.label)
            finally:
                self._note_lost()
                await pubsub.aclose()
            await asyncio.sleep(backoff.next())

    async def _attend(self, pubsub: Any, backoff: Backoff) -> None:
        """Use one connection until it fails."""
        self._to_add = dict.fromkeys(self._rooms)
        await pubsub.subscribe(self._link.keys.nothing)
        await self._tell_rules()
        doing = [
            self._loop.create_task(self._read(pubsub, backoff)),
            self._loop.create_task(self._change(pubsub)),
        ]
        try:
            await asyncio.wait(doing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(doing)
        for task in doing:
            if not task.cancelled():
                task.result()

    def _note_lost(self) -> None:
        self._is_lost = True
        self._sent.clear()
        self._confirmed.clear()
        self._to_drop.clear()
        self._wait_no_more(self._rooms.values(), is_late=True)

    async def _tell_rules(self) -> None:
        """Store the rules of rooms for who publishes without knowing any."""
        if self._keeps is None:
            return
        try:
            await self._link.client.set(self._link.keys.keeps, write_keeps(self._keeps))
            self._link.note_taken("the rules of rooms")
        except ResponseError as error:
            self._link.note_refused("the rules of rooms", error)

    async def _change(self, pubsub: Any) -> None:
        """Send for rooms, many at once, and for signs of life."""
        while True:
            while self._to_drop:
                channels = _take_some(self._to_drop, SUBSCRIBE_ROOMS)
                self._sent.difference_update(channels)
                self._confirmed.difference_update(channels)
                _check(pubsub)
                await pubsub.unsubscribe(*channels)
            while self._to_add:
                channels = _take_some(self._to_add, SUBSCRIBE_ROOMS)
                self._sent.update(channels)
                _check(pubsub)
                await pubsub.subscribe(*channels)
            self._changed.clear()
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                _check(pubsub)
                await pubsub.ping()
            if self._loop.time() > self._refresh_at:
                self._refresh_at = self._loop.time() + REFRESH_SECONDS
                for channel, room in self._rooms.items():
                    self._put_due(channel, room)

    async def _read(self, pubsub: Any, backoff: Backoff) -> None:
        turn = 0
        while True:
            _check(pubsub)
            said = await pubsub.get_message(timeout=SILENCE_SECONDS)
            if said is None:
                raise TimeoutError(f"no sign of life in {SILENCE_SECONDS} s")
            if said["type"] == "message":
                self._take(said["channel"], said["data"])
            elif said["type"] == "subscribe":
                backoff.reset()
                self._is_lost = False
                self._link.note_taken("its channels")
                self._confirm(said["channel"])
            turn = (turn + 1) % _TURN
            if not turn:
                await asyncio.sleep(0)

    def _confirm(self, channel: bytes) -> None:
        """Put a room in doubt whose subscription begins, or begins again."""
        if channel in self._sent:
            self._confirmed.add(channel)
        room = self._rooms.get(channel)
        if room is not None:
            room.order.doubt()
            self._put_due(channel, room)

    # --- what comes --------------------------------------------------------------------

    def _take(self, channel: bytes, data: bytes) -> None:
        room = self._rooms.get(channel)
        if room is None:
            return
        try:
            message = read_message(data)
        except ValueError as error:
            _log.warning("What came on %r is not of htmx-ws, and ignored: %s", channel, error)
            return
        taken = room.order.take(message)
        if taken:
            self._hand_over(room, taken)
        elif room.order.is_full:
            _log.warning(
                "%d messages of %r wait for an answer, and no more do", MOST_HELD, room.name
            )
            self._settle(channel, room, None)
        elif room.order.asks:
            self._put_due(channel, room)

    def _hand_over(self, room: _Room, messages: list[tuple[str, int, bytes]]) -> None:
        for epoch, offset, payload in messages:
            try:
                self._receiver.deliver(room.name, epoch, offset, payload)
            except Exception:  # of one publication, which is no other's matter
                _log.exception("Publication %d of %r could not be delivered", offset, room.name)

    def _put_due(self, channel: bytes, room: _Room) -> None:
        self._due[channel] = room
        self._asks.set()

    async def _ask(self) -> None:
        """Ask about rooms, many at once, for ever."""
        backoff = Backoff()
        while True:
            await self._asks.wait()
            self._asks.clear()
            while self._due:
                due = {each: self._due.pop(each) for each in list(islice(self._due, ASK_ROOMS))}
                try:
                    await self._ask_about(due)
                    backoff.reset()
                    continue
                except FAILURES:
                    pass  # the link has noted it
                except Exception:
                    _log.exception("Asking %s about rooms failed", self._link.address.label)
                for channel, room in due.items():
                    if self._rooms.get(channel) is room:
                        self._due.setdefault(channel, room)
                        self._wait_no_more([room], is_late=True)
                await asyncio.sleep(backoff.next())

    async def _ask_about(self, due: dict[bytes, _Room]) -> None:
        settled = [room.settled for room in due.values()]
        asked = [(channel, room.order.ask()) for channel, room in due.items()]
        answers = read_answers(await self._link.run(self._link.keys.ask(asked)))
        gaps: list[str] = []
        for (channel, room), when, answer in zip(due.items(), settled, answers, strict=True):
            if self._rooms.get(channel) is not room or room.settled != when:
                continue
            if isinstance(answer, str):
                _log.warning("%r cannot be asked about: %s", room.name, answer)
            gaps += self._settle(channel, room, None if isinstance(answer, str) else answer)
        if gaps:
            where, count = self._link.address.label, len(gaps)
            _log.warning("What %s had for %d rooms is lost: %s", where, count, gaps[0])

    def _settle(self, channel: bytes, room: _Room, answer: Answer | None) -> list[str]:
        """Go on with a room by an answer, and say what is lost."""
        room.settled += 1
        messages, gap = room.order.settle(answer)
        if room.is_late:
            gap, room.is_late = "it was subscribed to while the broker was away", False
        if gap:
            self._report_gap(room, gap)
        self._hand_over(room, messages)
        self._wait_no_more([room])
        if room.order.asks:
            self._put_due(channel, room)
        return [f"of {room.name!r}, as {gap}"] if gap else []

    def _report_gap(self, room: _Room, why: str) -> None:
        try:
            self._receiver.report_gap(room.name, why)
        except Exception:
            _log.exception("That something of %r is lost could not be told", room.name)


def _check(pubsub: Any) -> None:
    """Raise where a connection is lost: redis-py would make another, and nobody would know."""
    if pubsub.connection is None or not pubsub.connection.is_connected:
        raise ConnectionError("the connection was lost")


def _take_some(channels: dict[bytes, None], most: int) -> list[bytes]:
    some = list(islice(channels, most))
    for channel in some:
        del channels[channel]
    return some

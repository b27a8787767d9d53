"""A stream of JetStream, asked and read through a connection: JetStream's API is JSON by subjects.

Asked in its own words, and not by nats-py's classes for them, which send what a server of
another age does not know.

nats-py has an ordered consumer too; when it has lost its place it begins again once, and says
nothing if that fails. This one says that it has lost it, to who knows where to begin.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from ...errors import BackendError
from ..contract import Keep
from .jetstream import Place, State, Stored, read_keep, read_state, read_stored

__all__ = ["Connection", "Consumer", "Incoming", "Stream"]

#: How long JetStream may take for an answer, in seconds.
ASK_SECONDS: Final = 5.0

#: How long all messages of a history may take, in seconds.
READ_SECONDS: Final = 2.0

#: How often a consumer that has nothing to tell says that it is there, in seconds, and after
#: which silence it is taken for lost.
HEARTBEAT: Final = 2.0
SILENCE: Final = 6.0

#: What of a stream's settings follows the address, also where the stream is there already.
_OURS: Final = ("max_msgs_per_subject", "max_age", "max_bytes", "duplicate_window")


class Incoming(Protocol):
    """A message that has come."""

    subject: str
    reply: str
    data: bytes

    @property
    def headers(self) -> Mapping[str, str] | None: ...


class Connection(Protocol):
    """What is used of nats-py's client."""

    def new_inbox(self) -> str: ...
    async def publish(self, subject: str, payload: bytes = b"") -> None: ...
    async def request(self, subject: str, payload: bytes, timeout: float) -> Any: ...
    async def subscribe(self, subject: str, *, cb: Callable[[Any], Awaitable[None]]) -> Any: ...


class Stream:
    """The stream of a prefix, through one connection."""

    def __init__(self, connection: Connection, config: Mapping[str, Any]) -> None:
        self._connection = connection
        self._config = config
        self.name: str = config["name"]

    async def ask(self, what: str, **fields: Any) -> dict[str, Any] | None:
        """Ask JetStream; None when it has no such thing, ``BackendError`` when it refuses."""
        text = json.dumps(fields).encode() if fields else b""
        subject = f"$JS.API.{what}.{self.name}"
        answered = await self._connection.request(subject, text, timeout=ASK_SECONDS)
        answer: dict[str, Any] = json.loads(answered.data)
        error = answer.get("error")
        if error is None:
            return answer
        if error["code"] == 404:
            return None
        raise BackendError(f"JetStream refuses {what}: {error.get('description', error)}")

    async def find(self, *, changes: bool) -> State:
        """Give how it is; make it where there is none, and with ``changes`` as it should be."""
        info = await self.ask("STREAM.INFO")
        if info is None:
            info = await self.ask("STREAM.CREATE", **self._config)
        elif info["config"]["subjects"] != self._config["subjects"]:
            raise BackendError(f"the stream {self.name!r} is somebody else's: use another prefix")
        elif changes:
            there = info["config"]
            changed = {key: self._config[key] for key in _OURS}
            if any(there.get(key) != value for key, value in changed.items()):
                info = await self.ask("STREAM.UPDATE", **{**there, **changed})
        return self._state(info)

    async def state(self) -> State:
        """Give how it is."""
        return self._state(await self.ask("STREAM.INFO"))

    def _state(self, info: Mapping[str, Any] | None) -> State:
        if info is None:
            raise BackendError(f"the stream {self.name!r} is gone")
        return read_state(info)

    async def next(self, offset: int) -> int | None:
        """Give the first offset from one on that it has, if it has any."""
        # By the offset alone first: that is not searched for, and so not missed.
        found = await self.ask("STREAM.MSG.GET", seq=offset)
        if found is None:
            (subjects,) = self._config["subjects"]
            found = await self.ask("STREAM.MSG.GET", seq=offset, next_by_subj=subjects)
        return None if found is None else int(found["message"]["seq"])

    async def last(self, subject: str, rule: Keep) -> Stored | None:
        """Give the last message of a subject, if it has any."""
        newest = await self.ask("STREAM.MSG.GET", last_by_subj=subject)
        return None if newest is None else read_stored(newest["message"], rule)

    async def read(
        self, subject: str, first: int, last: Stored, most: int, rule: Keep
    ) -> list[Stored]:
        """Read a subject's messages from an offset to its last; of too many, one over ``most``.

        Not only the last has to come, but JetStream has to count none behind it: should its
        consumer have skipped one, this ends in a ``TimeoutError``.
        """
        found: list[Stored] = []
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def take(place: Place, message: Incoming) -> bool:
            if place.offset <= last.offset:
                keep = read_keep(message.headers, rule)
                found.append(Stored(place.offset, place.time, keep, message.data))
            if len(found) > most or (place.offset >= last.offset and not place.pending):
                done.set_result(None)
                return False
            return True

        def fail() -> None:
            if not done.done():
                done.set_exception(BackendError("a message was lost on its way"))

        consumer = Consumer(self._connection, take, fail)
        try:
            async with asyncio.timeout(READ_SECONDS):
                await consumer.begin(self, max(1, first), subject)
                await done
        finally:
            await consumer.end()
        return found


class Consumer:
    """Takes the messages of a stream from an offset on: each once, in order, or it fails.

    ``take`` says of each message whether it can go on from there.
    """

    def __init__(
        self,
        connection: Connection,
        take: Callable[[Place, Incoming], bool],
        fail: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._take_message = take
        self._fail = fail
        self._number = 0
        self._heard = 0.0
        self._is_over = False
        self._subscription: Any = None

    async def begin(self, stream: Stream, first: int, subject: str | None = None) -> None:
        """Begin, with all subjects of the stream, or with one."""
        self._heard = asyncio.get_running_loop().time()
        inbox = self._connection.new_inbox()
        self._subscription = await self._connection.subscribe(inbox, cb=self._take)
        config: dict[str, Any] = {
            "deliver_subject": inbox,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": first,
            "ack_policy": "none",
            "max_deliver": 1,
            "flow_control": True,
            "idle_heartbeat": int(HEARTBEAT * 1e9),
            "mem_storage": True,
            "num_replicas": 1,
        }
        if subject is not None:
            config["filter_subject"] = subject
        made = await stream.ask("CONSUMER.CREATE", stream_name=stream.name, config=config)
        if made is None:
            raise BackendError(f"the stream {stream.name!r} is gone")

    def is_heard(self) -> bool:
        """Whether it lives, as far as can be known."""
        return asyncio.get_running_loop().time() - self._heard < SILENCE

    async def end(self) -> None:
        """Take no more; JetStream forgets a consumer to which nobody listens."""
        self._is_over = True
        if self._subscription is not None:
            with suppress(Exception):  # a connection that is lost has no subscriptions
                await self._subscription.unsubscribe()

    async def _take(self, message: Incoming) -> None:
        if self._is_over:
            return
        self._heard = asyncio.get_running_loop().time()
        headers = message.headers or {}
        if "Status" in headers:
            await self._hear(headers, message.reply)
            return
        place = Place.read(message.reply)
        if place.number != self._number + 1:
            self._give_up()
            return
        self._number = place.number
        if not self._take_message(place, message):
            self._give_up()

    def _give_up(self) -> None:
        self._is_over = True
        self._fail()

    async def _hear(self, headers: Mapping[str, str], reply: str) -> None:
        """Hear that it lives, and what it sent last; answer where it waits to be told to go on."""
        last = headers.get("Nats-Last-Consumer")
        if last is not None and int(last) != self._number:
            self._give_up()
            return
        go_on = reply or headers.get("Nats-Consumer-Stalled")
        if go_on:
            await self._connection.publish(go_on)

"""The order of rooms by NATS: one JetStream stream, which every process reads from where it is.

``follower`` reads, ``appends`` holds what waits for its place, ``stream`` and ``jetstream`` speak
to the server and understand it, ``link`` connects. Here is what brings them together, and begins
them anew whenever something is lost.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from time import time
from typing import Any, Final

from ...dual import Done, Waiting, is_cancelled
from ...errors import BackendError
from ..contract import History, Keep, Position, Receiver, SyncAppender, unplaced
from ..keeps import KEEPS_NOTHING, Keeps
from ..sync import LoopAppender
from ..tasks import end
from .appends import Appends
from .follower import Follower
from .jetstream import (
    HEADER_BYTES,
    Stored,
    are_kept,
    read_address,
    stream_config,
    subject_of,
    write_headers,
)
from .link import ERRORS, Client, close, open_link, pause
from .stream import Incoming, Stream

__all__ = ["NatsBackend"]

_log = logging.getLogger("htmx_ws")

#: How long stopping waits for what was appended, in seconds.
STOP_SECONDS: Final = 2.0

#: How often a connection is looked at, in seconds: nats-py does not tell of every end.
LOOK_SECONDS: Final = 0.5

#: What it means that nobody answers.
_NOBODY: Final = b'{"error": {"code": 503, "description": "no stream for it, or no JetStream"}}'


class NatsBackend:
    """Rooms' order and history in NATS: ``nats://host:4222/?prefix=myapp&outage=queue``.

    ``htmx_ws.backends.nats.jetstream.Address`` lists the options. ``connect`` is what else
    nats-py's ``connect`` is to be given: ``tls``, ``user_credentials`` and the like.
    """

    is_shared: bool = True
    _reads: bool = True

    def __init__(self, url: str, *, connect: Mapping[str, Any] | None = None) -> None:
        self._url = url
        self._address = read_address(url)
        self._label = ",".join(self._address.servers)  # without the login
        self._config = stream_config(self._address)
        self._options = {**self._address.login, **(connect or {})}
        self._keeps = KEEPS_NOTHING
        self._running: asyncio.Task[None] | None = None
        self._client: Client | None = None  # while there is one, with a stream
        self._most_bytes: int | None = None
        self._is_away = False

    # --- start and stop ----------------------------------------------------------------

    async def start(self, receiver: Receiver, keeps: Mapping[str, Keep] | None = None) -> None:
        """Connect, and go on doing so for ever; returns when the first attempt has ended."""
        if keeps is not None:
            self._keeps = Keeps(keeps)
        self._follower = Follower(receiver, changes=self._reads)
        self._trouble = asyncio.Event()
        self._appends = Appends(
            may_wait=self._address.outage == "queue",
            most=self._address.queue,
            seconds=self._address.timeout,
            names_last=self._address.names_last * 0.9,
            late=self._trouble.set,
        )
        tried: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(self._run(tried))
        await tried

    async def stop(self) -> None:
        """Wait for what was appended, but not long, and let the connection go."""
        running, self._running = self._running, None
        if running is None:
            return
        if self._client is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self._appends.wait_until_quiet()
        self._follower.end()
        await end([running])
        self._appends.fail_all("this process ends")

    async def _run(self, tried: asyncio.Future[None]) -> None:
        """Be connected, for ever."""
        while True:
            try:
                await self._serve_once(tried)
            except ERRORS as error:
                self._note_away(error)
            except asyncio.CancelledError as error:
                if is_cancelled():
                    raise
                self._note_away(error)
            except Exception:
                _log.exception("NATS said what is not understood here; htmx-ws connects again")
            if not tried.done():
                tried.set_result(None)
            await pause()

    async def _serve_once(self, tried: asyncio.Future[None]) -> None:
        """Connect, and serve until the connection is lost."""
        servers = self._address.servers
        client = await open_link(servers, self._options, self._trouble.set)
        try:
            await self._serve(client, tried)
        finally:
            self._client = None
            self._appends.lose("the connection to NATS was lost")
            await close(client)

    async def _serve(self, client: Client, tried: asyncio.Future[None]) -> None:
        """Read and send by a connection until it is lost."""
        self._most_bytes = client.max_payload
        answers = client.new_inbox()
        await client.subscribe(f"{answers}.*", cb=self._take_answer)
        while not client.is_closed:
            self._trouble.clear()
            await self._serve_until_trouble(client, answers, tried)
            self._appends.send_again()
            if not client.is_closed:
                await pause()
        raise BackendError("the connection was lost")

    async def _serve_until_trouble(
        self, client: Client, answers: str, tried: asyncio.Future[None]
    ) -> None:
        stream = Stream(client, self._config)
        await self._follower.find(stream)
        self._client = client
        consumer = None
        sending = asyncio.create_task(self._send(client, answers))
        try:
            if self._reads:
                consumer = await self._follower.read(stream, client, self._trouble.set)
            if self._is_away:
                self._is_away = False
                _log.info("%s is back", self._label)
            if not tried.done():
                tried.set_result(None)
            while consumer is None or consumer.is_heard():
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._trouble.wait()
                if self._trouble.is_set() or client.is_closed:
                    break
        finally:
            await end([sending])
            if consumer is not None:
                await consumer.end()

    def _note_away(self, error: BaseException) -> None:
        why = str(error) or type(error).__name__
        level = logging.DEBUG if self._is_away else logging.WARNING
        _log.log(level, "%s is away (%s); htmx-ws tries again until it is back", self._label, why)
        self._is_away = True

    # --- rooms -------------------------------------------------------------------------

    def _subject(self, room: str) -> str:
        return subject_of(self._address.prefix, room)

    def subscribe(self, rooms: Iterable[str]) -> Awaitable[None]:
        """Hand over what comes to these rooms, at once: everything comes here."""
        self._follower.rooms.update((self._subject(room), room) for room in rooms)
        return Done(None)

    def unsubscribe(self, rooms: Iterable[str]) -> Awaitable[None]:
        """Hand over no more of these rooms."""
        for room in rooms:
            self._follower.rooms.pop(self._subject(room), None)
        return Done(None)

    # --- appending ---------------------------------------------------------------------

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> Awaitable[int]:
        """Have a payload sent to the stream; awaiting it waits for its place."""
        data = bytes(payload)
        why = None if self._running is not None else "its backend is not started"
        why = why or self._refuse(len(data))
        if why is not None:
            place: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            place.set_exception(unplaced(room, f"failed: {why}"))
            return Waiting(place)
        return Waiting(self._appends.put(room, data, keep, is_away=self._client is None).place)

    def _refuse(self, size: int) -> str | None:
        """Say why a payload is too large, if it is."""
        if self._most_bytes is None or size + HEADER_BYTES <= self._most_bytes:
            return None
        return (
            f"it has {size} bytes, and the server takes {self._most_bytes}, with the headers: "
            "raise its max_payload"
        )

    async def _send(self, client: Client, answers: str) -> None:
        """Send what is appended, in the order of the calls, until the connection is lost."""
        try:
            while not client.is_closed:
                item = await self._appends.next()
                why = self._refuse(len(item.payload))
                if why is not None:
                    self._appends.answer(item.name, None, why)
                    continue
                headers = write_headers(item.name, item.keep)
                reply = f"{answers}.{item.name}"
                await client.publish(self._subject(item.room), item.payload, reply, headers)
        except ERRORS as error:
            _log.debug("Nothing more can be sent to NATS: %r", error)
        finally:
            self._trouble.set()

    async def _take_answer(self, message: Incoming) -> None:
        """Take the place of what was sent, or hear that it has none."""
        name = message.subject.rpartition(".")[2]
        answer = json.loads(message.data or _NOBODY)
        error = answer.get("error")
        if error is None:
            self._appends.answer(name, answer["seq"])
            return
        is_away = error["code"] == 503
        if not (is_away and self._address.outage == "queue"):
            self._appends.answer(name, None, f"JetStream says: {error['description']}")
        if is_away:
            self._trouble.set()  # to look after the stream, and send again what may wait

    # --- history -----------------------------------------------------------------------

    async def history(self, room: str, since: Position | None, most: int = 1_000) -> History:
        """Give what came after a position, and is kept by the rule of the room's last message.

        A room without messages is where its stream is. Nothing is given of a position of which
        the stream has dropped the next message, though it may have been another room's.
        """
        client = self._client
        if client is None:
            raise BackendError(f"NATS is away, and cannot be asked for the history of {room!r}.")
        try:
            return await self._history(Stream(client, self._config), room, since, most)
        except ERRORS as error:
            raise BackendError(
                f"NATS could not be asked for the history of {room!r}: {error!r}"
            ) from error

    async def _history(
        self, stream: Stream, room: str, since: Position | None, most: int
    ) -> History:
        subject, rule = self._subject(room), self._keeps.of(room)
        # The stream's end before the room's: what comes between is after the position given.
        state = await stream.state()
        last = await stream.last(subject, rule)
        here = Position(state.epoch, state.last if last is None else last.offset)
        if since is None or since == here:
            return History(here)
        nothing = History(here, is_whole=False)
        if since.epoch != here.epoch or not 0 <= since.offset < here.offset:
            return nothing
        found: list[Stored] = []
        if last is not None:
            if not last.keep.most or not most:
                return nothing
            found = await stream.read(subject, since.offset + 1, last, most, rule)
        first = (await stream.state()).first  # now that all has been read
        if first > since.offset + 1 or len(found) > most or not are_kept(found, time()):
            return nothing
        return History(here, tuple((each.offset, each.payload) for each in found))

    def sync(self) -> SyncAppender:
        """Give what appends in threads, by a loop and a connection of its own."""
        return LoopAppender(lambda: _Publisher(self._url, connect=self._options))


class _Publisher(NatsBackend):
    """Appends alone, reads nothing, and leaves a stream's limits to the processes that do.

    Nothing waits for a server that is away: its process may end before that is back.
    """

    _reads = False

    def __init__(self, url: str, *, connect: Mapping[str, Any] | None = None) -> None:
        super().__init__(url, connect=connect)
        self._address = replace(self._address, outage="raise")

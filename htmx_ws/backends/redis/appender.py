"""Appends to Redis without an event loop: by the client of redis-py that blocks."""

from __future__ import annotations

import os
import secrets
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, TimeoutError
from redis.retry import Retry

from ...errors import BackendError
from ..contract import Keep, Position, unplaced
from .address import FAILURES, Address
from .calls import Call, Item, Keys, read_answers, read_given

__all__ = ["RedisAppender"]

#: How long Redis remembers what was appended, in milliseconds: longer than it is sent again.
_DID_MS: Final = 60_000


class RedisAppender:
    """Appends, and raises ``BackendError`` where Redis is away: here nothing waits for it.

    It can be shared by threads. A process that was forked connects by itself.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._keys = Keys(address.prefix)
        self._clients: dict[int, Any] = {}  # by process

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> int:
        """Append, and give the offset."""
        item = Item(room, bytes(payload), keep)
        call = self._keys.append([item], secrets.token_urlsafe(9), 1, _DID_MS)
        try:
            [(offset, why)] = read_given(self._run(call), 1)
        except FAILURES as failure:
            offset, why = 0, str(failure) or type(failure).__name__
        if not offset:
            raise unplaced(room, f"may have no place: {self._address.label}: {why}")
        return offset

    def position(self, room: str) -> Position:
        """Ask where a room is now."""
        try:
            [answer] = read_answers(self._run(self._keys.ask([(self._keys.channel(room), None)])))
        except FAILURES as failure:
            answer = str(failure) or type(failure).__name__
        if isinstance(answer, str):
            raise BackendError(f"{self._address.label} cannot be asked: {answer}.")
        return Position(*answer.mark[:2])

    def _run(self, call: Call) -> Any:
        client = self._client()
        try:
            return self._run_once(client, call)
        except TimeoutError:
            raise
        except FAILURES:  # a connection that had ended; what was appended is not appended again
            return self._run_once(client, call)

    def _run_once(self, client: Any, call: Call) -> Any:
        try:
            return client.execute_command("EVALSHA", *call.by_sha())
        except NoScriptError:
            return client.execute_command("EVAL", *call.by_text())

    def _client(self) -> Any:
        pid = os.getpid()
        client = self._clients.get(pid)
        if client is None:
            options: dict[str, Any] = {**self._address.options, "retry": Retry(NoBackoff(), 0, ())}
            made = Redis.from_url(self._address.url, **options)
            client = self._clients.setdefault(pid, made)  # another thread may have been first
        return client

    def close(self) -> None:
        """Close the connections of this process."""
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

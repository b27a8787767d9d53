"""The client of one process, and whether Redis is there."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, NoScriptError

from .address import FAILURES, Address, is_for_now
from .calls import Call, Keys

__all__ = ["Link"]

_log = logging.getLogger("htmx_ws")

#: How many commands are under way at once: pages that come back all ask for history.
_AT_ONCE: Final = 8


class Link:
    """Runs scripts, and notes and logs when Redis goes away and comes back."""

    def __init__(self, address: Address) -> None:
        self.address: Address = address
        self.keys: Keys = Keys(address.prefix)
        # Who tries again is this package, which knows what may be sent twice. Without errors to
        # look for, redis-py does not even connect again by itself, which in pub/sub two tasks
        # would do at once.
        options: dict[str, Any] = {**address.options, "retry": Retry(NoBackoff(), 0, ())}
        # Any: redis-py says of some of its functions nothing, and of others all kinds of clients.
        self.client: Any = Redis.from_url(address.url, **options)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._loop = asyncio.get_running_loop()
        self._away_since: float | None = None
        self._refused: dict[str, str] = {}  # what it does not let this process do, and why

    @property
    def is_away(self) -> bool:
        """Whether what was tried last has failed."""
        return self._away_since is not None

    async def run(self, call: Call) -> Any:
        """Run a script; raises what redis-py does."""
        async with self._slots:
            try:
                reply = await self._run(call)
            except FAILURES as failure:
                self.note_failure("its scripts", failure)
                raise
        self.note_taken("its scripts")
        self.note_back()
        return reply

    async def _run(self, call: Call) -> Any:
        try:
            try:
                return await self.client.execute_command("EVALSHA", *call.by_sha())
            except NoScriptError:  # a server that has just begun knows none
                return await self.client.execute_command("EVAL", *call.by_text())
        except AttributeError as error:  # redis-py's own, where it is cut off as it begins to write
            raise ConnectionError(f"cut off: {error}") from error

    def note_failure(self, what: str, failure: BaseException) -> None:
        """Note that something failed: Redis is away, or refuses it, which is said once."""
        if not is_for_now(failure):
            self.note_refused(what, failure)
        elif self._away_since is None:
            self._away_since = self._loop.time()
            _log.warning(
                "%s is away (%s: %s), and is tried again until it is back",
                self.address.label,
                type(failure).__name__,
                failure,
            )

    def note_refused(self, what: str, failure: BaseException) -> None:
        """Note what Redis does not let this process do, as it has not the right to."""
        why = str(failure)
        if self._refused.get(what) != why:
            self._refused[what] = why
            _log.warning("%s refuses htmx-ws %s: %s", self.address.label, what, why)

    def note_taken(self, what: str) -> None:
        """Note that Redis lets this process do something."""
        self._refused.pop(what, None)

    def note_back(self) -> None:
        """Note that Redis can be used."""
        if self._away_since is not None:
            seconds = self._loop.time() - self._away_since
            self._away_since = None
            _log.warning("%s is back, after %.1f s", self.address.label, seconds)

    async def close(self) -> None:
        """Let go of all connections."""
        await self.client.aclose(close_connection_pool=True)

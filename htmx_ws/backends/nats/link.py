"""A connection to NATS by nats-py, used until it is lost: then another one follows.

nats-py would connect again by itself, but not after every error, and would send what waited then
before the stream is known to be the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from random import uniform
from typing import Any, Final

from nats.aio.client import Client
from nats.errors import Error, NoServersError

from ...errors import BackendError

__all__ = ["ERRORS", "Client", "close", "open_link", "pause"]

#: What goes wrong with networks and servers.
ERRORS: Final[tuple[type[Exception], ...]] = (Error, OSError, TimeoutError, BackendError)

#: How long a server may take to take a connection, and a connection to close, in seconds.
CONNECT_SECONDS: Final = 2.0
CLOSE_SECONDS: Final = 1.0

#: How often a server is asked whether it is there, in seconds; the third time it must have said so.
PING_SECONDS: Final = 5


class _Client(Client):
    """nats-py's, which does not tell a password to a server without TLS, where TLS is asked for."""

    def _connect_command(self) -> bytes:
        server = self._current_server
        is_asked = bool(self.options.get("tls")) or (
            server is not None and server.uri.scheme == "tls"
        )
        if is_asked and not self._server_info.get("tls_required"):
            raise Error("the server has no TLS, and the address asks for it")
        return super()._connect_command()


async def open_link(
    servers: Sequence[str], options: Mapping[str, Any], lost: Callable[[], None]
) -> Client:
    """Connect to the first that takes it; ``lost`` is called when the connection is."""
    client = _Client()
    tried: list[Exception] = []

    async def note_error(error: Exception) -> None:
        tried.append(error)  # what matters later is raised, or closes the connection

    async def note_closed() -> None:
        lost()

    others: dict[str, Any] = {
        "name": "htmx-ws",
        "connect_timeout": CONNECT_SECONDS,
        "ping_interval": PING_SECONDS,
    }
    ours: dict[str, Any] = {
        "servers": list(servers),
        "error_cb": note_error,
        "closed_cb": note_closed,
        "allow_reconnect": False,
        "max_reconnect_attempts": 1,
        "reconnect_time_wait": 0.1,
    }
    try:
        async with asyncio.timeout(CONNECT_SECONDS * (1 + len(servers))):
            await client.connect(**(others | dict(options) | ours))
    except BaseException as error:
        await close(client)
        if isinstance(error, NoServersError) and tried:
            raise tried[0] from None  # which says why
        raise
    return client


async def close(client: Client) -> None:
    """Close a connection, also one on whose other end nobody reads."""
    with suppress(Exception):  # what nats-py meets there is no matter any more
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.close()


def pause() -> Awaitable[None]:
    """Wait before trying again, not all processes as long."""
    return asyncio.sleep(uniform(0.1, 0.4))

"""Where the order of a room's messages comes from, and their history.

A backend takes payloads by ``append`` and hands them to the ``Receiver`` with an epoch and an
offset, in rising order, in every process that subscribed to the room, the publishing one too.
The hub delivers nothing but what it is handed, so all pages of a room see one order. An epoch
is one unbroken count: where a broker has lost its memory, another begins.

``from_url`` makes a backend of an address; ``htmx_ws.testing.BackendContract`` tests any.
"""

from __future__ import annotations

from .contract import (
    KEEP_NONE,
    NOWHERE,
    PROCESSES,
    Backend,
    History,
    Keep,
    Position,
    Receiver,
    SyncAppender,
    unplaced,
)
from .memory import MemoryBackend

__all__ = [
    "KEEP_NONE",
    "NOWHERE",
    "PROCESSES",
    "Backend",
    "History",
    "Keep",
    "MemoryBackend",
    "Position",
    "Receiver",
    "SyncAppender",
    "from_url",
    "unplaced",
]


def from_url(url: str) -> Backend:
    """Make the backend of an address: ``memory://``, ``redis://``, ``nats://``.

    Redis is at ``rediss://`` and ``unix://`` too, NATS at ``tls://``. Raises ``ValueError`` for
    any other, and ``ModuleNotFoundError`` that names the extra.
    """
    scheme = url.partition("://")[0] if "://" in url else ""
    try:
        if scheme == "memory":
            return MemoryBackend()
        if scheme in ("redis", "rediss", "unix"):
            from .redis import RedisBackend

            return RedisBackend(url)
        if scheme in ("nats", "tls"):
            from .nats import NatsBackend

            return NatsBackend(url)
    except ModuleNotFoundError as error:
        extra = "nats" if scheme in ("nats", "tls") else "redis"
        raise ModuleNotFoundError(
            f"A backend at {scheme}:// needs its client: pip install 'htmx-ws[{extra}]'",
            name=error.name,
        ) from error
    raise ValueError(
        f"No backend has an address that begins with {scheme + '://'!r}: it is one of memory://, "
        "redis://, rediss://, unix://, nats:// and tls://."
    )

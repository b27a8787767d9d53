"""How to reach Redis: an address, read, and what its failures mean."""

from __future__ import annotations

import random
from typing import Any, Final, Literal, NamedTuple, get_args
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis.connection import ConnectionPool
from redis.exceptions import ConnectionError, ReadOnlyError, RedisError, TimeoutError

__all__ = ["FAILURES", "Address", "Backoff", "Outage", "is_for_now"]

#: What becomes of what is published while Redis is away.
Outage = Literal["raise", "queue"]

#: How connections are made where the address says nothing else: it knows redis-py's own names.
#: RESP 2, as every server speaks it.
_OPTIONS: Final[dict[str, Any]] = {"protocol": 2, "socket_timeout": 5.0}
#: Those that ``unix://`` has not.
_OF_TCP: Final[dict[str, Any]] = {"socket_connect_timeout": 2.0, "socket_keepalive": True}

#: What a client raises, for the network or for the server.
FAILURES: Final[tuple[type[Exception], ...]] = (RedisError, OSError)

#: How the answers of a server begin that may take later what it does not take now.
_FOR_NOW: Final = ("BUSY", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "READONLY")


def is_for_now(failure: BaseException | str) -> bool:
    """Whether what failed may do later: the broker is away, or says that it cannot now."""
    if isinstance(failure, (ConnectionError, ReadOnlyError, TimeoutError, OSError)):
        return True
    return str(failure).startswith(_FOR_NOW)


class Address(NamedTuple):
    """What redis-py is given, and what is ours."""

    url: str
    prefix: str
    outage: Outage
    queue: int

    @classmethod
    def read(cls, url: str, prefix: str | None, outage: str | None, queue: int | None) -> Address:
        """Take what is ours out of the query of an address; what is given beside it wins."""
        place, _, text = url.partition("?")
        query = dict(parse_qsl(text, keep_blank_values=True))
        query.pop("decode_responses", None)  # publications are bytes
        its_prefix = query.pop("prefix", "htmx-ws")
        its_outage = query.pop("outage", "raise")
        its_queue = query.pop("queue", "1000")
        prefix = its_prefix if prefix is None else prefix
        outage = its_outage if outage is None else outage
        if outage not in get_args(Outage):
            raise ValueError(f"outage is {outage!r}: it is one of {get_args(Outage)}.")
        try:
            queue = int(its_queue) if queue is None else queue
        except ValueError:
            queue = -1
        if queue < 0:
            raise ValueError(f"queue is {its_queue!r}: it must be a number of 0 or more.")
        # By hand, as urllib takes the slashes out of unix:///path.
        rest = f"{place}?{urlencode(query)}" if query else place
        # Channels are those of all databases of a Redis; with one name for two rooms, each would
        # take what comes to the other for its own broker's having forgotten.
        database = _database(rest)
        prefix = f"{prefix}:db{database}" if database else prefix
        return cls(rest, prefix, "queue" if outage == "queue" else "raise", queue)

    @property
    def options(self) -> dict[str, Any]:
        """How connections are made where the address says nothing else."""
        return _OPTIONS if self.url.startswith("unix:") else _OPTIONS | _OF_TCP

    @property
    def label(self) -> str:
        """The address without what is secret in it, for logs and messages."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _database(url: str) -> int:
    """Give the number of the database that an address names; ``ValueError`` for what is none."""
    try:
        pool: Any = ConnectionPool.from_url(url)
        pool.make_connection()  # which does not connect, and knows all options
        parts = urlsplit(url)
        # What follows a # is lost, as of a password; what follows a / is no number.
        if not parts.fragment and ("@" not in parts.path or parts.scheme == "unix"):
            return int(pool.connection_kwargs.get("db", 0))
        why = ""
    except (ValueError, TypeError) as error:
        # What stands where a port should be may be half of a password.
        why = "" if "Port" in str(error) else f" {str(error).rstrip('.')}."
    raise ValueError(
        f"The address of Redis cannot be read.{why} It is redis://:PASSWORD@HOST:PORT/NUMBER, "
        "where a password's / # ? @ and % are written as %2F %23 %3F %40 and %25. "
        "Behind a ? stand options: prefix, outage, queue and those of redis-py."
    )


class Backoff:
    """How long to wait before the next attempt: longer and longer, never the same."""

    __slots__ = ("_seconds",)

    #: Short, as whoever waits is a page; a broker bears one attempt of each process in that time.
    MOST: Final = 0.5

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin again, after a success."""
        self._seconds = 0.05

    def next(self) -> float:
        """Give the seconds to wait."""
        seconds, self._seconds = self._seconds, min(2 * self._seconds, self.MOST)
        return seconds * random.uniform(0.5, 1.0)

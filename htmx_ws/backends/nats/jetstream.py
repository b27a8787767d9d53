"""What of NATS can be said without NATS: addresses, subjects, headers, and what a stream keeps.

JetStream keeps the messages of all rooms of a prefix in one stream, and numbers them through: so
a room's offsets rise, with holes where other rooms' messages are. Its limits hold for the whole
stream, and drop the oldest of all messages: whatever is behind the first that is left is whole.
What a room is to keep is written into each message, and whoever asks for its history counts by
that, so that a room's rule means here what it means elsewhere.

JetStream can limit the messages of each subject too, but a server that is killed may forget which
were the oldest, and go on to drop others (2.9.10, as soon as they fill several files).
"""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b, sha256
from typing import Any, Final, Literal, NamedTuple, get_args, get_type_hints
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from ..contract import Keep

__all__ = [
    "HEADER_BYTES",
    "Address",
    "Place",
    "State",
    "Stored",
    "are_kept",
    "read_address",
    "read_keep",
    "read_state",
    "read_stored",
    "stream_config",
    "subject_of",
    "write_headers",
]

#: For how long JetStream knows a message that it is sent again, at most.
DEDUPE_SECONDS: Final = 120.0

#: The most that a message's headers take, which count as part of it.
HEADER_BYTES: Final = 256

_KEEP: Final = "Htmx-Ws-Keep"
_ID: Final = "Nats-Msg-Id"


@dataclass(frozen=True, slots=True)
class Address:
    """What the address of a ``NatsBackend`` says: its servers, and its options with defaults."""

    servers: tuple[str, ...]
    login: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    #: The name of the stream, and the first word of its subjects.
    prefix: str = "htmx-ws"
    #: How much the stream keeps, of all rooms together: seconds, and bytes.
    max_age: float = 3_600.0
    max_bytes: int = 256 * 1024 * 1024
    storage: Literal["file", "memory"] = "file"
    replicas: int = 1
    #: What becomes of appends while the server is away, and how many may wait.
    outage: Literal["raise", "queue"] = "raise"
    queue: int = 1_000
    #: How long an append waits for its place, in seconds.
    timeout: float = 5.0

    @property
    def names_last(self) -> float:
        """For how long JetStream knows the name of a message, in seconds."""
        return min(DEDUPE_SECONDS, self.max_age)


def read_address(url: str) -> Address:
    """Read ``nats://user:password@one:4222,two:4222/?prefix=myapp``; raises ``ValueError``."""
    parts = urlsplit(url)
    if parts.scheme not in ("nats", "tls") or not parts.netloc or parts.path not in ("", "/"):
        raise ValueError(
            f"{_shown(url)} is no address of NATS, which is nats://host:4222 or tls://host:4222, "
            "with options behind a question mark."
        )
    login, _, hosts = parts.netloc.rpartition("@")
    servers = tuple(f"{parts.scheme}://{host}" for host in hosts.split(","))
    given: dict[str, Any] = {}
    known = get_type_hints(Address)
    del known["servers"], known["login"]
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            raise ValueError(f"NATS has no option {name!r}; they are {', '.join(known)}.")
        given[name] = _read_option(name, known[name], text)
    address = Address(servers, _read_login(login), **given)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", address.prefix):
        raise ValueError(f"A prefix has letters, digits, - and _, not {address.prefix!r}.")
    return address


def _read_login(text: str) -> dict[str, str]:
    """Read a user and a password, or a token alone, percent-encoded where they need it."""
    user, colon, password = text.partition(":")
    if colon:
        return {"user": unquote(user), "password": unquote(password)}
    return {"token": unquote(user)} if user else {}


def _read_option(name: str, kind: Any, text: str) -> object:
    if kind is str:
        return text
    choices = get_args(kind)
    if choices:
        if text not in choices:
            raise ValueError(f"{name}={text}: it is {' or '.join(choices)}.")
        return text
    try:
        number = kind(text)
    except ValueError:
        raise ValueError(f"{name}={text}: it is a number.") from None
    if not 0 < number < float("inf"):
        raise ValueError(f"{name}={text}: it is over 0.")
    return number


def _shown(url: str) -> str:
    """Write an address without its password."""
    return repr(re.sub(r"//[^/]*@", "//...@", url))


# --- names -----------------------------------------------------------------------------


def subject_of(prefix: str, room: str) -> str:
    """Give the subject of a room: readable where its name is short, and safe whatever it is."""
    name = quote(room, safe=":@!$&()+,;=", errors="surrogatepass")
    name = name.replace(".", "%2E").replace("~", "%7E")
    if not 0 < len(name) <= 200:  # a subject has to fit into a line of NATS's
        name = "~" + sha256(room.encode(errors="surrogatepass")).hexdigest()
    return f"{prefix}.room.{name}"


def stream_config(address: Address) -> dict[str, Any]:
    """Give what JetStream is to be told of the stream."""
    return {
        "name": address.prefix,
        "subjects": [f"{address.prefix}.room.*"],
        "retention": "limits",
        "discard": "old",
        "max_msgs_per_subject": -1,
        "max_age": _nanoseconds(address.max_age),
        "max_bytes": address.max_bytes,
        "storage": address.storage,
        "num_replicas": address.replicas,
        "duplicate_window": _nanoseconds(address.names_last),
    }


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


# --- headers ---------------------------------------------------------------------------


def write_headers(name: str, keep: Keep | None) -> dict[str, str]:
    """Give the headers of a message: its name, and how it is to be kept."""
    headers = {_ID: name}
    if keep is not None:
        headers[_KEEP] = f"{keep.most} {keep.seconds} {keep.size}"
    return headers


def read_keep(headers: Mapping[str, str] | None, otherwise: Keep) -> Keep:
    """Read how a message is to be kept: by the rule that it brings, or by another."""
    text = (headers or {}).get(_KEEP)
    if text is None:
        return otherwise
    most, seconds, size = text.split()
    return Keep(int(most), float(seconds), int(size))


class Place(NamedTuple):
    """Where a message stands: its offset in the stream, its number among those of its consumer,
    when it was stored, and how many more the consumer has.
    """

    offset: int
    number: int
    time: float
    pending: int

    @classmethod
    def read(cls, reply: str) -> Place:
        """Read the subject by which JetStream would be told that a message has come."""
        words = reply.split(".")
        # $JS.ACK.stream.consumer..., or with a domain and an account before the stream
        first = 5 if len(words) == 9 else 7
        offset, number, time, pending = words[first : first + 4]
        return cls(int(offset), int(number), int(time) / 1e9, int(pending))


# --- what a stream keeps ---------------------------------------------------------------


class State(NamedTuple):
    """How a stream is: its epoch, its first offset that is kept, and its last."""

    epoch: str
    first: int
    last: int


def read_state(info: Mapping[str, Any]) -> State:
    """Read what JetStream says of a stream; one that is made anew is another epoch."""
    made = blake2b(str(info["created"]).encode(), digest_size=6).digest()
    state = info["state"]
    return State(urlsafe_b64encode(made).decode(), max(1, state["first_seq"]), state["last_seq"])


class Stored(NamedTuple):
    """A message as a stream has it."""

    offset: int
    time: float
    keep: Keep
    payload: bytes


def read_stored(message: Mapping[str, Any], otherwise: Keep) -> Stored:
    """Read a message that JetStream was asked for; ``otherwise`` is the rule if it brings none."""
    lines = b64decode(message.get("hdrs", "")).decode(errors="replace").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if ": " in line)
    time = datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", message["time"])).timestamp()
    payload = b64decode(message.get("data", ""))
    return Stored(message["seq"], time, read_keep(headers, otherwise), payload)


def are_kept(found: Sequence[Stored], now: float) -> bool:
    """Whether all of these, the last messages of a room, are kept by the rule of the last."""
    if not found:
        return True
    keep = found[-1].keep
    return (
        len(found) <= keep.most
        and all(each.keep.most for each in found)
        and sum(len(each.payload) for each in found) <= keep.size
        and found[0].time >= now - keep.seconds
    )

"""Who may open a socket, from where, and how much a page may say.

A websocket handshake carries the visitor's cookies whatever site started it and knows no
CORS, so the server must compare the Origin itself: that is on unless turned off. htmx retries
a refused handshake for ever, so a page that must stay away is accepted first and then closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_address
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

from .errors import FrameError, FrameTooBig

__all__ = [
    "ALLOW_ALL",
    "Limits",
    "address_of",
    "check_allow_list",
    "check_number",
    "check_origin",
    "check_size",
]

#: What happens to a page that reads too slowly.
SlowPages = Literal["close", "drop", "hold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a page may ask of the server; the defaults are right for production.

    ``frame_bytes``: a longer frame is an error for ``on_error``; ``frame_bytes_hard``: a longer
    one closes the socket with 1009. ``frames_waiting``: read but not yet handled, after which
    reading is held back, as it is from a page that sends more than ``frames_per_second`` after a
    ``frames_burst``. ``concurrent``: handlers with ``concurrent=True`` at once, per page.
    ``outbox_bytes`` and ``outbox_messages``: what may wait for a slow page; ``slow_pages`` says
    what then happens: ``close`` it with 1012, so that it comes back, or ``drop`` the oldest
    messages, or ``hold`` its own handlers back until it has read all, and close it only when that
    was not enough. ``write_seconds``: how long a page may read nothing at all while something
    waits for it, before it is closed likewise. ``handler_seconds``: how long handlers may go on
    after their page has gone; ``hook_seconds``: how long a disconnect hook or a snapshot may take.
    ``replay_messages`` and ``replay_bytes``: how much a page that comes back is sent of what it
    missed in one room; beyond that it gets the room's snapshot. ``rooms``: how many a page may be
    in; ``room_name``: how many characters a room's name may have; over these, joining raises
    ``LimitError``. ``connections``: pages in this process at once, in all, and
    ``connections_per_address`` and ``connections_per_identity``, None for no limit; one more is
    refused with HTTP 503, and htmx tries again, ever more slowly. Behind a proxy every page has
    the proxy's address: see ``proxies`` of ``HtmxWS``. ``frame_fields``: how many fields a frame
    may have; that it nests less than about 200 deep is the JSON parser's own limit.
    """

    frame_bytes: int = 64 * 1024
    frame_bytes_hard: int = 1024 * 1024
    frame_fields: int = 1_000
    frames_waiting: int = 64
    frames_per_second: float = 50.0
    frames_burst: int = 200
    concurrent: int = 8
    outbox_bytes: int = 1024 * 1024
    outbox_messages: int = 4096
    write_seconds: float = 2.0
    slow_pages: SlowPages = "close"
    handler_seconds: float = 30.0
    hook_seconds: float = 10.0
    replay_messages: int = 1_000
    replay_bytes: int = 512 * 1024
    rooms: int = 1_000
    room_name: int = 500
    connections: int = 20_000
    connections_per_address: int | None = None
    connections_per_identity: int | None = 200

    def __post_init__(self) -> None:
        if self.slow_pages not in get_args(SlowPages):
            raise ValueError(
                f"Limits.slow_pages is {self.slow_pages!r}: it is one of {get_args(SlowPages)}."
            )
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "slow_pages" or (value is None and field.name in _MAY_BE_NONE):
                continue
            check_number(f"Limits.{field.name}", value)


def check_number(name: str, value: object) -> None:
    """Refuse a setting that is no number of 0 or more; raises ``ValueError``."""
    if not isinstance(value, (int, float)) or not value >= 0:  # as NaN is not either
        raise ValueError(f"{name} is {value!r}: it must be a number of 0 or more.")


_MAY_BE_NONE: Final = ("connections_per_address", "connections_per_identity")


def check_size(text: str, limits: Limits) -> None:
    """Refuse a frame over the limits: ``FrameTooBig`` past the hard one, else ``FrameError``."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > limits.frame_bytes_hard:
        raise FrameTooBig(
            f"A frame of {size} bytes is over the hard limit of {limits.frame_bytes_hard} "
            "(Limits.frame_bytes_hard)."
        )
    if size > limits.frame_bytes:
        raise FrameError(
            f"A frame of {size} bytes is over the limit of {limits.frame_bytes} "
            "(Limits.frame_bytes); send large content by an HTTP form."
        )


#: As ``origins``: pages of any site may connect. Only for sockets that need no login.
ALLOW_ALL: Final = "*"

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
#: An Origin is quoted in the log, and may be as long as a server takes headers.
_QUOTED: Final = 200


def check_allow_list(origins: Iterable[str]) -> tuple[str, ...]:
    """Give an allow-list of origins back; raises ``ValueError`` for what no Origin could match."""
    entries = tuple(origins)
    for entry in entries:
        plain = entry.rstrip("/").replace("://*.", "://", 1)
        if entry != ALLOW_ALL and ("*" in plain or _split(plain) is None):
            raise ValueError(
                f"No page has the origin {entry!r}: write a scheme, a host and at most a port, "
                "such as 'https://example.com' or 'https://*.example.com', or '*' for all."
            )
    return entries


def check_origin(scope: Mapping[str, Any], origins: Iterable[str] | None = None) -> str | None:
    """Say why this handshake's Origin may not connect; None when it may.

    By default the Origin must be the host and port that the Host header names, by https or,
    on a ``ws`` scope, http (on ``wss`` http is refused; on ``ws`` https is a proxy that ended
    TLS). ``origins`` is an allow-list beside that: exact origins such as
    ``https://example.com``, ``https://*.example.com`` for its subdomains, or ``*`` for all. A
    missing Origin comes from no browser: it passes unless it brings a Cookie or Authorization.
    Never raises, whatever the headers hold.
    """
    allowed = (origins,) if isinstance(origins, str) else tuple(origins or ())
    if ALLOW_ALL in allowed:
        return None
    headers: dict[bytes, bytes] = {}
    for header in scope.get("headers") or ():
        try:
            name, value = header
            name, value = bytes.lower(name), bytes(memoryview(value))
        except (TypeError, ValueError):
            return "it has a header that is not two bytes strings"
        if name in (b"origin", b"host") and name in headers:
            return f"it has two {name.decode().capitalize()} headers"
        headers[name] = value
    if b"origin" not in headers:
        if b"cookie" in headers or b"authorization" in headers:
            return "it has no Origin but brings a Cookie or Authorization header"
        return None
    text = headers[b"origin"].decode("latin-1")
    origin = _split(text)
    text = text[:_QUOTED]
    if origin is None:
        return f"its Origin {text!r} is not an http(s) origin"
    if any(_matches(origin, entry) for entry in allowed):
        return None
    scheme, host, port = origin
    secure = scope.get("scheme") in ("wss", "https")
    own = _split(f"{scheme}://{headers.get(b'host', b'').decode('latin-1')}")
    if own is None or own[1:] != (host, port):
        return f"its Origin {text!r} is not the host it connects to"
    if secure and scheme == "http":
        return f"its Origin {text!r} is http, and the socket is wss"
    return None


def address_of(scope: Mapping[str, Any], proxies: int = 0) -> str:
    """Give the address of whoever connects, as far as it is to be believed; "" where unknown.

    Without ``proxies`` it is the socket's. Each proxy appends to X-Forwarded-For the address
    that it was called from, so behind that many of our own the address is that far from the
    list's end; whatever stands before it, the client wrote. A list that is too short, or an
    address that is none, did not come that way: then the socket's address counts.
    """
    own = str((scope.get("client") or ("",))[0])
    if not proxies:
        return own
    lists = [value for name, value in scope.get("headers") or () if name == _FORWARDED]
    given = b",".join(lists).decode("latin-1").split(",")
    if len(given) < proxies:
        return own
    try:
        return str(ip_address(given[-proxies].strip()))
    except ValueError:
        return own


_FORWARDED: Final = b"x-forwarded-for"


_BRACKETED: Final = re.compile(r"\[[^\[\]]+\](?::[0-9]*)?")


def _split(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin; None for anything that is not just these."""
    try:
        parts = urlsplit(origin)
        default = _DEFAULT_PORTS[parts.scheme]
        port = default if parts.port is None else parts.port
    except (ValueError, KeyError):
        return None
    if not parts.hostname or parts.path or not origin.isascii():
        return None
    # urlsplit drops what is around brackets, and some of these, without a word.
    if "[" in parts.netloc and _BRACKETED.fullmatch(parts.netloc) is None:
        return None
    if any(char <= " " or char in "\\%?#@" for char in origin):
        return None
    return parts.scheme, parts.hostname, port


def _matches(origin: tuple[str, str, int], entry: str) -> bool:
    entry = entry.rstrip("/")
    scheme, marker, host = entry.partition("://*.")
    if marker:
        rule = _split(f"{scheme}://{host}")
        return (
            rule is not None
            and (origin[0], origin[2]) == (rule[0], rule[2])
            and origin[1].endswith("." + rule[1])
        )
    return _split(entry) == origin

"""Origin and Host headers, given to ``check_origin``.

The second opinion of ``sites`` is asked both ways: what it does not know as the same site must
be refused, and a page that browsers can have and that is of the same site must be let in.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Final

from htmx_ws import security

from . import sites
from .kind import Broken, Kind

__all__ = ["Handshake", "Origins", "expect", "handshake"]


@dataclass(frozen=True)
class Handshake:
    """What a handshake says of itself, and the sites that may connect beside the host's own."""

    headers: tuple[Any, ...]
    scheme: str | None
    origins: tuple[str, ...]

    @property
    def scope(self) -> dict[str, Any]:
        """As ASGI has it."""
        own = {} if self.scheme is None else {"scheme": self.scheme}
        return {"type": "websocket", "headers": list(self.headers), **own}


#: Headers that no server makes: not bytes, not in pairs.
_ODD_HEADERS: Final[list[Any]] = [
    *(("origin", "http://evil.test"), ("Origin", b"http://evil.test"), (b"origin", "x")),
    *((b"origin", None), (b"host", None), (None, None), (b"origin", 7), (b"origin",), ()),
    *((b"origin", b"a", b"b"), None, b"origin", 7, [b"origin", b"http://evil.test"]),
    *((b"origin", bytearray(b"http://evil.test")), (bytearray(b"origin"), b"x")),
]


def handshake(random: Random) -> Handshake:
    """Make the headers of a handshake, and an allow-list that has to do with them."""
    group = sites.group(random)
    page, own = sites.site(random, group), sites.site(random, group)
    if random.random() < 0.5:
        own = page
    headers = [(b"Host", _encode(sites.host_header(random, own)))]
    headers.append((b"origin", _encode(sites.origin(random, page))))
    if random.random() < 0.15:
        headers.append((b"ORIGIN", _encode(sites.origin(random, own))))
    if random.random() < 0.1:
        headers.append((b"host", _encode(sites.host_header(random, page))))
    if random.random() < 0.1:
        del headers[random.randrange(len(headers))]
    if random.random() < 0.2:
        headers.append(random.choice(((b"cookie", b"a=b"), (b"Authorization", b"x"), (b"x", b""))))
    if random.random() < 0.3:
        random.shuffle(headers)
    scheme = random.choice(("ws", "ws", "wss", "https", None))
    allowed = [
        _entry(random, sites.site(random, group)) for _ in range(random.choice((0, 0, 1, 3)))
    ]
    return Handshake(tuple(headers), scheme, tuple(filter(_is_entry, allowed)))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _entry(random: Random, parts: tuple[str, str, str]) -> str:
    scheme, host, port = parts
    star = "*." if random.random() < 0.4 else ""
    return f"{scheme}://{star}{host}{port}{random.choice(('', '', '/'))}"


def _is_entry(entry: str) -> bool:
    try:
        security.check_allow_list([entry])
    except ValueError:
        return False
    return True


def expect(given: Handshake) -> bool | None:
    """Whether a page may connect; None where no browser could say such a thing."""
    named: dict[bytes, list[bytes]] = {}
    for header in given.headers:
        if _is_odd(header):
            return None
        named.setdefault(header[0].lower(), []).append(header[1])
    origins, hosts = named.get(b"origin", []), named.get(b"host", [])
    if len(origins) > 1 or len(hosts) > 1:
        return False
    if not origins:
        return not (b"cookie" in named or b"authorization" in named)
    page = sites.read(origins[0].decode("latin-1"))
    if page is None:
        return False
    if any(
        sites.read(one.rstrip("/")) == page or sites.wildcard(one, page) for one in given.origins
    ):
        return True if sites.is_well_formed(page) else None
    own = sites.read(f"{page.scheme}://{hosts[0].decode('latin-1')}") if hosts else None
    if own != page or (page.scheme == "http" and given.scheme in ("wss", "https")):
        return False
    return True if sites.is_well_formed(page) else None


def _is_odd(header: Any) -> bool:
    return not (
        type(header) is tuple and len(header) == 2 and all(type(part) is bytes for part in header)
    )


def _is_another_origin(header: Any) -> bool:
    return _is_odd(header) and isinstance(header, (tuple, list)) and "evil" in str(header)


class Origins(Kind[Handshake]):
    """Handshakes for the check alone; some with headers that no server makes."""

    name: ClassVar[str] = "origin"
    share: ClassVar[int] = 1_800

    def make(self, random: Random) -> Handshake:
        made = handshake(random)
        if random.random() < 0.03:
            odd = (*made.headers, random.choice(_ODD_HEADERS))
            return Handshake(tuple(random.sample(odd, len(odd))), made.scheme, made.origins)
        return made

    async def check(self, given: Handshake) -> None:
        cause = security.check_origin(given.scope, given.origins)
        expected = expect(given)
        if cause is None and expected is False:
            raise Broken("a page of another site may connect", given.headers)
        if cause is None and any(map(_is_another_origin, given.headers)):
            raise Broken("an Origin that is not bytes is passed over", given.headers)
        if cause is not None and expected is True:
            raise Broken("a page of the same site may not connect", given, cause)
        if cause is not None and (not cause or not cause.isprintable() or len(cause) > 1_000):
            raise Broken("the cause of a refusal is nothing for a log", cause)

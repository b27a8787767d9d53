"""Origins and hosts of web sites, and a second opinion on whether two of them are the same.

The opinion is a grammar of its own, stricter than URLs are: an origin is a scheme, a host and a
port, as browsers write them. Whatever may connect must be in it, and be equal part by part.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv6Address
from random import Random
from typing import Final, NamedTuple

from .words import mutate

__all__ = [
    *("Site", "group", "host_header", "is_well_formed", "origin", "read", "scheme", "site"),
    "wildcard",
]

_PORTS: Final = {"http": 80, "https": 443}


class Site(NamedTuple):
    """What a page's origin is made of."""

    scheme: str
    host: str
    port: int


#: In groups of those that an attacker would like to be taken for each other.
_HOSTS: Final[Sequence[Sequence[str]]] = (
    (
        *("example.test", "evil.test", "sub.example.test", "evilexample.test", "example.test."),
        *("example.test.evil.test", "xexample.test", "example.tes", "a.b.example.test", "test"),
        *("example-test", "exampletest", ".example.test", "example..test", "a_b.test"),
    ),
    ("localhost", "127.0.0.1", "127.1", "2130706433", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]"),
    ("xn--bcher-kva.test", "b\u00fccher.test", "bucher.test", "xn--bcher-kva.tes"),
    # Cyrillic letters, full-width ones, and dots that some take for dots.
    ("example.test", "ex\u0430mple.test", "\uff45xample.test", "example\u3002test"),
    ("example.test", "example\uff0etest", "example.te\u017ft", "\u24d4xample.test"),
    ("[2001:db8::1]", "[2001:0db8::1]", "[2001:db8::2]", "[2001:db8::1%25eth0]", "[v1.x]"),
    ("[", "]", "[]", "[::1", "::1]", "[::1]x", "x[::1]", "::1", "[example.test]", "[12345::]"),
)
_SCHEMES: Final = ("http", "https", "http", "https", "HTTP", "hTTps")
_ODD_SCHEMES: Final = ("ws", "wss", "ftp", "file", "null", "", "javascript", "chrome-extension")
_PORT_TEXTS: Final = ("", "", "", ":80", ":443", ":8000", ":8000", ":0", ":65535", ":080")
_ODD_PORT_TEXTS: Final = (
    *(":", ":65536", ":99999", ":-80", ":+80", ":port", ":80:80", ":8_0", ":" + "9" * 5_000),
    *(":\uff18\uff10", ": 80", ":80 ", ":0x50", ":0080000000080", ":\u0668\u0660"),
)
_BEFORE: Final = ("user@", "user:pass@", "@", "example.test@", "example.test\\@", "/", "\\", " ")
_BEHIND: Final = (
    *("/", "/path", "?", "?q", "#", "#f", "\\", "%", "%00", " ", "\t", "\n", "\0", "\x1f", ","),
    *(" http://evil.test", ", http://example.test", "\r\nHost: example.test", "\x7f", "\u2100"),
)


def site(random: Random, group: Sequence[str]) -> tuple[str, str, str]:
    """Make the scheme, host and port of a site, as text."""
    schemes = _SCHEMES if random.random() < 0.9 else _ODD_SCHEMES
    ports = _PORT_TEXTS if random.random() < 0.9 else _ODD_PORT_TEXTS
    host = random.choice(group)
    if random.random() < 0.1:
        host = host.upper() if random.random() < 0.5 else host.title()
    return random.choice(schemes), host, random.choice(ports)


def origin(random: Random, parts: tuple[str, str, str]) -> str:
    """Write an Origin header of a site, or one that comes near."""
    scheme, host, port = parts
    if random.random() < 0.08:
        host = random.choice(_BEFORE) + host
    if random.random() < 0.12:
        port += random.choice(_BEHIND)
    text = f"{scheme}://{host}{port}"
    chance = random.random()
    if chance < 0.05:
        return mutate(random, text)
    if chance < 0.1:
        return random.choice(("null", "", "*", " " + text, text + " ", "http:" + host, "//" + host))
    return text


def host_header(random: Random, parts: tuple[str, str, str]) -> str:
    """Write a Host header of a site, or one that comes near."""
    _, host, port = parts
    if random.random() < 0.1:
        host = host.swapcase()
    if random.random() < 0.1:
        return mutate(random, host + port)
    if random.random() < 0.05:
        return random.choice(_BEFORE) + host + port + random.choice(_BEHIND)
    return host + port


def group(random: Random) -> Sequence[str]:
    """Choose hosts that look alike."""
    return random.choice(_HOSTS)


# --- the second opinion ----------------------------------------------------------------

_ORIGIN: Final = re.compile(
    r"""(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://
        (?P<host>\[[^\x00-\x20\[\]/\\?\#@%\x7f-\U0010ffff]+\]
               | [^\x00-\x20\[\]:/\\?\#@%\x7f-\U0010ffff]+)
        (?: : (?P<port>[0-9]{0,100}) )?""",
    re.VERBOSE,
)
_PLAIN_HOST: Final = re.compile(r"(?!-)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")


def read(text: str) -> Site | None:
    """Read an origin; None for what cannot be one."""
    found = _ORIGIN.fullmatch(text)
    if found is None:
        return None
    scheme = found["scheme"].lower()
    port = int(found["port"]) if found["port"] else _PORTS[scheme]
    return Site(scheme, found["host"].lower(), port) if port < 65536 else None


def is_well_formed(site: Site) -> bool:
    """Whether a browser could have such an origin, so that it must not be refused."""
    if not site.host.startswith("["):
        return _PLAIN_HOST.fullmatch(site.host) is not None
    try:
        IPv6Address(site.host[1:-1])
    except AddressValueError:
        return False
    return True


def wildcard(entry: str, page: Site) -> bool:
    """Whether an entry of an allow-list stands for the subdomains of which the page is one."""
    rule = read(entry.rstrip("/").replace("://*.", "://", 1))
    return (
        "://*." in entry
        and rule is not None
        and (rule.scheme, rule.port) == (page.scheme, page.port)
        and page.host[-len(rule.host) - 1 :] == "." + rule.host
    )


_SCHEME: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_EDGES: Final = "".join(map(chr, range(33)))


def scheme(url: str) -> str | None:
    """Give the scheme of an address as browsers read it; None: it is relative."""
    found = _SCHEME.match(re.sub(r"[\t\n\r]", "", url.strip(_EDGES)))
    return found[1].lower() if found else None

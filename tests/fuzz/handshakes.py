"""Handshakes with a live application: headers, path, query and tokens, all at once.

A page is let in, and then is alive, or it is sent away by a code that says why and that keeps
htmx away: another origin or token (4403), no such path (4404), an address that does not fit (4400).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode

from htmx_ws import HtmxWS
from htmx_ws.testing import Closed, Denied, Socket

from . import origins
from .application import HOOKS, PATHS, application
from .kind import Broken, Kind
from .sessions import is_alive
from .words import HOSTILE, mutate, word

__all__ = ["Handshakes"]

_ORIGINS: Final = ["https://example.test", "http://*.example.test:8000", "http://[::1]:8000"]
_GOOD_UUID: Final = "12345678-1234-5678-1234-567812345678"
_FITTING: Final = {
    "/numbers/{n:int}/{x:float}/{key:uuid}/{rest:path}": [
        f"/numbers/7/1.5/{_GOOD_UUID}/a/b",
        f"/numbers/{'9' * 4_300}/{'9' * 400}/{_GOOD_UUID.replace('-', '')}/",
    ],
    "/typed/{day}": ["/typed/2026-01-02", "/typed/0", "/typed/2026-01-02T00:00:00"],
    "/signed": ["/signed", "/signed/"],
}
_MISFITS: Final = [
    *("/", "", "//", "/form", "/form/", "/nowhere", "/form/a/b", "/FORM/a", "form/a", "/form/a\n"),
    *(f"/numbers/-1/1.5/{_GOOD_UUID}/", f"/numbers/7/nan/{_GOOD_UUID}/", "/numbers/7/1/x/"),
    *(f"/numbers/{'9' * 4_301}/1/{_GOOD_UUID}/", f"/numbers/٣/1/{_GOOD_UUID}/a", "/typed/no-day"),
    *("/typed/2026-02-30", "/typed/99999999999999999999", "/typed/nan", "/typed/\0", "/typed/-1"),
    *("/signed/x", "/form/" + "x" * 20_000, "/form/\x1b[31m", "/../form/a", "/form/%2e%2e"),
]
_QUERIES: Final[list[dict[str, Any]]] = [
    *({}, {"hx": "2"}, {"hx": "4"}, {"hx": ["2", "4"]}, {"hx": "99"}, {"n": "5"}, {"n": "x"}),
    *({"n": ["1", "2"]}, {"n": ["1", "x"]}, {"tags": ["a", "b"]}, {"room": "a\nb"}, {"": ""}),
    *({"htmx-ws-page": "x"}, {"htmx-ws-page": ["x", "y"]}, {"n": "9" * 5_000}, {"n": ""}),
    {f"f{n}": "" for n in range(1_001)},
]
_ODD_QUERIES: Final = [
    *(b"\xff=\xfe", b"%ff=%", b"&&&", b"=", b"n=%00", b"n=1;n=2", b"%", b"hx=2&hx=4", b"\0", b"?"),
    *(b"n=" + b"1" * 70_000, b"&" * 5_000, b"token=%ed%a0%80", b"room=%0aERROR", b"+=+", b"n=+5+"),
]


@dataclass(frozen=True)
class Opening:
    """A handshake; ``token`` says how its token is made, as tokens hold the time."""

    headers: origins.Handshake
    path: str
    root_path: str
    query: bytes
    token: str
    lists: bool
    subprotocols: tuple[str, ...]


class Handshakes(Kind[Opening]):
    """Handshakes that are let in, or sent away for good."""

    name: ClassVar[str] = "handshake"
    share: ClassVar[int] = 900

    def make(self, random: Random) -> Opening:
        lists = random.random() < 0.4
        headers = origins.handshake(random)
        if random.random() < 0.5:  # one that is let in, so that the rest is looked at
            headers = origins.Handshake(
                ((b"host", b"testserver"), (b"origin", b"http://testserver")), "ws", ()
            )
        headers = origins.Handshake(
            headers.headers, headers.scheme, tuple(_ORIGINS) if lists else ()
        )
        query = urlencode(random.choice(_QUERIES), doseq=True).encode()
        if random.random() < 0.3:
            query = random.choice(_ODD_QUERIES)
        if random.random() < 0.1:
            query += b"&" + quote(word(random), errors="replace").encode()
        return Opening(
            headers=headers,
            path=_path(random),
            root_path=random.choice(("", "", "", "/app", "/form", "/", "//")),
            query=query,
            token=random.choice(("good", "good", "none", "bad", "twice", "other", word(random))),
            lists=lists,
            subprotocols=tuple(random.sample(["chat", "x\ny", "", "é"], random.choice((0, 0, 2)))),
        )

    async def check(self, given: Opening) -> None:
        live = _application(given.lists)
        query = given.query
        if given.path.startswith("/signed"):
            query += b"&" + urlencode(_tokens(live, given.token), doseq=True).encode()
        more = {
            **given.headers.scope,
            "path": given.path,
            "root_path": given.root_path,
            "query_string": query,
        }
        socket = Socket(
            live, "/", subprotocols=given.subprotocols, scope=more, debug=False, timeout=30.0
        )
        try:
            async with socket:
                await is_alive(socket)
            said = 0
        except Closed as closed:
            said = closed.code
        except Denied as denied:
            raise Broken("a handshake is refused by HTTP", denied.status) from None
        _judge(given, said, socket.reason)


def _path(random: Random) -> str:
    chance = random.random()
    if chance < 0.35:
        return f"{random.choice(PATHS)}/{random.choice(HOSTILE).replace('/', '') or 'a'}"
    if chance < 0.65:
        return random.choice(_FITTING[random.choice(list(HOOKS))])
    path = random.choice(_MISFITS)
    return mutate(random, path) if chance > 0.9 else path


def _tokens(live: HtmxWS, how: str) -> dict[str, Any]:
    good = live.sign("a room")
    made: dict[str, dict[str, Any]] = {
        "good": {"token": good},
        "none": {},
        "bad": {"token": good[:-1] + ("A" if good[-1] != "A" else "B")},
        "twice": {"token": ["x", good]},  # the last one counts
        "other": {"token": live.sign("a room", to="ann")},
    }
    return made.get(how, {"token": how.encode("utf-8", "replace")})


_CODES: Final = {0, 4400, 4403, 4404}


def _judge(given: Opening, said: int, reason: str) -> None:
    if said not in _CODES:
        raise Broken("a page is sent away by another code", said, reason)
    expected = origins.expect(given.headers)
    if said == 0 and expected is False:
        raise Broken("a page of another site is let in", given.headers)
    if reason == "bad origin" and expected is True:
        raise Broken("a page of the same site is not let in", given.headers)
    is_path_of_ours = not given.root_path.strip("/")
    if said == 4404 and is_path_of_ours and given.path in _FITTING["/signed"]:
        raise Broken("a path is not found that is there", given.path)
    if said == 0 and given.path in ("", "/", "/form", "/nowhere", "/signed/x", "/typed/nan"):
        raise Broken("a path is found that is not there", given.path)
    if said == 0 and given.path.startswith("/signed") and given.token not in ("good", "twice"):
        raise Broken("a page is let in without its token", given.token)


@cache
def _application(lists: bool) -> HtmxWS:
    return application(origins=_ORIGINS if lists else None)

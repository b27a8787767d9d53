"""Pages of a live application: each connects, sends a few messages, and must still be there.

What ends a page is only what is documented: a message over the hard limit, or a handler that
turns it away. After everything else the page asks for a sign of life, and gets it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import ClassVar, Final

from htmx_ws import Dialect, HtmxWS, Limits
from htmx_ws.testing import Closed, Socket, build_frame

from . import json_text, page
from .application import PATHS, SMALL, application
from .kind import Broken, Kind
from .messages import DIALECTS, message

__all__ = ["Session", "Sessions", "is_alive"]


#: Times what it sent: its values come back twice, each character as an entity.
_MOST_ANSWERED: Final = 25


@dataclass(frozen=True)
class Session:
    """A page: where it connects, as what, and what it sends."""

    path: str
    dialect: Dialect
    debug: bool
    small: bool
    messages: tuple[str | bytes, ...]


class Sessions(Kind[Session]):
    """Pages with a handful of messages."""

    name: ClassVar[str] = "session"
    share: ClassVar[int] = 1_500

    def make(self, random: Random) -> Session:
        small = random.random() < 0.3
        messages = [message(random) for _ in range(random.choice((1, 1, 2, 3, 5)))]
        chance = random.random()
        if chance < 0.1 and small:
            messages.append(json_text.boundary(random, random.choice((2_000, 8_000))))
        elif chance < 0.01:
            messages.append(json_text.boundary(random, random.choice((64, 1_024)) * 1_024))
        return Session(
            path=_path(random),
            dialect=random.choice(DIALECTS),
            debug=random.random() < 0.3,
            small=small,
            messages=tuple(messages),
        )

    async def check(self, given: Session) -> None:
        limits = SMALL if given.small else Limits()
        before = asyncio.all_tasks()
        socket = Socket(
            _application(given.small),
            given.path,
            dialect=given.dialect,
            debug=given.debug,
            timeout=30.0,
        )
        async with socket:
            try:
                for text in given.messages:
                    if isinstance(text, bytes):
                        await socket.send_bytes(text)
                    else:
                        await socket.send_text(text)
                answered = await is_alive(socket)
                if _is_too_big(given.messages, limits):
                    raise Broken("a page says more than it may, and lives")
                if answered > _MOST_ANSWERED * (1_000 + sum(map(len, given.messages))):
                    raise Broken("a page is sent far more than it sent", answered)
            except Closed as closed:
                if closed.code not in _may_close(given.messages, limits):
                    raise Broken("a page is closed without a reason", closed.code) from None
        if asyncio.all_tasks() != before:
            raise Broken("a page leaves tasks behind", asyncio.all_tasks() - before)


def _path(random: Random) -> str:
    path = random.choice(PATHS[:2] * 3 + PATHS)
    query = random.choice(
        ("", "", "?htmx-ws-resume=1", "?htmx-ws-resume=&htmx-ws-page=a", "?n=5&hx=2")
    )
    return f"{path}/{random.choice(('a', 'a', '%0Aa', 'é'))}{query}"


@cache
def _application(small: bool) -> HtmxWS:
    return application(SMALL if small else None)


def _may_close(messages: tuple[str | bytes, ...], limits: Limits) -> set[int]:
    codes = {1009} if _is_too_big(messages, limits) else set()
    if any(isinstance(message, str) and "signed" in message for message in messages):
        codes.add(4403)
    return codes


def _is_too_big(messages: tuple[str | bytes, ...], limits: Limits) -> bool:
    texts = (message for message in messages if isinstance(message, str))
    return any(
        len(text.encode("utf-8", "surrogatepass")) > limits.frame_bytes_hard for text in texts
    )


async def is_alive(socket: Socket, nonce: str = "are you there") -> int:
    """Ask for a sign of life, look at what comes before it, and give how long all was."""
    came = 0
    await socket.send_text(build_frame({"nonce": nonce}, dialect="htmx2", sender="alive"))
    while True:
        text = await socket.receive()
        if not page.marked(text):
            raise Broken("a page is sent a message with nothing in it", text)
        _look(text)
        came += len(text)
        if f"<li>{nonce} 1</li>" in text or f"<li>{nonce} 0</li>" in text:
            return came


#: All that the application and htmx-ws write themselves.
_TAGS: Final = frozenset("div i input li p b ul".split())
_ATTRIBUTES: Final = frozenset(
    "id title data-field type name value autocomplete hx-swap-oob".split()
)


def _look(text: str) -> None:
    for top in page.siblings(page.as_fragment(text)):
        if top.attributes.get("hx-swap-oob") == "beforeend:#cleaned":
            continue  # what users may write themselves is looked at by another kind
        for node in (top, *page.below(top)):
            if node.is_element_node and (
                node.tag not in _TAGS or not _ATTRIBUTES.issuperset(node.attributes)
            ):
                raise Broken("what a page wrote comes back as HTML", node.html, text)

"""Assertions about what an application does beside answering: who joined, what was published."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..dual import Done, Home
from ..wire.serialise import serialise

if TYPE_CHECKING:
    from ..app import HtmxWS

__all__ = ["Published", "assert_joined", "assert_published", "publications"]


@dataclass(frozen=True)
class Published:
    """One publication: its room, and its messages as text; empty where each page has its own."""

    room: str
    messages: tuple[str, ...]


@contextmanager
def publications(live: HtmxWS) -> Generator[list[Published]]:
    """Gather what is published meanwhile; it reaches the pages as ever."""
    hub: Any = live._hub  # pyright: ignore[reportPrivateUsage]  # handlers publish by more than one name
    publish: Callable[..., Any] = hub.publish
    found: list[Published] = []

    def hear(room: str, content: object, **more: Any) -> Any:
        is_rendered = callable(content) and not hasattr(type(content), "__html__")
        texts = () if is_rendered else tuple(each.text for each in serialise(content))
        found.append(Published(room, texts))  # before a page can show it
        return publish(room, content, **more)

    hub.publish = hear
    try:
        yield found
    finally:
        del hub.publish


@contextmanager
def assert_published(
    live: HtmxWS, room: str, *, contains: str = "", times: int | None = None
) -> Generator[list[Published]]:
    """Fail unless something was published to a room meanwhile.

    ``contains`` is a text that a message of it has; ``times`` how often, else at least once.
    Leave the block when the page shows what came of it: until then nothing may have happened.
    """
    with publications(live) as found:
        yield found
    fitting = [
        each for each in found if each.room == room and (contains in "\n".join(each.messages))
    ]
    if fitting if times is None else len(fitting) == times:
        return
    wanted = f"a message with {contains!r}" if contains else "a message"
    often = "" if times is None else f" {times} times, and not {len(fitting)}"
    there = "\n".join(f"  {each.room!r}: {' '.join(each.messages)}" for each in found)
    raise AssertionError(
        f"Nothing was published as expected: {wanted} to the room {room!r}{often}.\n"
        f"What was published:\n{there or '  nothing'}"
    )


def assert_joined(
    live: HtmxWS, room: str, *, pages: int | None = None, timeout: float = 5.0
) -> Awaitable[None]:
    """Wait until pages are in a room: so many, else at least one; fails after ``timeout`` seconds.

    To be awaited; in a test without an event loop it blocks.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        home: Home | None = live._hub._home  # pyright: ignore[reportPrivateUsage]  # no user's
        if home is None or home.is_over:  # no page is open
            if pages != 0:
                raise AssertionError(_not_joined(live, room, 0, pages)) from None
            return Done(None)
        return home.call(_joined, live, room, pages, timeout, otherwise=None)
    return _joined(live, room, pages, timeout)


async def _joined(live: HtmxWS, room: str, pages: int | None, timeout: float) -> None:
    def count() -> int:
        return len(live.members(room))

    with _joins(live) as joined:
        try:
            async with asyncio.timeout(timeout):
                while not (count() if pages is None else count() == pages):
                    joined.clear()
                    await joined.wait()
        except TimeoutError:
            raise AssertionError(_not_joined(live, room, count(), pages)) from None


@contextmanager
def _joins(live: HtmxWS) -> Generator[asyncio.Event]:
    """Give an event that is set whenever a page joins or leaves a room."""
    hub: Any = live._hub  # pyright: ignore[reportPrivateUsage]
    changed = asyncio.Event()
    before = {name: getattr(hub, name) for name in ("_put", "leave", "forget")}

    def telling(act: Callable[..., Any]) -> Callable[..., Any]:
        def tell(*args: Any) -> Any:
            result = act(*args)
            changed.set()
            return result

        return tell

    for name, act in before.items():
        setattr(hub, name, telling(act))
    try:
        yield changed
    finally:
        for name in before:
            delattr(hub, name)


def _not_joined(live: HtmxWS, room: str, count: int, pages: int | None) -> str:
    hub: Any = live._hub  # pyright: ignore[reportPrivateUsage]
    rooms = sorted({name for conn in hub.connections for name in conn.rooms})
    wanted = "No page is" if pages is None else f"{count} pages are, and not {pages},"
    there = ", ".join(map(repr, rooms)) or "none"
    return f"{wanted} in the room {room!r}. The rooms with pages in them: {there}"

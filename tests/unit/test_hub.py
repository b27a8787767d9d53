"""Who is in which room, and that all pages of a room see one order: the backend's."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import htpy
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from htmx_ws.backends import MemoryBackend
from htmx_ws.backends.memory import MemoryBackend as Memory
from htmx_ws.connection import Connection
from htmx_ws.dual import Done, Waiting
from htmx_ws.errors import FragmentError
from htmx_ws.hub import Hub, Publication
from htmx_ws.reflection import handling
from htmx_ws.types import Message as Event
from htmx_ws.wire.content import html
from htmx_ws.wire.fragment import append, update
from htmx_ws.wire.frame import Frame

T = TypeVar("T")


class Page:
    """A connection whose transport notes what it writes, and can be broken or stalled."""

    def __init__(self, hub: Hub, name: str = "") -> None:
        self.texts: list[str] = []
        self.broken = False
        self.reads = asyncio.Event()
        self.reads.set()
        self.conn = Connection({"path": f"/{name}"}, self._write, hub)
        hub.connections[self.conn] = None

    async def _write(self, event: Event) -> None:
        if self.broken:
            raise OSError("the page has gone")
        while not self.reads.is_set():
            await self.reads.wait()
        self.texts.append(event["text"])

    @property
    def received(self) -> list[str]:
        """What stands within the elements of each message."""
        return [re.sub("<[^>]*>", "", text) for text in self.texts]


def item(text: object) -> object:
    return append("#log", html("<li>{}</li>", text))


@pytest.fixture
async def hub() -> Any:
    hub = Hub(MemoryBackend())
    await hub.start()
    yield hub
    for conn in hub.connections:
        conn.let_go()
    await asyncio.sleep(0)


# --- the hub against a model -----------------------------------------------------------


class Spy(MemoryBackend):
    """The memory backend, with a note of what it hands over."""

    def __init__(self) -> None:
        super().__init__()
        self.handed: list[tuple[str, str, int]] = []

    async def start(self, deliver: Callable[[str, str, int, Any], None]) -> None:
        def note(room: str, epoch: str, offset: int, publication: Any) -> None:
            self.handed.append((room, epoch, offset))
            deliver(room, epoch, offset, publication)

        await super().start(note)


class HubModel(RuleBasedStateMachine):
    """The hub against a dict of rooms to their members, and a list of messages per page."""

    pages = Bundle("pages")
    rooms = st.sampled_from(["chat:a", "chat:b", "ü \n", "0"])

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.backend = Spy()
        self.hub = Hub(self.backend)
        self.all: list[Page] = []
        self.members: dict[str, dict[Page, None]] = {}
        self.expected: defaultdict[Page, list[str]] = defaultdict(list)
        self.offsets: Counter[str] = Counter()
        self.number = 0
        self.run(self.hub.start())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def call(self, function: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        return await function(*args, **kwargs)

    @rule(target=pages)
    def open(self) -> Page:
        async def make() -> Page:
            return Page(self.hub, str(len(self.all)))

        page = self.run(make())
        self.all.append(page)
        return page

    @rule(target=pages, room=rooms)
    def open_two_in_a_room(self, room: str) -> Any:
        both = self.open(), self.open()
        for page in both:
            self.join(page, room)
        return multiple(*both)

    @rule(page=pages, room=rooms)
    def join(self, page: Page, room: str) -> None:
        assert self.run(self.call(self.hub.join, page.conn, room)) is not page.conn.gone
        if not page.conn.gone:
            self.members.setdefault(room, {})[page] = None

    @rule(page=pages, room=rooms)
    def leave(self, page: Page, room: str) -> None:
        was_in = page in self.members.get(room, {})
        assert self.run(self.call(self.hub.leave, page.conn, room)) is was_in
        self.members.get(room, {}).pop(page, None)

    @rule(page=pages)
    def forget(self, page: Page) -> None:
        """What the end of a page does, perhaps long after it had gone."""
        self.lose(page)
        self.hub.forget(page.conn)
        for members in self.members.values():
            members.pop(page, None)
        assert page.conn not in self.hub.connections

    @rule(page=pages)
    def lose(self, page: Page) -> None:
        """Note that a page has gone; what waited for it is dropped."""
        self.run(self.call(lambda: Done(page.conn.let_go())))
        self.expected[page] = page.received

    @rule(page=pages)
    def break_transport(self, page: Page) -> None:
        page.broken = page.reads.is_set()

    @rule(page=pages)
    def stall(self, page: Page) -> None:
        page.reads.clear()

    @rule(page=pages)
    def read_again(self, page: Page) -> None:
        page.reads.set()
        self.run(page.conn.drained())

    @rule(
        room=rooms,
        exclude=st.lists(pages, max_size=2),
        by_id=st.booleans(),
        to=st.none() | pages,
    )
    def publish(self, room: str, exclude: list[Page], by_id: bool, to: Page | None) -> None:
        text = self.next_text()
        left_out: list[Any] = [page.conn.id if by_id else page.conn for page in exclude]
        only: Any = to and (to.conn.id if by_id else to.conn)
        meant = [
            page
            for page in self.members.get(room, {})
            if page not in exclude and to in (None, page)
        ]
        self.published(room, item(text), exclude=left_out, to=only)
        for page in meant:
            self.expect(page, text)

    @rule(page=pages, room=rooms)
    def publish_without(self, page: Page, room: str) -> None:
        text = self.next_text()
        self.published(room, item(text), exclude=page.conn)
        for member in self.members.get(room, {}):
            if member is not page:
                self.expect(member, text)

    @rule(room=rooms, variants=st.none() | st.integers(1, 3), failing=st.integers(0, 5))
    def publish_rendered(self, room: str, variants: int | None, failing: int) -> None:
        text = self.next_text()

        def variant_of(conn: Connection) -> int:
            number = int(conn.scope["path"][1:])
            return number if variants is None else number % variants

        def render(conn: Connection) -> object:
            if variant_of(conn) == failing:
                raise ZeroDivisionError
            return item(f"{text} for {variant_of(conn)}")

        variant = None if variants is None else variant_of
        self.published(room, render, variant=variant)
        for page in self.members.get(room, {}):
            if variant_of(page.conn) != failing:
                self.expect(page, f"{text} for {variant_of(page.conn)}")

    def next_text(self) -> str:
        self.number += 1
        return str(self.number)

    def published(self, room: str, content: object, **how: Any) -> None:
        self.offsets[room] += 1
        offset = self.run(self.call(self.hub.publish, room, content, **how))
        assert offset == self.offsets[room]
        assert self.backend.handed[-1][::2] == (room, offset)

    def expect(self, page: Page, text: str) -> None:
        if not page.conn.gone:
            self.expected[page].append(text)

    @invariant()
    def every_page_has_received_what_the_model_says(self) -> None:
        for page in self.all:
            if page.reads.is_set() or page.conn.gone:
                assert page.received == self.expected[page]
            else:
                assert page.received == self.expected[page][: len(page.texts)]

    @invariant()
    def the_members_are_those_of_the_model_in_the_order_of_joining(self) -> None:
        for room, members in self.members.items():
            assert self.hub.members(room) == [page.conn for page in members]

    @invariant()
    def a_page_knows_its_rooms(self) -> None:
        for page in self.all:
            if page.conn in self.hub.connections:
                rooms = {room for room, members in self.members.items() if page in members}
                assert page.conn.rooms == rooms

    @invariant()
    def no_memory_is_kept_for_an_empty_room(self) -> None:
        assert set(self.hub._rooms) == {room for room, m in self.members.items() if m}

    @invariant()
    def there_is_one_epoch(self) -> None:
        assert len({epoch for _, epoch, _ in self.backend.handed}) <= 1

    def teardown(self) -> None:
        for page in self.all:
            page.reads.set()
        self.run(asyncio.sleep(0))
        for page in self.all:
            if not page.conn.gone:
                self.run(page.conn.drained())
        self.every_page_has_received_what_the_model_says()
        for page in self.all:
            self.lose(page)
        self.run(asyncio.sleep(0))
        self.loop.close()


HubModel.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
test_the_hub_does_what_a_dict_of_sets_would = HubModel.TestCase

"""Who is in which room, and that all pages of a room see one order: the backend's."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import htpy
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
)

from htmx_ws.backends import Keep, MemoryBackend, Receiver
from htmx_ws.connection import Connection
from htmx_ws.dual import Done, Waiting
from htmx_ws.errors import FragmentError, LimitError
from htmx_ws.hub import Hub
from htmx_ws.publication import Publication
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
        hub.connections[self.conn] = 0.0

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


async def let_go(pages: list[Page]) -> None:
    for page in pages:
        page.conn.let_go()
    await asyncio.sleep(0)


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

    async def start(self, receiver: Receiver, keeps: Mapping[str, Keep] | None = None) -> None:
        deliver = receiver.deliver

        def note(room: str, epoch: str, offset: int, payload: Any) -> None:
            self.handed.append((room, epoch, offset))
            deliver(room, epoch, offset, payload)

        receiver.deliver = note  # type: ignore[method-assign]  # of this one hub
        await super().start(receiver)


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
        self.run(let_go([page]))
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


HubModel.TestCase.settings = settings(max_examples=80, stateful_step_count=40)
test_the_hub_does_what_a_dict_of_sets_would = HubModel.TestCase


# --- rooms -----------------------------------------------------------------------------


async def test_a_page_that_joins_twice_is_in_the_room_once(hub: Hub) -> None:
    page = Page(hub)
    for _ in range(2):
        assert await hub.join(page.conn, "room")
    await hub.publish("room", item("a"))
    assert page.received == ["a"]
    assert await hub.leave(page.conn, "room")
    assert not await hub.leave(page.conn, "room")


async def test_join_and_leave_have_happened_when_they_return(hub: Hub) -> None:
    page = Page(hub)
    hub.join(page.conn, "room")
    assert hub.members("room") == [page.conn]
    hub.leave(page.conn, "room")
    assert hub.members("room") == []


@pytest.mark.parametrize("room", ["", None, 5, b"room", ("chat", "a")])
async def test_a_room_is_named_by_a_text(hub: Hub, room: Any) -> None:
    with pytest.raises(TypeError, match="A room is named by a str such as 'chat:lobby', not"):
        hub.join(Page(hub).conn, room)


async def test_a_room_that_nobody_is_in_has_no_members(hub: Hub) -> None:
    assert hub.members("nowhere") == []
    assert not await hub.leave(Page(hub).conn, "nowhere")


async def test_a_forgotten_page_still_knows_the_rooms_it_was_in(hub: Hub) -> None:
    """Its disconnect hook may tell them that it has gone."""
    page = Page(hub)
    hub.join(page.conn, "a")
    hub.forget(page.conn)
    hub.forget(page.conn)
    assert page.conn.rooms == {"a"}
    assert hub.members("a") == []


async def test_a_page_that_left_all_rooms_is_still_one_of_the_hubs(hub: Hub) -> None:
    """A stop waits for its end, disconnect hook included."""
    page = Page(hub)
    for room in ("a", "b"):
        hub.join(page.conn, room)
    hub.leave_all(page.conn)
    assert hub.members("a") == hub.members("b") == []
    assert page.conn.rooms == {"a", "b"}
    assert page.conn in hub.connections


async def test_the_list_of_members_is_the_callers_own(hub: Hub) -> None:
    page = Page(hub)
    hub.join(page.conn, "room")
    hub.members("room").clear()
    assert hub.members("room") == [page.conn]


# --- publishing ------------------------------------------------------------------------


async def test_what_is_published_to_an_unknown_room_still_has_its_offset(hub: Hub) -> None:
    assert [await hub.publish("nowhere", item(n)) for n in range(3)] == [1, 2, 3]


async def test_a_publication_is_on_its_way_when_publish_returns(hub: Hub) -> None:
    page = Page(hub)
    hub.join(page.conn, "room")
    hub.publish("room", item("a"))
    assert page.received == ["a"]


async def test_several_messages_reach_every_page_in_order(hub: Hub) -> None:
    pages = [Page(hub) for _ in range(3)]
    for page in pages:
        hub.join(page.conn, "room")
    await hub.publish("room", [item("a"), item("b"), item("c")])
    assert [page.received for page in pages] == [["a", "b", "c"]] * 3


async def test_a_publication_is_serialised_once_for_all_pages(hub: Hub) -> None:
    class Counting:
        renders = 0

        def __html__(self) -> str:
            self.renders += 1
            return "<p>a</p>"

    content = Counting()
    for _ in range(3):
        hub.join(Page(hub).conn, "room")
    await hub.publish("room", update("#log", content))
    assert content.renders == 1


async def test_one_may_exclude_every_connection_of_a_page_by_its_token(hub: Hub) -> None:
    a, b, c = (Page(hub, name) for name in "abc")
    for page, query in ((a, b"htmx-ws-page=x"), (b, b"htmx-ws-page=x&htmx-ws-page=y")):
        page.conn.scope["query_string"] = query
    for page in (a, b, c):
        await hub.join(page.conn, "room")
    await hub.publish("room", item(1), exclude="x")
    assert (a.received, b.received, c.received) == ([], ["1"], ["1"])
    assert (a.conn.page, b.conn.page, c.conn.page) == ("x", None, None)


async def test_one_may_exclude_a_page_or_its_id_or_several(hub: Hub) -> None:
    a, b, c = (Page(hub) for _ in range(3))
    for page in (a, b, c):
        hub.join(page.conn, "room")
    left_out: list[Any] = [(), a.conn, a.conn.id, [a.conn, b.conn.id], iter([c.conn])]
    for number, exclude in enumerate(left_out):
        await hub.publish("room", item(number), exclude=exclude)
    assert a.received == ["0", "4"]
    assert b.received == ["0", "1", "2", "4"]
    assert c.received == ["0", "1", "2", "3"]


async def test_one_may_mean_a_single_page_or_its_id(hub: Hub) -> None:
    a, b = Page(hub), Page(hub)
    for page in (a, b):
        hub.join(page.conn, "room")
    await hub.publish("room", item(1), to=a.conn)
    await hub.publish("room", item(2), to=b.conn.id)
    await hub.publish("room", item(3), to="nobody")
    await hub.publish("room", item(4), to=a.conn, exclude=a.conn)
    assert (a.received, b.received) == (["1"], ["2"])


async def test_a_single_page_is_meant_only_when_it_is_in_the_room(hub: Hub) -> None:
    a, b = Page(hub), Page(hub)
    hub.join(a.conn, "room")
    await hub.publish("room", item(1), to=b.conn)
    assert (a.received, b.received) == ([], [])


async def test_content_without_a_place_is_an_error_of_whoever_publishes(hub: Hub) -> None:
    page = Page(hub)
    hub.join(page.conn, "room")
    with pytest.raises(FragmentError, match="no place in the page"):
        hub.publish("room", "<p>no id</p>")
    assert await hub.publish("room", item("a")) == 1
    assert page.received == ["a"]


async def test_content_that_is_not_there_yet_cannot_be_published(hub: Hub) -> None:
    async def pieces() -> Any:
        yield item("a")

    for content in (pieces(), iter([item("a")])):
        with pytest.raises(TypeError, match=r"takes finished content, not \w+: await it, or"):
            hub.publish("room", content)


async def test_an_element_that_can_be_called_is_content_and_no_renderer(hub: Hub) -> None:
    page = Page(hub)
    hub.join(page.conn, "room")
    assert callable(htpy.p(id="a"))
    await hub.publish("room", htpy.p(id="a")["text"])
    assert page.received == ["text"]


async def test_what_is_too_large_for_brokers_is_refused_without_one_too(hub: Hub) -> None:
    with pytest.raises(LimitError, match="limit of 921600"):
        hub.publish("room", update("#a", "x" * 921_600))
    assert await hub.publish("room", update("#a", "x" * 900_000)) == 1


async def test_a_bare_str_is_refused_where_html_is_strict() -> None:
    hub = Hub(MemoryBackend(), strict_html=True)
    await hub.start()
    with pytest.raises(TypeError, match="strict_html is on"):
        hub.publish("room", "<p id='a'></p>")
    assert await hub.publish("room", html("<p id='a'></p>")) == 1


async def test_what_comes_back_unescaped_is_reported(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    token = handling.set((Frame({"msg": "<b>hi</b>"}, {}, "htmx4"), "chat.say"))
    try:
        hub.publish("room", append("#log", "<li><b>hi</b></li>"))
    finally:
        handling.reset(token)
    assert "chat.say sends the value of the field 'msg' back unescaped" in caplog.text


async def test_a_page_that_is_lost_by_being_written_to_is_no_matter_to_the_others(
    hub: Hub,
) -> None:
    pages = [Page(hub) for _ in range(3)]
    for page in pages:
        hub.join(page.conn, "room")
    pages[1].broken = True
    await hub.publish("room", [item("a"), item("b")])
    assert [page.received for page in pages] == [["a", "b"], [], ["a", "b"]]
    assert pages[1].conn.gone


@pytest.mark.parametrize("content", [item("a"), lambda conn: item("a")])
async def test_a_page_that_leaves_while_it_is_written_to_is_no_matter_to_the_others(
    hub: Hub, content: object
) -> None:
    pages = [Page(hub) for _ in range(3)]

    async def leave_and_write(event: Event) -> None:
        for page in pages[:2]:
            hub.leave(page.conn, "room")

    leaver = Connection({}, leave_and_write, hub)
    hub.connections[leaver] = 0.0
    for conn in (pages[0].conn, leaver, pages[1].conn, pages[2].conn):
        hub.join(conn, "room")
    await hub.publish("room", content)
    assert [page.received for page in pages] == [["a"], ["a"], ["a"]]
    assert hub.members("room") == [leaver, pages[2].conn]


async def test_nobody_waits_for_a_slow_page(hub: Hub) -> None:
    slow, quick = Page(hub), Page(hub)
    for page in (slow, quick):
        hub.join(page.conn, "room")
    slow.reads.clear()
    for number in range(3):
        await hub.publish("room", item(number))
    assert (slow.received, quick.received) == ([], ["0", "1", "2"])
    slow.reads.set()
    assert await slow.conn.drained()
    assert slow.received == ["0", "1", "2"]


async def test_pages_are_written_to_in_the_name_of_their_own_task(hub: Hub) -> None:
    """A timeout in the host's middleware then cannot cancel whoever publishes."""
    tasks: list[asyncio.Task[Any] | None] = []

    async def transport(event: Event) -> None:
        tasks.append(asyncio.current_task())

    conn = Connection({}, transport, hub)
    hub.connections[conn] = 0.0
    hub.join(conn, "room")
    publisher = asyncio.current_task()
    await hub.publish("room", item("a"))
    await hub.publish("room", lambda conn: item("b"))
    assert asyncio.current_task() is publisher
    assert len(tasks) == 2
    assert len(set(tasks)) == 1
    assert not {publisher, None} & set(tasks)


async def test_one_may_publish_outside_of_any_task(hub: Hub) -> None:
    page = Page(hub)
    hub.join(page.conn, "room")
    published = asyncio.Event()

    def publish() -> None:
        hub.publish("room", item("a"))
        hub.publish("room", lambda conn: item("b"))
        published.set()

    asyncio.get_running_loop().call_soon(publish)
    await published.wait()
    assert page.received == ["a", "b"]


# --- rendering for each ----------------------------------------------------------------


async def test_a_function_renders_for_each_page(hub: Hub) -> None:
    a, b = Page(hub, "a"), Page(hub, "b")
    for page in (a, b):
        hub.join(page.conn, "room")
    await hub.publish("room", lambda conn: [item(conn.scope["path"]), item("!")])
    assert (a.received, b.received) == (["/a", "!"], ["/b", "!"])


async def test_a_variant_is_rendered_once(hub: Hub) -> None:
    pages = [Page(hub, name) for name in ("de", "en", "de", "en", "de")]
    for page in pages:
        hub.join(page.conn, "room")
    rendered: list[str] = []

    def render(conn: Connection) -> object:
        rendered.append(conn.scope["path"])
        return item(conn.scope["path"])

    await hub.publish("room", render, variant=lambda conn: conn.scope["path"])
    assert rendered == ["/de", "/en"]
    assert [page.received for page in pages] == [["/de"], ["/en"], ["/de"], ["/en"], ["/de"]]


async def test_nothing_is_rendered_for_a_page_that_is_not_meant(hub: Hub) -> None:
    a, b = Page(hub, "a"), Page(hub, "b")
    for page in (a, b):
        hub.join(page.conn, "room")
    rendered: list[Connection] = []

    def render(conn: Connection) -> object:
        rendered.append(conn)
        return item("x")

    await hub.publish("room", render, exclude=a.conn)
    await hub.publish("room", render, to=b.conn)
    assert rendered == [b.conn, b.conn]
    await hub.publish("nowhere", render)
    assert rendered == [b.conn, b.conn]


@pytest.mark.parametrize("fails", ["render", "variant", "key", "content"])
async def test_a_rendering_that_fails_hurts_no_other_page(
    hub: Hub, caplog: pytest.LogCaptureFixture, fails: str
) -> None:
    pages = [Page(hub, name) for name in ("a", "bad", "c")]
    for page in pages:
        hub.join(page.conn, "room")

    def is_bad(conn: Connection, what: str) -> bool:
        return fails == what and conn is pages[1].conn

    def render(conn: Connection) -> object:
        if is_bad(conn, "render"):
            raise ZeroDivisionError
        return object() if is_bad(conn, "content") else item("x")

    def variant(conn: Connection) -> object:
        if is_bad(conn, "variant"):
            raise ZeroDivisionError
        return [] if is_bad(conn, "key") else conn.id

    assert await hub.publish("room", render, variant=variant) == 1
    assert [page.received for page in pages] == [["x"], [], ["x"]]
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"{pages[1].conn!r}: rendering a publication to 'room' failed"
    assert not pages[1].conn.gone


# --- the backend decides ---------------------------------------------------------------


class Delaying(MemoryBackend):
    """A backend that keeps publications until a test hands them over, in the test's order."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[str, Publication]] = []
        self.starts = 0
        self.stopped = False
        self.known: asyncio.Future[int] | None = None

    async def start(self, receiver: Receiver, keeps: Mapping[str, Keep] | None = None) -> None:
        self.deliver = receiver.deliver
        self.starts += 1

    async def stop(self) -> None:
        self.stopped = True

    def append(  # type: ignore[override]  # what awaits is all that the hub asks for
        self, room: str, payload: Publication, keep: Keep | None = None
    ) -> Awaitable[int]:
        self.kept.append((room, payload))
        if self.known is None:
            return Done(len(self.kept))
        return Waiting(self.known)

    def hand_over(self, *order: int) -> None:
        for offset, number in enumerate(order, 1):
            room, publication = self.kept[number]
            self.deliver(room, "epoch", offset, publication)


async def delayed(pages: int) -> tuple[Hub, Delaying, list[Page]]:
    backend = Delaying()
    hub = Hub(backend)
    await hub.start()
    members = [Page(hub) for _ in range(pages)]
    for page in members:
        hub.join(page.conn, "room")
    return hub, backend, members


async def test_nothing_is_delivered_before_the_backend_hands_it_back() -> None:
    """In the publishing process too: else its pages would see another order."""
    hub, backend, pages = await delayed(2)
    for number in range(3):
        await hub.publish("room", item(number))
    assert [page.received for page in pages] == [[], []]
    backend.hand_over(0, 1, 2)
    assert [page.received for page in pages] == [["0", "1", "2"]] * 2
    await let_go(pages)


async def test_the_order_is_the_backends() -> None:
    hub, backend, pages = await delayed(2)
    for number in range(4):
        await hub.publish("room", item(number))
    backend.hand_over(2, 0, 3, 1)
    assert [page.received for page in pages] == [["2", "0", "3", "1"]] * 2
    await let_go(pages)


async def test_who_is_in_the_room_is_asked_when_the_publication_comes_back() -> None:
    hub, backend, [early, late] = await delayed(2)
    hub.leave(late.conn, "room")
    await hub.publish("room", item("a"))
    hub.join(late.conn, "room")
    hub.leave(early.conn, "room")
    backend.hand_over(0)
    assert (early.received, late.received) == ([], ["a"])
    await let_go([early, late])


async def test_a_publication_that_the_backend_loses_reaches_nobody() -> None:
    hub, backend, pages = await delayed(1)
    await hub.publish("room", item("lost"))
    await hub.publish("room", item("kept"))
    backend.hand_over(1)
    assert pages[0].received == ["kept"]
    await let_go(pages)


async def test_a_publication_of_another_process_is_delivered_here() -> None:
    _, backend, pages = await delayed(1)
    elsewhere = Hub(MemoryBackend())
    backend.kept.append(("room", elsewhere.delivery.publication("room", item("a"), (), None, None)))
    backend.hand_over(0)
    assert pages[0].received == ["a"]
    await let_go(pages)


async def test_awaiting_publish_waits_for_the_backend_and_gives_its_offset() -> None:
    hub, backend, _ = await delayed(0)
    backend.known = asyncio.get_running_loop().create_future()
    published = hub.publish("room", item("a"))
    backend.known.set_result(42)
    assert await published == 42


# --- threads ---------------------------------------------------------------------------


async def test_publishing_from_a_thread_returns_when_it_has_happened(hub: Hub) -> None:
    page = Page(hub)
    hub.join(page.conn, "room")

    def publish() -> tuple[list[str], Awaitable[int]]:
        offset = hub.publish("room", item("a"))
        return page.received, offset

    received, offset = await asyncio.to_thread(publish)
    assert received == ["a"]
    assert await offset == 1


async def test_an_error_in_a_thread_is_raised_there(hub: Hub) -> None:
    with pytest.raises(FragmentError):
        await asyncio.to_thread(hub.publish, "room", "<p>no id</p>")


def test_publishing_from_a_thread_when_the_loop_is_over_counts_and_says_that_nobody_hears(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub = Hub(MemoryBackend())
    asyncio.run(hub.start())
    offsets: list[Awaitable[int]] = []
    thread = threading.Thread(target=lambda: offsets.append(hub.publish("room", item("a"))))
    thread.start()
    thread.join()
    assert isinstance(offsets[0], Done)
    assert offsets[0].value == 1
    assert "heard by nobody" in caplog.text
    assert "in Django HTMX_WS['BACKEND']" in caplog.text


@pytest.mark.parametrize("of_the_loop", [True, False])
def test_what_is_published_while_the_loop_stands_still_is_heard_when_it_goes_on(
    of_the_loop: bool, caplog: pytest.LogCaptureFixture
) -> None:
    hub = Hub(MemoryBackend())

    async def enter() -> Page:
        await hub.start()
        page = Page(hub)
        await page.conn.join("room")
        return page

    def publish(text: str) -> None:
        if of_the_loop:
            hub.publish("room", item(text))
        else:
            thread = threading.Thread(target=hub.publish, args=("room", item(text)))
            thread.start()
            thread.join()

    with asyncio.Runner() as runner:
        page = runner.run(enter())
        for text in ("a", "b"):
            publish(text)
        assert page.received == []
        runner.run(asyncio.sleep(0))
        assert page.received == ["a", "b"]
        assert not caplog.records
    publish("c")
    assert page.received == ["a", "b"]
    assert "heard by nobody" in caplog.text
    assert not hub.connections
    assert hub.members("room") == []


def test_publishing_before_any_start_counts_and_reaches_nobody() -> None:
    """A module that publishes while it is imported breaks nothing."""
    published = Hub(MemoryBackend()).publish("room", item("a"))
    assert isinstance(published, Done)
    assert published.value == 1


# --- start and stop --------------------------------------------------------------------


async def test_a_second_start_on_the_same_loop_does_nothing() -> None:
    hub, backend, pages = await delayed(1)
    await hub.start()
    assert backend.starts == 1
    assert hub.members("room") == [pages[0].conn]
    await let_go(pages)


async def test_stopping_closes_every_page_with_1012_and_waits_until_it_has_ended() -> None:
    hub, backend, pages = await delayed(2)
    asked: list[Page] = []
    for page in pages:
        page.conn.on_close = lambda page=page: asked.append(page)
    stopping = asyncio.create_task(hub.stop())
    await asyncio.sleep(0)
    assert [page.conn.closing for page in pages] == [(1012, "restart")] * 2
    assert asked == pages
    for page in pages:
        await asyncio.sleep(0)
        assert not stopping.done()
        assert not backend.stopped
        page.conn.let_go()
        hub.forget(page.conn)
    await stopping
    assert backend.stopped


async def test_stopping_waits_no_longer_than_a_page_may_take(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("htmx_ws.hub.STOP_SECONDS", 0)
    hub, backend, pages = await delayed(2)
    await hub.stop()
    assert backend.stopped
    assert caplog.messages == ["2 pages did not end in 0 s"]
    await let_go(pages)


async def test_stopping_does_not_wait_again_for_what_a_drain_has_let_go(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A handler that ignores that it is cancelled holds up the end of its process once."""
    hub, backend, pages = await delayed(2)
    await hub.drain(0, wait=0)
    async with asyncio.timeout(1):
        await hub.stop()
    assert backend.stopped
    assert caplog.messages == ["2 pages did not end in 0 s"]
    await let_go(pages)


class Paced:
    """asyncio for the hub, with a clock that only its own sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    def get_running_loop(self) -> Paced:
        return self

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


async def drained(hub: Hub, count: int, seconds: float, monkeypatch: Any) -> list[float]:
    """Drain a hub of so many pages; gives when each was closed."""
    paced, closed = Paced(), list[float]()
    monkeypatch.setattr("htmx_ws.hub.asyncio", paced)

    def close(conn: Connection) -> None:
        assert conn.closing == (1012, "restart")
        closed.append(paced.now)
        conn.let_go()
        conn.forget()

    for _ in range(count):
        conn = Page(hub).conn
        conn.on_close = partial(close, conn)
    await hub.drain(seconds)
    assert not hub.connections
    return closed


@pytest.mark.parametrize("count", [1, 2, 10, 50])
@pytest.mark.parametrize("seconds", [5.0, 60.0])
async def test_a_few_pages_are_drained_at_once_or_nearly(
    hub: Hub, count: int, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred a second come back to no harm, so nobody waits for ten of them."""
    closed = await drained(hub, count, seconds, monkeypatch)
    assert len(closed) == count
    assert closed[0] == 0
    assert closed[-1] <= count / 100 + 0.02
    for at in closed:
        assert sum(1 for each in closed if each <= at) <= 1 + 100 * at + 1e-6


@pytest.mark.parametrize(("count", "seconds"), [(1_000, 5.0), (3_000, 5.0), (500, 1.0)])
async def test_many_pages_are_drained_evenly_over_the_seconds(
    hub: Hub, count: int, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = await drained(hub, count, seconds, monkeypatch)
    assert len(closed) == count
    assert closed[-1] == pytest.approx(seconds, abs=0.05)
    for tenth in range(10):
        begin, end = seconds * tenth / 10, seconds * (tenth + 1) / 10
        within = sum(1 for each in closed if begin <= each < end)
        assert within == pytest.approx(count / 10, abs=count / seconds * 0.05 + 1)


@pytest.mark.parametrize("seconds", [0, -1])
async def test_in_no_time_all_pages_are_drained_at_once(
    hub: Hub, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await drained(hub, 500, seconds, monkeypatch) == [0] * 500


async def test_draining_a_hub_without_pages_is_over_at_once(hub: Hub) -> None:
    await asyncio.wait_for(hub.drain(1_000), 5)
    assert hub.is_draining


async def test_what_begins_with_the_hub_ends_with_it_each_time() -> None:
    calls: list[str] = []

    def begin() -> Callable[[], None]:
        calls.append("begin")
        return lambda: calls.append("end")

    hub = Hub(MemoryBackend(), begin=begin)
    assert calls == []
    for _ in range(2):
        await hub.start()
        await hub.start()
        await hub.stop()
    assert calls == ["begin", "end"] * 2


async def test_stopping_what_was_never_started_is_harmless() -> None:
    await Hub(MemoryBackend()).stop()


async def test_after_a_stop_nothing_is_delivered_until_the_next_start(hub: Hub) -> None:
    page = Page(hub)
    hub.join(page.conn, "room")
    page.conn.on_close = lambda: hub.forget(page.conn)
    await hub.stop()
    assert await hub.publish("room", item("a")) == 1
    assert page.received == []
    page.conn.let_go()
    await hub.start()
    assert hub.members("room") == []
    new = Page(hub)
    hub.join(new.conn, "room")
    assert await hub.publish("room", item("b")) == 2
    assert new.received == ["b"]


def test_a_loop_that_has_ended_takes_its_pages_with_it() -> None:
    """Each test has a loop of its own, and one application for all."""
    hub = Hub(MemoryBackend())

    async def visit() -> tuple[list[str], int]:
        await hub.start()
        assert hub.members("room") == []
        assert not hub.connections
        page = Page(hub)
        hub.join(page.conn, "room")
        offset = await hub.publish("room", item("a"))
        await let_go([page])
        return page.received, offset

    assert [asyncio.run(visit()) for _ in range(3)] == [(["a"], 1), (["a"], 2), (["a"], 3)]


class Elsewhere:
    """An event loop that runs in a thread of its own."""

    def __enter__(self) -> Elsewhere:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        return self

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def test_pages_on_two_loops_at_once_are_an_error_that_says_what_to_do() -> None:
    hub = Hub(MemoryBackend())

    async def open_page() -> Page:
        await hub.start()
        return Page(hub)

    with Elsewhere() as elsewhere:
        page = elsewhere.run(open_page())
        with pytest.raises(RuntimeError, match="make one HtmxWS for each loop, or serve all"):
            await hub.start()
        assert hub.connections == {page.conn: 0.0}
        elsewhere.run(let_go([page]))


async def test_a_loop_that_runs_on_without_pages_is_no_hindrance() -> None:
    hub = Hub(MemoryBackend())
    with Elsewhere() as elsewhere:
        elsewhere.run(hub.start())
        await hub.start()
    page = Page(hub)
    hub.join(page.conn, "room")
    await hub.publish("room", item("a"))
    assert page.received == ["a"]
    await let_go([page])


class SlowToStart(MemoryBackend):
    """Starts when it is let; fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.starts = 0
        self.failures = failures
        self.may_start = asyncio.Event()

    async def start(self, receiver: Receiver, keeps: Mapping[str, Keep] | None = None) -> None:
        self.starts += 1
        await self.may_start.wait()
        if self.failures:
            self.failures -= 1
            raise OSError("the broker is away")
        await super().start(receiver)


async def test_pages_that_come_at_once_wait_for_one_start() -> None:
    backend = SlowToStart()
    hub = Hub(backend)
    starts = [asyncio.create_task(hub.start()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(start.done() for start in starts)
    backend.may_start.set()
    await asyncio.gather(*starts)
    assert backend.starts == 1


async def test_a_backend_that_could_not_start_is_started_by_the_next_page() -> None:
    backend = SlowToStart(failures=1)
    backend.may_start.set()
    hub = Hub(backend)
    with pytest.raises(OSError, match="away"):
        await hub.start()
    await hub.start()
    page = Page(hub)
    await hub.join(page.conn, "room")
    await hub.publish("room", item(1))
    assert page.received == ["1"]
    await let_go([page])


async def test_an_async_renderer_is_refused_before_anything_is_published(hub: Hub) -> None:
    async def render(conn: Connection) -> object:
        return item(conn.id)

    with pytest.raises(TypeError, match="plain function"):
        hub.publish("room", render)


@pytest.mark.parametrize("room", ["", None, 5])
async def test_a_room_that_is_no_name_cannot_be_published_to(hub: Hub, room: Any) -> None:
    with pytest.raises(TypeError, match="named by a str"):
        hub.publish(room, item(1))


async def test_excluding_nobody_may_be_said_by_none(hub: Hub) -> None:
    page = Page(hub)
    await hub.join(page.conn, "room")
    await hub.publish("room", item(1), exclude=None)
    assert page.received == ["1"]


async def test_what_a_rendering_publishes_comes_after_what_it_renders(hub: Hub) -> None:
    pages = [Page(hub), Page(hub)]
    for page in pages:
        await hub.join(page.conn, "room")

    def render(conn: Connection) -> object:
        if conn is pages[1].conn:
            hub.publish("room", item("second"))
        return item("first")

    await hub.publish("room", render)
    assert [page.received for page in pages] == [["first", "second"]] * 2
    await let_go(pages)

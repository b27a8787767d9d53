"""Which handler answers a frame, how it is called, and everything that it may give back."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from htmx_ws import HTML, Connection, HtmxWS, append, html, serialise, update
from htmx_ws.answers import show_errors
from htmx_ws.endpoint import Endpoint, Handler
from htmx_ws.errors import BindingError, RegistrationError
from htmx_ws.testing import Socket
from htmx_ws.wire.frame import Frame

Content = Callable[[], Any]


def item(text: object) -> Any:
    return append("#log", html("<li>{}</li>", text))


def texts(*contents: object) -> list[str]:
    """The messages that contents make."""
    return [message.text for content in contents for message in serialise(content)]


async def answers(live: HtmxWS, *frames: dict[str, Any], path: str = "/ws") -> list[str]:
    """What a page gets for its frames, in its order, until a last frame is answered."""
    async with Socket(live, path) as page:
        for frame in frames:
            await page.send(frame, sender=frame.pop("sender", None))
        await page.send(last="yes")
        received = []
        while (text := await page.receive()) != texts(item("last"))[0]:
            received.append(text)
        assert page.code is None
        return received


def app_with(handler: Callable[..., Any], **how: Any) -> HtmxWS:
    """An application whose every frame that is not the last goes to one handler."""
    live = HtmxWS(**how)
    endpoint = live.endpoint("/ws")
    endpoint.on(last="yes")(last)
    endpoint.on_message(handler)
    return live


async def last() -> Any:
    return item("last")


# --- who answers -----------------------------------------------------------------------


async def test_the_short_form_registers_a_handler_and_its_hooks() -> None:
    live = HtmxWS()
    seen: list[Any] = []

    async def joined(conn: Any, room: str, name: str = "") -> None:
        seen.append(("joined", room, name))
        await conn.join(f"chat:{room}")

    async def left(conn: Any, room: str) -> None:
        seen.append(("left", room))

    @live.ws("/chat/{room}", conn=joined, disconn=left)
    async def say(msg: str, room: str, send: Any) -> Any:
        await send(html('<p id="status">Sent {}</p>', msg))
        await live.publish(f"chat:{room}", item(msg))
        return html('<p id="status">ok</p>')

    async with Socket(live, "/chat/lobby?name=ann") as page:
        await page.send(msg="<b>")
        assert [await page.receive() for _ in range(3)] == texts(
            html('<p id="status">Sent {}</p>', "<b>"), item("<b>"), html('<p id="status">ok</p>')
        )
    assert seen == [("joined", "lobby", "ann"), ("left", "lobby")]


def test_the_short_form_works_without_hooks_and_gives_the_function_back() -> None:
    live = HtmxWS()

    async def say() -> None: ...

    assert live.ws("/chat")(say) is say


def test_every_decorator_gives_the_function_back() -> None:
    endpoint = Endpoint("/ws")

    async def function() -> None: ...

    for decorate in (
        endpoint.on("form"),
        endpoint.on(action="like"),
        endpoint.on_message,
        endpoint.on_connect,
        endpoint.on_disconnect,
        endpoint.on_error,
    ):
        assert decorate(function) is function

    async def other() -> None: ...

    second = Endpoint("/other")
    assert second.on_message(concurrent=True, cancel=True)(other) is other
    assert second.sole is not None
    assert (second.sole.concurrent, second.sole.cancel) == (True, True)


@pytest.mark.parametrize(
    ("sender", "values", "answer"),
    [
        ("say-form", {"action": "like"}, "id"),  # the id goes before the field
        ("say-form", {}, "id"),
        ("other", {"action": "like"}, "like"),  # the field before the fallback
        (None, {"action": "like"}, "like"),
        (None, {"action": ["hate", "like"]}, "like"),  # the last of a name counts
        (None, {"action": ["like", "hate"]}, "fallback"),
        (None, {"action": []}, "fallback"),
        (None, {"action": "hate"}, "fallback"),
        (None, {"action": "x", "step": "2"}, "step"),  # a field nobody takes leaves it to others
        (None, {"step": 2}, "step"),  # hx-vals writes JSON types
        (None, {"step": True}, "yes"),
        (None, {"step": {"2": 2}}, "fallback"),
        (None, {"step": None}, "fallback"),
        ("other", {}, "fallback"),
        (None, {}, "fallback"),
    ],
)
async def test_precedence_is_id_then_field_then_fallback(
    sender: str | None, values: dict[str, Any], answer: str
) -> None:
    endpoint = Endpoint("/ws")

    async def function() -> None: ...

    @endpoint.on_message
    async def fallback() -> None: ...

    by_name = {"fallback": fallback}
    for name, register in {
        "id": endpoint.on("say-form"),
        "like": endpoint.on(action="like"),
        "step": endpoint.on(step="2"),
        "yes": endpoint.on(step="true"),
    }.items():
        by_name[name] = register(functools.partial(function))
    headers = {"HX-Trigger": sender} if sender else {}
    handler = endpoint.match(Frame(values, headers, "htmx2"))
    assert handler is not None
    assert handler.function is by_name[answer]


async def test_an_element_is_named_by_its_id_with_or_without_the_hash_of_a_selector() -> None:
    endpoint = Endpoint("/ws")

    @endpoint.on("#say-form")
    async def say() -> None: ...

    handler = endpoint.match(Frame({}, {"HX-Source": "form#say-form"}, "htmx4"))
    assert handler is not None
    assert handler.function is say


async def test_the_name_attribute_of_an_element_is_not_dispatched_on() -> None:
    endpoint = Endpoint("/ws")
    endpoint.on("say")(last)
    assert endpoint.match(Frame({}, {"HX-Trigger-Name": "say"}, "htmx2")) is None


@pytest.mark.parametrize("dialect", ["htmx2", "htmx4alpha", "htmx4beta", "htmx4"])
async def test_an_element_is_known_by_its_id_on_every_htmx(dialect: Any) -> None:
    live = HtmxWS()
    endpoint = live.endpoint("/ws")

    @endpoint.on("näme")
    async def named(msg: str) -> Any:
        return item(msg)

    async with Socket(live, "/ws", dialect=dialect) as page:
        await page.send(msg="hi", sender="näme")
        assert await page.receive() == texts(item("hi"))[0]


@pytest.mark.parametrize(
    "register",
    [
        lambda endpoint: endpoint.on("form"),
        lambda endpoint: endpoint.on("#form"),
        lambda endpoint: endpoint.on(action="like"),
        lambda endpoint: endpoint.on_message,
        lambda endpoint: endpoint.on_message(concurrent=True),
        lambda endpoint: endpoint.on_connect,
        lambda endpoint: endpoint.on_disconnect,
        lambda endpoint: endpoint.on_error,
    ],
)
def test_two_that_claim_the_same_are_an_error_that_names_both(register: Any) -> None:
    endpoint = Endpoint("/ws")

    def first() -> None: ...

    def second() -> None: ...

    for claim in (endpoint.on("form"), endpoint.on(action="like")):
        claim(first)
    endpoint.on_message(first)
    endpoint.on_connect(first)
    endpoint.on_disconnect(first)
    endpoint.on_error(first)
    with pytest.raises(RegistrationError, match=r"second claims what .*first has on '/ws'"):
        register(endpoint)(second)


def test_the_values_of_one_field_may_go_to_several_handlers() -> None:
    endpoint = Endpoint("/ws")
    endpoint.on(action="like")(last)
    endpoint.on(action="hate")(last)
    endpoint.on(mood="like")(last)


@pytest.mark.parametrize(
    ("claims", "fields"),
    [
        ((), {}),
        (("",), {}),
        (("#",), {}),
        (("form",), {"action": "like"}),
        ((), {"action": "like", "mood": "good"}),
    ],
)
def test_on_takes_an_id_or_one_field(claims: Any, fields: Any) -> None:
    with pytest.raises(RegistrationError, match=r"or one field and its value.*on_message"):
        Endpoint("/ws").on(*claims, **fields)


async def test_a_frame_that_nobody_takes_is_logged_and_the_next_is_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    live = HtmxWS()
    endpoint = live.endpoint("/ws")
    endpoint.on("known")(last)
    async with Socket(live, "/ws") as page:
        await page.send(msg="hi", sender="unknown")
        await page.send(sender="known")
        assert await page.receive() == texts(item("last"))[0]
    (record,) = caplog.records
    assert "'unknown' with the fields ['msg']" in record.getMessage()
    assert "on_message" in record.getMessage()


@pytest.mark.parametrize("dialect", ["htmx2", "htmx4", "raw"])
async def test_frames_of_the_reserved_field_reach_no_handler(dialect: Any) -> None:
    seen: list[Any] = []
    live = HtmxWS()
    endpoint = live.endpoint("/ws")

    @endpoint.on_message
    async def everything(data: dict[str, Any]) -> Any:
        seen.append(data)
        return item("seen")

    async with Socket(live, "/ws", dialect=dialect) as page:
        await page.send({"htmx-ws": "hello", "chat": "e.1"})
        await page.send({"other": "1"})
        await page.receive()
    assert seen == [{"other": "1"}]


def test_what_is_registered_says_what_it_is() -> None:
    endpoint = Endpoint("/chat/{room}")
    endpoint.on_message(last)
    assert repr(endpoint) == "<Endpoint /chat/{room}>"
    assert repr(endpoint.sole) == f"<Handler {__name__}.last>"


# --- what can be a handler -------------------------------------------------------------


class Form:
    """A bound method, a static one, and an object that can be called."""

    async def method(self, msg: str) -> Any:
        return item(msg)

    def sync_method(self, msg: str) -> Any:
        return item(msg)

    @staticmethod
    async def static(msg: str) -> Any:
        return item(msg)

    async def __call__(self, msg: str) -> Any:
        return item(msg)


class SyncForm:
    def __call__(self, msg: str) -> Any:
        return item(msg)


class GeneratorForm:
    async def __call__(self, msg: str) -> AsyncIterator[Any]:
        yield item(msg)


class Rendered:
    """A class as a handler: its instance is the result."""

    def __init__(self, msg: str) -> None:
        self.msg = msg

    def __html__(self) -> str:
        return html('<p id="a">{}</p>', self.msg)


async def with_more(prefix: str, msg: str) -> Any:
    return item(msg)


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """The usual decorator: a plain function around whatever it gets."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@logged
async def decorated(msg: str) -> Any:
    return item(msg)


@logged
async def decorated_generator(msg: str) -> AsyncIterator[Any]:
    yield item(msg)


@logged
def decorated_sync(msg: str) -> Any:
    return item(msg)


@pytest.mark.parametrize(
    "handler",
    [
        Form().method,
        Form().sync_method,
        Form.static,
        Form(),
        SyncForm(),
        GeneratorForm(),
        functools.partial(with_more, "x"),
        functools.partial(functools.partial(with_more), prefix="x"),
        functools.partial(Form()),
        decorated,
        decorated_generator,
        decorated_sync,
        lambda msg: item(msg),
    ],
    ids=lambda handler: getattr(handler, "__name__", type(handler).__name__),
)
async def test_whatever_can_be_called_can_be_a_handler(handler: Any) -> None:
    live = HtmxWS()
    live.ws("/ws")(handler)
    async with Socket(live, "/ws") as page:
        await page.send(msg="hi")
        assert await page.receive() == texts(item("hi"))[0]


async def test_a_class_can_be_a_handler() -> None:
    live = HtmxWS()
    live.ws("/ws")(Rendered)
    async with Socket(live, "/ws") as page:
        await page.send(msg="hi")
        assert await page.receive() == texts(html('<p id="a">hi</p>'))[0]


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (Form().method, f"{__name__}.Form.method"),
        (Form(), f"{__name__}.Form.__call__"),
        (functools.partial(with_more, "x"), f"{__name__}.with_more"),
        (decorated, f"{__name__}.decorated"),
    ],
)
def test_messages_and_logs_name_the_function_that_was_written(handler: Any, name: str) -> None:
    assert Handler(handler, dict).name == name


async def test_a_handler_in_c_can_be_called_too() -> None:
    handler = Handler(functools.partial("{}".format, 7), dict)
    assert await handler.call() == "7"


# --- how it is called ------------------------------------------------------------------


async def test_a_sync_handler_runs_in_a_thread_and_an_async_one_on_the_loop() -> None:
    threads: dict[str, int] = {}
    live = HtmxWS()
    endpoint = live.endpoint("/ws")

    @endpoint.on("sync")
    def sync() -> Any:
        threads["sync"] = threading.get_ident()
        return item("sync")

    @endpoint.on("async")
    async def on_the_loop() -> Any:
        threads["async"] = threading.get_ident()
        return item("async")

    async with Socket(live, "/ws") as page:
        await page.send(sender="sync")
        await page.send(sender="async")
        assert [await page.receive() for _ in range(2)] == texts(item("sync"), item("async"))
    assert threads["async"] == threading.get_ident()
    assert threads["sync"] != threading.get_ident()


async def test_a_sync_generator_runs_in_threads_between_its_pieces() -> None:
    threads: set[int] = set()

    def pieces() -> Iterator[Any]:
        for n in range(3):
            threads.add(threading.get_ident())
            yield item(n)

    assert await answers(app_with(pieces), {"go": "1"}) == texts(*map(item, range(3)))
    assert threading.get_ident() not in threads


async def test_an_async_function_behind_a_plain_decorator_is_finished_when_the_page_goes() -> None:
    """It is a handler, which is finished, and not a stream, which is cancelled."""
    begun, gone, may_end, done = (asyncio.Event() for _ in range(4))
    live = HtmxWS()

    async def until_it_goes() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()

    @live.ws("/ws")
    @logged
    async def purchase(conn: Connection) -> None:
        conn.start(until_it_goes())
        await asyncio.sleep(0)  # the work that notices has begun
        begun.set()
        await may_end.wait()
        done.set()

    page = Socket(live, "/ws")
    await page.open()
    await page.send(buy="1")
    await asyncio.wait_for(begun.wait(), 5)
    closing = asyncio.create_task(page.close())
    await asyncio.wait_for(gone.wait(), 5)
    may_end.set()
    await closing
    assert done.is_set()


# --- what it may give back -------------------------------------------------------------


class Element:
    """As markupsafe's, Django's and htpy's objects are."""

    def __html__(self) -> str:
        return '<p id="a">element</p>'


class Component:
    """As FastHTML's are."""

    def __ft__(self) -> Element:
        return Element()


async def coroutine_of(content: Any) -> Any:
    return content


def future_of(content: Any) -> Awaitable[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_result(content)
    return future


class Later:
    """Something that can be awaited and is neither coroutine nor future."""

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return item("later")


class Feed:
    """Something to iterate over that is no generator."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = list(pieces)

    def __aiter__(self) -> Feed:
        return self

    async def __anext__(self) -> Any:
        if not self.pieces:
            raise StopAsyncIteration
        return self.pieces.pop(0)


async def async_pieces(*pieces: Any) -> AsyncIterator[Any]:
    for piece in pieces:
        yield piece


def sync_pieces(*pieces: Any) -> Iterator[Any]:
    yield from pieces


P = '<p id="a">text</p>'
RESULTS: dict[str, tuple[Content, list[Any]]] = {
    "nothing": (lambda: None, []),
    "str": (lambda: P, [P]),
    "HTML": (lambda: HTML(P), [P]),
    "__html__": (Element, [Element()]),
    "__ft__": (Component, [Element()]),
    "fragment": (lambda: item(1), [item(1)]),
    "list": (lambda: [item(1), P], [item(1), P]),
    "tuple": (lambda: (item(1), None, Element()), [item(1), Element()]),
    "empty list": (list, []),
    "nested": (lambda: [item(1), (item(2), [item(3)])], [item(1), item(2), item(3)]),
    "coroutine": (lambda: coroutine_of(item(1)), [item(1)]),
    "future": (lambda: future_of(item(1)), [item(1)]),
    "awaitable": (Later, [item("later")]),
    "awaitable of an awaitable": (lambda: coroutine_of(coroutine_of(P)), [P]),
    "awaitable of a generator": (lambda: coroutine_of(sync_pieces(P, item(1))), [P, item(1)]),
    "awaitable of nothing": (lambda: coroutine_of(None), []),
    "list of awaitables": (
        lambda: [coroutine_of(item(1)), P, Later()],
        [item(1), P, item("later")],
    ),
    "async generator": (lambda: async_pieces(item(1), None, P), [item(1), P]),
    "sync generator": (lambda: sync_pieces(item(1), None, P), [item(1), P]),
    "empty generator": (sync_pieces, []),
    "map": (lambda: map(item, (1, 2)), [item(1), item(2)]),
    "async iterator": (lambda: Feed(item(1), P), [item(1), P]),
    "everything in everything": (
        lambda: async_pieces(
            [item(1), sync_pieces(coroutine_of(item(2)), (item(3), Feed(item(4))))],
            coroutine_of(async_pieces(item(5))),
        ),
        [item(1), item(2), item(3), item(4), item(5)],
    ),
}


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("name", RESULTS)
async def test_a_handler_may_return(name: str, kind: str, debug: bool) -> None:
    make, expected = RESULTS[name]
    if (name, kind) == ("future", "sync"):
        future = future_of(item(1))  # a thread can make none
        make = lambda: future  # noqa: E731  # it is the lambda that is tested
    live = HtmxWS()
    endpoint = live.endpoint("/ws")

    @endpoint.on("async")
    async def of_a_coroutine() -> Any:
        return make()

    @endpoint.on("sync")
    def of_a_thread() -> Any:
        return make()

    @endpoint.on_message
    async def done() -> Any:
        return item("done")

    async with Socket(live, "/ws", debug=debug) as page:
        await page.send(sender=kind)
        await page.send()
        got = [await page.receive() for _ in range(len(texts(*expected)) + 1)]
    assert got == texts(*expected, item("done"))


@pytest.mark.parametrize("name", RESULTS)
async def test_a_handler_may_send_what_it_may_return_as_often_as_it_likes(name: str) -> None:
    make, expected = RESULTS[name]

    async def handler(send: Any) -> Any:
        assert await send(make())
        await send(make())
        return make()

    assert await answers(app_with(handler), {"go": "1"}) == texts(*expected) * 3


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_generator_may_send_too_and_yield_what_may_be_returned(kind: str) -> None:
    async def asynchronous(send: Any) -> AsyncIterator[Any]:
        yield item(1)
        await send(item(2))
        yield [item(3), coroutine_of(item(4))]
        await send(item(5))

    def synchronous(send: Any) -> Iterator[Any]:
        yield item(1)
        send(item(2))
        yield [item(3), coroutine_of(item(4))]
        send(item(5))

    handler = asynchronous if kind == "async" else synchronous
    assert await answers(app_with(handler), {"go": "1"}) == texts(*map(item, range(1, 6)))


NO_HTML: dict[str, Content] = {
    "number": lambda: 7,
    "true": lambda: True,
    "bytes": lambda: b"<p id='a'></p>",
    "dict": lambda: {"id": 1},
    "set": lambda: {P},
    "object": object,
    "range": lambda: range(3),
    "class": lambda: Element,
    "function": lambda: item,
    "in a list": lambda: [item(1), 7],
    "error": lambda: ValueError("no"),
}


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("name", NO_HTML)
async def test_anything_else_is_a_type_error_that_names_the_handler(
    name: str, debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[Exception] = []
    live = HtmxWS()
    endpoint = live.endpoint("/ws")

    @endpoint.on("wrong")
    async def returns_no_html() -> Any:
        return NO_HTML[name]()

    @endpoint.on_message
    async def done() -> Any:
        return item("done")

    @endpoint.on_error
    async def failed(error: Exception) -> None:
        errors.append(error)

    async with Socket(live, "/ws", debug=debug) as page:
        await page.send(sender="wrong")
        await page.send()
        assert await page.receive() == texts(item("done"))[0]  # nothing came before it
    (error,) = errors
    assert isinstance(error, TypeError)
    assert "returns_no_html returned what cannot be sent" in str(error)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "returns_no_html failed" in record.getMessage()
    assert record.exc_info
    assert record.exc_info[1] is error


@pytest.mark.parametrize("make", [lambda: 7, lambda: [item(1), 7], lambda: update("#a", 7)])
@pytest.mark.parametrize("how", ["send", "yield", "await", "fragment"])
async def test_no_html_is_refused_however_it_is_sent(
    how: str, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def sends(send: Any) -> None:
        await send(make())

    async def yields() -> AsyncIterator[Any]:
        yield make()

    async def awaits() -> Any:
        return [coroutine_of(make())]

    async def returns() -> Any:
        return make()

    handler: Any = {"send": sends, "yield": yields, "await": awaits, "fragment": returns}[how]
    got = await answers(app_with(handler), {"go": "1"})
    assert got in ([], texts(item(1)))  # what came before the fault, where it was sent by itself
    (record,) = caplog.records
    assert f"{handler.__qualname__} failed" in record.getMessage()
    assert "an int is not HTML" in caplog.text


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    "content", [P, [HTML(P), P], update("#a", P), ("x",)], ids=["str", "list", "fragment", "text"]
)
async def test_strict_html_refuses_a_bare_str(
    content: Any, debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    live = HtmxWS(strict_html=True)
    endpoint = live.endpoint("/ws")

    @endpoint.on_message
    async def bare() -> Any:
        return content

    @endpoint.on(safe="1")
    async def safe() -> Any:
        return [update("#a", html("{}", "x")), HTML(P), Element(), Component()]

    async with Socket(live, "/ws", debug=debug) as page:
        await page.send()
        await page.send(safe="1")
        received = [await page.receive() for _ in range(4)]
    assert received == texts(update("#a", "x"), P, Element(), Element())
    (record,) = caplog.records
    assert "strict_html" in caplog.text
    assert "bare failed" in record.getMessage()


async def test_content_without_a_place_raises_in_the_handler_that_sends_it() -> None:
    async def handler(send: Any) -> Any:
        try:
            await send("<p>nowhere</p>")
        except ValueError as error:
            return item(f"{type(error).__name__} {'default target' in str(error)}")

    assert await answers(app_with(handler), {"go": "1"}) == texts(item("FragmentError True"))


async def test_an_endpoint_may_set_a_default_target_and_swap() -> None:
    live = HtmxWS()
    endpoint = live.endpoint("/ws", target="#log", swap="beforeend")

    @endpoint.on_message
    async def say(send: Any) -> Any:
        await send("<li>sent</li>")
        yield "<li>yielded</li>"
        yield update("#status", "ok")

    @endpoint.on(short="1")
    async def short() -> Any:
        return "text"

    async with Socket(live, "/ws") as page:
        await page.send()
        await page.send(short="1")
        received = [await page.receive() for _ in range(4)]
    assert received == texts(
        append("#log", "<li>sent</li>"),
        append("#log", "<li>yielded</li>"),
        update("#status", "ok"),
        append("#log", "text"),
    )


async def test_the_short_form_takes_a_default_target_too() -> None:
    live = HtmxWS()

    @live.ws("/ws", target="#log")
    async def say() -> Any:
        return "text"

    async with Socket(live, "/ws") as page:
        await page.send()
        assert await page.receive() == texts(update("#log", "text"))[0]


# --- what a page sees of wrong values --------------------------------------------------


def test_what_is_wrong_is_shown_beside_the_sender_and_escaped() -> None:
    error = BindingError({"age": 'not "<b>"', "<i>": "x"})
    (text,) = texts(show_errors(error, "say-form"))
    assert 'hx-swap-oob="innerHTML:#say-form-errors"' in text
    assert "<b>age</b> not &quot;&lt;b&gt;&quot;" in text
    assert 'data-field="&lt;i&gt;"' in text


def test_a_decorator_that_was_not_called_says_how_to() -> None:
    live: Any = HtmxWS()

    async def say() -> None: ...

    with pytest.raises(RegistrationError, match=r"@live\.ws\('/chat"):
        live.ws(say)
    with pytest.raises(RegistrationError, match=r"@chat\.on\('say-form'\)"):
        live.endpoint("/chat").on(say)


def test_a_swap_style_that_htmx_does_not_know_is_refused_at_once() -> None:
    with pytest.raises(RegistrationError, match="'apend', and htmx knows outerHTML"):
        HtmxWS().endpoint("/chat", target="#log", swap="apend")

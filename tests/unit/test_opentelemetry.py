"""OpenTelemetry gets a metric of every event, and a span that is current while a handler runs."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextvars import Context, copy_context
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from htmx_ws import Connection, HtmxWS, Limits, Refused, append, update
from htmx_ws.opentelemetry import LEVELS, METRICS, OpenTelemetry, attribute
from htmx_ws.telemetry import EVENTS, Event
from htmx_ws.testing import Socket

ROOT = Path(__file__).parents[2]


class Sdk:
    """An SDK that keeps what it is told, and what listens for it."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.telemetry = self.listen()

    def listen(self) -> OpenTelemetry:
        return OpenTelemetry(tracer_provider=self.tracers, meter_provider=self.meters)

    def ended(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        """The spans that have ended, by name."""
        spans = self.ended()
        assert len({span.name for span in spans}) == len(spans)
        return {span.name: span for span in spans}

    def metrics(self) -> dict[str, Metric]:
        data = self._reader.get_metrics_data()
        if data is None:
            return {}
        (resource,) = data.resource_metrics
        (scope,) = resource.scope_metrics
        assert scope.scope.name == "htmx_ws"
        return {metric.name: metric for metric in scope.metrics}

    def points(self, name: str) -> list[tuple[Mapping[str, Any], float]]:
        """The attributes and the value, or number of values, of each series of a metric."""
        found: list[tuple[Mapping[str, Any], float]] = []
        for point in self.metrics()[name].data.data_points:
            assert isinstance(point, NumberDataPoint | HistogramDataPoint)
            value = point.value if isinstance(point, NumberDataPoint) else point.count
            found.append((dict(point.attributes or {}), value))
        return found


@pytest.fixture
def sdk() -> Iterator[Sdk]:
    made = Sdk()
    yield made
    made.tracers.shutdown()
    made.meters.shutdown()


def work_within(sdk: Sdk, name: str) -> None:
    """Do something that is traced, as a client of a database does."""
    with sdk.tracers.get_tracer("a library").start_as_current_span(name):
        pass


def handler_of(span: ReadableSpan) -> str:
    """The function whose span it is."""
    return str((span.attributes or {})["htmx_ws.handler"]).rpartition(".")[2]


def is_within(inner: ReadableSpan, outer: ReadableSpan) -> bool:
    assert outer.context is not None
    return inner.parent is not None and inner.parent.span_id == outer.context.span_id


def started(handler: str = "a.b") -> Event:
    about: dict[str, str | int | None] = {"route": "/a", "handler": handler, "kind": "message"}
    return Event("handler.start", {}, about)


def stopped(handler: str = "a.b", error: str | None = None) -> Event:
    about = {**started(handler).attributes, "error": error}
    return Event("handler.stop", {"seconds": 0.1}, about)


# --- spans -----------------------------------------------------------------------------


async def test_each_handler_and_hook_has_a_span_that_is_current_while_it_runs(sdk: Sdk) -> None:
    live = HtmxWS(telemetry=sdk.telemetry)
    chat = live.endpoint("/chat/{room}")

    @chat.on_connect
    async def joined() -> None:
        work_within(sdk, "in connect")

    @chat.on_message
    async def say(msg: str) -> Any:
        await asyncio.sleep(0)  # in a later step too
        work_within(sdk, "in message")
        return update("#log", msg)

    @chat.on_disconnect
    async def left() -> None:
        work_within(sdk, "in disconnect")

    async with Socket(live, "/chat/lobby") as page:
        await page.send(msg="hi")
        await page.receive()
        assert trace.get_current_span() is trace.INVALID_SPAN
    for kind, handler in {"connect": "joined", "message": "say", "disconnect": "left"}.items():
        span = sdk.spans[f"{kind} /chat/{{room}}"]
        assert is_within(sdk.spans[f"in {kind}"], span)
        assert span.parent is None
        assert span.kind is SpanKind.SERVER
        assert span.status.status_code is StatusCode.UNSET
        assert handler_of(span) == handler
        assert {**(span.attributes or {}), "htmx_ws.handler": handler} == {
            "http.route": "/chat/{room}",
            "htmx_ws.handler": handler,
            "htmx_ws.kind": kind,
        }


async def test_what_a_handler_starts_elsewhere_is_within_its_span(sdk: Sdk) -> None:
    live = HtmxWS(telemetry=sdk.telemetry)
    chat = live.endpoint("/chat")

    @chat.on(action="thread")
    def in_thread() -> Any:
        work_within(sdk, "in a thread")
        return update("#a", "1")

    @chat.on(action="stream")
    async def streams() -> AsyncIterator[Any]:
        yield update("#a", "2")
        work_within(sdk, "in a stream")

    @chat.on(action="task")
    async def begins(conn: Connection) -> None:
        async def work() -> None:
            work_within(sdk, "in a task")
            await conn.send(update("#a", "3"))

        conn.start(work())

    async with Socket(live, "/chat") as page:
        for action in ("thread", "stream", "task"):
            await page.send(action=action)
            await page.receive()
    spans = sdk.ended()
    outer = {handler_of(span): span for span in spans if span.name == "message /chat"}
    inner = {span.name: span for span in spans}
    assert is_within(inner["in a thread"], outer["in_thread"])
    assert is_within(inner["in a stream"], outer["streams"])
    assert is_within(inner["in a task"], outer["begins"])


async def test_a_connect_hook_that_streams_has_its_span_until_the_page_goes(sdk: Sdk) -> None:
    """That it is then cancelled is how it ends, and no error."""
    live = HtmxWS(telemetry=sdk.telemetry)
    feed = live.endpoint("/feed")
    forever = asyncio.Event()

    @feed.on_connect
    async def joined() -> AsyncIterator[Any]:
        yield update("#a", "1")
        work_within(sdk, "in the stream")
        await forever.wait()

    @feed.on_message
    async def say() -> None:
        work_within(sdk, "in the handler")

    async with Socket(live, "/feed") as page:
        await page.receive()
        await page.send()
    spans = sdk.spans
    assert is_within(spans["in the stream"], spans["connect /feed"])
    assert is_within(spans["in the handler"], spans["message /feed"])
    assert spans["connect /feed"].status.status_code is StatusCode.UNSET
    assert "error.type" not in (spans["connect /feed"].attributes or {})


async def test_handlers_that_run_at_once_each_have_their_own(sdk: Sdk) -> None:
    live = HtmxWS(telemetry=sdk.telemetry)
    both = asyncio.Barrier(4)

    for path in ("/a", "/b"):
        endpoint = live.endpoint(path)

        @endpoint.on("beside", concurrent=True)
        async def beside(conn: Connection) -> None:
            await both.wait()
            work_within(sdk, f"beside {conn.route}")
            await both.wait()

        @endpoint.on_message
        async def in_turn(conn: Connection) -> None:
            await both.wait()
            work_within(sdk, f"in_turn {conn.route}")
            await both.wait()

    async with Socket(live, "/a") as a, Socket(live, "/b") as b:
        for page in (a, b):
            await page.send(sender="beside")
            await page.send()
    inner = [span for span in sdk.ended() if not span.attributes]
    outer = {
        f"{handler_of(span)} {span.name.rpartition(' ')[2]}": span
        for span in sdk.ended()
        if span.attributes
    }
    assert len(inner) == len(outer) == 4
    for span in inner:
        assert is_within(span, outer[span.name])


async def test_an_error_is_the_status_of_its_span_and_its_type_an_attribute(
    sdk: Sdk, caplog: pytest.LogCaptureFixture
) -> None:
    """The text of an error may hold anything, so it is left to the log."""
    live = HtmxWS(telemetry=sdk.telemetry)
    chat = live.endpoint("/chat")

    @chat.on_message
    async def say() -> None:
        raise ZeroDivisionError("ann's")

    @chat.on_error
    async def answer() -> Any:
        work_within(sdk, "in error")
        return update("#log", "sorry")

    async with Socket(live, "/chat") as page:
        await page.send()
        await page.receive()
    spans = sdk.spans
    failed = spans["message /chat"]
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description == "ZeroDivisionError"
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "ZeroDivisionError"
    assert "ann" not in failed.to_json()
    assert spans["error /chat"].status.status_code is StatusCode.UNSET
    assert is_within(spans["in error"], spans["error /chat"])
    series = {about["htmx_ws.kind"]: about for about, _ in sdk.points("htmx_ws.handler.duration")}
    assert series["message"]["error.type"] == "ZeroDivisionError"
    assert "error.type" not in series["error"]
    assert len(caplog.records) == 1


async def test_a_page_that_is_turned_away_is_no_error(sdk: Sdk) -> None:
    live = HtmxWS(telemetry=sdk.telemetry)
    chat = live.endpoint("/chat")

    @chat.on_connect
    async def joined() -> None:
        raise Refused("not yours")

    async with Socket(live, "/chat") as page:
        assert await page.closed() == 1008
    span = sdk.spans["connect /chat"]
    assert span.status.status_code is StatusCode.UNSET
    ((about, _),) = sdk.points("htmx_ws.handler.duration")
    assert "error.type" not in {**about, **(span.attributes or {})}


def test_a_span_is_within_what_was_current_and_leaves_it_current(sdk: Sdk) -> None:
    with sdk.tracers.get_tracer("a server").start_as_current_span("the page") as page:
        sdk.telemetry(started())
        assert trace.get_current_span() is not page
        sdk.telemetry(stopped())
        assert trace.get_current_span() is page
    spans = sdk.spans
    assert is_within(spans["message /a"], spans["the page"])


def test_an_end_in_a_copy_of_its_context_ends_the_span(
    sdk: Sdk, caplog: pytest.LogCaptureFixture
) -> None:
    def begin() -> Context:
        sdk.telemetry(started())
        return copy_context()

    Context().run(begin).run(sdk.telemetry, stopped())
    assert list(sdk.spans) == ["message /a"]
    assert caplog.records == []


def test_an_end_in_a_context_of_another_handler_or_none_disturbs_nobody(
    sdk: Sdk, caplog: pytest.LogCaptureFixture
) -> None:
    """As where a coroutine is closed when its garbage is collected."""
    Context().run(sdk.telemetry, started("a.lost"))

    def work() -> None:
        sdk.telemetry(started("a.other"))
        current = trace.get_current_span()
        sdk.telemetry(stopped("a.lost", "GeneratorExit"))
        assert trace.get_current_span() is current
        assert sdk.spans == {}
        sdk.telemetry(stopped("a.other"))

    Context().run(work)
    Context().run(sdk.telemetry, stopped("a.lost"))
    (span,) = sdk.spans.values()
    assert (span.attributes or {})["htmx_ws.handler"] == "a.other"
    assert caplog.records == []


def test_two_may_listen_to_the_same_handlers(sdk: Sdk, caplog: pytest.LogCaptureFixture) -> None:
    other = Sdk()
    again = sdk.listen()  # as for a second HtmxWS of the process: with the same instruments
    a, b = other.telemetry, sdk.telemetry

    def listen(event: Event) -> None:
        a(event)
        b(event)

    def work() -> None:
        listen(started())
        listen(stopped())
        again(Event("failure", {}, {"route": "/a", "why": "work failed"}))

    Context().run(work)
    assert list(sdk.spans) == list(other.spans) == ["message /a"]
    assert sdk.points("htmx_ws.failures") == [
        ({"http.route": "/a", "htmx_ws.why": "work failed"}, 1)
    ]
    assert caplog.records == []
    other.tracers.shutdown()
    other.meters.shutdown()


# --- metrics ---------------------------------------------------------------------------


async def test_the_metrics_of_a_chat_are_named_and_measured_by_the_conventions(
    sdk: Sdk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "htmx_ws")
    live = HtmxWS(telemetry=sdk.telemetry, limits=Limits(room_name=10))
    live.room("chat:*")
    chat = live.endpoint("/chat/{room}")

    @chat.on_connect
    async def joined(conn: Connection, room: str) -> None:
        await conn.join(f"chat:{room}")

    @chat.on_message
    async def say(msg: str, room: str, conn: Connection) -> Any:
        if msg == "more":
            await conn.join("a room with too long a name")
        await live.publish(f"chat:{room}", append("#log", msg))
        return update("#said", msg)

    async with Socket(live, "/chat/a", dialect="htmx2") as ann, Socket(live, "/chat/a") as bob:
        await ann.send(msg="hi")
        for page in (ann, bob, ann):
            await page.receive()
        await ann.send(msg="more")
        await ann.send(sender="form")
        assert "#form-errors" in await ann.receive()
        route = {"http.route": "/chat/{room}"}
        assert sdk.points("htmx_ws.active_connections") == [(route, 2)]
    async with Socket(live, "/nowhere") as nobody:
        await nobody.closed()
    await live.drain(0)

    units = {name: metric.unit for name, metric in sdk.metrics().items()}
    assert units == {
        "htmx_ws.active_connections": "{connection}",
        "htmx_ws.active_handlers": "{handler}",
        "htmx_ws.connection.duration": "s",
        "htmx_ws.drain.duration": "s",
        "htmx_ws.failures": "{failure}",
        "htmx_ws.fragment.size": "By",
        "htmx_ws.frame.size": "By",
        "htmx_ws.handler.duration": "s",
        "htmx_ws.publish.duration": "s",
        "htmx_ws.publish.recipients": "{connection}",
        "htmx_ws.publish.size": "By",
        "htmx_ws.reached_limits": "{limit}",
        "htmx_ws.refused_frames": "{frame}",
        "htmx_ws.refused_handshakes": "{handshake}",
    }
    assert sdk.points("htmx_ws.active_connections") == [(route, 0)]
    assert {value for _, value in sdk.points("htmx_ws.active_handlers")} == {0}
    assert sdk.points("htmx_ws.frame.size") == [({**route, "htmx_ws.dialect": "htmx2"}, 3)]
    assert sdk.points("htmx_ws.publish.recipients") == [({"htmx_ws.room": "chat:*"}, 1)]
    assert sdk.points("htmx_ws.reached_limits") == [({**route, "htmx_ws.limit": "room_name"}, 1)]
    assert sdk.points("htmx_ws.failures") == [({**route, "htmx_ws.why": "handler failed"}, 1)]
    assert sdk.points("htmx_ws.refused_frames") == [({**route, "htmx_ws.why": "bad values"}, 1)]
    ((about, count),) = sdk.points("htmx_ws.refused_handshakes")
    assert (about["htmx_ws.why"], about["htmx_ws.code"], count) == ("not found", 4404, 1)


def test_every_number_of_every_event_has_a_metric() -> None:
    """But the number of messages, which is nobody's question, and that a drain begins."""
    measured = {(event, metric.number) for event, metrics in METRICS.items() for metric in metrics}
    told = {
        (name, number)
        for name, event in EVENTS.items()
        for number in event.measurements or [""]
        if number != "messages" and not name.startswith("drain.")
    }
    levels = {(f"{what}.start", "") for what in LEVELS}
    assert measured | levels == told | {("drain.stop", "seconds")}


def test_what_goes_up_comes_down() -> None:
    for what, level in LEVELS.items():
        both = (set(EVENTS[f"{what}.{end}"].attributes) for end in ("start", "stop"))
        assert set(level.attributes) <= set.intersection(*both)


def test_buckets_are_advised_for_what_is_measured(sdk: Sdk) -> None:
    for name, metrics in METRICS.items():
        sdk.telemetry(Event(name, dict.fromkeys(EVENTS[name].measurements, 0.0), {
            "route": "/a", "handler": "a.b", "kind": "message"
        }))  # fmt: skip
        for metric in metrics:
            (point,) = sdk.metrics()[metric.name].data.data_points
            bounds = getattr(point, "explicit_bounds", ())
            assert tuple(bounds) == metric.buckets == tuple(sorted(metric.buckets))


def test_names_of_metrics_and_attributes_are_those_of_the_conventions() -> None:
    names = [level.name for level in LEVELS.values()]
    names += [metric.name for metrics in METRICS.values() for metric in metrics]
    assert len(set(names)) == len(names)
    attributes = {attribute(name) for event in EVENTS.values() for name in event.attributes}
    assert {name for name in attributes if not name.startswith("htmx_ws.")} == {
        "error.type",
        "http.route",
    }


# --- what it needs ---------------------------------------------------------------------


def run(script: str) -> str:
    """Run a script in a process of its own, as providers are set but once in each."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_providers_it_uses_those_of_the_process_once_they_are_set() -> None:
    said = run("""
from htmx_ws.opentelemetry import OpenTelemetry
from htmx_ws.telemetry import Event

telemetry = OpenTelemetry()
about = {"route": "/a", "handler": "a.b", "kind": "message"}
telemetry(Event("handler.start", {}, about))  # for nobody
telemetry(Event("handler.stop", {"seconds": 0.1}, about))

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(spans))
metrics.set_meter_provider(MeterProvider([reader]))
telemetry(Event("handler.start", {}, about))
telemetry(Event("handler.stop", {"seconds": 0.1}, about))
(span,) = spans.get_finished_spans()
(scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
print(span.name, *sorted(metric.name for metric in scope.metrics))
""")
    assert said.split() == [
        *("message", "/a"),
        *("htmx_ws.active_handlers", "htmx_ws.handler.duration"),
    ]


def test_whoever_does_not_use_it_does_not_load_it() -> None:
    said = run(
        "import htmx_ws.app, htmx_ws.testing, sys\nfrom htmx_ws import *\n"
        "print([name for name in sys.modules if 'opentelemetry' in name])"
    )
    assert said == "[]\n"


def test_where_it_is_not_installed_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    monkeypatch.delitem(sys.modules, "htmx_ws.opentelemetry")
    with pytest.raises(ImportError, match=r'pip install "htmx-ws\[opentelemetry\]"'):
        import_module("htmx_ws.opentelemetry")

"""What htmx-ws tells of itself, as metrics and spans of OpenTelemetry.

Names and units follow its semantic conventions, whose nearest kin are those of SignalR. A
handler's span is the current one while it runs: ``handler.start`` comes in the context in which
the handler then runs, so what is made current there is so for the handler, its threads and what
it starts, and for no other page.

Only this module imports OpenTelemetry, and only its API, which does nothing until an application
sets up an SDK.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import cache
from importlib.metadata import version
from typing import Final, NamedTuple

from .telemetry import Event

try:
    from opentelemetry.context import Context, attach, get_current
    from opentelemetry.metrics import Meter, MeterProvider, get_meter
    from opentelemetry.trace import (
        Span,
        SpanKind,
        StatusCode,
        TracerProvider,
        get_tracer,
        set_span_in_context,
    )
except ImportError as _error:
    raise ImportError(
        'htmx_ws.opentelemetry needs OpenTelemetry: pip install "htmx-ws[opentelemetry]"'
    ) from _error

__all__ = ["LEVELS", "METRICS", "Level", "Metric", "OpenTelemetry", "attribute"]


class Metric(NamedTuple):
    """A histogram of one of an event's numbers; without one, a count of how often it comes."""

    name: str
    unit: str
    text: str
    number: str = ""
    buckets: tuple[float, ...] = ()


class Level(NamedTuple):
    """What goes up at the ``.start`` of something and down at its ``.stop``.

    Only ``attributes`` that are the same in both: what goes up must come down.
    """

    name: str
    unit: str
    text: str
    attributes: tuple[str, ...]


# Those that the conventions advise for HTTP, and below: most handlers take less than 5 ms.
_SECONDS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075),
    *(0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
_LIVES: Final = (1.0, 10.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)
_DRAINS: Final = (1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0)
_BYTES: Final = tuple(float(4**power) for power in range(3, 12))  # 64 B to 4 MiB
_PAGES: Final = (0.0, 1.0, 2.0, 5.0, 10.0, 100.0, 1_000.0, 10_000.0)

#: What is made of each event.
METRICS: Final[Mapping[str, tuple[Metric, ...]]] = {
    "connection.stop": (
        Metric("htmx_ws.connection.duration", "s", "How long pages stayed", "seconds", _LIVES),
    ),
    "handshake.refused": (
        Metric("htmx_ws.refused_handshakes", "{handshake}", "Pages that were not let in"),
    ),
    "frame": (Metric("htmx_ws.frame.size", "By", "Size of the frames that came", "bytes", _BYTES),),
    "frame.refused": (
        Metric("htmx_ws.refused_frames", "{frame}", "Frames that no handler got as they were"),
    ),
    "handler.stop": (
        Metric(
            *("htmx_ws.handler.duration", "s", "How long handlers and hooks took, with sending"),
            *("seconds", _SECONDS),
        ),
    ),
    "fragment": (
        Metric("htmx_ws.fragment.size", "By", "Size of what is for one page", "bytes", _BYTES),
    ),
    "publish": (
        Metric(
            *("htmx_ws.publish.duration", "s", "How long writing to the pages of a room took"),
            *("seconds", _SECONDS),
        ),
        Metric(
            *("htmx_ws.publish.recipients", "{connection}", "Pages that publications were for"),
            *("pages", _PAGES),
        ),
        Metric("htmx_ws.publish.size", "By", "Size of publications", "bytes", _BYTES),
    ),
    "outbox": (Metric("htmx_ws.outbox.size", "By", "What waited for slow pages", "bytes", _BYTES),),
    "limit": (Metric("htmx_ws.reached_limits", "{limit}", "Limits that pages reached"),),
    "gap": (Metric("htmx_ws.gaps", "{gap}", "How often publications may have been missed"),),
    "drain.stop": (
        Metric("htmx_ws.drain.duration", "s", "How long drains took", "seconds", _DRAINS),
    ),
    "refused": (
        Metric("htmx_ws.refusals", "{refusal}", "Pages kept from a room, or whose login is over"),
    ),
    "failure": (Metric("htmx_ws.failures", "{failure}", "What failed, as the log tells it"),),
}

#: What starts and stops.
LEVELS: Final[Mapping[str, Level]] = {
    "connection": Level(
        "htmx_ws.active_connections", "{connection}", "Pages that are open", ("route",)
    ),
    "handler": Level(
        *("htmx_ws.active_handlers", "{handler}", "Handlers and hooks at work"),
        ("route", "handler", "kind"),
    ),
}

_Attributes = Mapping[str, str | int]
_Record = Callable[[Event, _Attributes], None]


class _Running(NamedTuple):
    """The span of the handler that runs in a context, and what was current before it."""

    span: Span
    attributes: _Attributes
    before: Context


class OpenTelemetry:
    """What ``HtmxWS(telemetry=OpenTelemetry())`` tells of itself, told to OpenTelemetry.

    Without providers it uses those of the process, which may also be set later.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        our_version = version("htmx-ws")
        self._tracer = get_tracer("htmx_ws", our_version, tracer_provider)
        self._records: dict[str, list[_Record]] = {}
        meter = get_meter("htmx_ws", our_version, meter_provider)
        for event, metrics in METRICS.items():
            for metric in metrics:
                self._on(event, _record_metric(meter, metric))
        for what, level in LEVELS.items():
            begin, end = _record_level(meter, level)
            self._on(f"{what}.start", begin)
            self._on(f"{what}.stop", end)
        # Of this object alone, as another may listen to the same handlers.
        self._running: ContextVar[_Running | None] = ContextVar("htmx_ws span", default=None)

    def __call__(self, event: Event) -> None:
        """Record an event."""
        attributes = {
            attribute(name): value for name, value in event.attributes.items() if value is not None
        }
        if event.name == "handler.start":
            self._begin_span(attributes)
        for record in self._records.get(event.name, ()):
            record(event, attributes)
        if event.name == "handler.stop":
            self._end_span(attributes)

    def _on(self, event: str, record: _Record) -> None:
        self._records.setdefault(event, []).append(record)

    def _begin_span(self, attributes: _Attributes) -> None:
        kind, route = attributes[attribute("kind")], attributes[attribute("route")]
        span = self._tracer.start_span(
            f"{kind} {route}", kind=SpanKind.SERVER, attributes=attributes
        )
        self._running.set(_Running(span, attributes, get_current()))
        attach(set_span_in_context(span))

    def _end_span(self, attributes: _Attributes) -> None:
        error = attributes.get("error.type")
        running = self._running.get()
        started = {name: value for name, value in attributes.items() if name != "error.type"}
        # A coroutine that nobody finished is closed wherever its garbage is found: there another
        # handler may be at work, or none.
        if running is None or running.attributes != started:
            return
        self._running.set(None)
        # Not by detach(), which logs an error in a copy of the context that attached.
        attach(running.before)
        if error is not None:
            running.span.set_status(StatusCode.ERROR, str(error))
            running.span.set_attribute("error.type", error)
        running.span.end()


def _record_metric(meter: Meter, metric: Metric) -> _Record:
    name, unit, text, number, buckets = metric
    if not number:
        counter = meter.create_counter(name, unit, text)
        return lambda _, attributes: counter.add(1, attributes)
    histogram = meter.create_histogram(
        name, unit, text, explicit_bucket_boundaries_advisory=buckets
    )
    return lambda event, attributes: histogram.record(event.measurements[number], attributes)


def _record_level(meter: Meter, level: Level) -> tuple[_Record, _Record]:
    counter = meter.create_up_down_counter(level.name, level.unit, level.text)
    kept = [attribute(name) for name in level.attributes]

    def move(by: int) -> _Record:
        return lambda _, attributes: counter.add(by, {name: attributes[name] for name in kept})

    return move(1), move(-1)


@cache
def attribute(name: str) -> str:
    """Give the name in OpenTelemetry of an event's attribute."""
    return {"route": "http.route", "error": "error.type"}.get(name, f"htmx_ws.{name}")

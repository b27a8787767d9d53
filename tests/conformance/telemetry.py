"""The tables of docs/telemetry.md: events, incidents and metrics, as the code has them.

``python -m tests.conformance.telemetry`` writes them there.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from htmx_ws.incidents import INCIDENTS
from htmx_ws.opentelemetry import LEVELS, METRICS, attribute
from htmx_ws.telemetry import EVENTS

__all__ = ["PAGE", "TABLES", "written"]

PAGE: Final = Path(__file__).parents[2] / "docs/telemetry.md"
BEGIN: Final = "<!-- {}: python -m tests.conformance.telemetry -->\n"
END: Final = "<!-- end of {} -->"


def events() -> str:
    """When each event comes, with what."""
    return table(
        ("event", "when", "numbers", "attributes"),
        (
            (code(name), told.when, codes(told.measurements), codes(told.attributes))
            for name, told in EVENTS.items()
        ),
    )


def incidents() -> str:
    """What can go wrong, and who hears of it."""
    return table(
        ("what", "level", "event", "close code", "the page sees"),
        (
            (
                name,
                logging.getLevelName(incident.level),
                incident.event and code(incident.event),
                str(incident.code or ""),
                re.sub(r"on_error|#\{.*?\}-errors", lambda found: code(found[0]), incident.page),
            )
            for name, incident in INCIDENTS.items()
        ),
    )


def metrics() -> str:
    """What OpenTelemetry gets."""
    rows = [
        (code(level.name), "up-down counter", level.unit, level.text, named(level.attributes))
        for level in LEVELS.values()
    ]
    for event, made in METRICS.items():
        for metric in made:
            kind = "histogram" if metric.number else "counter"
            attributes = named(EVENTS[event].attributes)
            rows.append((code(metric.name), kind, metric.unit, metric.text, attributes))
    return table(("metric", "kind", "unit", "", "attributes"), rows)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:], ""])


def code(name: str) -> str:
    return f"`{name}`"


def codes(names: Iterable[str]) -> str:
    return ", ".join(map(code, names))


def named(attributes: Iterable[str]) -> str:
    return codes(map(attribute, attributes))


TABLES: Final[dict[str, Callable[[], str]]] = {
    "events": events,
    "metrics": metrics,
    "incidents": incidents,
}


def written(name: str) -> str:
    """The table that the page has now."""
    return PAGE.read_text().partition(BEGIN.format(name))[2].partition(END.format(name))[0]


if __name__ == "__main__":
    for name, made in TABLES.items():
        begin = BEGIN.format(name)
        PAGE.write_text(PAGE.read_text().replace(begin + written(name), begin + made()))

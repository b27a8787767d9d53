"""The page about telemetry: its tables are what the code has, and its code runs."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import generate_latest

from htmx_ws.testing import Socket

from .telemetry import PAGE, TABLES, written


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_what_the_code_has(table: str) -> None:
    assert written(table) == TABLES[table](), "run: python -m tests.conformance.telemetry"


@pytest.fixture
def levels() -> Iterator[None]:
    """Logging is set up for the whole process."""
    log, root = logging.getLogger("htmx_ws"), logging.getLogger()
    level, handlers = log.level, root.handlers[:]
    yield
    log.setLevel(level)
    root.handlers[:] = handlers


@pytest.mark.usefixtures("levels")
async def test_its_code_runs_from_top_to_bottom(capsys: pytest.CaptureFixture[str]) -> None:
    listens, both, traces, counts, logs = re.findall(
        r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL
    )
    names: dict[str, Any] = {}  # of all blocks, each of which imports what it uses

    def run(block: str, known: dict[str, Any]) -> Any:
        exec(compile(block, str(PAGE), "exec"), known)
        names.update(known)
        return known.get("live")

    for block in (listens, traces, counts, both):
        known = {"__name__": "telemetry"}
        live = run(block, {**names, **known} if block == both else known)

        @live.ws("/chat/{room}")  # type: ignore[untyped-decorator]  # of what the page has
        async def say(msg: str) -> str:
            return f'<p id="said">{msg}</p>'

        async with Socket(live, "/chat/lobby") as page:
            await page.send(msg="hi")
            assert "hi" in await page.receive()
    counted = generate_latest().decode()
    assert 'htmx_ws_pages{route="/chat/{room}"} 0.0' in counted
    assert re.search(r'htmx_ws_handler_seconds_count\{.*say",route="/chat/{room}"\} 2\.0', counted)
    slow = names["Event"]("handler.stop", {"seconds": 1.5}, {"handler": "chat.say"})
    names["listen"](slow)
    assert capsys.readouterr().out == "chat.say took 1.5 seconds\n"
    run(logs, {})
    assert logging.getLogger("htmx_ws").isEnabledFor(logging.INFO)

"""The example for Prometheus, on a real uvicorn: what pages do stands in /metrics."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from htmx_ws.testing import build_frame

from .conftest import Serve, Server

pytestmark = pytest.mark.service

EXAMPLE = Path(__file__).parents[2] / "examples" / "prometheus"
BAR = {"route": "/bar/{town}"}
ORDER = {**BAR, "handler": "__main__.order"}


async def get(server: Server, path: str) -> str:
    def read() -> str:
        with urlopen(server.url + path, timeout=10) as response:
            return str(response.read().decode())

    return await asyncio.to_thread(read)


class Metrics:
    """What Prometheus reads, once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._families = list(text_string_to_metric_families(text))

    @classmethod
    async def of(cls, server: Server) -> Metrics:
        return cls(await get(server, "/metrics"))

    def value(self, name: str, labels: Mapping[str, str]) -> float:
        samples = [sample for family in self._families for sample in family.samples]
        (value,) = [each.value for each in samples if (each.name, each.labels) == (name, labels)]
        return value

    def has(self, name: str) -> bool:
        family = re.sub("_(total|bucket|sum|count)$", "", name)
        return any(each.name == family for each in self._families)


async def test_what_pages_do_stands_in_the_metrics(serve: Serve) -> None:
    server = await serve(str(EXAMPLE / "app.py"))
    page = await get(server, "/?htmx=2")
    (address,) = re.findall(r' ws-connect="[^"]*(/bar/oslo[?;]hx=2)"', page)
    async with asyncio.timeout(10):
        async with server.open(address) as ann, server.open(address) as bob:
            for opened in (ann, bob):
                assert "orders" in str(await opened.recv())
            await ann.send(build_frame({"drink": "tea", "cups": "2"}, sender="order"))
            assert "tea: 2" in str(await bob.recv())
            for drink, cups, shown in [
                *(("coffee", "1", "coffee: 1"), ("cocoa", "1", "Sorry")),
                ("tea", "many", "cups: "),
            ]:
                await ann.send(build_frame({"drink": drink, "cups": cups}, sender="order"))
                while shown not in str(await ann.recv()):
                    pass
            async with server.open("/bar/oslo", origin="https://elsewhere.example") as eve:
                await eve.wait_closed()
                assert eve.close_code == 4403
            read = await Metrics.of(server)
        assert read.value("htmx_ws_pages", BAR) == 2
        assert read.value("htmx_ws_frame_bytes_count", BAR) == 4
        assert read.value("htmx_ws_handler_seconds_count", ORDER) == 3
        assert read.value("htmx_ws_handler_seconds_sum", ORDER) >= 0.3
        assert read.value("htmx_ws_handlers", ORDER) == 0
        assert read.value("htmx_ws_handler_errors_total", {**ORDER, "error": "RuntimeError"}) == 1
        assert read.value("htmx_ws_failures_total", {**BAR, "why": "handler failed"}) == 1
        assert read.value("htmx_ws_refused_frames_total", {**BAR, "why": "bad values"}) == 1
        assert read.value("htmx_ws_refused_pages_total", {**BAR, "why": "bad origin"}) == 1
        assert read.value("htmx_ws_publish_pages_sum", {"room": "bar:*"}) == 4
        assert "oslo" not in read.text
        while read.value("htmx_ws_pages", BAR):  # a page has gone when its server says so
            read = await Metrics.of(server)
    # What the README asks of Prometheus is there to be asked for.
    asked = re.findall(r"\bhtmx_ws_[a-z_]+", (EXAMPLE / "README.md").read_text())
    assert len(asked) > 5
    assert [name for name in asked if not read.has(name)] == []
    assert await server.stop() is not None

"""Two workers behind nginx, with the configuration of docs/scaling.md, taken from there."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.reliability.pages import close_all, open_pages
from tests.services.brokers import free_port
from tests.services.servers import TOP, Server, run

from .workers import Visit, Workers, ask, fetch, two_workers, visit

pytestmark = pytest.mark.service

#: What Debian's has around the sites, without its paths.
AROUND = """
daemon off;
error_log stderr notice;
pid nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    %s
}
"""


@asynccontextmanager
async def nginx_before(
    workers: Workers, folder: Path, read_timeout: str = "75s"
) -> AsyncIterator[Server]:
    """Run nginx as the page says, but for ports, and perhaps for that timeout."""
    found = re.search(r"```nginx\n(.*?)```", (TOP / "docs/scaling.md").read_text(), re.DOTALL)
    assert found
    port = free_port()
    site = found[1].replace("listen 80;", f"listen 127.0.0.1:{port};")
    for number, server in enumerate(workers.servers, 1):
        site = site.replace(f"127.0.0.1:800{number}", server.url.removeprefix("http://"))
    site = site.replace("proxy_read_timeout 75s", f"proxy_read_timeout {read_timeout}")
    (folder / "nginx.conf").write_text(AROUND % site)
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "nginx is missing: .ci/setup installs it"
    command = [program, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    async with run(command, "start worker process ", str(port)) as nginx:
        yield nginx


def worker_of(each: Visit) -> str:
    """Give the process id of the worker that a page is with."""
    return each.heard.texts[0].partition(">")[2].split()[0]


async def visit_both(nginx: Server, workers: Workers, room: str) -> list[Visit]:
    """Open pages that are with one worker each, in the order of the workers."""
    pages = [await visit(nginx.url, rooms=room) for _ in range(2)]
    by_worker = {worker_of(page): page for page in pages}
    return [by_worker[str(server.process.pid)] for server in workers.servers]


async def test_pages_come_to_both_workers_and_talk(tmp_path: Path) -> None:
    async with two_workers(PROXIES="1") as workers, nginx_before(workers, tmp_path) as nginx:
        pages = await visit_both(nginx, workers, "plain:0")
        for text, server in zip(("one", "two"), workers.servers, strict=True):
            await ask(server, "/say", room="plain:0", text=text)
        for page in pages:
            await page.hears("one", "two")
        assert await ask(nginx, "/count", room="plain:0") == 2
        assert await fetch(nginx.url, "/ready") == (200, b"ready\n")
        forged = {"X-Forwarded-For": "192.0.2.1, 192.0.2.2"}
        there = nginx.open("/pages", additional_headers=forged, local_addr=("127.0.0.9", 0))
        async with there as socket:
            assert str(await socket.recv()).endswith("127.0.0.9</p>")
        async with nginx.open("/pages", origin="http://elsewhere.test") as socket:
            await socket.wait_closed()
            assert socket.close_code == 4403
        await close_all(each.page for each in pages)


async def test_a_draining_workers_pages_come_back_to_the_other(tmp_path: Path) -> None:
    async with two_workers() as workers, nginx_before(workers, tmp_path) as nginx:
        page, other = await visit_both(nginx, workers, "plain:0")
        first, second = workers.servers
        later = await open_pages(first.url, "/pages", 300)  # with so many it takes its time
        first.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await page.page.closed == 1012
        for _ in range(4):  # it would be the turn of either
            again = await visit(nginx.url, rooms="plain:0")
            assert worker_of(again) == str(second.process.pid)
        assert await fetch(first.url, "/ready") == (503, b"draining\n")
        assert not later[-1].closed.done()
        await ask(second, "/say", room="plain:0", text="hello")
        for each in (again, other):
            await each.hears("hello")
            assert not each.page.closed.done()
        await close_all([again.page, other.page, *later])


async def test_a_killed_workers_pages_come_back_to_the_other(tmp_path: Path) -> None:
    async with two_workers() as workers, nginx_before(workers, tmp_path) as nginx:
        pages = await visit_both(nginx, workers, "plain:0")
        os.kill(workers.servers[0].process.pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            assert await pages[0].page.closed in (1005, 1006)
        for _ in range(4):
            again = await visit(nginx.url, rooms="plain:0")
            assert worker_of(again) == str(workers.servers[1].process.pid)
        assert not pages[1].page.closed.done()
        await close_all([pages[1].page])


async def test_pings_keep_a_quiet_page_from_the_proxys_timeout(tmp_path: Path) -> None:
    for interval, is_cut in (("0.2", False), ("60", True)):
        folder = tmp_path / interval
        folder.mkdir()
        async with (
            two_workers(f"--ws-ping-interval {interval}") as workers,
            nginx_before(workers, folder, read_timeout="1s") as nginx,
        ):
            quiet = await visit(nginx.url)
            ended, _ = await asyncio.wait([quiet.page.closed], timeout=3)
            assert bool(ended) == is_cut
            await close_all([quiet.page])

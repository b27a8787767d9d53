"""The project under the servers that Django's users run, each as a process.

What is proved elsewhere in process is not proved again: only that a real handshake, real cookies
and real threads come to the same.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from http.cookiejar import CookieJar
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

import pytest

from htmx_ws.testing import build_frame
from tests.services.servers import KINDS, Kind, Server, serve_on


class Browser:
    """A browser's cookies, and what it asks for by HTTP."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cookies = CookieJar()
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(self.cookies))

    async def get(self, path: str) -> str:
        def get() -> str:
            with self._opener.open(self.server.url + path, timeout=10) as answer:
                return str(answer.read().decode())

        return await asyncio.to_thread(get)

    @property
    def headers(self) -> dict[str, str]:
        cookies = "; ".join(f"{each.name}={each.value}" for each in self.cookies)
        return {"Cookie": cookies} if cookies else {}


@pytest.fixture(
    params=[kind for kind in KINDS if kind.name in ("daphne", "uvicorn-sansio")], ids=str
)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    kind: Kind = request.param
    async with serve_on(kind, "tests.channels.project.served:application") as running:
        (found,) = await running.prints("^The database is in (.+)")
        yield running
        await running.stop()
        shutil.rmtree(found[1])
        print(*running.printed, sep="\n")  # pytest shows it where a test fails


@pytest.mark.service
async def test_a_project_is_served_as_it_is_tested(server: Server) -> None:
    browser, lobby = Browser(server), "/ws/chat/lobby/"
    assert await browser.get("/sign-in/") == "done"
    async with (
        asyncio.timeout(20),
        server.open(lobby, additional_headers=browser.headers) as ann,
        server.open(lobby) as eve,
    ):
        await ann.send(build_frame({"msg": "hi"}))
        assert ">ann 1</" in str(await ann.recv())
        await eve.send(build_frame({"msg": "hi"}))
        assert ">AnonymousUser 2</" in str(await eve.recv())
        for view in ("publish", "publish-async"):
            assert await browser.get(f"/{view}/?text={view}") == "done"
            for page in (ann, eve):
                assert f"<li>{view}</li>" in str(await page.recv())
    for path, origin, code in [
        (lobby, "http://evil.example", 4403),
        ("/ws/nowhere/", server.url, 4404),
        ("/ws/chat/closed/", server.url, 4001),
    ]:
        async with asyncio.timeout(20), server.open(path, origin=origin) as page:
            await page.wait_closed()
            assert page.close_code == code
    assert not any("Traceback" in line for line in server.printed)

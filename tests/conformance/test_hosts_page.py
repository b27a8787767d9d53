"""The page about hosts: its code runs, and its table is what the suite says."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from htmx_ws.testing import Socket

from .cases import On
from .hosts import HOSTS
from .hosts.quart import QuartHost
from .server import Server, get
from .table import PAGE, cases, table, written

TOP = PAGE.parents[1]


def sections() -> dict[str, str]:
    """The sections of the page, by their titles."""
    found = re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return dict(found)


def code(title: str, language: str = "python") -> list[str]:
    """The code of a section."""
    return re.findall(rf"```{language}\n(.*?)```", sections()[title], re.DOTALL)


class Snippets:
    """The code of a section as a module, whose blocks run one after the other."""

    def __init__(self, title: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.module = ModuleType("of_the_docs")
        self._blocks = iter(code(title))
        monkeypatch.setitem(sys.modules, self.module.__name__, self.module)
        monkeypatch.chdir(tmp_path)
        for template in code(title, "html"):
            name = template.partition("{# ")[2].partition(" #}")[0]
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(template)
        # Frameworks that set up logging do so for the whole process.
        monkeypatch.setattr(logging.getLogger(), "handlers", [*logging.getLogger().handlers])
        monkeypatch.setattr(logging.getLogger(), "level", logging.getLogger().level)

    def run(self) -> Any:
        """Run the next block; gives the module."""
        exec(compile(next(self._blocks), str(PAGE), "exec"), vars(self.module))
        return self.module

    def ran(self) -> None:
        """Make sure that none is left."""
        assert list(self._blocks) == []


async def chats(app: Any, address: str, shown: str, **how: Any) -> None:
    """Say something to a room with two pages in it, of either htmx."""
    async with Socket(app, address, dialect="htmx2", **how) as ann, Socket(app, address) as bob:
        await ann.send(msg="<hi>", sender="say-form")
        for page in (ann, bob):
            assert shown in (text := await page.receive()), text


async def opened(app: Any) -> tuple[list[str], str]:
    """Open the view; gives the addresses in its page, and the visitor's cookie."""
    text, cookie = await get(app, "/", "name=ann")
    assert text.count("integrity=") == 2
    assert text.count("hx-ws:send") == 1
    return re.findall(r'(?:ws-connect|hx-ws:connect)="(.*?)"', text), cookie


async def starlette(page: Snippets) -> None:
    app = page.run().app
    async with Server(app):
        addresses, cookie = await opened(app)
        assert addresses == ["/chat/lobby?hx=2", "/chat/lobby?hx=4"]
        shown = "<b>ann</b> &lt;hi&gt;</li>"
        await chats(app, addresses[0], shown, headers=[("cookie", cookie)])
        async with Socket(app, "/nowhere") as socket:
            assert await socket.closed() == 4404


async def fastapi(page: Snippets) -> None:
    app = page.run().app
    async with Server(app):
        async with Socket(app, "/teams/7/chat") as nobody:
            assert await nobody.closed() == 4401
        async with Socket(app, "/teams/7/chat", headers=[("cookie", "name=ann")]) as ann:
            await ann.send(msg="<hi>", team="8")
            assert "<li><b>ann</b> &lt;hi&gt;</li>" in await ann.receive()
            await ann.send(msg="", sender="say-form")
            assert "#say-form-errors" in await ann.receive()


async def fasthtml(page: Snippets) -> None:
    app = page.run().app
    async with Server(app):
        addresses, cookie = await opened(app)
        assert addresses == ["/chat/lobby?hx=2", "/chat/lobby?hx=4"]
        await chats(app, addresses[1], "ann: &lt;hi&gt;</li>", headers=[("cookie", cookie)])


async def litestar(page: Snippets) -> None:
    app = page.run().app
    async with Server(app):
        addresses, cookie = await opened(app)
        shown = "<li>ann: &lt;hi&gt;</li>"
        await chats(app, addresses[0], shown, headers=[("cookie", cookie)])
    again = page.run()
    assert again.address == "/rooms/lobby"
    await chats(again.app, again.address, "<li>somebody: &lt;hi&gt;</li>")


async def quart(page: Snippets) -> None:
    app = page.run().app
    async with Server(app):
        addresses, cookie = await opened(app)
        await chats(app, addresses[0], "<li>&lt;hi&gt;</li>")
        page.run().live.ws("/who")(lambda session: f'<p id="x">{session["name"]}</p>')
        async with Socket(app, "/who", headers=[("cookie", cookie)]) as socket:
            await socket.send()
            assert "ann" in await socket.receive()


async def django(page: Snippets) -> None:
    """In a process of its own, since Django is set up but once in each."""
    (snippet,) = code("Django without Channels")
    script = DJANGO_SETTINGS + snippet + DJANGO_TEST
    command = [sys.executable, "-W", "error", "-c", script]
    ran = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    next(page._blocks)


DJANGO_SETTINGS: Final = """
from django.conf import settings

settings.configure(
    SECRET_KEY="a test's",
    USE_TZ=True,
    ROOT_URLCONF="__main__",
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"
    ],
    TEMPLATES=[{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {"loaders": [
            ("django.template.loaders.locmem.Loader", {"line.html": "<li>{{ msg }}</li>"})
        ]},
    }],
)
urlpatterns = []

"""
DJANGO_TEST: Final = """

import asyncio

from channels.auth import AuthMiddlewareStack

from htmx_ws.testing import Socket


@live.ws("/who")
async def who(session, user):
    return f'<p id="x">{user.is_anonymous} {type(session).__name__}</p>'


async def main():
    async with Socket(application, "/chat/lobby") as ann, Socket(application, "/chat/lobby") as bob:
        await ann.send(msg="<hi>", sender="say-form")
        for page in (ann, bob):
            assert "<li>&lt;hi&gt;</li>" in await page.receive()
    async with Socket(AuthMiddlewareStack(live), "/who") as page:
        await page.send()
        assert ">True LazyObject<" in await page.receive()


asyncio.run(main())
"""


async def by_hand(page: Snippets) -> None:
    """Around a host that would refuse what it does not know."""
    on = On(QuartHost(), "htmx4")
    module = page.run()
    module.live, app = on.live, module.with_live(on.app)
    async with Socket(app, "/nowhere") as socket:
        assert await socket.closed() == 4404
    assert (await get(app, "/sign-in")).text == "done"


CHECKS: Final[dict[str, Callable[[Snippets], Coroutine[Any, Any, None]]]] = {
    "Starlette": starlette,
    "FastAPI": fastapi,
    "FastHTML": fasthtml,
    "Litestar": litestar,
    "Quart": quart,
    "Django without Channels": django,
    "By hand": by_hand,
}


@pytest.mark.parametrize("title", CHECKS)
async def test_the_code_of_a_section_does_what_it_is_for(
    title: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = Snippets(title, monkeypatch, tmp_path)
    await CHECKS[title](page)
    page.ran()


def test_all_code_of_the_page_is_run() -> None:
    assert [title for title in sections() if code(title)] == list(CHECKS)


def test_the_table_is_what_the_suite_says() -> None:
    assert written() == table(), "run: python -m tests.conformance.table"


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_a_host_gives_reasons_for_cases_that_there_are(host: Any) -> None:
    assert set(host.cannot) <= {name for _, names in cases() for name in names}

"""The code and the templates of the page on resuming are run."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from jinja2 import DictLoader, Environment
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from htmx_ws import Connection, append, html, scripts
from htmx_ws.testing import Page, assert_joined

PAGE: Final = (Path(__file__).parents[2] / "docs" / "resume.md").read_text()
HTMX: Final = ["2.0.11", "4.0.1"]


def block(language: str, containing: str) -> str:
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    (found,) = (each for each in blocks if containing in each)
    return found


class Chat:
    """The application of the page; ``between`` is said while a view is at work."""

    def __init__(self, htmx: str, more: str = "") -> None:
        self.said: dict[str, list[SimpleNamespace]] = {}
        self.between: list[str] = []
        templates = Jinja2Templates(env=Environment(autoescape=True))
        names: dict[str, Any] = {"lines": self.lines, "save": self.save, "templates": templates}
        exec(compile(block("python", "htmx_ws_starlette"), "resume.md", "exec"), names)
        self.live, self.show, self.say = names["live"], names["show"], names["say"]
        source = block("html", "chat.html").replace("</div>", f"{more}</div>")
        templates.env.loader = DictLoader({"chat.html": scripts(htmx) + source})
        templates.env.globals.update(self.live.template_globals)

    @property
    def app(self) -> Starlette:
        routes = [Route("/{room}", self.view), *self.live.routes]
        return Starlette(routes=routes, lifespan=self.live.lifespan)

    async def view(self, request: Request) -> Response:
        response: Response = await self.show(request)
        for text in self.between:
            await self.say(text, request.path_params["room"])
        return response

    async def lines(self, room: str) -> list[SimpleNamespace]:
        return self.said.get(room, [])

    async def save(self, room: str, text: str) -> SimpleNamespace:
        its = self.said.setdefault(room, [])
        its.append(SimpleNamespace(id=len(its) + 1, text=text))
        return its[-1]


def shown(page: Page) -> list[str]:
    return [each.text for each in page.find_all("#log > li")]


@pytest.mark.parametrize("htmx", HTMX)
async def test_its_chat_is_whole_when_a_page_is_back(htmx: str) -> None:
    chat = Chat(htmx)
    async with Page(chat.app, "/lobby", htmx=htmx) as ann:
        ann.submit("#say", msg="<b>before</b>")
        await ann.expect("#log li", text="<b>before</b>")
        ann.drop()
        for text in ("1", "2", "3"):
            await chat.say(text, "lobby")
        assert shown(ann) == ["<b>before</b>"]
        await ann.reconnect()
        await ann.expect("#log li:last-child", text="3")
        assert shown(ann) == ["<b>before</b>", "1", "2", "3"]


@pytest.mark.parametrize("htmx", HTMX)
async def test_its_page_has_what_was_said_while_it_was_rendered_once(htmx: str) -> None:
    chat = Chat(htmx)
    await chat.say("long ago", "lobby")
    chat.between.append("just now")
    async with Page(chat.app, "/lobby", htmx=htmx) as ann:
        await ann.expect("#log li:last-child", text="just now")
        assert shown(ann) == ["long ago", "just now"]


@pytest.mark.parametrize("htmx", HTMX)
async def test_its_snapshot_fills_a_gap(htmx: str) -> None:
    chat = Chat(htmx)
    async with Page(chat.app, "/lobby", htmx=htmx) as ann:
        await chat.say("0", "lobby")
        await ann.expect("#log li", text="0")
        ann.drop()
        for n in range(1, 250):  # of which 200 are kept
            await chat.say(str(n), "lobby")
        await ann.reconnect()
        await ann.expect("#log li", count=250)
        assert shown(ann) == [str(n) for n in range(250)]


@pytest.mark.parametrize("htmx", HTMX)
async def test_its_draft_is_sent_again(htmx: str) -> None:
    chat = Chat(htmx, more=block("html", 'id="draft"'))
    notes: list[str] = []

    async def note(text: str) -> None:
        notes.append(text)

    chat.live._endpoints["/ws/{room}"].on("draft")(note)
    async with Page(chat.app, "/lobby", htmx=htmx) as ann:
        ann.fill("#draft textarea", "half a se")
        notes.clear()
        ann.drop()
        await ann.reconnect()
        await ann.until(lambda: notes == ["half a se"], "the draft")


@pytest.mark.parametrize("htmx", HTMX)
async def test_its_form_has_a_room_joined_again_that_a_handler_joined(htmx: str) -> None:
    chat = Chat(htmx, more=block("html", 'id="watch"').replace("{{ topic }}", "side"))

    async def watch(conn: Connection, topic: str) -> None:
        await conn.join(f"chat:{topic}")

    chat.live._endpoints["/ws/{room}"].on("watch")(watch)
    async with Page(chat.app, "/lobby", htmx=htmx) as ann:
        await assert_joined(chat.live, "chat:side")
        await chat.say("there", "side")
        await ann.expect("#log li:last-child", text="there")
        ann.drop()
        await chat.live.publish("chat:side", append("#log", html("<li id=missed>missed</li>")))
        await ann.reconnect()
        await ann.expect("#log li:last-child", text="missed")


async def test_its_markup_is_made_in_plain_python_too() -> None:
    live = Chat("4.0.1").live
    page = await live.page("/ws/lobby", rooms=["chat:lobby"])
    markup = html("<div {}>{}</div>", page.connect, page.hello)
    assert 'hx-ws:connect="/ws/lobby?' in markup
    assert {"id", "hx-ext", "hx-config"} < {*page.connect}
    assert page.token in page.field

"""What the page on resuming says of Django is run."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.template import engines
from django.test import RequestFactory

from htmx_ws import Connection, append, html, scripts
from htmx_ws.testing import Page
from htmx_ws_channels import HtmxWS

PAGE: Final = (Path(__file__).parents[2] / "docs" / "resume.md").read_text()


def block(language: str, containing: str) -> str:
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    (found,) = (each for each in blocks if containing in each)
    return found


async def test_a_plain_view_renders_a_page_that_resumes() -> None:
    live = HtmxWS()
    live.room("chat:*", history=200)

    async def joined(conn: Connection, room: str) -> None:
        await conn.join(f"chat:{room}")

    live.ws("ws/<slug:room>/", conn=joined, name="chat")(lambda: None)

    def render(request: HttpRequest, name: str, context: dict[str, Any]) -> str:
        source = scripts() + block("html", "{% load htmx_ws %}")
        return str(engines["django"].from_string(source).render(context, request))

    said = [SimpleNamespace(id=1, text="<b>1</b>")]
    model = SimpleNamespace(objects=SimpleNamespace(filter=lambda room: said))
    names: dict[str, Any] = {"live": live, "render": render, "Line": model}
    exec(compile(block("python", "live.reverse"), "resume.md", "exec"), names)
    request = RequestFactory().get("/")
    async with live.lifespan():
        shown = await sync_to_async(names["show"])(request, "lobby")
        async with Page(live.application(), html=shown) as page:
            assert page.find("#log li").text == "<b>1</b>"
            for n in (2, 3, 4):
                line = html('<li id="line-{}">{}</li>', n, n)
                await live.publish("chat:lobby", append("#log", line))
                if n == 2:
                    await page.expect("#line-2")
                    page.drop()
            await page.reconnect()
            await page.expect("#line-4")
            assert [each.text for each in page.find_all("#log li")] == ["<b>1</b>", "2", "3", "4"]

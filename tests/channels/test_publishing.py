"""Publishing from wherever Django's code runs: views, signals, admin actions, commands, threads.

All but the async view run in threads without an event loop. There ``publish`` blocks until it is
done, and so the page has what was published when the view has answered.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db.models.signals import post_save
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.test import AsyncClient, Client

from htmx_ws.testing import Socket
from htmx_ws.types import Message
from htmx_ws_channels import HtmxWS

from .conftest import Visitor, in_a_thread
from .project.asgi import application
from .project.live import line, live
from .project.models import Line

pytestmark = pytest.mark.django_db(transaction=True)
LOBBY = "/ws/chat/lobby/"


async def get(path: str) -> tuple[int, str]:
    """Ask the project's application for a view, as its server does."""
    sent: list[Message] = []
    asked: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not asked:
            await asyncio.Event().wait()
        return asked.pop()

    async def send(event: Message) -> None:
        sent.append(event)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path.partition("?")[0],
        "query_string": path.partition("?")[2].encode(),
        "headers": [(b"host", b"testserver")],
    }
    async with asyncio.timeout(5):
        await application(scope, receive, send)
    return sent[0]["status"], b"".join(event.get("body", b"") for event in sent).decode()


@pytest.mark.parametrize("view", ["publish", "publish-async"])
async def test_views_publish_through_the_projects_application(view: str) -> None:
    async with Socket(application, LOBBY) as ann, Socket(application, "/ws/chat/attic/") as eve:
        assert await get(f"/{view}/?text=%3Cb%3E") == (200, "done")
        assert (await ann.receive()).endswith("<li>&lt;b&gt;</li></div>")
        assert ann.pending == eve.pending == []


async def test_a_view_may_publish_where_nobody_listens() -> None:
    assert await get("/publish/?text=hi") == (200, "done")


async def ask_by_a_test_client() -> None:
    await in_a_thread(lambda: Client().get("/publish/?text=hi"))


async def ask_by_an_async_test_client() -> None:
    await AsyncClient().get("/publish/?text=hi")


async def command() -> None:
    await asyncio.to_thread(call_command, "say", "hi")


async def plain_thread() -> None:
    thread = threading.Thread(target=live.publish, args=("lobby", line("hi")))
    thread.start()
    await asyncio.to_thread(thread.join)


async def thread_with_a_loop() -> None:
    """As ``async_to_sync`` makes one."""

    async def publish() -> None:
        await live.publish("lobby", line("hi"))

    await asyncio.to_thread(async_to_sync(publish))


async def signal() -> None:
    def saved(sender: object, instance: Line, **kwargs: object) -> None:
        live.publish("lobby", line(instance))

    post_save.connect(saved, sender=Line)
    try:
        await Line.objects.acreate(text="hi")
    finally:
        post_save.disconnect(saved, sender=Line)


async def admin_action() -> None:
    def act() -> None:
        client = Client()
        client.force_login(User.objects.create_superuser("root"))
        chosen = Line.objects.create(text="hi")
        posted = {"action": "say_again", "_selected_action": chosen.pk}
        answer = client.post("/admin/project/line/", posted)
        assert answer.status_code == 302

    await in_a_thread(act)


@pytest.mark.parametrize(
    "way",
    [
        ask_by_a_test_client,
        ask_by_an_async_test_client,
        command,
        plain_thread,
        thread_with_a_loop,
        signal,
        admin_action,
    ],
    ids=lambda way: way.__name__,
)
async def test_whatever_runs_in_this_process_publishes(way: Callable[[], Any]) -> None:
    async with Socket(application, LOBBY) as page:
        async with asyncio.timeout(10):
            await way()
        assert "<li>hi</li>" in await page.receive()
        assert page.pending == []


async def test_a_view_leaves_out_the_page_that_asked() -> None:
    """The page is rendered by a view, connects, and posts the form with its hidden field."""
    browser = Visitor(Client(enforce_csrf_checks=True))
    first, second = [
        (await in_a_thread(lambda: browser.client.get("/page/"))).content.decode() for _ in range(2)
    ]
    fields = dict(re.findall('<input type="hidden" name="([^"]+)" value="([^"]+)">', first))
    assert set(fields) == {"csrfmiddlewaretoken", "htmx-ws-page"}
    async with (
        Socket(application, address_in(first), headers=browser.headers) as asks,
        Socket(application, address_in(second), headers=browser.headers) as other,
    ):
        posted = {**fields, "text": "hi"}
        answer = await in_a_thread(lambda: browser.client.post("/publish/", posted))
        assert answer.status_code == 200
        assert "<li>hi</li>" in await other.receive()
        assert asks.pending == []
        await live.publish("lobby", line("for both"))
        assert "for both" in await asks.receive()


async def test_the_part_of_a_page_that_is_rendered_over_its_socket_has_its_token() -> None:
    mine = HtmxWS()

    @mine.ws("ws/chat/")
    async def say(request: HttpRequest) -> Any:
        return TemplateResponse(request, "project/part.html")

    async with Socket(mine.application(), "/ws/chat/?htmx-ws-page=abc&hx=4") as page:
        await page.send()
        assert 'value="abc"' in await page.receive()


def address_in(page: str) -> str:
    (address,) = re.findall('hx-ws:connect="([^"]+)"', page)
    return str(address).replace("&amp;", "&")

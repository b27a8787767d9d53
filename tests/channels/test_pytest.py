"""Tests of a project by pytest-django, with pytest-asyncio; and by Channels' own communicator.

There the event loop is in pytest's thread, and handlers have theirs. So they see what is committed:
async tests that share rows with handlers say ``transaction=True``.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.testing import WebsocketCommunicator

from htmx_ws.testing import Socket, build_frame
from htmx_ws_channels import HtmxWS

from .conftest import Visitor
from .project.asgi import application
from .project.live import line
from .project.models import Line

LOBBY = "/ws/chat/lobby/"


@pytest.fixture
def a_line(transactional_db: None) -> None:
    Line.objects.create(text="before")


@pytest.mark.usefixtures("a_line")
async def test_handlers_see_what_a_fixture_made() -> None:
    async with Socket(application, LOBBY) as page:
        await page.send(msg="hi")
        assert "AnonymousUser 2" in await page.receive()


@pytest.mark.django_db(transaction=True)
async def test_handlers_see_what_the_test_made_and_the_test_what_they_made() -> None:
    await Line.objects.acreate(text="before")
    async with Socket(application, LOBBY) as page:
        await page.send(msg="hi")
        assert "AnonymousUser 2" in await page.receive()
    assert [each.text async for each in Line.objects.order_by("pk")] == ["before", "hi"]


@pytest.mark.django_db(transaction=True)
async def test_nothing_is_left_of_another_test() -> None:
    assert not await Line.objects.aexists()


@pytest.mark.django_db
def test_a_plain_test_may_be_in_a_transaction_with_handlers() -> None:
    """As a TestCase is: its thread waits for the loop."""
    Line.objects.create(text="before")

    async def see() -> None:
        async with Socket(application, LOBBY) as page:
            await page.send(msg="hi")
            assert "AnonymousUser 2" in await page.receive()

    async_to_sync(see)()
    assert Line.objects.count() == 2


async def test_without_the_mark_handlers_may_not_ask_the_database() -> None:
    live = HtmxWS()
    chat = live.endpoint("ws/chat/")
    chat.on_message(lambda: line(Line.objects.count()))
    chat.on_error(lambda error: line(error))
    async with Socket(live.application(), "/ws/chat/") as page:
        await page.send()
        assert "Database access not allowed" in await page.receive()


async def communicate(**how: Any) -> WebsocketCommunicator:
    return WebsocketCommunicator(application, LOBBY, **how)


@pytest.mark.django_db(transaction=True)
async def test_channels_communicator_connects_sends_and_receives() -> None:
    page = await communicate()
    assert await page.connect() == (True, None)
    await page.send_to(text_data=build_frame({"msg": "hi"}))
    assert "AnonymousUser 1" in await page.receive_from()
    await page.send_json_to({"msg": "bare JSON is a frame too"})
    assert "AnonymousUser 2" in await page.receive_from()
    assert await page.receive_nothing()
    await page.disconnect()


async def test_channels_communicator_sees_who_is_turned_away() -> None:
    for path, headers, code in [
        ("/ws/nowhere/", [], 4404),
        (LOBBY, [(b"host", b"testserver"), (b"origin", b"https://evil.example")], 4403),
        ("/ws/chat/closed/", [], 4001),
    ]:
        page = WebsocketCommunicator(application, path, headers=headers)
        assert await page.connect() == (True, None)
        assert (await page.receive_output())["code"] == code


async def test_channels_communicator_brings_cookies_with_an_origin(ann: Visitor) -> None:
    cookies = [(name.encode(), value.encode()) for name, value in ann.headers]
    headers = [*cookies, (b"host", b"testserver"), (b"origin", b"http://testserver")]
    page = await communicate(headers=headers)
    await page.connect()
    await page.send_to(text_data=json.dumps({"msg": "hi"}))
    assert "ann 1" in await page.receive_from()
    await page.disconnect()

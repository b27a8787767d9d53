"""Tests of a project by Django's own classes: a socket's handlers are in the test's transaction.

Django runs an async test in another thread's loop, while its own thread waits and does what is
asked of the database. So do handlers ask that thread here, and both see what is not committed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test import SimpleTestCase, TestCase, TransactionTestCase, override_settings

from htmx_ws.testing import Socket
from htmx_ws_channels import HtmxWS

from .conftest import shown
from .project.models import Line

live = HtmxWS()
threads = set[threading.Thread]()
chat = live.endpoint("ws/chat/")
app = live.application()


def add(msg: str, user: Any) -> Any:
    threads.add(threading.current_thread())
    with transaction.atomic():
        Line.objects.create(text=msg)
    return shown(user, Line.objects.count())


@chat.on("sync")
def _sync(msg: str, user: Any) -> Any:
    return add(msg, user)


@chat.on("async")
async def _async(msg: str, user: Any) -> Any:
    await Line.objects.acreate(text=msg)
    return shown(user, await Line.objects.acount())


@chat.on("stream")
def _stream(msg: str, user: Any) -> Iterator[Any]:
    add(msg, user)
    for line in Line.objects.order_by("-pk").iterator(chunk_size=1):
        yield shown(user, line)


@chat.on("beside")
async def _beside(conn: Any, msg: str, user: Any) -> None:
    conn.start(_stream(msg, user))


@chat.on("fail")
def _fail(msg: str, user: Any) -> None:
    with transaction.atomic():
        add(msg, user)
        raise LookupError("no room")


chat.on_error(lambda error: shown(error))

EXPECTED = {
    "sync": "ann 2",
    "async": "ann 2",
    "stream": "ann hi",
    "beside": "ann hi",
    "fail": "no room",
}


class InATransaction(TestCase):
    """Each test begins with the same one row, and in the same transaction."""

    user: ClassVar[Any]

    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = get_user_model()._default_manager.create(username="ann")
        Line.objects.create(text="before")

    def setUp(self) -> None:
        threads.clear()
        self.client.force_login(self.user)
        key = self.client.cookies["sessionid"].value
        self.headers = [("cookie", f"sessionid={key}")]

    async def see(self, sender: str) -> None:
        async with Socket(app, "/ws/chat/", headers=self.headers) as page:
            await page.send(msg="hi", sender=sender)
            assert f"<li>{EXPECTED[sender]}</li>" in await page.receive()
        assert await Line.objects.acount() == (1 if sender == "fail" else 2)
        assert threads <= {threading.main_thread()}
        assert await Line.objects.filter(text="before").aexists()

    async def test_a_plain_handler_sees_the_tests_rows_and_the_test_its(self) -> None:
        await self.see("sync")

    async def test_an_async_handler_sees_the_tests_rows_and_the_test_its(self) -> None:
        await self.see("async")

    async def test_a_stream_sees_the_tests_rows_and_the_test_its(self) -> None:
        await self.see("stream")

    async def test_background_work_sees_the_tests_rows_and_the_test_its(self) -> None:
        await self.see("beside")

    async def test_what_a_handler_rolls_back_is_not_there(self) -> None:
        await self.see("fail")

    async def test_rows_of_the_test_itself_are_seen(self) -> None:
        await Line.objects.acreate(text="more")
        async with Socket(app, "/ws/chat/") as page:
            await page.send(msg="hi", sender="sync")
            assert "<li>AnonymousUser 3</li>" in await page.receive()

    async def test_two_pages_are_in_it(self) -> None:
        async with Socket(app, "/ws/chat/") as first, Socket(app, "/ws/chat/") as second:
            for number, page in ((2, first), (3, second), (4, first)):
                await page.send(msg="hi", sender="sync")
                assert f"<li>AnonymousUser {number}</li>" in await page.receive()

    def test_nothing_is_left_of_another_test(self) -> None:
        assert list(Line.objects.values_list("text", flat=True)) == ["before"]
        assert connection.in_atomic_block


class WithTransactions(TransactionTestCase):
    """The test's thread does what handlers ask here too, without a transaction around it."""

    async def test_handlers_commit(self) -> None:
        for number, sender in enumerate(("sync", "async", "stream", "beside"), 1):
            async with Socket(app, "/ws/chat/") as page:
                await page.send(msg="hi", sender=sender)
                assert "AnonymousUser" in await page.receive()
            assert await Line.objects.acount() == number
        assert threads == {threading.main_thread()}

    async def test_handlers_roll_back(self) -> None:
        async with Socket(app, "/ws/chat/") as page:
            await page.send(msg="hi", sender="fail")
            assert "no room" in await page.receive()
        assert not await Line.objects.aexists()


@override_settings(SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies")
class WithoutADatabase(SimpleTestCase):
    """What needs no database can be tested without one."""

    async def test_a_handler_answers(self) -> None:
        plain = HtmxWS()
        plain.ws("ws/chat/")(lambda msg, user: shown(user, msg))
        async with Socket(plain.application(), "/ws/chat/") as page:
            await page.send(msg="hi")
            assert "<li>AnonymousUser hi</li>" in await page.receive()

    async def test_a_handler_that_asks_one_is_told_that_it_may_not(self) -> None:
        with self.assertLogs("htmx_ws", "ERROR") as logs:
            async with Socket(app, "/ws/chat/") as page:
                await page.send(msg="hi", sender="sync")
                assert "not allowed" in await page.receive()
        assert "sync failed" in logs.output[0]

"""Pages in plain tests of a project, which publish and ask themselves, as views do.

All that asks the database is in the transaction of the test case, whoever began it: a handler, a
rule, a hook of presence, who asks again whether a login holds, a view.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import got_request_exception, request_finished, request_started
from django.http import HttpRequest, HttpResponse
from django.test import TestCase, override_settings
from django.urls import path

from htmx_ws import Connection, Presence, Present
from htmx_ws.testing import Page
from htmx_ws_channels import HtmxWS

from .conftest import shown
from .project.models import Line

MARK = (
    '<div hx-ext="ws" ws-connect="/ws/chat/"><ul id="log"></ul>'
    '<form id="keep" ws-send><input name="msg"></form></div>'
)

#: What asked the database, in which thread, and how many lines it saw.
seen: list[tuple[str, threading.Thread, int]] = []
banned = False


def see(what: str) -> int:
    count = Line.objects.count()
    seen.append((what, threading.current_thread(), count))
    return count


def on_join(room: str, who: Present) -> None:
    see("join")
    live.publish(room, shown("joined"))


def on_leave(room: str, who: Present) -> None:
    see("leave")


def may_join(conn: Connection, room: str) -> bool:
    return see("may_join") > 0


def reauth(conn: Connection) -> bool:
    see("reauth")
    return not banned


live = HtmxWS(reauth=reauth)
chat = live.endpoint("ws/chat/")
live.room(
    "lobby",
    may_join=may_join,
    presence=Presence(on_join=on_join, on_leave=on_leave, grace=0),
)


@chat.on_connect
async def joined(conn: Connection) -> None:
    await conn.join("lobby")


@chat.on("keep")
def keep(msg: str) -> Any:
    Line.objects.create(text=msg)
    live.publish_on_commit("lobby", shown(f"{msg} is kept"))
    return shown(f"{msg} is written")


@chat.on_disconnect
def left(conn: Connection) -> None:
    see("disconnect")


def save(request: HttpRequest) -> HttpResponse:
    line = Line.objects.create(text=request.POST["text"])
    live.publish("lobby", shown(line.text))
    live.publish_on_commit("lobby", shown(f"{line.text} is kept"))
    return HttpResponse("done")


async def save_async(request: HttpRequest) -> HttpResponse:
    line = await Line.objects.acreate(text=request.POST["text"])
    await live.publish("lobby", shown(line.text))
    return HttpResponse("done")


def fail(request: HttpRequest) -> HttpResponse:
    raise LookupError("no such line")


urlpatterns = [
    path("save/", save),
    path("save-async/", save_async),
    path("fail/", fail),
    path("page/", lambda request: HttpResponse(MARK)),
]


@override_settings(ROOT_URLCONF=__name__)
class InATestCase(TestCase):
    def setUp(self) -> None:
        global banned
        banned = False
        seen.clear()
        Line.objects.create(text="before")
        self.app = live.application(http=ASGIHandler())

    def test_hooks_and_rules_are_in_the_transaction(self) -> None:
        with Page(self.app, "/page/") as page:
            page.expect("#log li", text="joined")
            page.advance(90)
            page.until(lambda: any(what == "reauth" for what, _, _ in seen), "reauth")
        assert {what for what, _, _ in seen} >= {"may_join", "join", "reauth", "disconnect"}
        assert {thread for _, thread, _ in seen} == {threading.main_thread()}
        assert {count for _, _, count in seen} == {1}

    def test_a_login_that_is_over_closes_the_page(self) -> None:
        global banned
        with Page(self.app, "/page/") as page:
            page.expect("#log li", text="joined")
            banned = True
            page.advance(90)
            page.expect_close(1008)

    def test_what_a_test_does_itself_reaches_its_page(self) -> None:
        with Page(self.app, "/page/") as page:
            page.expect("#log li", text="joined")
            self.client.post("/save/", {"text": "by a view"})
            page.expect("#log li", text="by a view")
            self.client.post("/save-async/", {"text": "by an async view"})
            page.expect("#log li", text="by an async view")
            live.publish("lobby", shown("by the test"))
            page.expect("#log li", text="by the test")
            page.expect("#log li", count=4)

    def test_what_would_be_committed_is_published_when_the_test_says_so(self) -> None:
        with Page(self.app, "/page/") as page:
            page.expect("#log li", text="joined")
            with self.captureOnCommitCallbacks(execute=True):
                self.client.post("/save/", {"text": "hi"})
            page.expect("#log li", text="hi is kept")

    def test_what_a_handler_would_have_committed_too(self) -> None:
        with Page(self.app, "/page/") as page:
            page.expect("#log li", text="joined")
            with self.captureOnCommitCallbacks(execute=True):
                page.submit("#keep", msg="hi")
                page.expect("#log li", text="hi is written")
            page.expect("#log li", text="hi is kept")

    async def test_an_async_test_enters_the_capture_in_the_thread_of_the_database(self) -> None:
        async with Page(self.app, "/page/") as page:
            await page.expect("#log li", text="joined")
            capture = self.captureOnCommitCallbacks(execute=True)
            await sync_to_async(capture.__enter__)()
            page.submit("#keep", msg="hi")
            await page.expect("#log li", text="hi is written")
            await sync_to_async(capture.__exit__)(None, None, None)
            await page.expect("#log li", text="hi is kept")

    async def test_a_page_of_an_async_test_is_in_the_transaction_too(self) -> None:
        async with Page(self.app, "/page/") as page:
            await page.expect("#log li", text="joined")
            await page.advance(90)
        assert {what for what, _, _ in seen} >= {"may_join", "join", "reauth", "disconnect"}
        assert {thread for _, thread, _ in seen} == {threading.main_thread()}
        assert {count for _, _, count in seen} == {1}

    def test_a_view_that_raises_fails_the_test(self) -> None:
        with Page(self.app, "/fail/") as page:
            assert page.status == 500
            [problem] = page.take_problems()
            assert problem.kind == "exception"
            assert str(problem).startswith(
                "GET /fail/ was answered with 500: LookupError: no such line\n  test_plain_pages.py"
            )
        with pytest.raises(AssertionError, match="no such line"), Page(self.app, "/fail/"):
            pass

    def test_the_requests_of_a_page_leave_django_as_it_was(self) -> None:
        before = [signal.receivers[:] for signal in (request_started, request_finished)]
        with Page(self.app, "/page/"):
            pass
        after = [signal.receivers[:] for signal in (request_started, request_finished)]
        assert [len(each) for each in after] == [len(each) for each in before]
        assert not got_request_exception.receivers

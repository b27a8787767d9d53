"""``live.publish_on_commit``: what pages are told is what the database has."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, TestCase, override_settings
from django.urls import path

from htmx_ws import Connection
from htmx_ws.testing import Socket
from htmx_ws_channels import HtmxWS

from .conftest import in_a_thread
from .project.live import line
from .project.models import Line

DATABASES = ["default", "other"]
pytestmark = pytest.mark.django_db(transaction=True, databases=DATABASES)
live = HtmxWS()


async def joined(conn: Connection) -> None:
    await conn.join("lobby")


work = live.endpoint("ws/task/")
work.on_connect(joined)


@work.on("committed")
@transaction.atomic
def committed(send: Any) -> None:
    Line.objects.create(text="committed")
    live.publish_on_commit("lobby", line("committed"))
    send(line("before"))


@work.on("rolled back")
def rolled_back(send: Any) -> None:
    try:
        with transaction.atomic():
            live.publish_on_commit("lobby", line("rolled back"))
            raise LookupError
    except LookupError:
        send(line("before"))


@work.on("failed")
@transaction.atomic
def failed() -> None:
    live.publish_on_commit("lobby", line("failed"))
    raise LookupError("no room")


@work.on("savepoints")
def savepoints(send: Any) -> None:
    with transaction.atomic():
        live.publish_on_commit("lobby", line("outer"))
        with transaction.atomic():
            live.publish_on_commit("lobby", line("kept"))
        try:
            with transaction.atomic():
                live.publish_on_commit("lobby", line("lost"))
                raise LookupError
        except LookupError:
            send(line("before"))


@work.on("nothing")
def no_transaction(send: Any) -> None:
    live.publish_on_commit("lobby", line("at once"))
    send(line("after"))


@work.on("other")
def other_database(send: Any) -> None:
    with transaction.atomic():
        live.publish_on_commit("lobby", line("at once"), using="other")
        with transaction.atomic("other"):
            live.publish_on_commit("lobby", line("other"), using="other")
            live.publish_on_commit("lobby", line("last"))
            send(line("before"))
        send(line("after"))


@work.on("options")
@transaction.atomic
def with_options(conn: Connection) -> None:
    live.publish_on_commit("lobby", line("not for you"), exclude=conn)
    live.publish_on_commit("lobby", lambda each: line(each is conn), to=conn)


@work.on("async")
async def in_async_code(send: Any) -> None:
    with pytest.raises(SynchronousOnlyOperation):
        live.publish_on_commit("lobby", line("never"))
    await send(line("refused"))


work.on_error(lambda error: line(error))


@pytest.mark.parametrize(
    ("sender", "said"),
    [
        ("committed", ["before", "committed"]),
        ("rolled back", ["before"]),
        ("failed", ["no room"]),
        ("savepoints", ["before", "outer", "kept"]),
        ("nothing", ["at once", "after"]),
        ("other", ["at once", "before", "other", "after", "last"]),
        ("options", ["True"]),
        ("async", ["refused"]),
    ],
)
async def test_pages_are_told_what_was_committed_and_when_it_was(
    sender: str, said: list[str]
) -> None:
    async with Socket(live.application(), "/ws/task/") as page:
        await page.send(sender=sender)
        await page.send(sender="nothing")
        shown = [(await page.receive()).removesuffix("</li></div>") for _ in (*said, "", "")]
    assert [each.rpartition("<li>")[2] for each in shown] == [*said, "at once", "after"]


@pytest.mark.parametrize(("text", "told"), [("hi", True), ("fail", False)])
async def test_a_view_in_a_transaction_of_its_own_tells_when_it_has_answered(
    text: str, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ATOMIC_REQUESTS."""
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    client = Client(raise_request_exception=False)
    async with Socket(live.application(), "/ws/task/") as page:
        with override_settings(ROOT_URLCONF=__name__):
            answer = await in_a_thread(lambda: client.get(f"/save/?text={text}"))
        assert answer.status_code == (200 if told else 500)
        assert [("hi" in each) for each in page.pending] == [True] * told


class InATestCase(TestCase):
    """Django never commits what a TestCase does; it gives the callbacks to the test."""

    databases = "__all__"

    def test_what_would_be_published_is_known(self) -> None:
        with self.captureOnCommitCallbacks() as callbacks:
            live.publish_on_commit("lobby", line("hi"))
        assert len(callbacks) == 1
        with self.captureOnCommitCallbacks(execute=True):
            live.publish_on_commit("lobby", line("hi"))

    async def test_a_page_is_told_when_the_test_says_so(self) -> None:
        async with Socket(live.application(), "/ws/task/") as page:
            await page.send(sender="committed")
            assert "before" in await page.receive()
            assert page.pending == []


def save(request: HttpRequest) -> HttpResponse:
    text = request.GET["text"]
    live.publish_on_commit("lobby", line(text))
    if text == "fail":
        raise LookupError
    return HttpResponse("done")


urlpatterns = [path("save/", save)]

"""Sessions: read when a page connects, and saved after a handler that wrote into one.

So does Django's middleware after a view. What cannot be saved, because its cookie would have to
change, is said in the log.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import pytest
from channels.auth import logout
from channels.routing import URLRouter
from channels.sessions import SessionMiddlewareStack
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.test import Client, override_settings

from htmx_ws.testing import Socket
from htmx_ws.types import ASGIApp, Scope
from htmx_ws_channels import HtmxWS

from .conftest import Visitor, in_a_thread, shown


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
@pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "file"])
@pytest.mark.django_db(transaction=True)
async def test_what_a_handler_writes_into_a_session_is_saved(engine: str, is_async: bool) -> None:
    live = HtmxWS()

    def say(session: Any, msg: str) -> Any:
        session["said"] = msg
        return shown(msg)

    async def say_async(session: Any, msg: str) -> Any:
        return say(session, msg)

    live.ws("ws/chat/")(say_async if is_async else say)
    with override_settings(SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}"):
        visitor = await in_a_thread(begin_session)
        async with Socket(live.application(), "/ws/chat/", headers=visitor.headers) as page:
            for msg in ("hi", "you"):
                await page.send(msg=msg)
                assert msg in await page.receive()
        kept = await in_a_thread(lambda: dict(visitor.session.items()))
    assert kept == {"here": "before", "said": "you"}


def write(session: Any) -> None:
    session["said"] = "hi"


def write_within(session: Any) -> None:
    session["list"].append("hi")
    session.modified = True  # as Django has it for what is within a value


def take_out(session: Any) -> None:
    session.pop("here", None)


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (write, {"here": "now", "cart": 1, "list": [], "said": "hi"}),
        (write_within, {"here": "now", "cart": 1, "list": ["hi"]}),
        (take_out, {"cart": 1, "list": []}),
    ],
)
@pytest.mark.django_db(transaction=True)
async def test_what_views_wrote_meanwhile_is_kept(
    change: Callable[[Any], None], kept: dict[str, Any]
) -> None:
    """A page may be open for hours."""
    live = HtmxWS()
    chat = live.endpoint("ws/chat/")

    @chat.on("change")
    def say(session: Any) -> Any:
        change(session)
        return shown("done")

    chat.on("look")(lambda session: shown(session["cart"]))
    visitor = await in_a_thread(lambda: begin_session(list=[]))
    async with Socket(live.application(), "/ws/chat/", headers=visitor.headers) as page:
        await in_a_thread(lambda: write_in_a_view(visitor, here="now", cart=1))
        await page.send(sender="change")
        assert "done" in await page.receive()
        await page.send(sender="look")
        assert "<li>1</li>" in await page.receive()
        assert await in_a_thread(lambda: dict(visitor.session.items())) == kept
        await in_a_thread(lambda: write_in_a_view(visitor, cart=2))
        await page.send(sender="change")
        await page.receive()
    assert (await in_a_thread(lambda: visitor.session["cart"])) == 2


@pytest.mark.django_db(transaction=True)
async def test_a_session_that_gets_another_key_keeps_what_it_holds() -> None:
    live = HtmxWS()

    @live.ws("ws/chat/")
    def say(session: Any) -> Any:
        session.cycle_key()
        session["said"] = "hi"
        return shown(session.session_key)

    visitor = await in_a_thread(begin_session)
    async with Socket(live.application(), "/ws/chat/", headers=visitor.headers) as page:
        await page.send()
        key = re.sub("<[^>]*>", "", await page.receive())
    (kept,) = [each async for each in Session.objects.all()]
    assert kept.session_key == key
    assert kept.get_decoded() == {"here": "before", "said": "hi"}


async def test_a_session_that_was_deleted_meanwhile_is_not_saved_and_says_so(
    ann: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    live = HtmxWS()

    @live.ws("ws/chat/")
    async def say(session: Any) -> Any:
        await Session.objects.all().adelete()  # as by a sign-out in another tab
        session["said"] = "hi"
        return shown("said")

    async with Socket(live.application(), "/ws/chat/", headers=ann.headers) as page:
        await page.send()
        assert "said" in await page.receive()
    assert "its session was deleted meanwhile, so it was not saved" in caplog.text
    assert not await Session.objects.aexists()


@pytest.mark.parametrize("engine", ["db", "signed_cookies"])
@pytest.mark.django_db(transaction=True)
async def test_a_session_that_does_not_exist_yet_is_not_saved_and_says_so(
    engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    live = HtmxWS()

    @live.ws("ws/chat/")
    def say(session: Any) -> Any:
        session["said"] = "hi"
        return shown("said")

    with override_settings(SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}"):
        async with Socket(live.application(), "/ws/chat/") as page:
            await page.send()
            assert "said" in await page.receive()
    assert "which a websocket cannot set, so it was not saved" in caplog.text
    assert not await Session.objects.aexists()


@override_settings(SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies")
async def test_a_session_in_a_cookie_is_read_and_cannot_be_saved_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    visitor, live = begin_session(), HtmxWS()

    @live.ws("ws/chat/")
    def say(session: Any) -> Any:
        was, session["here"] = session["here"], "after"
        return shown(was)

    async with Socket(live.application(), "/ws/chat/", headers=visitor.headers) as page:
        await page.send()
        assert "before" in await page.receive()
    assert "which a websocket cannot set, so it was not saved" in caplog.text


@pytest.mark.parametrize("engine", ["db", "signed_cookies"])
@pytest.mark.django_db(transaction=True)
async def test_a_session_that_nobody_wrote_into_says_nothing(
    engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The cookie of one that has ended makes an empty one, which is marked as modified."""
    live = HtmxWS()
    live.ws("ws/chat/")(lambda session: shown(session.get("here")))
    with override_settings(SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}"):
        ended = [("cookie", "sessionid=ended-long-ago")]
        async with Socket(live.application(), "/ws/chat/", headers=ended) as page:
            await page.send()
            assert "None" in await page.receive()
    assert caplog.records == []


async def test_a_handler_may_sign_its_visitor_out(
    ann: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    live = HtmxWS()

    @live.ws("ws/chat/")
    async def leave(scope: Scope, user: Any) -> Any:
        await logout(cast(Any, scope))
        return shown(user)

    async with Socket(live.application(), "/ws/chat/", headers=ann.headers) as page:
        for user in ("ann", "AnonymousUser"):
            await page.send()
            assert user in await page.receive()
    assert not await Session.objects.aexists()
    assert caplog.records == []


async def test_a_handler_that_fails_saves_nothing(ann: Visitor) -> None:
    live = HtmxWS()

    @live.ws("ws/chat/")
    def say(session: Any) -> Any:
        session["said"] = "hi"
        raise LookupError("no room")

    async with Socket(live.application(), "/ws/chat/", headers=ann.headers) as page:
        await page.send()
    assert "said" not in await in_a_thread(lambda: dict(ann.session.items()))


async def test_a_session_may_be_there_without_a_user(ann: Visitor) -> None:
    live = HtmxWS()

    @live.ws("ws/chat/")
    def say(session: Any, request: HttpRequest) -> Any:
        return shown(f"{session['_auth_user_id']} {request.user}")

    router = cast(Any, URLRouter(live.urlpatterns))
    app = cast(ASGIApp, SessionMiddlewareStack(router))
    async with Socket(app, "/ws/chat/", headers=ann.headers) as page:
        await page.send()
        assert f"{ann.user.pk} AnonymousUser" in await page.receive()


async def test_a_session_may_be_anything_that_a_test_puts_there() -> None:
    live = HtmxWS()

    @live.ws("ws/chat/")
    def say(session: dict[str, str]) -> Any:
        return shown(session["here"])

    router = cast(ASGIApp, URLRouter(live.urlpatterns))
    async with Socket(router, "/ws/chat/", scope={"session": {"here": "before"}}) as page:
        await page.send()
        assert "before" in await page.receive()


def begin_session(**more: Any) -> Visitor:
    """A visitor who is not signed in, with something in the session."""
    visitor = Visitor(Client())
    visitor.client.cookies["sessionid"] = write_in_a_view(visitor, here="before", **more)
    return visitor


def write_in_a_view(visitor: Visitor, **values: Any) -> str:
    """Write into a visitor's session, as a view would, and give its key."""
    session = visitor.session
    session.update(values)
    session.save()
    return str(session.session_key)

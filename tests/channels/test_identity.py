"""Who a page's visitor is, and in which language: as a view knows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from django.http import HttpRequest
from django.test import override_settings
from django.utils.translation import gettext

from htmx_ws.testing import Socket
from htmx_ws.types import ASGIApp
from htmx_ws_channels import HtmxWS

from .conftest import Visitor, shown


def behind_a_router(live: HtmxWS) -> ASGIApp:
    router = URLRouter(live.urlpatterns)
    return cast(ASGIApp, AuthMiddlewareStack(cast(Any, router)))


@pytest.mark.parametrize("compose", [lambda live: live.application(), behind_a_router])
async def test_handlers_and_hooks_know_the_user(
    ann: Visitor, compose: Callable[[HtmxWS], ASGIApp]
) -> None:
    live, came = HtmxWS(), list[object]()

    async def joined(user: Any) -> None:
        came.append(user.get_username())

    def left(user: Any) -> None:
        came.append(user.get_username())

    @live.ws("ws/chat/", conn=joined, disconn=left)
    async def say(user: Any, msg: str) -> Any:
        return shown(f"{user} {user.is_authenticated} {msg}")

    app = compose(live)
    async with Socket(app, "/ws/chat/", headers=ann.headers) as page:
        await page.send(msg="hi", user="EVIL")
        assert "ann True hi" in await page.receive()
    async with Socket(app, "/ws/chat/") as page:
        await page.send(msg="hi")
        assert "AnonymousUser False hi" in await page.receive()
    assert came == ["ann", "ann", "", ""]


async def test_the_pages_of_a_user_can_be_sent_away(ann: Visitor) -> None:
    live = HtmxWS()
    live.ws("ws/chat/")(lambda: shown("here"))
    app = live.application()
    async with (
        Socket(app, "/ws/chat/", headers=ann.headers) as anns,
        Socket(app, "/ws/chat/") as nobodys,
    ):
        assert await live.disconnect(user=ann.user.pk) == 1
        assert await anns.closed() == 1008
        await nobodys.send()
        assert "here" in await nobodys.receive()


LOCALE = "django.middleware.locale.LocaleMiddleware"


@pytest.mark.parametrize(
    ("settings", "headers", "said"),
    [
        ({"MIDDLEWARE": [LOCALE]}, [("accept-language", "de")], "Ja de"),
        ({"MIDDLEWARE": [LOCALE]}, [("cookie", "django_language=fr")], "Oui fr"),
        ({"MIDDLEWARE": [LOCALE]}, [], "Yes en"),
        ({"MIDDLEWARE": [LOCALE], "LANGUAGE_CODE": "nl"}, [], "Ja nl"),
        ({"MIDDLEWARE": []}, [("accept-language", "de")], "Yes en"),
        ({"MIDDLEWARE": [LOCALE], "USE_I18N": False}, [("accept-language", "de")], "Yes en"),
    ],
)
async def test_handlers_speak_the_visitors_language_where_views_do(
    settings: dict[str, Any], headers: list[tuple[str, str]], said: str
) -> None:
    """And so do streams, and work that goes on beside."""
    live = HtmxWS()

    def words(request: HttpRequest) -> str:
        return f"{gettext('Yes')} {request.LANGUAGE_CODE}"

    async def joined(request: HttpRequest) -> Any:
        return shown(f"joined {words(request)}")

    chat = live.endpoint("ws/chat/")
    chat.on_connect(joined)

    @chat.on("sync")
    def say(request: HttpRequest) -> Any:
        return shown(words(request))

    @chat.on("async")
    async def say_async(request: HttpRequest) -> Any:
        return shown(words(request))

    @chat.on("stream")
    def pieces(request: HttpRequest) -> Any:
        yield shown(words(request))

    @chat.on("beside")
    async def begin(conn: Any, request: HttpRequest) -> None:
        conn.start(pieces(request))

    with override_settings(**settings):
        async with Socket(live.application(), "/ws/chat/", headers=headers) as page:
            assert f"joined {said}" in await page.receive()
            for sender in ("sync", "async", "stream", "beside"):
                await page.send(sender=sender)
                assert said in await page.receive(), sender

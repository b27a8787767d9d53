"""Where endpoints are: Django's path syntax, by ``live.application`` and by a ``URLRouter``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

import pytest
from channels.routing import URLRouter
from django.urls import NoReverseMatch, path, re_path

from htmx_ws import RegistrationError, append, html
from htmx_ws.testing import Socket
from htmx_ws.types import ASGIApp
from htmx_ws_channels import HtmxWS

KEY = UUID("6b21f2b3-6c9b-4e22-8f0d-6a5f4d9f2d11")


def routed(*routes: Any) -> ASGIApp:
    return cast(ASGIApp, URLRouter(list(routes)))


async def answer_of(app: ASGIApp, path: str, **values: Any) -> str:
    """What a page gets for one frame, without the tags."""
    async with Socket(app, path) as page:
        await page.send(values)
        shown = await page.receive()
    return shown.partition("<li>")[2].partition("</li>")[0]


def shown(*values: object) -> Any:
    return append("#log", html("<li>{}</li>", " ".join(map(repr, values))))


ways = pytest.mark.parametrize(
    "compose",
    [
        pytest.param(lambda live: live.application(), id="application"),
        pytest.param(lambda live: routed(*live.urlpatterns), id="URLRouter"),
    ],
)
Compose = Callable[[HtmxWS], ASGIApp]


@ways
async def test_parameters_are_converted_as_django_does(compose: Compose) -> None:
    live = HtmxWS()

    @live.ws("ws/<slug:room>/<int:n>/<uuid:key>/<path:rest>")
    def say(room: str, n: int, key: UUID, rest: str, msg: str) -> Any:
        return shown(room, n, key, rest, msg)

    answer = await answer_of(compose(live), f"/ws/lobby/7/{KEY}/a/b.txt", msg="hi", n="8")
    assert answer == html("{}", f"'lobby' 7 {KEY!r} 'a/b.txt' 'hi'")


@ways
async def test_a_path_may_begin_with_a_slash(compose: Compose) -> None:
    live = HtmxWS()
    live.ws("/ws/chat/")(lambda: shown(1))
    assert await answer_of(compose(live), "/ws/chat/") == "1"


@ways
async def test_letters_of_any_language_stand_in_a_path(compose: Compose) -> None:
    live = HtmxWS()

    @live.ws("café/<room>/")
    async def say(room: str) -> Any:
        return shown(room)

    answer = await answer_of(compose(live), "/caf%C3%A9/%C3%BCber%20uns/")
    assert answer == html("{}", repr("über uns"))


async def test_a_value_that_the_converter_refuses_is_another_path() -> None:
    live = HtmxWS()
    live.ws("ws/<int:n>/")(lambda n: shown(n))
    async with Socket(live.application(), "/ws/seven/") as page:
        assert await page.closed() == 4404


async def test_routers_may_be_nested_and_their_parameters_are_the_handlers() -> None:
    live = HtmxWS()
    came: list[object] = []

    async def joined(team: int, room: str) -> None:
        came.append((team, room))

    @live.ws("chat/<slug:room>/", conn=joined)
    async def say(team: int, room: str, msg: str) -> Any:
        return shown(team, room, msg)

    app = routed(path("teams/<int:team>/", cast(Any, routed(*live.urlpatterns))))
    answer = await answer_of(app, "/teams/7/chat/lobby/", msg="hi", team="8", room="EVIL")
    assert answer == html("{}", "7 'lobby' 'hi'")
    assert came == [(7, "lobby")]


async def test_an_endpoint_can_be_routed_to_by_hand() -> None:
    """Its own path is then one of many, and the parameters are those of the route."""
    live = HtmxWS()
    chat = live.endpoint("chat/")

    @chat.on_message
    async def say(room: str, n: int) -> Any:
        return shown(room, n)

    app = routed(
        path("by-hand/<slug:room>/", cast(Any, chat), {"n": 3}),
        re_path(r"^old-(?P<room>\w+)-(?P<n>\d+)$", cast(Any, chat)),
    )
    assert await answer_of(app, "/by-hand/lobby/") == html("{}", "'lobby' 3")
    assert await answer_of(app, "/old-lobby-4") == html("{}", "'lobby' 4")


async def test_a_router_with_live_as_its_last_route_turns_unrouted_pages_away() -> None:
    live = HtmxWS()
    live.ws("chat/")(lambda: None)
    bare = routed(*live.urlpatterns)
    with pytest.raises(ValueError, match="No route found"):
        async with Socket(bare, "/nowhere/"):
            pass
    ended = routed(*live.urlpatterns, re_path("", cast(Any, live)))
    async with Socket(ended, "/nowhere/") as page:
        assert await page.closed() == 4404


@pytest.mark.parametrize("below", ["/app", "/app/"])
async def test_the_root_path_of_a_server_is_not_part_of_a_path(below: str) -> None:
    live = HtmxWS()
    live.ws("ws/chat/")(lambda: shown(1))
    async with Socket(live.application(), "/app/ws/chat/", scope={"root_path": below}) as page:
        await page.send()
        assert "<li>1</li>" in await page.receive()


def test_addresses_are_made_from_the_names_of_endpoints() -> None:
    live = HtmxWS()
    live.endpoint("ws/chat/<slug:room>/<int:n>/", name="chat")

    @live.ws("ws/<path:rest>")
    def feed(rest: str) -> None: ...

    assert live.reverse("chat", room="lobby", n=7) == "/ws/chat/lobby/7/"
    assert live.reverse("feed", rest="a/é") == "/ws/a/%C3%A9"
    with pytest.raises(NoReverseMatch, match="'nobody'"):
        live.reverse("nobody")
    with pytest.raises(NoReverseMatch, match="no arguments"):
        live.reverse("chat")


@pytest.mark.parametrize(
    "read",
    [lambda live: live.urlpatterns, lambda live: live.reverse("chat")],
    ids=["urlpatterns", "reverse"],
)
def test_a_path_that_comes_after_they_were_copied_is_an_error(
    read: Callable[[HtmxWS], object],
) -> None:
    live = HtmxWS()
    live.endpoint("ws/chat/", name="chat")
    read(live)
    with pytest.raises(RegistrationError, match=r"'ws/late/' .* when live\.urlpatterns was read"):
        live.endpoint("ws/late/")


def test_two_endpoints_of_one_path_are_an_error() -> None:
    live = HtmxWS()
    live.endpoint("ws/chat/")
    with pytest.raises(RegistrationError, match="already"):
        live.endpoint("ws/chat/")


def test_a_path_in_the_syntax_of_the_guide_is_an_error() -> None:
    with pytest.raises(RegistrationError, match=r"'ws/<room>/<int:page>/'.*, not 'ws/\{room\}/"):
        HtmxWS().endpoint("ws/{room}/{page:int}/")

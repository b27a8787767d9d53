"""The request that a page's handshake makes: for templates, addresses and forms.

A form that is rendered over a socket must post like one that a view rendered: its CSRF token is of
the cookie that the browser has.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.test import Client, override_settings

from htmx_ws import Connection
from htmx_ws.testing import Socket
from htmx_ws_channels import HtmxWS, page_of, request_of

from .conftest import Visitor, in_a_thread, shown


async def answer_of(live: HtmxWS, **how: Any) -> str:
    async with Socket(live.application(), "/ws/chat/?a=%3Cb%3E", **how) as page:
        await page.send()
        message = await page.receive()
    return re.sub("<[^>]*>", "", message)


async def test_it_is_a_get_of_the_sockets_address() -> None:
    live = HtmxWS()

    @live.ws("ws/chat/")
    def say(request: HttpRequest) -> Any:
        return shown(
            request.method, request.path, request.GET["a"], request.build_absolute_uri("/x")
        )

    assert await answer_of(live) == "GET /ws/chat/ &lt;b&gt; http://testserver/x"
    wss = {"scheme": "wss"}
    assert "https://testserver/x" in await answer_of(live, scope=wss)


async def test_hooks_and_handlers_have_the_same_one_whatever_it_is_called() -> None:
    live, came = HtmxWS(), list[HttpRequest]()

    async def joined(asked: HttpRequest) -> None:
        came.append(asked)

    @live.ws("ws/chat/", conn=joined)
    async def say(first: HttpRequest, second: ASGIRequest, conn: Connection) -> Any:
        came.extend([first, second, request_of(conn)])
        return shown("done")

    await answer_of(live)
    assert len(came) == 4
    assert len(set(map(id, came))) == 1


async def test_it_has_the_user_and_the_session_of_the_visitor(ann: Visitor) -> None:
    live = HtmxWS()

    @live.ws("ws/chat/")
    async def say(request: HttpRequest) -> Any:
        is_it = await request.auser() == request.user
        return shown(request.user, request.session["_auth_user_id"], is_it)

    assert await answer_of(live, headers=ann.headers) == f"ann {ann.user.pk} True"


async def test_without_channels_middleware_its_user_is_anonymous() -> None:
    live = HtmxWS()
    chat = live.endpoint("ws/chat/")

    @chat.on_message
    async def say(request: HttpRequest) -> Any:
        return shown(request.user == AnonymousUser(), hasattr(request, "session"))

    async with Socket(chat, "/") as page:
        await page.send()
        assert "True False" in await page.receive()


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
async def test_context_processors_work_as_in_a_view(ann: Visitor, is_async: bool) -> None:
    live = HtmxWS()

    def say(request: HttpRequest) -> Any:
        return TemplateResponse(request, "project/context.html")

    async def say_async(request: HttpRequest) -> Any:
        return say(request)

    live.ws("ws/chat/")(say_async if is_async else say)
    headers = [*ann.headers, ("accept-language", "de")]
    answer = await answer_of(live, headers=headers)
    assert answer == "ann|False|de|0|http://testserver/page/"


@pytest.mark.parametrize("in_session", [False, True], ids=["cookie", "session"])
async def test_a_form_that_is_rendered_over_a_socket_may_be_posted(
    ann: Visitor, in_session: bool
) -> None:
    with override_settings(CSRF_USE_SESSIONS=in_session):
        browser = Visitor(Client(enforce_csrf_checks=True, headers={"host": "testserver"}))
        browser.client.cookies = ann.client.cookies
        await in_a_thread(lambda: browser.client.get("/page/"))  # which gives the token's secret
        live = HtmxWS()

        @live.ws("ws/chat/")
        async def say(request: HttpRequest) -> Any:
            return TemplateResponse(request, "project/form.html")

        async with Socket(live.application(), "/ws/chat/", headers=browser.headers) as page:
            await page.send()
            form = await page.receive()
        token = re.findall('name="csrfmiddlewaretoken" value="([^"]+)"', form)[0]
        for sent, status in (({"csrfmiddlewaretoken": token}, 200), ({}, 403)):
            posted = {"text": "hi", **sent}
            answer = await in_a_thread(lambda: browser.client.post("/publish/", posted))  # noqa: B023  # called at once
            assert answer.status_code == status


@override_settings(CSRF_USE_SESSIONS=True)
async def test_without_a_session_there_is_a_request_all_the_same() -> None:
    live = HtmxWS()
    chat = live.endpoint("ws/chat/")

    @chat.on_message
    async def say(request: HttpRequest) -> Any:
        return shown(request.path)

    async with Socket(chat, "/anywhere/") as page:
        await page.send()
        assert "/anywhere/" in await page.receive()


@pytest.mark.parametrize("cookie", ["csrftoken=none", "other=1"])
async def test_a_token_that_fits_no_cookie_is_made_where_there_is_none(cookie: str) -> None:
    live = HtmxWS()

    @live.ws("ws/chat/")
    async def say(request: HttpRequest) -> Any:
        return TemplateResponse(request, "project/form.html")

    async with Socket(live.application(), "/ws/chat/", headers=[("cookie", cookie)]) as page:
        await page.send()
        assert re.search('name="csrfmiddlewaretoken" value="[^"]{64}"', await page.receive())


@pytest.mark.parametrize(("method", "query"), [("get", "?htmx-ws-page=abc"), ("post", "")])
def test_the_page_that_a_request_came_from_is_told_by_its_hidden_field(
    method: str, query: str
) -> None:
    from django.test import RequestFactory

    make = getattr(RequestFactory(), method)
    assert page_of(make(f"/{query}", {"htmx-ws-page": "abc"})) == "abc"
    assert page_of(make("/")) is None

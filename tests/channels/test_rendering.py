"""Results as Django renders them: templates, forms, and whatever asks the database meanwhile.

A queryset is lazy, and so its template or form asks the database when it is rendered. That is
forbidden in the event loop; what handlers give is rendered in their threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django
import pytest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import get_template, render_to_string
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import mark_safe

from htmx_ws import append, html, replace
from htmx_ws.testing import Socket
from htmx_ws_channels import HtmxWS

from .project.forms import LineForm, SayForm
from .project.models import Line, Room

HI = '<p hx-swap-oob="outerHTML" id="a">&lt;hi&gt;</p>'


async def sent(handler: Callable[..., Any], **values: Any) -> str:
    """What a page gets for one frame to a handler."""
    live = HtmxWS()
    chat = live.endpoint("ws/chat/")
    chat.on_message(handler)
    chat.on_error(lambda error: append("#log", html("<li>{}</li>", error)))
    async with Socket(live.application(), "/ws/chat/") as page:
        await page.send(values)
        return await page.receive()


def from_template(request: HttpRequest, msg: str) -> Any:
    return TemplateResponse(request, "project/say.html", {"msg": msg})


def from_simple_template(msg: str) -> Any:
    return SimpleTemplateResponse("project/say.html", {"msg": msg})


def from_rendered_template(request: HttpRequest, msg: str) -> Any:
    return from_template(request, msg).render()


def from_response(request: HttpRequest, msg: str) -> Any:
    return render(request, "project/say.html", {"msg": msg})


def from_string(request: HttpRequest, msg: str) -> Any:
    return render_to_string("project/say.html", {"msg": msg}, request)


def from_jinja2(msg: str) -> Any:
    return get_template("say.jinja2").render({"msg": msg})


def from_format_html(msg: str) -> Any:
    return format_html('<p id="a">{}</p>', msg)


def from_mark_safe() -> Any:
    return mark_safe('<p id="a">&lt;hi&gt;</p>')


def in_a_fragment(request: HttpRequest, msg: str) -> Any:
    return replace(from_template(request, msg))


def in_a_list(request: HttpRequest, msg: str) -> Any:
    return [from_template(request, msg)]


SOURCES: list[Callable[..., Any]] = [
    from_template,
    from_simple_template,
    from_rendered_template,
    from_response,
    from_string,
    from_jinja2,
    from_format_html,
    from_mark_safe,
    in_a_fragment,
    in_a_list,
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
async def test_whatever_django_renders_is_a_result(source: Callable[..., Any]) -> None:
    assert await sent(source, msg="<hi>") == HI


@pytest.mark.skipif(django.VERSION < (6, 0), reason="template partials came with Django 6.0")
async def test_a_partial_of_a_template_is_a_result() -> None:
    def say(request: HttpRequest, msg: str) -> Any:
        return TemplateResponse(request, "project/partials.html#say", {"msg": msg})

    assert await sent(say, msg="<hi>") == HI


async def test_a_form_with_its_errors_is_a_result() -> None:
    async def say(data: dict[str, Any]) -> Any:
        form = SayForm(data)
        assert not form.is_valid()
        return html('<form id="say">{}</form>', form)

    shown = await sent(say, text="<too long>")
    assert 'value="&lt;too long&gt;"' in shown
    assert "at most 5 characters" in shown


async def test_a_form_may_be_placed_by_a_fragment() -> None:
    async def say() -> Any:
        return append("#say", SayForm())

    shown = await sent(say)
    assert 'hx-swap-oob="beforeend:#say"' in shown
    assert 'name="text"' in shown


async def test_a_response_that_is_no_html_is_an_error() -> None:
    def say() -> HttpResponse:
        return HttpResponse("text", content_type="text/plain")

    assert "has no HTML body to send" in await sent(say)


@pytest.fixture
def rooms(transactional_db: None) -> None:
    for name in ("lobby", "attic"):
        Line.objects.create(text=f"in {name}", room=Room.objects.create(name=name))


def lazy_form() -> Any:
    return append("#log", LineForm())


def lazy_errors() -> Any:
    form = LineForm({"text": "x" * 21, "room": "nowhere"})
    form.full_clean()
    return append("#log", form)


def lazy_template() -> Any:
    return SimpleTemplateResponse("project/lines.html", {"lines": Line.objects.order_by("pk")})


def lazy_template_with_a_request(request: HttpRequest) -> Any:
    return TemplateResponse(request, "project/lines.html", {"lines": Line.objects.order_by("pk")})


@pytest.mark.usefixtures("rooms")
@pytest.mark.parametrize("source", [lazy_form, lazy_template, lazy_template_with_a_request])
async def test_what_asks_the_database_when_it_is_rendered_is_a_result(
    source: Callable[..., Any],
) -> None:
    """The same whether a plain function or an async one gives it."""

    async def give_async(request: HttpRequest) -> Any:
        return source(request) if source is lazy_template_with_a_request else source()

    def give(request: HttpRequest) -> Any:
        return source(request) if source is lazy_template_with_a_request else source()

    shown = await sent(give_async)
    assert "lobby" in shown
    assert "attic" in shown
    assert await sent(give) == shown


@pytest.mark.usefixtures("rooms")
async def test_what_a_model_form_says_of_wrong_values_is_a_result() -> None:
    shown = await sent(lazy_errors)
    assert "at most 20 characters" in shown
    assert "Select a valid choice" in shown


@pytest.mark.usefixtures("rooms")
async def test_hooks_and_pieces_of_streams_may_ask_when_they_are_rendered() -> None:
    live = HtmxWS()
    chat = live.endpoint("ws/chat/")

    @chat.on_connect
    async def joined() -> Any:
        return lazy_form()

    @chat.on_message
    async def fail() -> Any:
        yield [lazy_form()]
        yield lazy_template()
        raise LookupError

    @chat.on_error
    async def sorry(error: Exception) -> Any:
        return lazy_form()

    async with Socket(live.application(), "/ws/chat/") as page:
        assert "lobby" in await page.receive()
        await page.send()
        for _ in range(3):
            assert "lobby" in await page.receive()


@pytest.mark.usefixtures("rooms")
async def test_a_plain_handler_sends_and_publishes_what_asks_the_database() -> None:
    live = HtmxWS()

    def say(conn: Any) -> None:
        conn.join("lobby")
        conn.send(lazy_form())
        live.publish("lobby", lazy_form())

    live.ws("ws/chat/")(say)
    async with Socket(live.application(), "/ws/chat/") as page:
        await page.send()
        for _ in range(2):
            assert "attic" in await page.receive()

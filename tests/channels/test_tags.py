"""``{% load htmx_ws %}``, and the same functions for Jinja2: one table for both engines.

Whatever is written into a page is HTML that its engine leaves as it is, with all escaped that came
from outside.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import django
import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest
from django.template import engines
from django.test import RequestFactory, override_settings
from django.urls import NoReverseMatch
from django.utils.functional import SimpleLazyObject, empty
from selectolax.lexbor import LexborHTMLParser

from htmx_ws import scripts
from htmx_ws_channels import HtmxWS

from .project.live import live

Render = Callable[..., str]


def by_django(tag: str, request: HttpRequest | None = None, **context: Any) -> str:
    template = engines["django"].from_string("{% load htmx_ws %}{% htmx_ws_" + tag + " %}")
    return template.render(context, request)


def by_jinja2(tag: str, request: HttpRequest | None = None, **context: Any) -> str:
    name, *arguments = tag.split()
    template = engines["jinja2"].from_string(f"{{{{ htmx_ws_{name}({', '.join(arguments)}) }}}}")
    return template.render(context, request)


@pytest.fixture(params=[by_django, by_jinja2], ids=["django", "jinja2"])
def render(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def request_() -> HttpRequest:
    return RequestFactory().get("/page/")


def attributes(written: str) -> dict[str, str | None]:
    node = LexborHTMLParser(f"<div {written}></div>").css_first("div")
    assert node is not None
    return node.attributes


@pytest.mark.parametrize(
    ("tag", "settings", "expected"),
    [
        ("scripts", {}, scripts(4)),
        ("scripts 2", {}, scripts(2)),
        ("scripts '1.9.12'", {}, scripts("1.9.12")),
        ("scripts", {"HTMX": 2}, scripts(2)),
        ("scripts 4", {"HTMX": 2}, scripts(4)),
        ("scripts", {"STATIC": "htmx/"}, scripts(4, static="/static/htmx")),
        ("scripts", {"STATIC": "a b"}, scripts(4, static="/static/a%20b")),
        ("scripts nonce='x&\"'", {}, scripts(4, nonce='x&"')),
        ("scripts nonce=''", {}, scripts(4)),
        ("scripts 2 nonce='x'", {"STATIC": ""}, scripts(2, static="/static/", nonce="x")),
    ],
)
def test_scripts_are_of_the_htmx_and_the_place_that_settings_say(
    render: Render, tag: str, settings: dict[str, Any], expected: str
) -> None:
    with override_settings(HTMX_WS=settings):
        assert render(tag) == expected


class Nonce(SimpleLazyObject):  # type: ignore[type-arg]  # no generic at run time
    """As those of django-csp 4 and of Django 6: false until somebody has used it."""

    def __bool__(self) -> bool:
        return self._wrapped is not empty


nonces = pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: "abc", id="str"),
        pytest.param(lambda: SimpleLazyObject(lambda: "abc"), id="lazy"),
        pytest.param(lambda: Nonce(lambda: "abc"), id="false until it is used"),
    ],
)


@nonces
def test_scripts_have_the_nonce_of_the_page(
    render: Render, request_: HttpRequest, make: Callable[[], Any]
) -> None:
    request_.csp_nonce = make()  # type: ignore[attr-defined]  # as django-csp's middleware does
    assert render("scripts", request_) == scripts(4, nonce="abc")


@nonces
def test_scripts_have_the_nonce_of_the_templates_context(
    render: Render, request_: HttpRequest, make: Callable[[], Any]
) -> None:
    """Django 6's context processor puts it there."""
    assert render("scripts", request_, csp_nonce=make()) == scripts(4, nonce="abc")


def test_a_nonce_that_is_given_goes_first(render: Render, request_: HttpRequest) -> None:
    written = render("scripts nonce='mine'", request_, csp_nonce="theirs")
    assert written == scripts(4, nonce="mine")


def test_a_page_without_a_policy_has_no_nonce(render: Render, request_: HttpRequest) -> None:
    assert "nonce" not in render("scripts", request_)


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django's own policies came with 6.0")
def test_the_nonce_of_djangos_own_policy_is_in_the_header_too() -> None:
    from django.test import Client

    middleware = "django.middleware.csp.ContentSecurityPolicyMiddleware"
    processors = "django.template.context_processors.csp"
    templates = [{**django_settings.TEMPLATES[0]}]
    options = templates[0]["OPTIONS"]
    chosen = [*options["context_processors"], processors]
    templates[0]["OPTIONS"] = {**options, "context_processors": chosen}
    with override_settings(
        MIDDLEWARE=[*django_settings.MIDDLEWARE, middleware],
        TEMPLATES=templates,
        SECURE_CSP={"script-src": ["'nonce-{}'", "<CSP_NONCE_SENTINEL>"]},
    ):
        answer = Client().get("/page/")
    nonces = set(re.findall(' nonce="([^"]+)"', answer.content.decode()))
    assert len(nonces) == 1
    assert nonces.pop() in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("tag", "url"),
    [
        ("connect '/ws/chat/lobby/'", "/ws/chat/lobby/"),
        ("connect 'wss://a.example/ws/'", "wss://a.example/ws/"),
        ("connect 'ws://a.example/ws/?a=1&b=2'", "ws://a.example/ws/?a=1&b=2"),
        ("connect 'chat' room='lobby'", "/ws/chat/lobby/"),
        ("connect url", "/ws/chat/attic/"),
        ("connect 'chat' room=room", "/ws/chat/attic/"),
    ],
)
def test_an_element_connects_to_an_address_or_to_an_endpoints_name(
    render: Render, tag: str, url: str
) -> None:
    written = render(tag, url=live.reverse("chat", room="attic"), room="attic")
    sign = "&" if "?" in url else "?"
    assert attributes(written) == {
        "hx-ext": "ws",
        "ws-connect": f"{url}{sign}hx=2",
        "hx-ws:connect": f"{url}{sign}hx=4",
    }


def test_a_name_needs_to_know_where_the_endpoints_are(render: Render) -> None:
    with override_settings(HTMX_WS={}), pytest.raises(LookupError, match='"LIVE": "project'):
        render("connect 'chat' room='lobby'")


def test_a_name_that_nobody_has_is_an_error(render: Render) -> None:
    with pytest.raises(NoReverseMatch, match="'nobody'"):
        render("connect 'nobody'")


def test_an_element_sends(render: Render) -> None:
    assert attributes(render("send")) == {"ws-send": "", "hx-ws:send": "", "hx-boost": "false"}


@pytest.mark.parametrize("template", ["project/page.html", "page.html"], ids=["django", "jinja2"])
def test_a_page_has_one_token_for_all_its_tags(template: str, request_: HttpRequest) -> None:
    from django.template.loader import render_to_string

    tree = LexborHTMLParser(render_to_string(template, request=request_))
    (field,) = tree.css('input[name="htmx-ws-page"]')
    element = tree.css_first("[ws-connect]")
    assert element is not None
    assert f"htmx-ws-page={field.attributes['value']}&" in str(element.attributes["ws-connect"])
    other = LexborHTMLParser(render_to_string(template, request=RequestFactory().get("/page/")))
    (second,) = other.css('input[name="htmx-ws-page"]')
    assert second.attributes["value"] != field.attributes["value"]
    assert len(tree.css("form[ws-send]")) == 1
    assert len(tree.css('[name="csrfmiddlewaretoken"]')) == 1
    assert len(tree.css("script")) == 2


def test_what_a_page_asks_for_by_http_has_its_token_still(render: Render) -> None:
    """As a part of it that is rendered again."""
    again = RequestFactory().post("/part/", {"htmx-ws-page": "abc"})
    assert 'value="abc"' in render("page", again)
    assert "htmx-ws-page=abc&" in str(attributes(render("connect '/ws/'", again))["ws-connect"])


def test_without_a_request_there_is_no_token(render: Render) -> None:
    assert "htmx-ws-page" not in render("connect '/ws/'")
    with pytest.raises(LookupError, match="needs the request in the template's context"):
        render("page")


def test_python_code_has_the_same_attributes(request_: HttpRequest) -> None:
    attributes = HtmxWS().connect_attrs("/ws/", request=request_)
    token = request_._htmx_ws_page  # type: ignore[attr-defined]  # set by it
    assert attributes["ws-connect"] == f"/ws/?htmx-ws-page={token}&hx=2"
    mine = HtmxWS().connect_attrs("/ws/", page="mine", request=request_)
    assert mine["ws-connect"] == "/ws/?htmx-ws-page=mine&hx=2"
    assert HtmxWS().connect_attrs("/ws/")["ws-connect"] == "/ws/?hx=2"

"""With ``PAGE_TOKENS`` a page comes in by what the tags wrote for its user, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.template import engines
from django.test import RequestFactory, override_settings
from selectolax.lexbor import LexborHTMLParser

from htmx_ws import Connection, new_page
from htmx_ws.signing import unsign
from htmx_ws.testing import Closed, Socket
from htmx_ws_channels import HtmxWS, page_of

from .conftest import Visitor, shown

live = HtmxWS(page_tokens=True, origins="*")
live.ws("ws/chat/", name="chat")(lambda: shown("here"))
app = live.application()

unsigned = HtmxWS()


async def _identify(conn: Connection) -> object: ...


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    with override_settings(HTMX_WS={"LIVE": f"{__name__}.live"}):
        yield


def request_of(user: Any = None, **fields: str) -> HttpRequest:
    factory = RequestFactory()
    request = factory.post("/page/", fields) if fields else factory.get("/page/")
    request.user = AnonymousUser() if user is None else user
    return request


def written(request: HttpRequest, engine: str = "django") -> tuple[str, str]:
    """The address and the token that tags write for a request."""
    source = {
        "django": "{% load htmx_ws %}<p {% htmx_ws_connect 'chat' %}>{% htmx_ws_page %}</p>",
        "jinja2": "<p {{ htmx_ws_connect('chat') }}>{{ htmx_ws_page() }}</p>",
    }[engine]
    tree = LexborHTMLParser(engines[engine].from_string(source).render({}, request))
    element, field = tree.css_first("p"), tree.css_first("input")
    assert element is not None
    assert field is not None
    return str(element.attributes["hx-ws:connect"]), str(field.attributes["value"])


async def gets_in(address: str, visitor: Visitor | None = None) -> bool:
    """Whether a page of some site is let in; one that is not stays away."""
    how: Any = {"headers": [] if visitor is None else visitor.headers}
    async with Socket(app, address, origin="https://elsewhere.test", **how) as page:
        with suppress(Closed):
            await page.send()
            return "here" in await page.receive()
    assert page.code == 4403
    return False


@pytest.mark.parametrize("engine", ["django", "jinja2"])
async def test_a_page_is_let_in_for_the_user_that_it_was_rendered_for(
    engine: str, ann: Visitor
) -> None:
    for_ann, token = written(request_of(ann.user), engine)
    for_nobody, other = written(request_of(), engine)
    assert f"htmx-ws-page={token}&" in for_ann
    assert token != other
    assert await gets_in(for_ann, ann)
    assert await gets_in(for_nobody)
    assert not await gets_in(for_ann)
    assert not await gets_in(for_nobody, ann)
    assert not await gets_in("/ws/chat/", ann)
    assert not await gets_in(f"/ws/chat/?htmx-ws-page={new_page()}")


async def test_python_code_writes_such_attributes_too(ann: Visitor) -> None:
    request = request_of(ann.user)
    attributes = live.connect_attrs("/ws/chat/", request=request)
    assert await gets_in(attributes["hx-ws:connect"], ann)
    assert live.token_of(request) in attributes["hx-ws:connect"]
    mine = live.connect_attrs("/ws/chat/", page=live.new_page(to=ann.user.pk), request=request)
    assert await gets_in(mine["hx-ws:connect"], ann)


async def test_a_part_of_a_page_that_is_rendered_again_has_its_token_while_its_user_is_the_same(
    ann: Visitor,
) -> None:
    _, token = written(request_of(ann.user))
    _, again = written(request_of(ann.user, **{"htmx-ws-page": token}))
    assert again == token
    # Signed out meanwhile, or forged: it would let nobody in.
    for user, brought in ((None, token), (ann.user, "forged")):
        request = request_of(user, **{"htmx-ws-page": brought})
        address, other = written(request)
        assert other != brought
        assert await gets_in(address, ann if user else None)
        assert page_of(request) == brought  # what the form said is what exclude= is given


def test_a_page_that_would_be_turned_away_is_not_written() -> None:
    """Of a page whose request is not known it is not known either who reads it."""
    source = "{% load htmx_ws %}<p {% htmx_ws_connect 'chat' %}>"
    with pytest.raises(LookupError, match="request in the template's context"):
        engines["django"].from_string(source).render({})
    with pytest.raises(ValueError, match="request=request"):
        live.connect_attrs("/ws/chat/")
    with pytest.raises(ValueError, match="request=request"):
        live.page("/ws/chat/")
    live.page("/ws/chat/", to=7)
    live.page("/ws/chat/", page=live.new_page())
    live.page("/ws/chat/", request=request_of())
    with override_settings(HTMX_WS={"LIVE": f"{__name__}.unsigned"}):
        engines["django"].from_string(source.replace("'chat'", "'/ws/'")).render({})
    unsigned.page("/ws/chat/")


class Named:
    """A user of another kind, known by name."""

    is_authenticated = True

    def get_username(self) -> str:
        return "ann"


@pytest.mark.parametrize(
    ("how", "to"),
    [
        ({"page_tokens": True}, "7"),
        ({"page_tokens": True, "identify": lambda conn: conn.scope["user"].get_username()}, "ann"),
        ({"page_tokens": lambda conn: conn.scope["session"]["key"]}, "k"),
        ({"page_tokens": lambda conn: "all", "identify": _identify}, "all"),
    ],
)
def test_whom_a_token_is_for_is_what_the_connection_will_say(how: Any, to: str) -> None:
    user: Any = Named()
    user.pk = 7
    request = request_of(user)
    request.session = {"key": "k"}  # type: ignore[assignment]  # as much of one as is asked for
    made = HtmxWS(**how)
    assert unsign(made._keys(), made.token_of(request), to, "page")


def test_where_who_somebody_is_must_be_awaited_one_says_whom_tokens_are_for_otherwise() -> None:
    made = HtmxWS(page_tokens=True, identify=_identify)
    with pytest.raises(TypeError, match="give page_tokens a plain function"):
        made.token_of(request_of())


def test_where_no_tokens_are_wanted_none_is_signed() -> None:
    with override_settings(HTMX_WS={"LIVE": f"{__name__}.unsigned"}):
        unsigned.ws("ws/chat/", name="chat")(lambda: None)
        _, token = written(request_of())
    assert len(token) == len(new_page())


@pytest.mark.parametrize(
    ("entry", "given", "wanted"),
    [(True, None, True), (True, False, False), (False, True, True), (False, None, False)],
)
async def test_whether_tokens_are_wanted_is_a_setting_unless_given(
    entry: bool, given: bool | None, wanted: bool
) -> None:
    with override_settings(HTMX_WS={"PAGE_TOKENS": entry}):
        made = HtmxWS(page_tokens=given)
    made.ws("ws/chat/")(lambda: shown("here"))
    async with Socket(made.application(), "/ws/chat/") as page:
        if wanted:
            assert await page.closed() == 4403
        else:
            await page.send()
            assert "here" in await page.receive()

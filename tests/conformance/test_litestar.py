"""What is Litestar's own: mounts, and routes to an endpoint by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from jinja2 import DictLoader, Environment
from litestar import Litestar, asgi
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template import TemplateConfig

from htmx_ws import HtmxWS
from htmx_ws.testing import Denied, Socket

from .cases import line
from .server import Server


def an_app(*handlers: Any, **how: Any) -> Any:
    return Litestar(handlers, logging_config=None, **how)


async def test_it_can_be_mounted_as_it_is() -> None:
    live = HtmxWS()
    live.ws("/chat/{room}")(lambda room: line(f"in {room}"))
    app = an_app(asgi("/live", is_mount=True, copy_scope=True)(live))
    async with Socket(app, "/live/chat/lobby") as page:
        await page.send()
        assert "in lobby" in await page.receive()


async def test_an_endpoint_can_be_routed_to_with_litestars_parameters_and_name() -> None:
    live = HtmxWS()
    chat = live.endpoint("/chat/{room}/{key}")

    @chat.on_message
    async def say(room: str, key: UUID) -> Any:
        return line(f"{room} {key!r}")

    app = an_app(asgi("/chat/{room:str}/{key:uuid}", name="chat", copy_scope=True)(chat))
    key = UUID(int=7)
    address = app.route_reverse("chat", room="lobby", key=key)
    async with Socket(app, address) as page:
        await page.send(room="EVIL", key="EVIL")
        assert f"lobby {key!r}".replace("'", "&#x27;") in await page.receive()


async def test_its_application_holds_the_state_and_the_templates() -> None:
    live = HtmxWS()
    chat = live.endpoint("/chat")

    @chat.on_message
    async def say(msg: str, app: Litestar) -> Any:
        assert app.template_engine is not None
        template = app.template_engine.get_template("line.html")
        return line(f"{app.state.db}"), template.render(msg=msg)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with live.lifespan(app):
            app.state.db = "open"
            yield

    loader = DictLoader({"line.html": '<p id="line">{{ msg }}</p>'})
    engine = JinjaTemplateEngine.from_environment(Environment(loader=loader, autoescape=True))
    app = an_app(
        asgi("/chat", copy_scope=True)(chat),
        lifespan=[lifespan],
        template_config=TemplateConfig(instance=engine),
    )
    async with Server(app), Socket(app, "/chat") as page:
        await page.send(msg="<hi>")
        assert "open" in await page.receive()
        assert "&lt;hi&gt;</p>" in await page.receive()


async def test_a_guard_refuses_the_handshake_so_it_is_no_way_to_turn_pages_away() -> None:
    live = HtmxWS()
    live.ws("/chat")(lambda: None)

    def nobody(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        raise NotAuthorizedException

    app = an_app(asgi("/chat", copy_scope=True, guards=[nobody])(live))
    with pytest.raises(Denied):
        await Socket(app, "/chat").open()

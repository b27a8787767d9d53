"""Starlette: ``live.routes`` among the routes, and its middleware for session and user."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from jinja2 import DictLoader, Environment
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.templating import Jinja2Templates

import htmx_ws_starlette
from htmx_ws import Connection, Dialect, HtmxWS, append, html
from htmx_ws.types import ASGIApp
from htmx_ws_starlette import request_of

from .host import Cannot, Host

__all__ = ["MIDDLEWARE", "TEMPLATES", "StarletteHost"]


class FromSession(AuthenticationBackend):
    """Who signed in is whose name the session holds."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        name = conn.session.get("name")
        return None if name is None else (AuthCredentials(["chat"]), SimpleUser(name))


MIDDLEWARE = [
    Middleware(SessionMiddleware, secret_key="a test's"),
    Middleware(AuthenticationMiddleware, backend=FromSession()),
]
TEMPLATES = Jinja2Templates(
    env=Environment(
        loader=DictLoader({"line.html": '<p id="line">{{ text }}</p>'}), autoescape=True
    )
)


class StarletteHost(Host):
    name = "Starlette"
    dialects: ClassVar[tuple[Dialect, ...]] = ("htmx4", "htmx2")
    cannot: ClassVar[dict[str, Cannot]] = {
        "a_path_that_nobody_has_is_accepted_and_closed": Cannot(
            "The router refuses the handshake, and htmx tries again for ever. Make "
            '`WebSocketRoute("/{path:path}", live)` the last route, and `live` answers.',
            "refused with HTTP 40[34]",
        )
    }

    def live(self, **options: Any) -> HtmxWS:
        return htmx_ws_starlette.HtmxWS(**options)

    def build(self, live: Any) -> ASGIApp:
        return self.compose(live, live.routes)

    def build_below(self, live: Any, prefix: str) -> ASGIApp:
        return self.compose(live, [Mount(prefix, routes=live.routes)])

    def compose(self, live: Any, routes: Sequence[BaseRoute]) -> ASGIApp:
        def publish(request: Request) -> Response:
            text = request.query_params["text"]
            live.publish("lobby", append("#log", html("<li>{}</li>", text)))
            return PlainTextResponse("done")

        def sign_in(request: Request) -> Response:
            request.session["name"] = "ann"
            return PlainTextResponse("done")

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
            async with live.lifespan(app):
                yield {"db": "open"}

        views = [Route("/publish", publish), Route("/sign-in", sign_in)]
        return Starlette(routes=[*views, *routes], middleware=MIDDLEWARE, lifespan=lifespan)

    def reverse(self, app: Any, name: str, **params: Any) -> str:
        return str(app.url_path_for(name, **params))

    def render(self, conn: Connection, text: str) -> object:
        return TEMPLATES.TemplateResponse(request_of(conn), "line.html", {"text": text})

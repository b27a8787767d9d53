"""Litestar: ``live`` mounted as an ASGI application, behind Litestar's middleware."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, ClassVar

from litestar import Litestar, Request, asgi, get
from litestar.connection import ASGIConnection
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.params import FromQuery
from litestar.response import Template
from litestar.types import Receive, Scope, Send

from htmx_ws import Connection, HtmxWS, append, html
from htmx_ws.types import ASGIApp

from .host import Cannot, Host

__all__ = ["LitestarHost"]


class FromSession(AbstractAuthenticationMiddleware):
    """Who signed in is whose name the session holds."""

    async def authenticate_request(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        user = SimpleNamespace(username=connection.session.get("name"))
        return AuthenticationResult(user=user, auth=None)


class LitestarHost(Host):
    name = "Litestar"
    root = "/live"
    cannot: ClassVar[dict[str, Cannot]] = {
        "state_of_the_lifespan_reaches_the_page": Cannot(
            "Litestar keeps what a lifespan makes on the application: take `app`, and read "
            "`app.state`.",
            "no db",
        ),
        "an_endpoint_has_an_address_by_its_name": Cannot(
            "A mount has one name, for all that is below it. Route to an endpoint by itself, and "
            "it has its own: see above.",
            "Route say can not be found",
        ),
        "a_prefix_may_have_a_parameter": Cannot(
            "Litestar's mounts take no parameters: put them into the endpoint's path.",
            "refused with HTTP 403",
        ),
        "what_the_framework_renders_can_be_returned": Cannot(
            "A `Template` of Litestar is rendered by its own routes only. Return what "
            "`app.template_engine.get_template(name).render(...)` gives.",
            "a Template is not HTML",
        ),
    }

    def build(self, live: HtmxWS) -> ASGIApp:
        return self.build_below(live, "/live")

    def build_below(self, live: HtmxWS, prefix: str) -> ASGIApp:
        @asgi(prefix, is_mount=True, copy_scope=True)
        async def sockets(scope: Scope, receive: Receive, send: Send) -> None:
            scope["path"] = scope["path"].rstrip("/")  # Litestar ends it with one, also {rest:path}
            await live(scope, receive, send)  # type: ignore[arg-type]

        @get("/publish", sync_to_thread=True)
        def publish(text: FromQuery[str]) -> str:
            live.publish("lobby", append("#log", html("<li>{}</li>", text)))
            return "done"

        @get("/sign-in")
        async def sign_in(request: Request[Any, Any, Any]) -> str:
            request.session["name"] = "ann"
            return "done"

        @asynccontextmanager
        async def lifespan(app: Litestar) -> AsyncIterator[None]:
            async with live.lifespan(app):
                app.state.db = "open"
                yield

        return Litestar(
            [sockets, publish, sign_in],
            lifespan=[lifespan],
            logging_config=None,  # it is the whole process's
            middleware=[ServerSideSessionConfig().middleware, FromSession],
        )

    def reverse(self, app: Any, name: str, **params: Any) -> str:
        return str(app.route_reverse(name, **params))

    def render(self, conn: Connection, text: str) -> object:
        return Template(template_str='<p id="line">{{ text }}</p>', context={"text": text})

"""Quart: ``live`` wrapped around what Quart itself answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, ClassVar

from hypercorn.middleware import DispatcherMiddleware
from quart import Quart, render_template_string, request, session

from htmx_ws import Connection, HtmxWS, append, html
from htmx_ws.types import ASGIApp

from .host import Cannot, Host

__all__ = ["QuartHost"]


class QuartHost(Host):
    name = "Quart"
    cannot: ClassVar[dict[str, Cannot]] = {
        "a_path_that_nobody_has_is_accepted_and_closed": Cannot(
            "Quart refuses the handshake, and htmx tries again for ever. Give every websocket to "
            "`live`, as above, and it answers.",
            "refused with HTTP 404",
        ),
        "the_session_of_the_visitor_is_at_hand": Cannot(
            "Quart opens it within its own handlers, not for what is wrapped around it. The lines "
            "above put it into the scope.",
            "put a session middleware",
        ),
        "the_user_is_at_hand": Cannot(
            "Quart has no users of its own. Read them from the session.", "None"
        ),
        "state_of_the_lifespan_reaches_the_page": Cannot(
            "Quart's lifespan has no state: keep it on your application.", "no db"
        ),
        "an_endpoint_has_an_address_by_its_name": Cannot(
            "Quart's router does not know what is wrapped around it: write the address.",
            "Could not build url",
        ),
        "a_prefix_may_have_a_parameter": Cannot(
            "What mounts a Quart is a dispatcher, which knows plain paths only: put the parameter "
            "into the endpoint's path.",
            "refused with HTTP 404",
        ),
    }

    app: Quart

    def build(self, live: HtmxWS) -> ASGIApp:
        app = self.compose(live)
        app.asgi_app = live.wrap(app.asgi_app)  # type: ignore[method-assign, assignment]
        return app

    def build_below(self, live: HtmxWS, prefix: str) -> ASGIApp:
        return DispatcherMiddleware({prefix: live, "": self.compose(live)})  # type: ignore[dict-item]

    def compose(self, live: HtmxWS) -> Quart:
        app = self.app = Quart(__name__)
        app.secret_key = "a test's"

        @app.get("/publish")
        def publish() -> str:
            live.publish("lobby", append("#log", html("<li>{}</li>", request.args["text"])))
            return "done"

        @app.get("/sign-in")
        async def sign_in() -> str:
            session["name"] = "ann"
            return "done"

        @app.while_serving
        async def lifespan() -> AsyncGenerator[None, None]:
            async with live.lifespan():
                yield

        return app

    def reverse(self, app: Any, name: str, **params: Any) -> str:
        return self.app.url_map.bind("testserver").build(name, params)

    async def render(self, conn: Connection, text: str) -> object:
        async with self.app.app_context():
            return await render_template_string('<p id="line">{{ text }}</p>', text=text)

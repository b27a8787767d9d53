"""FastAPI: ``live.router`` included; the rest is Starlette's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from fastapi import FastAPI
from starlette.requests import Request

import htmx_ws_fastapi
from htmx_ws import Dialect, HtmxWS, append, html
from htmx_ws.types import ASGIApp

from .host import Cannot
from .starlette import MIDDLEWARE, StarletteHost

__all__ = ["FastAPIHost", "an_app"]


class FastAPIHost(StarletteHost):
    name = "FastAPI"
    dialects: ClassVar[tuple[Dialect, ...]] = ("htmx4",)
    cannot: ClassVar[dict[str, Cannot]] = {
        "a_path_that_nobody_has_is_accepted_and_closed": Cannot(
            "The router refuses the handshake, and htmx tries again for ever. Append "
            '`WebSocketRoute("/{path:path}", live)` to `app.router.routes` last, and `live` '
            "answers.",
            "refused with HTTP 40[34]",
        )
    }

    def live(self, **options: Any) -> HtmxWS:
        return htmx_ws_fastapi.HtmxWS(**options)

    def build(self, live: Any) -> ASGIApp:
        return self.build_below(live, "")

    def build_below(self, live: Any, prefix: str) -> ASGIApp:
        # FastAPI merges the lifespan of a router that it includes.
        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
            yield {"db": "open"}

        app = FastAPI(middleware=MIDDLEWARE, lifespan=lifespan)

        @app.get("/publish")
        def publish(text: str) -> str:
            live.publish("lobby", append("#log", html("<li>{}</li>", text)))
            return "done"

        @app.get("/sign-in")
        def sign_in(request: Request) -> str:
            request.session["name"] = "ann"
            return "done"

        app.include_router(live.router, prefix=prefix)
        return app


def an_app(live: htmx_ws_fastapi.HtmxWS, handlers: Any = None, **around: Any) -> FastAPI:
    """Give an application with nothing but ``live``'s router, and what is around it."""
    app = FastAPI(exception_handlers=handlers)
    app.include_router(live.router, **around)
    return app

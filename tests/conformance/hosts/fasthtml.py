"""FastHTML: a Starlette, with components instead of templates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from fasthtml.common import FastHTML, P

from htmx_ws import Connection, Dialect, append, html
from htmx_ws.types import ASGIApp

from .starlette import MIDDLEWARE, StarletteHost

__all__ = ["FastHTMLHost"]


class FastHTMLHost(StarletteHost):
    name = "FastHTML"
    dialects: ClassVar[tuple[Dialect, ...]] = ("htmx4",)

    def compose(self, live: Any, routes: Any) -> ASGIApp:
        @asynccontextmanager
        async def lifespan(app: object) -> AsyncIterator[dict[str, Any]]:
            async with live.lifespan(app):
                yield {"db": "open"}

        # Its own session middleware would stand within the others, which then see no session.
        app: Any = FastHTML(
            routes=routes,
            middleware=MIDDLEWARE,
            sess_cls=None,
            secret_key="a test's",
        )
        app.set_lifespan(lifespan)  # what `lifespan=` takes depends on FastHTML's version

        @app.get("/publish")  # type: ignore[untyped-decorator]  # FastHTML's
        def publish(text: str) -> str:
            live.publish("lobby", append("#log", html("<li>{}</li>", text)))
            return "done"

        @app.get("/sign-in")  # type: ignore[untyped-decorator]  # FastHTML's
        def sign_in(session) -> str:  # type: ignore[no-untyped-def]  # it knows it unannotated
            session["name"] = "ann"
            return "done"

        return app  # type: ignore[no-any-return]  # FastHTML is untyped

    def render(self, conn: Connection, text: str) -> object:
        return P(text, id="line")

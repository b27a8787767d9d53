"""No framework: an application that looks at the type of a scope and at its path."""

from __future__ import annotations

import asyncio
from http.cookies import SimpleCookie
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import parse_qs

from htmx_ws import Dialect, HtmxWS, append, html
from htmx_ws.types import ASGIApp, Receive, Scope, Send

from .host import Cannot, Host

__all__ = ["Plain"]


class Plain(Host):
    name = "plain ASGI"
    dialects: ClassVar[tuple[Dialect, ...]] = ("htmx4", "htmx2")
    cannot: ClassVar[dict[str, Cannot]] = {
        "an_endpoint_has_an_address_by_its_name": Cannot(
            "There is no router to ask: write the address.", "there is no router"
        ),
        "a_prefix_may_have_a_parameter": Cannot(
            "There is no router to match it: put the parameter into the endpoint's path.", "4404"
        ),
        "what_the_framework_renders_can_be_returned": Cannot(
            "There is no framework. What any template engine returns can be returned.",
            "there is no framework",
        ),
    }

    def build(self, live: HtmxWS) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await view(live, scope, send)
            elif scope["type"] == "lifespan":
                await lifespan(live, scope, receive, send)
            else:
                await live({**scope, **visitor(scope)}, receive, send)

        return app

    def build_below(self, live: HtmxWS, prefix: str) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await live({**scope, "root_path": prefix}, receive, send)

        return app

    def reverse(self, app: Any, name: str, **params: Any) -> str:
        raise LookupError("there is no router")

    def render(self, conn: object, text: str) -> object:
        raise LookupError("there is no framework")


async def view(live: HtmxWS, scope: Scope, send: Send) -> None:
    headers = [(b"content-type", b"text/plain")]
    if scope["path"] == "/sign-in":
        headers.append((b"set-cookie", b"name=ann; HttpOnly"))
    else:
        text = parse_qs(scope["query_string"].decode())["text"][0]
        await asyncio.to_thread(live.publish, "lobby", append("#log", html("<li>{}</li>", text)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"done"})


def visitor(scope: Scope) -> dict[str, Any]:
    """What a middleware of a framework would put into the scope."""
    cookies = SimpleCookie(dict(scope["headers"]).get(b"cookie", b"").decode())
    name = cookies["name"].value if "name" in cookies else ""
    session = {"name": name} if name else {}
    return {"session": session, "user": SimpleNamespace(username=name)}


async def lifespan(live: HtmxWS, scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    async with live.lifespan():
        scope["state"]["db"] = "open"
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})

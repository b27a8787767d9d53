"""What is FastHTML's own: components, and what runs for its views alone."""

from __future__ import annotations

from typing import Any

from fasthtml.common import Beforeware, Div, FastHTML, Input, Li

from htmx_ws import append
from htmx_ws.testing import Socket
from htmx_ws_starlette import HtmxWS

from .server import get


async def test_components_are_sent_returned_and_put_into_fragments() -> None:
    live = HtmxWS()

    @live.ws("/chat")
    async def say(msg: str, send: Any) -> Any:
        await send(Div(msg, id="notifications"))
        return append("#log", Li(msg)), Input(id="msg", name="msg")

    app = FastHTML(routes=live.routes, secret_key="a test's")
    async with Socket(app, "/chat") as page:
        await page.send(msg="<hi>")
        for shown in (
            '<div hx-swap-oob="outerHTML" id="notifications">&lt;hi&gt;</div>',
            '<div hx-swap-oob="beforeend:#log"><li>&lt;hi&gt;</li></div>',
            '<input hx-swap-oob="outerHTML"',
        ):
            assert (await page.receive()).strip().startswith(shown)


async def test_beforeware_runs_for_views_alone() -> None:
    ran: list[str] = []

    def before(request) -> None:  # type: ignore[no-untyped-def]  # FastHTML knows it by name
        ran.append(request.url.path)

    live = HtmxWS()
    live.ws("/chat")(lambda: None)
    app: Any = FastHTML(routes=live.routes, before=Beforeware(before), secret_key="a test's")
    app.get("/")(lambda: "a view")
    await get(app, "/")
    async with Socket(app, "/chat"):
        pass
    assert ran == ["/"]

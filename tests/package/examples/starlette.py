"""A first page by htmx-ws[starlette], and what it is said and answers."""

import asyncio
from typing import assert_type

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import BaseRoute

from htmx_ws import HTML, html
from htmx_ws.testing import Socket
from htmx_ws_starlette import HtmxWS

live = HtmxWS()


@live.ws("/hello/{room}", name="hello")
async def hello(name: str, request: Request) -> HTML:
    return html('<p id="hello">Hello {} at {}</p>', name, request.url_for("hello", room="a"))


app = Starlette(routes=live.routes, lifespan=live.lifespan)
assert_type(live, HtmxWS)
assert_type(live.routes, list[BaseRoute])


async def visit() -> None:
    async with Socket(app, "/hello/lobby") as page:
        await page.send(name="<Ann>")
        assert "Hello &lt;Ann&gt; at ws://testserver/hello/a" in await page.receive()


asyncio.run(visit())

"""A first page by htmx-ws alone, and what it is said and answers."""

import asyncio
from typing import assert_type

from htmx_ws import HTML, HtmxWS, html
from htmx_ws.testing import Socket

live = HtmxWS()
assert_type(live, HtmxWS)


@live.ws("/hello/{room}")
async def hello(name: str, room: str) -> HTML:
    return html('<p id="hello">Hello {}, this is {}</p>', name, room)


async def visit() -> None:
    async with Socket(live, "/hello/lobby") as page:
        await page.send(name="<Ann>")
        assert "Hello &lt;Ann&gt;, this is lobby" in await page.receive()
    assert_type(await hello("Ann", "lobby"), HTML)


asyncio.run(visit())

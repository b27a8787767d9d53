"""A first page by htmx-ws[fastapi], and what it is said and answers."""

import asyncio
from typing import Annotated, assert_type

from fastapi import APIRouter, Cookie, Depends, FastAPI

from htmx_ws import HTML, html
from htmx_ws.testing import Socket
from htmx_ws_fastapi import HtmxWS

live = HtmxWS()


def visitor(user: Annotated[str, Cookie()]) -> str:
    return user.title()


@live.ws("/hello/{room}")
async def hello(name: str, room: str, user: Annotated[str, Depends(visitor)]) -> HTML:
    return html('<p id="hello">{} says hello to {} in {}</p>', user, name, room)


app = FastAPI()
app.include_router(live.router, prefix="/live")
assert_type(live, HtmxWS)
assert_type(live.router, APIRouter)


async def visit() -> None:
    async with Socket(app, "/live/hello/lobby", headers=[("cookie", "user=ann")]) as page:
        await page.send(name="<Bob>")
        assert "Ann says hello to &lt;Bob&gt; in lobby" in await page.receive()
    assert_type(await hello("Bob", "lobby", "Ann"), HTML)


asyncio.run(visit())

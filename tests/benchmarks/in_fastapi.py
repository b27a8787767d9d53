"""The subjects that need FastAPI, apart, since importing it takes longer than what they do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI

from htmx_ws import append
from htmx_ws.types import ASGIApp
from htmx_ws_fastapi import HtmxWS
from tests.benchmarks.subjects import UNLIMITED, answer_frames

__all__ = ["SUBJECTS"]


async def a_session() -> AsyncIterator[str]:
    yield "session"


async def a_user(session: Annotated[str, Depends(a_session)]) -> str:
    return "user"


async def a_setting() -> str:
    return "setting"


async def say_with_none(msg: str) -> object:
    return append("#log", f"<li>{msg}</li>")


async def say_with_one(msg: str, session: Annotated[str, Depends(a_session)]) -> object:
    return append("#log", f"<li>{msg}</li>")


async def say_with_three(
    msg: str,
    session: Annotated[str, Depends(a_session)],
    user: Annotated[str, Depends(a_user)],
    setting: Annotated[str, Depends(a_setting)],
) -> object:
    return append("#log", f"<li>{msg}</li>")


def by_fastapi(handler: Callable[..., Any]) -> ASGIApp:
    live = HtmxWS(limits=UNLIMITED)
    live.ws("/chat")(handler)
    app = FastAPI()
    app.include_router(live.router)
    return app


SUBJECTS: dict[str, Callable[[int], Awaitable[None]]] = {
    "FastAPI, no dependency": lambda times: answer_frames(by_fastapi(say_with_none), times),
    "FastAPI, one dependency": lambda times: answer_frames(by_fastapi(say_with_one), times),
    "FastAPI, three dependencies": lambda times: answer_frames(by_fastapi(say_with_three), times),
}

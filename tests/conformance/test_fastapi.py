"""FastAPI's routers around live: prefixes, dependencies, overrides, lifespans.

Annotations are evaluated where they stand here, since they name what a test has made.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
from fastapi import (
    APIRouter,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Path,
)
from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute

from htmx_ws import Connection, RegistrationError
from htmx_ws.testing import Socket
from htmx_ws_fastapi import HtmxWS

from .cases import Backend, answer, code, line
from .server import Server, get


@pytest.fixture
def live() -> HtmxWS:
    return HtmxWS()


def notes_of(notes: list[str], name: str) -> Any:
    """A dependency that notes who came to which team."""

    def note(team: Annotated[int, Path()], connection: HTTPConnection) -> None:
        notes.append(f"{name} {team!r} {connection.url.path}")

    return Depends(note)


# --- where it can be included ----------------------------------------------------------


def included(app: FastAPI, live: HtmxWS, notes: list[str]) -> None:
    app.include_router(
        live.router, prefix="/t/{team}/live", dependencies=[notes_of(notes, "include")]
    )


def nested(app: FastAPI, live: HtmxWS, notes: list[str]) -> None:
    inner = APIRouter(dependencies=[notes_of(notes, "inner")])
    inner.include_router(live.router, prefix="/live", dependencies=[notes_of(notes, "include")])
    outer = APIRouter(prefix="/t/{team}", dependencies=[notes_of(notes, "outer")])
    outer.include_router(inner)
    app.include_router(outer)


def mounted(app: FastAPI, live: HtmxWS, notes: list[str]) -> None:
    inner = FastAPI(dependencies=[notes_of(notes, "inner")])
    inner.include_router(live.router, prefix="/live", dependencies=[notes_of(notes, "include")])
    app.mount("/t/{team}", inner)


@pytest.mark.parametrize(
    ("include", "names"),
    [
        (included, ["app", "include"]),
        (nested, ["app", "outer", "inner", "include"]),
        (mounted, ["inner", "include"]),
    ],
)
async def test_dependencies_of_every_router_around_are_solved_once_for_a_page(
    live: HtmxWS, include: Any, names: list[str]
) -> None:
    notes: list[str] = []

    async def at_handler(team: Annotated[int, Path()]) -> int:
        return team

    async def joined(team: int, conn: Connection) -> None:
        notes.append(f"joined {team!r} {sorted(conn.path_params)}")

    @live.ws("/chat/{room}", conn=joined)
    async def say(room: str, team: str, solved: Annotated[int, Depends(at_handler)]) -> Any:
        return line(f"{team} {room} {solved!r}")

    app = FastAPI(dependencies=[notes_of(notes, "app")])
    include(app, live, notes)
    async with Socket(app, "/t/7/live/chat/lobby?team=8") as page:
        for _ in range(2):
            await page.send(team="9", room="EVIL")
            assert "7 lobby 7" in await page.receive()
    path = "/t/7/live/chat/lobby"
    assert notes == [*(f"{name} 7 {path}" for name in names), "joined 7 ['room', 'team']"]


async def test_the_same_router_included_twice_keeps_apart_what_is_around_it(live: HtmxWS) -> None:
    def guard(word: str) -> Any:
        def check(x_word: Annotated[str, Header()]) -> None:
            if x_word != word:
                raise HTTPException(403, f"not {word}")

        return Depends(check)

    @live.ws("/chat")
    async def say(conn: Connection) -> Any:
        return line(conn.scope["path"])

    app = FastAPI()
    app.include_router(live.router, prefix="/open")
    app.include_router(live.router, prefix="/a", dependencies=[guard("alpha")])
    app.include_router(live.router, prefix="/b", dependencies=[guard("beta")])
    alpha = [("x-word", "alpha")]
    assert "/open/chat" in await answer(app, "/open/chat")
    assert "/a/chat" in await answer(app, "/a/chat", headers=alpha)
    assert await code(app, "/b/chat", headers=alpha) == (4403, "not beta")


async def test_dependencies_of_a_handler_take_the_prefixs_parameters_by_name(live: HtmxWS) -> None:
    def team_of(team: int) -> int:
        return team

    @live.ws("/chat")
    async def say(team: Annotated[int, Depends(team_of)]) -> Any:
        return line(repr(team))

    for prefix, address in (("/t/{team}", "/t/7/chat?team=8"), ("", "/chat?team=8")):
        app = FastAPI()
        app.include_router(live.router, prefix=prefix)
        assert f"<li>{7 if prefix else 8}</li>" in await answer(app, address)


async def test_mounted_as_an_application_it_has_no_router_around_it(live: HtmxWS) -> None:
    """As every application that FastAPI mounts."""

    @live.ws("/chat")
    async def say(word: Annotated[str, Depends(lambda: "solved")]) -> Any:
        return line(word)

    app = FastAPI(dependencies=[Depends(lambda: pytest.fail("solved"))])
    app.mount("/live", live)
    assert "solved" in await answer(app, "/live/chat")
    assert await code(app, "/live/nowhere") == (4404, "not found")
    assert "solved" in await answer(live.wrap(app), "/chat")


async def test_a_route_of_everything_else_answers_paths_that_nobody_has(live: HtmxWS) -> None:
    live.ws("/chat")(lambda: line("hi"))
    app = FastAPI()
    app.include_router(live.router)
    app.router.routes.append(WebSocketRoute("/{path:path}", live))
    assert "hi" in await answer(app, "/chat")
    assert await code(app, "/nowhere") == (4404, "not found")


async def test_views_websockets_and_the_schema_of_an_application_are_as_before(
    live: HtmxWS,
) -> None:
    live.ws("/chat/{room}", name="say")(lambda room: line(room))
    app = FastAPI()

    @app.get("/page")
    def page(team: int = 1) -> str:
        return f"page {team}"

    app.include_router(live.router, prefix="/live")
    assert (await get(app, "/page")).text == '"page 1"'
    assert list(app.openapi()["paths"]) == ["/page"]
    assert app.url_path_for("say", room="lobby") == "/live/chat/lobby"


async def test_overrides_hold_for_the_dependencies_of_routers(live: HtmxWS) -> None:
    def members() -> None:
        raise HTTPException(403, "members only")

    live.ws("/chat")(lambda: line("hi"))
    app = FastAPI()
    app.include_router(live.router, dependencies=[Depends(members)])
    assert await code(app, "/chat") == (4403, "members only")
    app.dependency_overrides[members] = lambda: None
    assert "hi" in await answer(app, "/chat")


async def test_dependencies_of_routers_are_closed_before_the_page_is_accepted(
    live: HtmxWS,
) -> None:
    notes: list[str] = []

    async def db() -> AsyncIterator[None]:
        notes.append("opens")
        yield
        notes.append("closes")

    live.ws("/chat", conn=lambda: notes.append("joined"))(lambda: line("hi"))
    app = FastAPI()
    app.include_router(live.router, dependencies=[Depends(db)])
    await answer(app, "/chat")
    assert notes == ["opens", "closes", "joined"]


def test_what_is_registered_too_late_is_an_error(live: HtmxWS) -> None:
    live.endpoint("/early")
    FastAPI().include_router(live.router)
    for register in (live.endpoint, lambda path: live.ws(path)(lambda: None)):
        with pytest.raises(RegistrationError, match=r"'/late' comes too late.*live\.router was"):
            register("/late")


# --- the lifespan ----------------------------------------------------------------------


async def test_its_lifespan_is_merged_and_counted() -> None:
    """A router that is included thrice is started thrice."""
    backend = Backend()
    calls, live = backend.calls, HtmxWS(backend=backend)
    live.ws("/chat")(lambda: line("hi"))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        calls.append("app up")
        yield {"db": "open"}
        calls.append("app down")

    app = FastAPI(lifespan=lifespan)
    for prefix in ("/a", "/b", "/c"):
        app.include_router(live.router, prefix=prefix)
    async with Server(app) as server:
        assert server.state == {"db": "open"}
        assert sorted(calls) == ["app up", "start"]
        assert "hi" in await answer(app, "/b/chat")
    assert sorted(calls) == ["app down", "app up", "start", "stop"]

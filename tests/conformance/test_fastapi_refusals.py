"""Who is refused by FastAPI's dependencies and exceptions: accepted and closed, with a code.

A refused handshake makes every htmx try again for ever. Annotations are evaluated where they
stand here, since they name what a test has made.
"""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import (
    Depends,
    FastAPI,
    HTTPException,
    Query,
    WebSocket,
)
from fastapi import WebSocketException as Closes
from fastapi.responses import JSONResponse, RedirectResponse

from htmx_ws.testing import Socket
from htmx_ws_fastapi import HtmxWS, connection

from .cases import answer, code, line
from .hosts.fastapi import an_app


@pytest.fixture
def live() -> HtmxWS:
    return HtmxWS()


class Full(Exception):
    """An exception of the application's own."""


class Members(HTTPException):
    """As an application has one, with a handler for it."""

    def __init__(self) -> None:
        super().__init__(402, "members only")


async def closes(websocket: WebSocket, error: Exception) -> None:
    await websocket.close(4001, "full")


def answers(websocket: WebSocket, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "full"}, status_code=409)


async def says_nothing(websocket: WebSocket, error: Exception) -> None: ...


def raising(error: Exception) -> Callable[[], None]:
    def dependency() -> None:
        raise error

    return dependency


def number(n: int = Query(ge=1)) -> int:
    return n


ANYWHERE: list[Any] = [
    (raising(HTTPException(401)), (4401, "Unauthorized")),
    (raising(HTTPException(403, "members only")), (4403, "members only")),
    (raising(HTTPException(404)), (4404, "Not Found")),
    (raising(Closes(1008, "policy")), (1008, "policy")),
    (raising(Closes(4001, "full")), (4001, "full")),
    (raising(Closes(1011, "full")), (1008, "full")),
    (number, (4400, "bad query")),
]


@pytest.mark.parametrize(("dependency", "closed"), ANYWHERE)
@pytest.mark.parametrize("place", ["the router", "the hook"])
async def test_whoever_is_refused_is_accepted_and_closed(
    live: HtmxWS, place: str, dependency: Any, closed: tuple[int, str]
) -> None:
    """A refused handshake makes every htmx try again for ever."""
    left: list[str] = []

    async def joined(it: Annotated[Any, Depends(dependency)]) -> None: ...

    at_hook = place == "the hook"
    live.ws("/chat", conn=joined if at_hook else None, disconn=lambda: left.append("left"))(
        lambda: None
    )
    app = an_app(live, dependencies=[] if at_hook else [Depends(dependency)])
    assert await code(app, "/chat?n=0") == closed
    assert left == (["left"] if at_hook else [])


async def test_a_redirect_of_a_dependency_takes_the_page_along(live: HtmxWS) -> None:
    see_other = HTTPException(303, headers={"Location": "/login"})
    live.ws("/chat")(lambda: None)
    async with Socket(an_app(live, dependencies=[Depends(raising(see_other))]), "/chat") as page:
        assert "/login" in await page.receive()
        assert await page.closed() == 4303


@pytest.mark.parametrize(
    ("error", "handler", "closed"),
    [
        (Full(), closes, (4001, "full")),
        (Full(), answers, (4409, "forbidden")),
        (Full(), says_nothing, (1008, "forbidden")),
        (Members(), answers, (4402, "members only")),
    ],
)
async def test_an_exception_handler_of_the_application_says_how_a_page_is_refused(
    live: HtmxWS, error: Exception, handler: Any, closed: tuple[int, str]
) -> None:
    """But for HTTPException, whose status says it."""
    live.ws("/chat")(lambda: None)
    app = an_app(live, {type(error): handler}, dependencies=[Depends(raising(error))])
    assert await code(app, "/chat") == closed


@pytest.mark.parametrize(
    ("handler", "closed", "told"),
    [
        (lambda request, error: JSONResponse({}, status_code=503), 1013, ""),
        (lambda request, error: RedirectResponse("/login", 303), 4303, "/login"),
    ],
    ids=["503", "303"],
)
async def test_an_exception_handlers_response_means_what_its_status_says(
    live: HtmxWS, handler: Any, closed: int, told: str
) -> None:
    """As where it is an HTTPException that has the status."""
    live.ws("/chat")(lambda: None)
    app = an_app(live, {Full: handler}, dependencies=[Depends(raising(Full()))])
    async with Socket(app, "/chat") as page:
        assert await page.closed() == closed
        assert told in "".join(page.pending)


@pytest.mark.parametrize("error", [HTTPException(503), HTTPException(429), LookupError("no db")])
async def test_what_is_not_the_pages_fault_has_it_come_back(
    live: HtmxWS, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    live.ws("/chat")(lambda: None)
    app = an_app(live, dependencies=[Depends(raising(error))])
    assert await code(app, "/chat") == (1013, "not let in")
    assert str(error) in caplog.text


async def test_a_dependency_of_a_router_has_no_connection_yet(
    live: HtmxWS, caplog: pytest.LogCaptureFixture
) -> None:
    live.ws("/chat")(lambda: None)
    app = an_app(live, dependencies=[Depends(connection)])
    assert await code(app, "/chat") == (1013, "not let in")
    assert "No page is connected yet" in caplog.text


async def test_exceptions_of_a_handler_go_to_its_error_hook_alone(live: HtmxWS) -> None:
    """An exception handler would answer a request, and here is none."""
    chat = live.endpoint("/chat")

    @chat.on_message
    async def say(db: Annotated[str, Depends(lambda: "db")]) -> None:
        raise Full

    chat.on_error(lambda error: line(type(error).__name__))
    assert "Full" in await answer(an_app(live, {Full: closes}), "/chat")


async def test_a_page_may_not_pass_where_its_dependencies_are_not_found(
    live: HtmxWS, caplog: pytest.LogCaptureFixture
) -> None:
    live.ws("/chat")(lambda: line("hi"))
    app = FastAPI(dependencies=[Depends(lambda: None)])
    app.router.routes.append(live.routes[0])
    assert await code(app, "/chat") == (1013, "not let in")
    assert "so nobody may pass: include live.router" in caplog.text


# --- what a dependency of a router may do to the socket ---------------------------------


async def test_a_dependency_of_a_router_may_accept_as_some_do_before_they_close(
    live: HtmxWS,
) -> None:
    async def accepts(websocket: WebSocket) -> None:
        await websocket.accept()

    live.ws("/chat")(lambda: line("in"))
    app = FastAPI()
    app.include_router(live.router, dependencies=[Depends(accepts)])
    assert "in" in await answer(app, "/chat")


async def test_but_it_cannot_send_and_says_what_to_use(
    live: HtmxWS, caplog: pytest.LogCaptureFixture
) -> None:
    async def sends(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("<p>hi</p>")

    live.ws("/chat")(lambda: line("in"))
    app = FastAPI()
    app.include_router(live.router, dependencies=[Depends(sends)])
    assert (await code(app, "/chat"))[0] == 1013
    assert "use a connect hook" in caplog.text


async def test_a_router_without_an_application_around_it_solves_them_too(live: HtmxWS) -> None:
    live.ws("/chat")(lambda: line("in"))
    app = FastAPI()
    app.include_router(live.router, prefix="/a")
    app.include_router(live.router, prefix="/b", dependencies=[Depends(raising(Closes(4001)))])
    # No middleware has put exception handlers into the scope here.
    bare: dict[str, Any] = {"scope": {"app": app}}
    assert "in" in await answer(app.router, "/a/chat", **bare)
    assert (await code(app.router, "/b/chat", **bare))[0] == 4001


async def test_a_page_that_comes_to_the_second_route_at_once_is_served(live: HtmxWS) -> None:
    """As FastAPI before 0.137 has it below an ``APIRouter(prefix=...)``."""
    live.ws("/chat")(lambda: line("in"))
    (guard,) = live._guards.values()
    assert live.router is not None

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await guard(WebSocket(scope, receive, send))

    assert "in" in await answer(app, "/chat")

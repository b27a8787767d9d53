"""FastAPI's parameters and dependencies: what handlers and hooks can ask for, and what they cannot.

Annotations are evaluated where they stand here, since they name what a test has made.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from fastapi import (
    BackgroundTasks,
    Cookie,
    Depends,
    Form,
    Header,
    HTTPException,
    Path,
    Query,
    Response,
    Security,
    UploadFile,
    WebSocket,
)
from fastapi.security import SecurityScopes
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection, Request

from htmx_ws import Connection, Frame, RegistrationError, html
from htmx_ws.testing import Socket
from htmx_ws_fastapi import HtmxWS, connection, frame

from .cases import line
from .hosts.fastapi import an_app


@pytest.fixture
def live() -> HtmxWS:
    return HtmxWS()


# --- what can be asked for -------------------------------------------------------------


def nested(x_token: Annotated[str, Header()]) -> str:
    return f"token {x_token}"


async def current(token: Annotated[str, Depends(nested)], connection: HTTPConnection) -> str:
    return f"{token} on {connection.url.path}"


def scoped(scopes: SecurityScopes, theme: Annotated[str, Cookie()]) -> str:
    return f"{theme} {scopes.scope_str}"


async def annotated(
    msg: str,
    room: Annotated[str, Path(min_length=2)],
    page: Annotated[int, Query(ge=1)],
    x_token: Annotated[str, Header()],
    theme: Annotated[str, Cookie()],
    who: Annotated[str, Depends(current)],
    key: Annotated[str, Security(scoped, scopes=["a", "b"])],
    tags: Annotated[list[str], Query(alias="tag")] = [],  # noqa: B006  # as FastAPI's users do
) -> Any:
    return line(f"{msg} | {room} | {page} | {x_token} | {theme} | {who} | {key} | {tags}")


async def by_default(
    msg: str,
    room: str = Path(min_length=2),
    page: int = Query(ge=1),
    x_token: str = Header(),
    theme: str = Cookie(),
    who: str = Depends(current),
    key: str = Security(scoped, scopes=["a", "b"]),
    tags: list[str] = Query([], alias="tag"),  # noqa: B008  # as FastAPI's users do
) -> Any:
    return await annotated(msg, room, page, x_token, theme, who, key, tags)


ALL = "hi | lobby | 2 | t | dark | token t on /chat/lobby | dark a b | ['x', 'y']"


@pytest.mark.parametrize("style", [annotated, by_default])
@pytest.mark.parametrize("place", ["hook", "handler"])
async def test_every_kind_of_parameter_comes_from_the_handshake(
    live: HtmxWS, style: Any, place: str
) -> None:
    hook, handler = (style, lambda: None) if place == "hook" else (None, style)
    live.ws("/chat/{room}", conn=hook)(handler)
    headers = [("x-token", "t"), ("cookie", "theme=dark")]
    async with Socket(
        an_app(live), "/chat/lobby?page=2&tag=x&tag=y&msg=hi", headers=headers
    ) as page:
        if place == "handler":
            evil = dict.fromkeys(("room", "page", "x_token", "theme", "who", "tag"), "EVIL")
            await page.send(evil | {"msg": "hi"})
        assert ALL in (await page.receive()).replace("&#x27;", "'")


class Pages:
    def __init__(self, skip: int = 0, limit: int = 10) -> None:
        self.skip, self.limit = skip, limit


class Checker:
    def __call__(self, q: str) -> bool:
        return q == "yes"


def in_a_thread() -> Iterator[str]:
    yield threading.current_thread().name


async def test_classes_instances_and_plain_generators_are_dependencies(live: HtmxWS) -> None:
    @live.ws("/chat")
    async def say(
        pages: Annotated[Pages, Depends()],
        allowed: Annotated[bool, Depends(Checker())],
        thread: Annotated[str, Depends(in_a_thread)],
    ) -> Any:
        return line(f"{pages.skip} {pages.limit} {allowed} {thread}")

    async with Socket(an_app(live), "/chat?limit=5&q=yes") as page:
        await page.send(skip="7")
        assert "0 5 True AnyIO worker thread" in await page.receive()


@dataclass
class User:
    name: str


async def test_a_dependency_may_have_a_name_that_is_the_servers(live: HtmxWS) -> None:
    def get_user() -> User:
        return User("ann")

    @live.ws("/chat")
    async def say(
        user: Annotated[User, Depends(get_user)],
        session: Annotated[str, Depends(lambda: "of a database")],
        state: str = Depends(lambda: "of mine"),
    ) -> Any:
        return line(f"{user.name}, a session {session}, a state {state}")

    async with Socket(an_app(live), "/chat") as page:
        await page.send(user="EVIL", session="EVIL")
        assert "ann, a session of a database, a state of mine" in await page.receive()


async def test_a_dependency_gets_the_connection_and_the_frame(live: HtmxWS) -> None:
    Conn = Annotated[Connection, Depends(connection)]

    async def who(conn: Conn, sent: Annotated[Frame | None, Depends(frame)]) -> str:
        return f"{conn.path_params['room']} {sent and sent.values} {sent and sent.sender}"

    Who = Annotated[str, Depends(who)]

    async def joined(who: Who, conn: Conn) -> Any:
        await conn.join("room")
        return line(who)

    @live.ws("/chat/{room}", conn=joined)
    async def say(who: Who, conn: Conn, conn_too: Connection, sent: Frame) -> Any:
        return line(f"{who} {conn is conn_too} {sent.sender} {conn.rooms}")

    async with Socket(an_app(live), "/chat/lobby") as page:
        assert "lobby None None" in await page.receive()
        await page.send(msg="hi", sender="say-form")
        shown = (await page.receive()).replace("&#x27;", "'")
        assert "lobby {'msg': 'hi'} say-form True say-form {'room'}" in shown


# --- forms, as FastAPI's users write them ----------------------------------------------


class Order(BaseModel):
    item: Annotated[str, Field(min_length=2)]
    count: int = Field(1, ge=1)
    gift: bool = False


async def test_forms_are_written_as_in_fastapi(live: HtmxWS) -> None:
    shop = live.endpoint("/shop")

    @shop.on("model")
    async def model(data: Annotated[Order, Form()]) -> Any:
        return line(f"{data!r}")

    @shop.on("model-by-default")
    async def by_default(order: Order = Form()) -> Any:  # noqa: B008
        return line(f"{order!r}")

    @shop.on("fields")
    async def fields(
        item: Annotated[str, Form(min_length=2)],
        count: int = Form(1, ge=1),
        tags: Annotated[list[str], Form()] = [],  # noqa: B006  # as FastAPI's users do
        size: Annotated[str, Field(pattern="^[sml]$")] = "m",
    ) -> Any:
        return line(f"{item} {count} {tags} {size}")

    async with Socket(an_app(live), "/shop") as page:
        for sender in ("model", "model-by-default"):
            await page.send(item="tea", count="2", gift="on", sender=sender)
            shown = (await page.receive()).replace("&#x27;", "'")
            assert "Order(item='tea', count=2, gift=True)" in shown
            await page.send(item="t", count="0", sender=sender)
            shown = await page.receive()
            for message in ("at least 2 characters", "greater than or equal to 1"):
                assert message in shown
        await page.send(item="tea", tags="x", size="s", sender="fields")
        assert "tea 1 ['x'] s" in (await page.receive()).replace("&#x27;", "'")
        await page.send(item="t", size="x", sender="fields")
        shown = await page.receive()
        for field in ("item", "size"):
            assert f'data-field="{field}"' in shown


async def test_a_field_may_have_an_alias_as_in_fastapi(live: HtmxWS) -> None:
    @live.ws("/chat")
    async def say(author: Annotated[str, Form(alias="user")]) -> Any:
        return line(f"from {author}")

    async with Socket(an_app(live), "/chat") as page:
        await page.send(user="ann")
        assert "from ann" in await page.receive()


# --- what does not fit -----------------------------------------------------------------


async def test_a_header_that_does_not_fit_is_an_error_of_the_frame(live: HtmxWS) -> None:
    def version(x_version: Annotated[int, Header()]) -> int:
        return x_version

    chat = live.endpoint("/chat")

    @chat.on("bare")
    async def bare(version: Annotated[int, Depends(version)]) -> Any:
        return line(version)

    async with Socket(an_app(live), "/chat", headers=[("x-version", "new")]) as page:
        await page.send(sender="bare")
        shown = await page.receive()
        assert "#bare-errors" in shown
        assert 'data-field="x-version"' in shown
        assert "valid integer" in shown


async def test_exceptions_of_dependencies_go_to_the_error_hook(live: HtmxWS) -> None:
    def forbids() -> None:
        raise HTTPException(403, "members only")

    chat = live.endpoint("/chat")

    @chat.on("members")
    async def members(who: Annotated[None, Depends(forbids)]) -> Any:
        return line(who)

    chat.on_message(lambda: line("hi"))
    chat.on_error(lambda error: line(f"{error.status_code} {error.detail}"))
    async with Socket(an_app(live), "/chat") as page:
        await page.send(sender="members")
        assert "403 members only" in await page.receive()
        await page.send()
        assert "hi" in await page.receive()


@pytest.mark.parametrize(
    ("kind", "instead"),
    [
        (WebSocket, "take `conn: Connection` to send, or `request: Request`"),
        (BackgroundTasks, r"use `conn\.start\(\.\.\.\)`"),
        (UploadFile, "upload by a form with hx-post"),
        (Response, "what a handler returns is sent"),
        (SecurityScopes, r"Security\(who, scopes=\[\.\.\.\]\)"),
    ],
)
@pytest.mark.parametrize("place", ["on_message", "on_connect", "on_disconnect", "on_error"])
def test_what_only_http_has_is_refused_with_what_to_do(
    live: HtmxWS, kind: type, instead: str, place: str
) -> None:
    async def handler(it: kind) -> None: ...  # type: ignore[valid-type]

    message = rf"handler: the parameter `it` is {kind.__name__}, which .* {instead}"
    with pytest.raises(RegistrationError, match=message):
        getattr(live.endpoint("/chat"), place)(handler)


def takes_request(request: Request) -> None: ...
def takes_tasks(tasks: BackgroundTasks) -> None: ...
def takes_response(response: Response) -> None: ...
def takes_file(file: UploadFile) -> None: ...
def takes_form(msg: Annotated[str, Form()]) -> None: ...
def takes_model(order: Order) -> None: ...
def takes_it_further_down(it: Annotated[None, Depends(takes_request)]) -> None: ...


@pytest.mark.parametrize(
    ("dependency", "instead"),
    [
        (takes_request, "HTTPConnection"),
        (takes_tasks, r"conn\.start"),
        (takes_response, "what a handler returns is sent"),
        (takes_file, "upload by a form with hx-post"),
        (takes_form, r"Depends\(frame\)"),
        (takes_model, r"Depends\(frame\)"),
        (takes_it_further_down, "HTTPConnection"),
    ],
)
def test_what_only_http_has_is_refused_in_a_dependency_too(
    live: HtmxWS, dependency: Any, instead: str
) -> None:
    """Else it fails with each frame, or is lost without a word."""

    async def handler(it: Annotated[None, Depends(dependency)]) -> None: ...

    with pytest.raises(RegistrationError, match=instead):
        live.endpoint("/chat").on_message(handler)


def test_several_files_are_refused_as_one_is(live: HtmxWS) -> None:
    async def handler(files: list[UploadFile]) -> None: ...

    with pytest.raises(RegistrationError, match="upload by a form with hx-post"):
        live.endpoint("/chat").on_message(handler)


async def test_a_dependency_reads_the_handshake_and_leaves_the_socket_alone(live: HtmxWS) -> None:
    async def reads(websocket: WebSocket) -> str:
        return websocket.headers["x-name"]

    async def receives(websocket: WebSocket) -> str:
        await websocket.accept()
        return await websocket.receive_text()

    async def sends(websocket: WebSocket) -> None:
        await websocket.send({"type": "websocket.accept"})

    chat = live.endpoint("/chat")
    for name, dependency in (("reads", reads), ("receives", receives), ("sends", sends)):

        @chat.on(name)
        async def handler(it: Annotated[Any, Depends(dependency)]) -> Any:
            return line(it)

    chat.on_error(lambda error: line(error))
    async with Socket(an_app(live), "/chat", headers=[("x-name", "ann")]) as page:
        for sender, shown in (
            ("reads", "ann"),
            ("receives", "A dependency cannot read a page&#x27;s frames: use Depends(frame)"),
            ("sends", "A dependency cannot write to a page&#x27;s socket: use Depends(connection)"),
        ):
            await page.send(sender=sender)
            assert shown in await page.receive()
        assert page.code is None


async def test_starlettes_request_is_the_handshake(live: HtmxWS) -> None:
    @live.ws("/chat")
    async def say(request: Request, db: Annotated[str, Depends(lambda: "db")]) -> Any:
        return html('<p id="x">{} {}</p>', request.url.path, db)

    async with Socket(an_app(live), "/chat") as page:
        await page.send()
        assert "/chat db</p>" in await page.receive()

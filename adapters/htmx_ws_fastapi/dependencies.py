"""FastAPI's dependencies around the calls of handlers and hooks.

FastAPI solves dependencies for routes, and what it solves them with is private and moves. So a
handler that has any gets a route of its own, which is never routed to: for each message
that route's application is called, its dependencies are solved, cached and closed as for
any websocket, and in the midst of it, instead of an endpoint, our call goes on. Handlers
without dependencies have no route, and cost what they cost without FastAPI.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NoReturn, get_args

from fastapi import BackgroundTasks, Response, UploadFile, WebSocket, params
from fastapi.exceptions import WebSocketRequestValidationError
from fastapi.routing import APIWebSocketRoute
from fastapi.security import SecurityScopes

from htmx_ws import BindingError, Connection, Frame, RegistrationError
from htmx_ws.binding import Parameter, parameters
from htmx_ws.endpoint import name_of
from htmx_ws.host import Around, Call

__all__ = ["around", "connection", "frame"]

_CONNECTION: Final = "htmx_ws.connection"
_FRAME: Final = "htmx_ws.frame"
_CALL: Final = "htmx_ws.call"

_REFUSED: Final[dict[Any, str]] = {
    WebSocket: "htmx-ws reads and writes the socket itself: take `conn: Connection` to send, or "
    "`request: Request` for cookies, headers and state",
    BackgroundTasks: "they are for responses: use `conn.start(...)`, which ends with the page",
    Response: "there is none: what a handler returns is sent to the page",
    SecurityScopes: "scopes belong to a dependency: Security(who, scopes=[...])",
    UploadFile: "htmx sends no files over a websocket: upload by a form with hx-post",
}


def connection(websocket: WebSocket) -> Connection:
    """Give a dependency the page's connection: ``Annotated[Connection, Depends(connection)]``.

    Raises ``RuntimeError`` in a dependency of the router: these come before there is one.
    """
    return _ours(websocket, _CONNECTION)  # type: ignore[no-any-return]  # a scope holds anything


def frame(websocket: WebSocket) -> Frame | None:
    """Give a dependency the frame at work: ``Annotated[Frame, Depends(frame)]``.

    None in a connect or disconnect hook. Raises ``RuntimeError`` in a dependency of the router.
    """
    return _ours(websocket, _FRAME)  # type: ignore[no-any-return]  # a scope holds anything


def _ours(websocket: WebSocket, key: str) -> Any:
    try:
        return websocket.scope[key]
    except KeyError:
        raise RuntimeError(
            "No page is connected yet where include_router(dependencies=...) is solved: depend on "
            "this in a handler or hook."
        ) from None


def around(function: Callable[..., Any], path: str) -> Around | None:
    """Give what solves a handler's dependencies around its calls; None where it has none.

    Raises ``RegistrationError`` for what FastAPI cannot give a handler here.
    """
    claimed = [each for each in parameters(function) if _is_fastapis(each)]
    if not claimed:
        return None
    signature = inspect.Signature(
        [
            inspect.Parameter("_websocket", _KEYWORD, annotation=WebSocket),
            *(
                inspect.Parameter(
                    each.name, _KEYWORD, annotation=each.annotation, default=each.default
                )
                for each in claimed
            ),
        ]
    )

    async def endpoint(_websocket: WebSocket, **solved: Any) -> None:
        await _websocket.scope[_CALL](solved)

    endpoint.__signature__ = signature  # type: ignore[attr-defined]  # PEP 362

    # One for each path at which it is included, since dependencies may take its parameters.
    @lru_cache(maxsize=64)
    def route_at(path: str, app: Any) -> APIWebSocketRoute:
        return APIWebSocketRoute(path, endpoint, dependency_overrides_provider=app)

    # Now, so that what FastAPI refuses, and what it would lose without a word, is refused now.
    _check(name_of(function), route_at(path, None).dependant)

    async def run(conn: Connection, frame: Frame | None, call: Call) -> None:
        failed: Exception | None = None

        async def call_and_note(solved: Mapping[str, Any]) -> None:
            nonlocal failed
            try:
                await call(solved)
            except Exception as error:
                failed = error
                raise

        scope = {**conn.scope, _CONNECTION: conn, _FRAME: frame, _CALL: call_and_note}
        # Else FastAPI would answer an error of a dependency by closing a socket that is not its.
        scope.pop("starlette.exception_handlers", None)
        app = conn.app if hasattr(conn.app, "dependency_overrides") else None
        route = route_at(getattr(scope.get("route"), "path", path), app)
        try:
            await route.app(scope, _read, _write)
        except WebSocketRequestValidationError as error:
            raise BindingError(
                {".".join(map(str, each["loc"][1:])): each["msg"] for each in error.errors()}
            ) from None
        if failed is not None:  # and a dependency kept it to itself
            raise failed

    return Around(frozenset(each.name for each in claimed), run)


#: What FastAPI fills in a dependency for requests alone, by its names in a Dependant.
_OF_REQUESTS: Final = {
    "request_param_name": "Request, which FastAPI does not give it at a websocket: take an "
    "HTTPConnection, of which a Request is one",
    "background_tasks_param_name": f"BackgroundTasks, and {_REFUSED[BackgroundTasks]}",
    "response_param_name": f"Response, and {_REFUSED[Response]}",
    "body_params": "a body, and there is none: take the frame, `Depends(frame)`, or the field in "
    f"the handler itself; and of files, {_REFUSED[UploadFile]}",
}


def _check(owner: str, dependant: Any) -> None:
    for each in dependant.dependencies:
        for attribute, why in _OF_REQUESTS.items():
            if getattr(each, attribute):
                name = getattr(each.call, "__qualname__", repr(each.call))
                raise RegistrationError(f"{owner}: its dependency {name} takes {why}.")
        _check(owner, each)


_KEYWORD: Final = inspect.Parameter.KEYWORD_ONLY


def _is_fastapis(parameter: Parameter) -> bool:
    if any(isinstance(one, (params.Depends, params.Param)) for one in parameter.said):
        return True
    for kind, why in _REFUSED.items():
        every = [one for arm in parameter.arms for one in (arm, *get_args(arm))]
        if any(isinstance(one, type) and issubclass(one, kind) for one in every):
            raise parameter.refuse(f"is {kind.__name__}, which a handler cannot take: {why}.")
    return False


async def _read() -> NoReturn:
    raise RuntimeError("A dependency cannot read a page's frames: use Depends(frame).")


async def _write(event: object) -> NoReturn:
    raise RuntimeError("A dependency cannot write to a page's socket: use Depends(connection).")

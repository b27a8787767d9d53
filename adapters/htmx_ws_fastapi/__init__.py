"""htmx-ws with the manners of FastAPI: dependencies, routers and prefixes.

It is the adapter for Starlette, and what FastAPI adds: ``live.router`` to include, and
dependencies. Those of the router are solved once for each page. FastAPI would refuse the
handshake when one of them raises, which every htmx takes for a reason to try again, for ever. So
an endpoint is two routes. The first is ours and gets the page as it comes; it has FastAPI
solve the second, which carries the dependencies of every router around it, and then accepts
the page, or accepts it and closes. By then the dependencies are closed too: a database session
is not held for as long as a page is open.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Final, cast

try:
    from fastapi import APIRouter, WebSocket, routing
    from fastapi.exceptions import WebSocketRequestValidationError
    from fastapi.routing import APIWebSocketRoute
    from starlette.exceptions import HTTPException, WebSocketException
    from starlette.routing import BaseRoute, Match
except ImportError as error:
    raise ImportError('htmx_ws_fastapi needs FastAPI: pip install "htmx-ws[fastapi]"') from error

import htmx_ws_starlette
from htmx_ws import Endpoint, Refused
from htmx_ws.host import Host
from htmx_ws.incidents import refuse
from htmx_ws.types import Message, Scope

from .dependencies import around, connection, frame

__all__ = ["HtmxWS", "connection", "frame"]

_VISIT: Final = "htmx_ws.visit"
_HANDLERS: Final = "starlette.exception_handlers"


def _refusal(error: Exception) -> Refused | None:
    if isinstance(error, WebSocketRequestValidationError):
        return Refused("bad query", code=refuse("bad query"))
    return htmx_ws_starlette.refusal(error)


class HtmxWS(htmx_ws_starlette.HtmxWS):
    """htmx's websockets in FastAPI: ``app.include_router(live.router, prefix="/live")``.

    Takes what ``htmx_ws.HtmxWS`` takes. Handlers and hooks may have ``Depends``, ``Security``,
    ``Header``, ``Cookie``, ``Query`` and ``Path`` parameters, solved for each call and closed
    after it; whatever else they take is the form's, ``Form`` or not.
    """

    host: ClassVar[Host] = replace(htmx_ws_starlette.HtmxWS.host, around=around, refusal=_refusal)

    @cached_property
    def router(self) -> APIRouter:
        """The router of every endpoint, to include where you like, prefixed and guarded.

        FastAPI copies it: an endpoint that is registered later raises ``RegistrationError``.
        """
        router = APIRouter(lifespan=self.lifespan)
        router.routes.extend(super().routes)
        for endpoint, guard in self._guards.items():
            path = endpoint.path.text
            router.add_api_websocket_route(path, guard, name=endpoint.name or path)
        self._copied = "live.router"
        return router

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes of ``router``, as a list."""
        return list(self.router.routes)

    @cached_property
    def _guards(self) -> dict[Endpoint, _Guard]:
        return {endpoint: _make_guard(endpoint) for endpoint in self._endpoints.values()}

    async def admit(self, endpoint: Endpoint, scope: Scope) -> Scope:
        """Solve the dependencies of the routers around an endpoint, before a page is accepted."""
        if scope.get("endpoint") is not endpoint:
            return scope  # mounted, or wrapped around FastAPI: no router is around it
        route = _find(self._guards[endpoint], scope)
        visit = _Visit()
        at_guard = {**scope, "route": route, _VISIT: visit}
        if _HANDLERS in scope:
            at_guard[_HANDLERS] = _without_ours(*scope[_HANDLERS])
        await route.handle(at_guard, visit.receive, visit.send)
        if visit.error is not None:
            raise visit.error
        if not visit.passed:  # an exception handler of the application has taken it
            raise Refused("forbidden")
        return {**scope, "route": route}


_Guard = Callable[[WebSocket], Awaitable[None]]


def _make_guard(endpoint: Endpoint) -> _Guard:
    """Make the endpoint of a second route: who comes to it has passed the dependencies.

    FastAPI before 0.137 leaves the prefix of an ``APIRouter(prefix=...)`` off routes that are not
    its own, as our first. Below one, pages come here at once, and are served here.
    """

    async def guard(websocket: WebSocket) -> None:
        visit = websocket.scope.get(_VISIT)
        if visit is None:
            await endpoint(websocket.scope, websocket.receive, websocket.send)
        else:
            visit.passed = True

    return guard


def _find(guard: _Guard, scope: Scope) -> APIWebSocketRoute:
    """Find the route that FastAPI made of a guard, with all that its routers add to it."""
    for route in _walk(scope["app"].routes):
        if getattr(route, "original_route", route).endpoint is guard:
            match, found = route.matches(scope)
            if match is Match.FULL:
                return cast(APIWebSocketRoute, found["route"])
    raise RuntimeError(
        f"The dependencies around {scope['path']!r} cannot be found, so nobody may pass: include "
        "live.router, or routes of live.routes with their neighbours."
    )


#: Since FastAPI 0.137 routes of included routers are not among the application's.
_each: Callable[[Iterable[Any]], Iterable[Any]] = getattr(routing, "iter_route_contexts", iter)


def _walk(routes: Iterable[Any]) -> Iterator[Any]:
    for route in _each(routes):
        inner = getattr(route, "original_route", route)
        if isinstance(inner, APIWebSocketRoute):
            yield route
        yield from _walk(getattr(inner, "routes", None) or ())


def _without_ours(
    by_class: Mapping[Any, Any], by_status: Mapping[int, Any]
) -> tuple[dict[Any, Any], dict[int, Any]]:
    """The application's exception handlers, less those that close without a reason or at all."""
    ours = (HTTPException, WebSocketRequestValidationError)
    left = {
        key: handler
        for key, handler in by_class.items()
        if not (isinstance(key, type) and issubclass(key, ours))
    }
    return left, {}


class _Visit:
    """A page at the dependencies of a router: passed, or refused by one of them."""

    def __init__(self) -> None:
        self.passed = False
        self.error: Exception | None = None

    async def receive(self) -> Message:
        return {"type": "websocket.connect"}

    async def send(self, event: Message) -> None:
        if event["type"] == "websocket.close":
            self.error = WebSocketException(event.get("code", 1000), event.get("reason") or "")
        elif event["type"] == "websocket.http.response.start":
            headers = {name.decode(): value.decode("latin-1") for name, value in event["headers"]}
            self.error = HTTPException(event["status"], "forbidden", headers)
        elif event["type"] == "websocket.send":
            raise RuntimeError("A dependency of a router cannot send: use a connect hook.")

"""htmx-ws with the manners of Starlette.

``live.routes`` are Starlette's own, so its converters, reverse URLs and mounts hold; handlers
take its ``Request``, its thread pool runs those that are plain functions, and its exceptions
turn a page away. What Starlette's middleware puts into the scope (session, user, auth, state)
the core reads anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

try:
    from starlette.concurrency import run_in_threadpool
    from starlette.convertors import CONVERTOR_TYPES
    from starlette.datastructures import URL, Headers
    from starlette.exceptions import HTTPException, WebSocketException
    from starlette.requests import HTTPConnection, Request
    from starlette.routing import BaseRoute, WebSocketRoute
    from starlette.websockets import WebSocket
except ImportError as error:
    raise ImportError(
        'htmx_ws_starlette needs Starlette: pip install "htmx-ws[starlette]"'
    ) from error

import htmx_ws
from htmx_ws import Attributes, Connection, Refused, redirect
from htmx_ws.binding import parameters
from htmx_ws.host import Around, Host
from htmx_ws.results import Runtime
from htmx_ws.routing import Path

__all__ = ["HtmxWS", "refusal", "request_of"]


def request_of(conn: Connection) -> Request:
    """Give the handshake of a page as a ``Request``: for templates, cookies, ``url_for``.

    It is a GET of the socket's address by http(s), without a body, so ``url_for`` gives the
    addresses that the page itself would get.
    """
    scheme = "https" if conn.scope.get("scheme") in ("wss", "https") else "http"
    return Request({**conn.scope, "type": "http", "method": "GET", "scheme": scheme})


def refusal(error: Exception) -> Refused | None:
    """Give how an exception of Starlette turns a page away; None for any other error.

    A 4xx closes with 4000 and its status, a redirect also sends the page there first. A 5xx, a
    408 or a 429 is none: the page may come back, as after any error. A ``WebSocketException``
    closes with its own code where htmx stays away after it, else with 1008.
    """
    if isinstance(error, WebSocketException):
        stays_away = error.code == 1008 or 4000 <= error.code <= 4999
        return Refused(error.reason, code=error.code if stays_away else 1008)
    if not isinstance(error, HTTPException):
        return None
    status = error.status_code
    if status >= 500 or status in (408, 429):
        return None
    place = Headers(error.headers).get("location") if 300 <= status < 400 else None
    return Refused(
        error.detail, code=4000 + status, content=None if place is None else redirect(place)
    )


def _path(text: str) -> Path:
    # As they are now: applications register converters of their own.
    return Path(text, {name: (each.regex, each.convert) for name, each in CONVERTOR_TYPES.items()})


def _refuse_websocket(function: Callable[..., Any], path: str) -> Around | None:
    """Refuse a parameter that Starlette's own endpoints have, and ours cannot; adds nothing."""
    for parameter in parameters(function):
        if any(isinstance(arm, type) and issubclass(arm, WebSocket) for arm in parameter.arms):
            raise parameter.refuse(
                "is a WebSocket, which htmx-ws reads and writes itself: take `conn: Connection` to "
                "send, or `request: Request` for cookies, headers and state."
            )
    return None


def _take_request(conn: Connection, frame: object, third: object) -> Request:
    return request_of(conn)


def _identify(conn: Connection) -> object:
    """Who Starlette's AuthenticationMiddleware found: its identity, or else the name it shows."""
    user: Any = conn.scope.get("user")
    if not getattr(user, "is_authenticated", False):
        return None
    try:
        return user.identity
    except (AttributeError, NotImplementedError):  # Starlette's own users have none
        return getattr(user, "display_name", None)


class HtmxWS(htmx_ws.HtmxWS):
    """htmx's websockets in Starlette: ``Starlette(routes=[..., *live.routes])``.

    Takes what ``htmx_ws.HtmxWS`` takes. Handlers and hooks may also ask for a ``Request`` or
    ``HTTPConnection``, by annotation: the page's handshake.
    """

    host: ClassVar[Host] = Host(
        path=_path,
        types={Request: _take_request, HTTPConnection: _take_request},
        runtime=Runtime(run_sync=run_in_threadpool),
        refusal=refusal,
        around=_refuse_websocket,
        identify=_identify,
    )

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes of every endpoint, for ``Starlette`` or a ``Mount``.

        Starlette copies the list: an endpoint that is registered later raises
        ``RegistrationError``. A route is named like its endpoint, or like its path.
        """
        self._copied = "live.routes"
        return [
            WebSocketRoute(endpoint.path.text, endpoint, name=endpoint.name or endpoint.path.text)
            for endpoint in self._endpoints.values()
        ]

    def connect_attrs(self, url: object, *, page: str | None = None) -> Attributes:
        """Give the attributes of the element that connects to ``url``, on htmx 2 and 4.

        Of what ``url_for`` gives only the path and query are written: the page knows its own
        host, and whether it came by https, better than a server behind a proxy does. A ``str``
        is written as it is.
        """
        if isinstance(url, URL):
            url = f"{url.path}?{url.query}" if url.query else url.path
        return super().connect_attrs(url, page=page)

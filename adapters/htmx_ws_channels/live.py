"""``HtmxWS`` in a Django project: its paths, hosts, users and database.

``live.application`` is what ``asgi.py`` needs, and ``live.urlpatterns`` what a ``URLRouter``
of one's own does. Who may connect is asked as Django asks it, by ALLOWED_HOSTS and
CSRF_TRUSTED_ORIGINS. Channels' own validator refuses the handshake, which every htmx takes for
a reason to try again; here such a page is accepted and closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, cast

from channels.auth import AuthMiddlewareStack
from channels.exceptions import DenyConnection
from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import translation

import htmx_ws
from htmx_ws import Attributes, Backend, Connection, Endpoint, Limits, Refused
from htmx_ws.host import Host
from htmx_ws.security import check_origin, refuse
from htmx_ws.types import ASGIApp, Receive, Scope, Send

from .conf import setting
from .requests import request_from, request_of, token_of
from .runtime import RUNTIME, around

__all__ = ["HtmxWS"]


class _Path:
    """A path in Django's syntax: ``ws/chat/<slug:room>/``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._pattern = path(text.lstrip("/"), _no_view).pattern
        self.names = frozenset(self._pattern.converters)

    def match(self, path: str) -> dict[str, Any] | None:
        found = self._pattern.match(path.removeprefix("/"))
        return None if not found else dict(found[2])


def _no_view(request: object) -> HttpResponse:
    raise NotImplementedError  # the pattern is all that is asked for


def _refusal(error: Exception) -> Refused | None:
    if isinstance(error, Http404):
        return Refused("not found", code=refuse("not found"))
    if isinstance(error, (PermissionDenied, DenyConnection)):
        return Refused("forbidden", code=4403)
    if isinstance(error, SuspiciousOperation):
        return Refused("bad request", code=refuse("bad query"))
    return None


def _take_request(conn: Connection, frame: object, third: object) -> HttpRequest:
    return request_of(conn)


class HtmxWS(htmx_ws.HtmxWS):
    """htmx's websockets in Django: ``application = live.application(http=get_asgi_application())``.

    Takes what ``htmx_ws.HtmxWS`` takes; what is left out comes from ``settings.HTMX_WS``, and
    ``debug`` from ``settings.DEBUG``. Paths are Django's: ``live.ws("ws/chat/<slug:room>/")``.
    Handlers and hooks may also ask for an ``HttpRequest``, by annotation: the page's handshake.
    """

    host: ClassVar[Host] = Host(
        path=_Path,
        types={HttpRequest: _take_request, ASGIRequest: _take_request},
        runtime=RUNTIME,
        refusal=_refusal,
        around=around,
        origins_hint="CSRF_TRUSTED_ORIGINS = ['https://example.com']",
    )

    def __init__(
        self,
        *,
        origins: Iterable[str] | None = None,
        limits: Limits | None = None,
        backend: Backend | None = None,
        debug: bool | None = None,
        strict_html: bool | None = None,
        subprotocols: Iterable[str] | None = None,
    ) -> None:
        super().__init__(
            origins=setting("ORIGINS") if origins is None else origins,
            limits=Limits(**setting("LIMITS")) if limits is None else limits,
            backend=backend,
            debug=settings.DEBUG if debug is None else debug,
            strict_html=setting("STRICT_HTML") if strict_html is None else strict_html,
            subprotocols=setting("SUBPROTOCOLS") if subprotocols is None else subprotocols,
        )

    # --- addresses ---------------------------------------------------------------------

    @property
    def urlpatterns(self) -> list[URLPattern]:
        """The patterns of every endpoint, for Channels' ``URLRouter``.

        It copies them: an endpoint that is registered later raises ``RegistrationError``.
        """
        self._copied = "live.urlpatterns"
        return [
            path(endpoint.path.text.lstrip("/"), endpoint, name=endpoint.name)  # type: ignore[arg-type]
            for endpoint in self._endpoints.values()
        ]

    def reverse(self, name: str, **params: Any) -> str:
        """Give the address of an endpoint by its name; raises ``NoReverseMatch``.

        Websockets are not in the project's URLconf, so Django's ``reverse`` does not find them.
        """
        return reverse(name, urlconf=self, kwargs=params)  # type: ignore[arg-type]

    def connect_attrs(
        self, url: object, *, page: str | None = None, request: HttpRequest | None = None
    ) -> Attributes:
        """Give the attributes of the element that connects to ``url``, on htmx 2 and 4.

        With the ``request`` that the page is rendered for, its token is the page's.
        """
        if page is None and request is not None:
            page = token_of(request)
        return super().connect_attrs(url, page=page)

    # --- ASGI --------------------------------------------------------------------------

    def application(self, http: ASGIApp | None = None) -> ASGIApp:
        """Give the project's ASGI application: websockets here, all else to ``http``.

        Pages have Channels' session and user. A path without an endpoint, and a page of another
        site, are turned away before the database is asked who it is.
        """
        with_user = cast(ASGIApp, AuthMiddlewareStack(cast(Any, self)))

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            kind = scope["type"]
            if kind == "websocket" and self.serves(scope) and self.check_origin(scope) is None:
                await with_user(scope, receive, send)
            elif kind in ("websocket", "lifespan") or http is None:
                await self(scope, receive, send)
            else:
                await http(scope, receive, send)

        application.htmx_ws = self  # type: ignore[attr-defined]  # for the system check
        return application

    def check_origin(self, scope: Scope) -> str | None:
        """Say why this handshake's Origin may not connect, by Django's settings; None if it may."""
        headers = [each for each in scope.get("headers", ()) if each[0] != b"host"]
        if len(headers) < len(scope.get("headers", ())):
            try:
                host = request_from(scope).get_host()
            except DisallowedHost as error:
                return f"{error}".rstrip(".")
            scope = {**scope, "headers": [*headers, (b"host", host.encode("latin-1"))]}
        return check_origin(scope, (*self._origins, *_trusted()))

    async def admit(self, endpoint: Endpoint, scope: Scope) -> Scope:
        """Add what a URLRouter found in the path, and the language of the page."""
        route = scope.get("url_route") or {}
        params = {**(scope.get("path_params") or {}), **route.get("kwargs", {})}
        scope = {**scope, "path_params": params}
        if settings.USE_I18N and _LOCALE in settings.MIDDLEWARE:
            language = translation.get_language_from_request(request_from(scope))
            scope["htmx_ws.language"] = language
        return scope

    # --- publishing --------------------------------------------------------------------

    def publish_on_commit(
        self, room: str, content: object, *, using: str | None = None, **options: Any
    ) -> None:
        """Publish once the transaction at work is committed, and never if it is rolled back.

        Without a transaction it publishes now. ``using`` names the database; ``options`` are
        those of ``publish``. In async code Django has no transactions: use ``publish``.
        """
        transaction.on_commit(lambda: _publish(self.publish, room, content, options), using=using)


_LOCALE = "django.middleware.locale.LocaleMiddleware"


def _publish(
    publish: Callable[..., Any], room: str, content: object, options: dict[str, Any]
) -> None:
    publish(room, content, **options)


def _trusted() -> Iterator[str]:
    """The sites that the project's settings trust, as origins."""
    yield from settings.CSRF_TRUSTED_ORIGINS
    for host in settings.ALLOWED_HOSTS:
        if host.startswith("."):
            yield f"https://{host[1:]}"
            yield f"https://*{host}"
        elif host != "*":
            yield f"https://{host}"

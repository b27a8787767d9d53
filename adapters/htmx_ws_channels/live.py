"""``HtmxWS`` in a Django project: its paths, hosts, users and database.

``live.application`` is what ``asgi.py`` needs, and ``live.urlpatterns`` what a ``URLRouter``
of one's own does. Who may connect is asked as Django asks it, by ALLOWED_HOSTS and
CSRF_TRUSTED_ORIGINS. Channels' own validator refuses the handshake, which every htmx takes for
a reason to try again; here such a page is accepted and closed.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from inspect import iscoroutine
from typing import Any, ClassVar, cast

from channels.auth import AuthMiddleware, get_user
from channels.exceptions import DenyConnection
from channels.sessions import SessionMiddlewareStack
from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.http import Http404, HttpRequest
from django.urls import path, reverse
from django.urls.resolvers import RoutePattern
from django.utils import translation

import htmx_ws
from htmx_ws import (
    Attributes,
    Backend,
    BadSignature,
    Connection,
    Endpoint,
    Limits,
    PageMarkup,
    Refused,
    RegistrationError,
)
from htmx_ws.host import Host
from htmx_ws.incidents import refuse
from htmx_ws.reauth import Reauth
from htmx_ws.security import check_origin
from htmx_ws.telemetry import Telemetry
from htmx_ws.types import ASGIApp, Receive, Scope, Send

from . import sessions
from .conf import check_names, setting
from .layer import ChannelLayerBackend
from .requests import Reader, keep_token, request_from, request_of
from .runtime import RUNTIME, around, own_thread, run_sync

__all__ = ["HtmxWS"]


def _in_django(parameter: re.Match[str]) -> str:
    name, converter = parameter.groups()
    return f"<{converter}:{name}>" if converter else f"<{name}>"


class _Path:
    """A path in Django's syntax: ``ws/chat/<slug:room>/``."""

    def __init__(self, text: str) -> None:
        if "{" in text:
            right = re.sub(r"\{(\w+)(?::(\w+))?\}", _in_django, text)
            raise RegistrationError(f"Paths are Django's here: write {right!r}, not {text!r}.")
        self.text = text
        self._pattern = RoutePattern(text.lstrip("/"), is_endpoint=True)
        self.names = frozenset(self._pattern.converters)

    def match(self, path: str) -> dict[str, Any] | None:
        found = self._pattern.match(path.removeprefix("/"))
        return None if not found else dict(found[2])


def _backend(given: Backend | str | None) -> Backend | str | None:
    """Make the backend of a channel layer where one is named: ``channels://default``."""
    if not isinstance(given, str) or not given.startswith("channels://"):
        return given
    return ChannelLayerBackend(given.removeprefix("channels://") or "default")


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


def _identify(conn: Connection) -> object:
    user: Any = conn.scope.get("user")
    return user.pk if getattr(user, "is_authenticated", False) else None


class _WithUser(AuthMiddleware):
    """Channels' middleware, but not in the one thread that it has for all pages."""

    async def resolve_scope(self, scope: Any) -> None:
        look_up: Callable[[Any], object] = cast(Any, get_user).func
        async with own_thread():
            scope["user"]._wrapped = await run_sync(look_up, scope)


class HtmxWS(htmx_ws.HtmxWS):
    """htmx's websockets in Django: ``application = live.application(http=get_asgi_application())``.

    Takes what ``htmx_ws.HtmxWS`` takes; what is left out comes from ``settings.HTMX_WS``,
    ``debug`` from ``settings.DEBUG``, and ``secret`` from ``settings.SECRET_KEY``. Paths are
    Django's: ``live.ws("ws/chat/<slug:room>/")``.
    Handlers and hooks may also ask for an ``HttpRequest``, by annotation: the page's handshake.
    """

    host: ClassVar[Host] = Host(
        path=_Path,
        types={HttpRequest: _take_request, ASGIRequest: _take_request},
        runtime=RUNTIME,
        refusal=_refusal,
        around=around,
        identify=_identify,
        origins_hint="CSRF_TRUSTED_ORIGINS = ['https://example.com']",
    )

    def __init__(
        self,
        *,
        origins: Iterable[str] | None = None,
        limits: Limits | None = None,
        backend: Backend | str | None = None,
        debug: bool | None = None,
        strict_html: bool | None = None,
        subprotocols: Iterable[str] | None = None,
        identify: Callable[[Connection], object] | None = None,
        secret: str | bytes | Iterable[str | bytes] | None = None,
        page_tokens: bool | Callable[[Connection], object] | None = None,
        reauth: Reauth | None = None,
        reauth_seconds: float | None = None,
        proxies: int | None = None,
        drain_seconds: float | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        check_names()
        super().__init__(
            origins=setting("ORIGINS") if origins is None else origins,
            limits=Limits(**setting("LIMITS")) if limits is None else limits,
            backend=_backend(setting("BACKEND") if backend is None else backend),
            debug=bool(settings.DEBUG) if debug is None else debug,
            strict_html=setting("STRICT_HTML") if strict_html is None else strict_html,
            subprotocols=setting("SUBPROTOCOLS") if subprotocols is None else subprotocols,
            identify=identify,
            secret=secret,
            page_tokens=setting("PAGE_TOKENS") if page_tokens is None else page_tokens,
            reauth=reauth,
            reauth_seconds=(
                setting("REAUTH_SECONDS") if reauth_seconds is None else reauth_seconds
            ),
            proxies=setting("PROXIES") if proxies is None else proxies,
            drain_seconds=setting("DRAIN_SECONDS") if drain_seconds is None else drain_seconds,
            telemetry=telemetry,
        )

    # --- addresses ---------------------------------------------------------------------

    @property
    def urlpatterns(self) -> list[Any]:
        """The ``URLPattern`` of every endpoint, for Channels' ``URLRouter``.

        It copies them: an endpoint that is registered later raises ``RegistrationError``.
        """
        self._copied = "live.urlpatterns"
        return [
            path(each.path.text.lstrip("/"), cast(Any, each), name=each.name)
            for each in self._endpoints.values()
        ]

    def reverse(self, name: str, **params: Any) -> str:
        """Give the address of an endpoint by its name; raises ``NoReverseMatch``.

        Websockets are not in the project's URLconf, so Django's ``reverse`` does not find them.
        """
        # Whatever has urlpatterns is a URLconf.
        return reverse(name, urlconf=cast(Any, self), kwargs=params)

    def connect_attrs(
        self, url: object, *, page: str | None = None, request: HttpRequest | None = None
    ) -> Attributes:
        """Give the attributes of the element that connects to ``url``, on htmx 2 and 4.

        With the ``request`` that the page is rendered for, its token is the page's. Raises
        ``ValueError`` with ``page_tokens`` where it has none.
        """
        if page is None:
            page = self._token_for(url, request)
        return super().connect_attrs(url, page=page)

    def page(
        self,
        url: object,
        *,
        rooms: str | Iterable[str] = (),
        element: str = "htmx-ws",
        page: str | None = None,
        to: object = "",
        request: HttpRequest | None = None,
    ) -> PageMarkup:
        """Give the markup of a page that connects to ``url``, and that resumes; see the core's.

        With the ``request`` that the page is rendered for, its token is the page's. Raises
        ``ValueError`` with ``page_tokens`` where nothing says whom it is for.
        """
        if page is None and (request is not None or to == ""):
            page = self._token_for(url, request)
        return super().page(url, rooms=rooms, element=element, page=page, to=to)

    def _token_for(self, url: object, request: HttpRequest | None) -> str | None:
        if request is not None:
            return self.token_of(request)
        if self._page_tokens:
            raise ValueError(
                f"The page of {str(url)!r} would be turned away, as page_tokens let it in for its "
                "visitor alone: give the request that it is rendered for, request=request; or, "
                "where there is none, page=live.new_page(to=user.pk)."
            )
        return None

    def token_of(self, request: HttpRequest) -> str:
        """Give the token of the page that is rendered for a request: one for all its templates.

        With ``page_tokens`` it is signed for whoever asks, as far as ``user`` and ``session`` say;
        a token that he brings, as a form of the page does, is his still.
        """
        reader = Reader(request)
        wanted = self._page_tokens
        if wanted:
            conn = cast(Connection, reader)
            if not callable(wanted):
                reader.identity = self._identify(conn)
            if iscoroutine(reader.identity):
                reader.identity.close()
                raise TypeError(
                    "Whom a page is rendered for must be known at once, and identify is async: "
                    "give page_tokens a plain function, of conn.scope['user'] or ['session']."
                )
            try:
                self._check_page(conn)
            except BadSignature:
                to = wanted(conn) if callable(wanted) else reader.identity
                reader.page = keep_token(request, self.new_page(to=to))
        return reader.page

    # --- ASGI --------------------------------------------------------------------------

    def application(self, http: Callable[..., Awaitable[Any]] | None = None) -> ASGIApp:
        """Give the project's ASGI application: websockets here, all else to ``http``.

        Pages have Channels' session and user. A path without an endpoint, and a page of another
        site, are turned away before the database is asked who it is.
        """
        with_user = cast(ASGIApp, SessionMiddlewareStack(_WithUser(cast(Any, self))))

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            kind = scope["type"]
            if kind == "websocket" and self.serves(scope) and self.check_origin(scope) is None:
                await with_user(scope, receive, send)
            elif kind in ("websocket", "lifespan") or http is None:
                await self(scope, receive, send)
            else:
                await http(scope, receive, send)

        return self._mark(application)

    def wrap(self, app: Callable[..., Awaitable[Any]]) -> ASGIApp:
        """Put these paths before an ASGI application; all else passes through to it."""
        return self._mark(super().wrap(app))

    def _mark(self, app: ASGIApp) -> ASGIApp:
        """Tell the system check whose application it is."""
        app.htmx_ws = self  # type: ignore[attr-defined]  # a function takes any
        return app

    def check_origin(self, scope: Scope) -> str | None:
        """Say why this handshake's Origin may not connect, by Django's settings; None if it may."""
        headers = [each for each in scope.get("headers", ()) if each[0].lower() != b"host"]
        if len(headers) < len(scope.get("headers", ())):
            request = request_from(scope)
            try:
                headers.append((b"host", request.get_host().encode("latin-1")))
            except DisallowedHost as error:
                return f"{error}".rstrip(".")
            scheme = "wss" if request.is_secure() else "ws"
            scope = {**scope, "headers": headers, "scheme": scheme}
        return check_origin(scope, (*self._origins, *_trusted()))

    async def admit(self, endpoint: Endpoint, scope: Scope) -> Scope:
        """Add what a URLRouter found in the path, and the language of the page."""
        route = scope.get("url_route") or {}
        params = {**(scope.get("path_params") or {}), **route.get("kwargs", {})}
        scope = {**scope, "path_params": params}
        sessions.begin(scope)
        if settings.USE_I18N and _LOCALE in settings.MIDDLEWARE:
            language = translation.get_language_from_request(request_from(scope))
            scope["htmx_ws.language"] = language
        return scope

    def _keys(self) -> tuple[bytes, ...]:
        return self._secrets or tuple(
            key.encode() if isinstance(key, str) else key
            for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        )

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
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        yield origin
        yield origin.replace("://*.", "://")  # which Django trusts with its subdomains
    for host in settings.ALLOWED_HOSTS:
        if host.startswith("."):
            yield f"https://{host[1:]}"
            yield f"https://*{host}"
        elif host != "*":
            yield f"https://{host}"

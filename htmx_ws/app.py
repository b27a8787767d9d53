"""The application: paths to endpoints, behind one ASGI callable.

It can be the whole application, be mounted, routed to, or wrapped around another; it starts
with the host's lifespan, or by itself at the first page where there is none.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any, ClassVar, TypeVar

from .backends import Backend, MemoryBackend
from .clock import Clock
from .connection import Connection, close_reason
from .endpoint import Endpoint
from .errors import HtmxWSError, Refused, RegistrationError
from .host import Host
from .hub import Hub
from .lifecycle import Page, send_close
from .markup import Attributes, connect_attrs, dialect_of, scripts, send_attrs
from .middleware import wrap
from .routing import scope_path
from .security import Limits, Reason, check_allow_list, check_origin, refuse
from .signing import check_secrets, sign, unsign
from .types import ASGIApp, Receive, Scope, Send
from .wire.serialise import serialise

__all__ = ["HtmxWS"]

_log = logging.getLogger("htmx_ws")
F = TypeVar("F", bound=Callable[..., Any])

#: In a scope's extensions: a test client asks for the checks of debug mode.
TESTING = "htmx_ws.testing"


class HtmxWS:
    """An ASGI application that answers htmx's websockets.

    ``origins``: which sites' pages may connect beside the application's own: exact origins,
    ``https://*.example.com``, or ``*`` for all. ``limits``: see ``Limits``. ``backend``: what
    carries publications between processes; by default there is one process. ``debug``: show
    what a handler sends back unescaped. ``strict_html``: refuse a bare ``str``.
    ``subprotocols``: those to agree to when a page offers them. ``identify``: gives who a
    page's visitor is, from its connection: anything hashable, None for anybody; may be async.
    ``secret``: what ``sign`` signs with, or several, the newest first.
    """

    #: The manners of the framework that an adapter is for.
    host: ClassVar[Host] = Host()

    def __init__(
        self,
        *,
        origins: Iterable[str] | None = None,
        limits: Limits | None = None,
        backend: Backend | None = None,
        debug: bool = False,
        strict_html: bool = False,
        subprotocols: Iterable[str] = (),
        identify: Callable[[Connection], object] | None = None,
        secret: str | bytes | Iterable[str | bytes] | None = None,
    ) -> None:
        self._origins = check_allow_list([origins] if isinstance(origins, str) else origins or ())
        self._limits = Limits() if limits is None else limits
        self._debug = debug
        self._strict = strict_html
        self._subprotocols = tuple(subprotocols)
        self._secrets = check_secrets(secret)
        self._identify = self.host.identify if identify is None else identify
        self._endpoints: dict[str, Endpoint] = {}
        self._hub = Hub(MemoryBackend() if backend is None else backend, strict_html=strict_html)
        self._clock: Clock | None = None
        self._lifespans = 0
        self._copied = ""

    # --- registration ------------------------------------------------------------------

    def endpoint(
        self,
        path: str,
        *,
        name: str | None = None,
        target: str | None = None,
        swap: str = "innerHTML",
    ) -> Endpoint:
        """Make the endpoint of a path, for several handlers on one socket.

        ``path`` may hold parameters: ``/chat/{room}``, ``{n:int}``, ``{rest:path}``. ``name`` is
        for reverse URLs, where the framework has them. ``target`` and ``swap`` say where HTML
        goes that has no ``hx-swap-oob``; without a target, it replaces the elements that have
        its ids.
        """
        if self._copied:
            raise RegistrationError(
                f"The path {path!r} comes too late: the framework copied what was there when "
                f"{self._copied} was read, and would not see it. Register every path before."
            )
        if path in self._endpoints:
            raise RegistrationError(
                f"The path {path!r} has an endpoint already: register the handlers of one "
                "path on one endpoint."
            )
        endpoint = self._endpoints[path] = Endpoint(
            path, target, swap, name=name, host=self.host, app=self
        )
        return endpoint

    def ws(
        self,
        path: str,
        conn: Callable[..., Any] | None = None,
        disconn: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        target: str | None = None,
        swap: str = "innerHTML",
    ) -> Callable[[F], F]:
        """Register one handler for all frames of a path, with its hooks: the short form.

        The endpoint's ``name`` is the handler's, unless another is given.
        """
        if callable(path):
            raise RegistrationError(
                "ws() takes a path, and gives a decorator: @live.ws('/chat/{room}')."
            )

        def register(function: F) -> F:
            endpoint = self.endpoint(
                path, name=name or getattr(function, "__name__", None), target=target, swap=swap
            )
            if conn is not None:
                endpoint.on_connect(conn)
            if disconn is not None:
                endpoint.on_disconnect(disconn)
            endpoint.on_message(function)
            return function

        return register

    # --- rooms -------------------------------------------------------------------------

    def publish(
        self,
        room: str,
        content: object,
        *,
        exclude: Connection | str | Iterable[Connection | str] | None = None,
        to: Connection | str | None = None,
        variant: Callable[[Connection], object] | None = None,
    ) -> Awaitable[int]:
        """Send content to every page of a room; awaiting it gives the publication's offset.

        Works from anywhere: a handler, another task, a thread. ``exclude`` leaves out
        connections, or their ids, or the tokens of their pages; ``to`` means one alone. A
        function of a connection as content renders for each page; with ``variant``, once for
        each value that it gives.
        """
        return self._hub.publish(room, content, exclude=exclude, to=to, variant=variant)

    def members(self, room: str) -> list[Connection]:
        """The pages that are in a room, in the order in which they joined."""
        return self._hub.members(room)

    def disconnect(
        self,
        *,
        user: object = None,
        room: str | None = None,
        conn: Connection | str | None = None,
        code: int = 1008,
        reason: str = "",
    ) -> int:
        """Close the pages of a visitor, of a room, or one, by its id; gives how many there were.

        After 1008 and 4000 to 4999 htmx stays away, after 1012 it comes back. Works in threads.
        Raises ``TypeError`` when nothing says which pages are meant.
        """
        if user is None and room is None and conn is None:
            raise TypeError("disconnect() takes user=, room= or conn=: which pages to close.")
        return self._hub.disconnect(code, reason, user=user, room=room, conn=conn)

    @property
    def is_ready(self) -> bool:
        """Whether new pages are taken in: what a load balancer should ask; False once draining."""
        return not self._hub.is_draining

    async def drain(self, seconds: float = 10.0) -> None:
        """Send all pages to another process before this one ends; returns when they have gone.

        From now on ``is_ready`` is False and handshakes are refused with 503. Pages are closed
        with 1012, so that they come back elsewhere, evenly over ``seconds``, lest all come back
        at once. Then it waits, up to 15 s, for their handlers and disconnect hooks.
        """
        await self._hub.drain(seconds)

    # --- tokens ------------------------------------------------------------------------

    def sign(self, value: str, *, seconds: float | None = 86_400, to: object = "") -> str:
        """Sign a value that a page is to carry, such as a room's name; text for a URL or a field.

        It holds for ``seconds`` (a day; None: for ever), and, with ``to``, for one visitor: give
        the id of the user, or the session's key, and the same to ``unsign``. The value can be
        read, but not changed. Raises ``HtmxWSError`` without a ``secret``.
        """
        return sign(self._keys(), value, seconds, str(to))

    def unsign(self, token: str, *, to: object = "") -> str:
        """Give the value of a token that ``sign`` made; raises ``BadSignature`` for any other."""
        return unsign(self._keys(), token, str(to))

    def _keys(self) -> tuple[bytes, ...]:
        if not self._secrets:
            raise HtmxWSError(
                "There is nothing to sign with: HtmxWS(secret=...), from the environment of the "
                "process, the same for all of them."
            )
        return self._secrets

    # --- markup ------------------------------------------------------------------------

    @property
    def template_globals(self) -> dict[str, Callable[..., Any]]:
        """Names for a template engine: ``templates.env.globals.update(live.template_globals)``.

        ``htmx_scripts(4)``, ``connect_attrs(url)`` and ``send_attrs()``.
        """
        return {
            "htmx_scripts": scripts,
            "connect_attrs": self.connect_attrs,
            "send_attrs": self.send_attrs,
        }

    def connect_attrs(self, url: object, *, page: str | None = None) -> Attributes:
        """Give the attributes of the element that connects to ``url``, on htmx 2 and 4.

        ``page`` is the page's own token, of ``new_page()``, by which ``exclude`` leaves it out.
        """
        return connect_attrs(url, page=page)

    def send_attrs(self) -> Attributes:
        """Give the attributes of an element that sends, on htmx 2 and 4."""
        return send_attrs()

    # --- ASGI --------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve websockets on the registered paths; answer everything else politely."""
        if scope["type"] == "websocket":
            found = self._find(scope)
            if found is None:
                path = scope_path(scope)
                _log.warning("No endpoint for %r: there are %s", path, list(self._endpoints))
                await self._turn_away("not found", scope, receive, send)
            else:
                await found[0](found[1], receive, send)
        elif scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
        elif scope["type"] == "http":
            await _answer_http(send)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Put these paths before an ASGI application; all else passes through to it."""
        return wrap(self, app)

    def serves(self, scope: Scope) -> bool:
        """Whether a websocket's path is one of the registered."""
        return self._find(scope) is not None

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncGenerator[None, None]:
        """Start and stop with a host: ``Starlette(lifespan=live.lifespan)``, or nested in its own.

        Nested several times it starts once, and stops with the last.
        """
        self._lifespans += 1
        try:
            await self._hub.start()
            yield
        finally:
            self._lifespans -= 1
            if not self._lifespans:
                await self._hub.stop()

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        phase = "startup"
        try:
            async with self.lifespan():
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
        except Exception as error:
            _log.exception("The %s failed", phase)
            await send({"type": f"lifespan.{phase}.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    def check_origin(self, scope: Scope) -> str | None:
        """Say why this handshake's Origin may not connect; None when it may."""
        return check_origin(scope, self._origins)

    async def admit(self, endpoint: Endpoint, scope: Scope) -> Scope:
        """Let a host have its say before a page is accepted, and add to its scope.

        For adapters: raises ``Refused``, or what the host's users raise, to turn it away.
        """
        return scope

    def _find(self, scope: Scope) -> tuple[Endpoint, Scope] | None:
        """Give the endpoint of a path, and the scope with its parameters."""
        path = scope_path(scope)
        # Litestar ends every path below a mount with a slash.
        for text in dict.fromkeys((path, path.rstrip("/") or path)):
            for endpoint in self._endpoints.values():
                own = endpoint.path.match(text)
                if own is not None:
                    return endpoint, {
                        **scope,
                        "path_params": {**(scope.get("path_params") or {}), **own},
                    }
        return None

    async def serve(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a page at an endpoint, whose parameters are in ``scope["path_params"]``."""
        cause = self.check_origin(scope)
        if cause is not None:
            _log.warning(
                "Refused a websocket on %r: %s. If its pages may connect, name their origin: %s",
                endpoint,
                cause,
                self.host.origins_hint,
            )
            await self._turn_away("bad origin", scope, receive, send)
            return
        try:
            endpoint, conn = await self._let_in(endpoint, scope, send)
        except Exception as error:
            refused = error if isinstance(error, Refused) else self.host.refusal(error)
            if refused is None:
                # Not raised: the host would answer what is accepted and closed already.
                _log.exception("A page could not be let in on %r", endpoint)
            else:
                _log.info("A page was turned away from %r: %s", endpoint, refused)
            await self._turn_away(refused or "failed", scope, receive, send)
            return
        if (await receive())["type"] != "websocket.connect":
            return
        await self._hub.start()
        why_not = self._hub.enter(conn)
        if why_not is not None:
            _log.warning("%r is refused with 503: %s", conn, why_not)
            await _deny(scope, send)
            return
        debug = self._debug or TESTING in (scope.get("extensions") or {})
        if self._clock is None or self._clock.loop is not conn.home.loop:
            self._clock = Clock()
        page = Page(conn, endpoint, receive, send, self._clock, debug=debug)
        await page.serve({"type": "websocket.accept", "subprotocol": self._agree(scope)})

    async def _let_in(
        self, endpoint: Endpoint, scope: Scope, send: Send
    ) -> tuple[Endpoint, Connection]:
        """Ask the host, and say who a page is; raises what turns it away."""
        scope = await self.admit(endpoint, scope)
        endpoint = endpoint.beneath(scope.get("path_params") or ())
        conn = Connection(
            scope,
            send,
            self._hub,
            limits=self._limits,
            app=self,
            target=endpoint.target,
            swap=endpoint.swap,
            strict_html=self._strict,
            runtime=self.host.runtime,
        )
        try:
            conn.dialect = dialect_of(conn.query)
        except ValueError as error:
            _log.warning("The query of a page that connects to %r: %s", endpoint, error)
            raise Refused("bad query", code=refuse("bad query")) from None
        identity = self._identify(conn)
        conn.identity = await identity if isawaitable(identity) else identity
        return endpoint, conn

    def _agree(self, scope: Scope) -> str | None:
        offered = scope.get("subprotocols") or ()
        return next((name for name in offered if name in self._subprotocols), None)

    async def _turn_away(
        self, why: Reason | Refused, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Accept and close: a refused handshake makes every htmx try again for ever."""
        if (await receive())["type"] != "websocket.connect":
            return
        # Browsers take an accept without the subprotocol that they want for a refusal.
        await send({"type": "websocket.accept", "subprotocol": self._agree(scope)})
        if isinstance(why, Refused):
            for message in serialise(why.content):
                await send({"type": "websocket.send", "text": message.text})
            code, reason = why.close_code, why.reason
        else:
            code, reason = refuse(why), str(why)
        await send_close(send, code, close_reason(reason))


async def _deny(scope: Scope, send: Send) -> None:
    """Refuse a handshake for now: by 503 where the server can, else by what it makes of a close."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": refuse("failed")})
        return
    body = b"Too many connections: try again later.\n"
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    start = {"type": "websocket.http.response.start", "status": 503, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": body})


async def _answer_http(send: Send) -> None:
    body = b"Not found: htmx-ws serves websockets here.\n"
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""The application: paths to endpoints, behind one ASGI callable.

It can be the whole application, be mounted, routed to, or wrapped around another; it starts
with the host's lifespan, or by itself at the first page where there is none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import Context
from functools import cached_property
from inspect import isawaitable, iscoroutinefunction
from typing import Any, ClassVar, Final, TypeVar

from .backends import Backend, Keep, MemoryBackend, from_url
from .backpressure import name_unbounded
from .clock import Clock
from .connection import Connection, close_reason
from .cursor import RESUME
from .ending import send_close
from .endpoint import Endpoint
from .errors import BadSignature, HtmxWSError, Refused, RegistrationError, one_line
from .hooks import check_hook
from .host import Host
from .hub import STOP_SECONDS, Hub
from .incidents import refuse, report
from .lifecycle import Page
from .markup import Attributes, connect_attrs, dialect_of, new_page, scripts, send_attrs
from .middleware import wrap
from .pages import PageMarkup, opening
from .presence import Presence, Present
from .readiness import Readiness
from .reauth import Reauth, ask_again
from .resume import Resume
from .rooms import MayJoin, Room, Snapshot
from .routing import scope_path
from .security import ALLOW_ALL, Limits, address_of, check_allow_list, check_number, check_origin
from .shutdown import drain_at_sigterm
from .signing import check_secrets, looks_signed, sign, unsign
from .telemetry import Telemetry
from .types import ASGIApp, Receive, Scope, Send
from .wire.serialise import serialise
from .workers import count_workers

__all__ = ["HtmxWS"]

_log = logging.getLogger("htmx_ws")
F = TypeVar("F", bound=Callable[..., Any])

#: In a scope's extensions: a test client asks for the checks of debug mode, and is given its page.
TESTING = "htmx_ws.testing"

#: How long the end of a process waits for handlers and hooks in debug, in seconds: whoever saved a
#: file waits for the reload.
DEBUG_STOP_SECONDS = 1.0

#: How long after the start it is looked whether there are several workers, in seconds: all of them
#: have begun by then.
LOOK_AFTER_SECONDS = 3.0

#: What the tokens of pages are signed for.
_PAGE_TOKEN: Final = "page"


class _BadQuery(Refused):
    """The connect URL of a page cannot be read."""


class _BadPageToken(BadSignature):
    """A page has no token, or one that does not hold."""


class HtmxWS:
    """An ASGI application that answers htmx's websockets.

    ``origins``: which sites' pages may connect beside the application's own: exact origins,
    ``https://*.example.com``, or ``*`` for all. ``limits``: see ``Limits``. ``backend``: what
    carries publications between processes, or its address: ``redis://...``, ``nats://...``; by
    default there is one process. ``debug``: show
    what a handler sends back unescaped. ``strict_html``: refuse a bare ``str``.
    ``subprotocols``: those to agree to when a page offers them. ``identify``: gives who a
    page's visitor is, from its connection: anything hashable, None for anybody; may be async.
    ``secret``: what ``sign`` signs with, or several, the newest first.

    ``page_tokens``: let only pages in that carry a token of ``new_page``, for their visitor's
    ``identity``, or for what a function gives of their connection, such as a session's key.
    ``reauth``: gives whether a page's login still holds, from its connection, and is asked every
    ``reauth_seconds``; may be async, a plain function runs in a thread. ``proxies``: how many
    proxies stand before the server, each of which appends to X-Forwarded-For; without it a
    page's address is that of whoever connects. ``drain_seconds``: how long ``drain`` takes, also
    at SIGTERM where the server lets it; 0 leaves SIGTERM to the server. ``telemetry``: is called
    with each ``Event``.

    ``identify(conn)``, ``page_tokens(conn)`` and ``reauth(conn)`` are called by position. Raises
    ``RegistrationError`` for one that is not made for it, ``TypeError`` or ``ValueError`` for
    what makes no sense.
    """

    #: The manners of the framework that an adapter is for.
    host: ClassVar[Host] = Host()

    def __init__(
        self,
        *,
        origins: Iterable[str] | None = None,
        limits: Limits | None = None,
        backend: Backend | str | None = None,
        debug: bool = False,
        strict_html: bool = False,
        subprotocols: Iterable[str] = (),
        identify: Callable[[Connection], object] | None = None,
        secret: str | bytes | Iterable[str | bytes] | None = None,
        page_tokens: bool | Callable[[Connection], object] = False,
        reauth: Reauth | None = None,
        reauth_seconds: float = 60.0,
        proxies: int = 0,
        drain_seconds: float = 5.0,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._origins = check_allow_list([origins] if isinstance(origins, str) else origins or ())
        self._limits = Limits() if limits is None else limits
        self._debug = debug
        self._strict = strict_html
        self._subprotocols = tuple(subprotocols)
        self._secrets = check_secrets(secret)
        if page_tokens and not self._secrets and type(self)._keys is HtmxWS._keys:
            raise ValueError("page_tokens need a secret to be signed with: HtmxWS(secret=...).")
        if not isinstance(page_tokens, bool):
            check_hook("page_tokens", page_tokens, "conn")
        for name, hook in (("identify", identify), ("reauth", reauth)):
            if hook is not None:
                check_hook(name, hook, "conn")
        if not isinstance(reauth_seconds, (int, float)) or not reauth_seconds > 0:  # pyright: ignore[reportUnnecessaryIsInstance]  # users'
            raise ValueError(f"reauth_seconds is {reauth_seconds!r}: it must be a number over 0.")
        check_number("proxies", proxies)
        check_number("drain_seconds", drain_seconds)
        for name, flag in (("debug", debug), ("strict_html", strict_html)):
            if not isinstance(flag, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  # users'
                raise TypeError(f"{name} is {flag!r}: it is True or False.")
        if telemetry is not None and (not callable(telemetry) or iscoroutinefunction(telemetry)):
            raise TypeError("telemetry is called and not awaited: give a plain function.")
        self._page_tokens = page_tokens
        self._reauth, self._reauth_seconds = reauth, reauth_seconds
        self._proxies = proxies
        self._drain_seconds = drain_seconds
        self._telemetry = telemetry
        self._has_looked = False
        self._has_warned_of_rooms = False
        self._identify = self.host.identify if identify is None else identify
        self._endpoints: dict[str, Endpoint] = {}
        self._around: list[Callable[..., Any]] = []
        self._hub = Hub(
            from_url(backend) if isinstance(backend, str) else backend or MemoryBackend(),
            strict_html=strict_html,
            telemetry=telemetry,
            begin=self._begin,
            runtime=self.host.runtime,
        )
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
        for function in self._around:
            endpoint.around(function)
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

    def around(self, function: F) -> F:
        """Register what runs around each handler of each endpoint: see ``Endpoint.around``.

        On one endpoint alone: ``@chat.around``.
        """
        for endpoint in self._endpoints.values():
            endpoint.around(function)
        self._around.append(function)
        return function

    # --- rooms -------------------------------------------------------------------------

    def room(
        self,
        pattern: str,
        *,
        may_join: MayJoin | None = None,
        presence: Presence | bool = False,
        history: int = 0,
        max_age: float = 3600.0,
        snapshot: Snapshot | None = None,
    ) -> None:
        """Say what holds for the rooms whose names fit a pattern: ``chat:*``, ``*`` for any text.

        ``may_join(conn, room)``, called by position, gives whether a page may join the room of that
        name; it may be async, a plain function runs in a thread. A page that may not is turned
        away where the join is awaited. ``presence`` has it known, in all processes, who is there:
        True, or a ``Presence`` that says how. With a ``history`` of so many publications, no older
        than ``max_age`` seconds, a page that comes back gets what it missed (see ``page``); where
        that is more, ``snapshot(conn, room)``, called likewise, gives what the room is now, as a
        handler gives its result; without one the page reloads. Where two patterns fit, the one
        declared first holds. Raises ``RegistrationError`` for functions of other parameters.
        """
        its_presence = Presence() if presence is True else presence or None
        if not isinstance(its_presence, Presence | None):  # pyright: ignore[reportUnnecessaryIsInstance]  # users'
            raise TypeError(f"presence is True or a Presence(...), not {its_presence!r}.")
        for name, hook in (("may_join", may_join), ("snapshot", snapshot)):
            if hook is not None:
                check_hook(name, hook, "conn", "room")
        if not isinstance(history, int) or history < 0:  # pyright: ignore[reportUnnecessaryIsInstance]  # users'
            raise ValueError(f"history is how many publications are kept, not {history!r}.")
        check_number("max_age", max_age)
        keep = Keep(history, max_age)
        self._hub.rules.declare(Room(pattern, may_join, its_presence, keep, snapshot))

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
        connections, or their ids, or the tokens of their pages; ``to`` means one such alone. A
        function of a connection as content renders for each page; with ``variant``, once for
        each value that it gives.
        """
        return self._hub.publish(room, content, exclude=exclude, to=to, variant=variant)

    def members(self, room: str) -> list[Connection]:
        """The pages that are in a room, in the order in which they joined."""
        return self._hub.members(room)

    def presence(self, room: str) -> list[Present]:
        """Give who is in a room, in any process, in the order in which they came.

        Of rooms whose rule has ``presence``: see ``room``. Reads what this process has heard.
        """
        return self._hub.roll.look(room)

    def count(self, *, user: object = None, room: str | None = None) -> Awaitable[int]:
        """Count the pages of a visitor, of a room, or all, in all processes; to be awaited.

        Raises ``HtmxWSError`` in a process that has not started, and ``BackendError`` where the
        others cannot be asked.
        """
        return self._hub.ask({"do": "count", "user": user, "room": room, "conn": None})

    def disconnect(
        self,
        *,
        user: object = None,
        room: str | None = None,
        conn: Connection | str | None = None,
        code: int = 1008,
        reason: str = "",
    ) -> Awaitable[int]:
        """Close the pages of a visitor, of a room, or one, by its id, in all processes.

        Acts whether it is awaited or not; awaiting it gives how many there were. After 1008 and
        4000 to 4999 htmx stays away, after 1012 it comes back. Works in threads, where it blocks.
        Raises ``TypeError`` when nothing says which pages are meant; awaiting it raises
        ``BackendError`` where only this process could be asked.
        """
        if user is None and room is None and conn is None:
            raise TypeError("disconnect() takes user=, room= or conn=: which pages to close.")
        which = {"user": user, "room": room, "conn": conn}
        return self._hub.ask({"do": "disconnect", "code": code, "reason": reason, **which})

    @property
    def is_ready(self) -> bool:
        """Whether new pages are taken in: what a load balancer should ask; False once draining."""
        return not self._hub.is_draining

    async def drain(self, seconds: float | None = None) -> None:
        """Send all pages to another process before this one ends; returns when they have gone.

        From now on ``is_ready`` is False and handshakes are refused with 503. Pages are closed
        with 1012, so that they come back elsewhere, evenly over ``seconds`` (``drain_seconds``
        without), lest all come back at once; a few are closed at once. Then it waits, up to 15 s,
        for their handlers and disconnect hooks, and cancels what is left.
        """
        wait = DEBUG_STOP_SECONDS if self._debug else STOP_SECONDS
        await self._hub.drain(self._drain_seconds if seconds is None else seconds, wait)

    @cached_property
    def readiness(self) -> Readiness:
        """An ASGI application for one path, over HTTP: ``Route("/ready", live.readiness)``.

        It answers 200 while new pages are taken in, and 503 once draining. POST drains this
        process, with ``Authorization: Bearer`` and ``readiness.token()``: it is what
        ``python -m htmx_ws drain`` sends. Without a ``secret`` nobody may.
        """
        return Readiness(self, self._hub.connections, self._keys)

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

    def new_page(self, *, to: object = "", seconds: float | None = 7 * 86_400) -> str:
        """Make the token of one rendering of a page, which nobody else can make.

        With ``page_tokens``, only pages with such a token may connect, for ``seconds`` (a week)
        from when they were rendered: give ``to`` the visitor's ``identity``, or what the function
        of ``page_tokens`` will give. Give the token to ``connect_attrs`` and ``page_field``.
        """
        to = "" if to is None else str(to)
        return sign(self._keys(), new_page(), seconds, to, _PAGE_TOKEN)

    def _check_page(self, conn: Connection) -> None:
        wanted = self._page_tokens
        if not wanted:
            return
        if not conn.page:
            raise _BadPageToken("it has no page token, which live.page() and new_page() make")
        to = wanted(conn) if callable(wanted) else conn.identity
        try:
            unsign(self._keys(), conn.page, "" if to is None else str(to), _PAGE_TOKEN)
        except BadSignature as error:
            raise _BadPageToken(f"its page token does not hold: {error}") from None

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
        Raises ``ValueError`` with ``page_tokens`` where it is none of theirs.
        """
        if self._page_tokens and not looks_signed(page or ""):
            raise ValueError(
                f"The page of {str(url)!r} would be turned away, as page_tokens let in signed ones "
                "alone: live.connect_attrs(url, page=live.new_page(to=visitor)), or "
                "live.page(url, to=visitor)."
            )
        return connect_attrs(url, page=page)

    def page(
        self,
        url: object,
        *,
        rooms: str | Iterable[str] = (),
        element: str = "htmx-ws",
        page: str | None = None,
        to: object = "",
    ) -> PageMarkup:
        """Give the markup of a page that connects to ``url``, and that resumes.

        ``page = await live.page(url, rooms=["chat:lobby"])``, in a plain function without
        ``await``, before anything is queried that the page is rendered from: what is published to
        these rooms from then on reaches the page, once. They are those that its connect hook
        joins, as far as they keep a history. ``element`` is the id of the element that connects,
        ``page`` the page's token, else a new one: with ``page_tokens`` of ``new_page(to=to)``.
        """
        if page is None:
            page = self.new_page(to=to) if self._page_tokens else new_page()
        rooms = [rooms] if isinstance(rooms, str) else list(rooms)
        kept = [room for room in rooms if self._hub.rules.of(room).keep.most]
        if rooms and not kept and not self._has_warned_of_rooms:
            self._has_warned_of_rooms = True
            _log.warning(
                "The page of %r is to resume in rooms of which none keeps a history, so what is "
                "published while it is away is lost: live.room(%r, history=100)",
                str(url),
                rooms[0],
            )
        attributes = self.connect_attrs(url, page=page)
        return PageMarkup(attributes, page, element, self._hub.where(kept))

    def send_attrs(self, trigger: str | None = None, *, recover: str | None = None) -> Attributes:
        """Give the attributes of an element that sends, on htmx 2 and 4.

        ``trigger`` is its hx-trigger. ``recover`` is the id of the element that connects: then a
        form is sent again whenever the socket opens, so that the server knows what is half typed
        in it; for forms whose handler only takes note, as at ``change``.
        """
        if recover is None:
            return send_attrs(trigger)
        attributes = send_attrs(f"{trigger or 'change'}, {opening(recover)}")
        # What is half typed is seldom valid; htmx 1.9 and 2 would not send it.
        return Attributes({**attributes, "novalidate": ""})

    # --- while it runs -----------------------------------------------------------------

    def _begin(self) -> Callable[[], None]:
        """Begin what goes on beside the pages, on the loop that serves; gives what ends it."""
        if ALLOW_ALL in self._origins and not self._page_tokens:
            _log.warning(
                "Pages of every site may connect, in the name of whoever looks at them "
                "(origins='*'): what a visitor may do here, any page may do that he opens. Name "
                "the origins, or let in by page_tokens."
            )
        asking: asyncio.Task[None] | None = None
        if self._reauth is not None:
            pages, refusal = self._hub.connections, self.host.refusal
            asking = asyncio.get_running_loop().create_task(
                ask_again(pages, self._reauth, self._reauth_seconds, refusal),
                context=Context(),  # not that of whichever page came first
            )
        looking = (
            None
            if self._hub.backend.is_shared
            else asyncio.get_running_loop().call_later(
                LOOK_AFTER_SECONDS, self._look_for_workers, context=Context()
            )
        )
        let_go = drain_at_sigterm(self.drain) if self._drain_seconds else None

        def end() -> None:
            if asking is not None:
                asking.cancel()
            if looking is not None:
                looking.cancel()
            if let_go is not None:
                let_go()

        return end

    def _look_for_workers(self) -> None:
        count = count_workers()
        if count > 1:
            self._report("several workers", count)

    def _look_at(self, send: Send) -> None:
        """Say once of a server what it cannot do."""
        self._has_looked = True
        server = name_unbounded(send)
        if server is not None:
            _log.warning(
                "%s never holds a sender back: what a page does not read is kept without a limit, "
                "in memory that Limits.outbox_bytes and write_seconds cannot see. See "
                "docs/servers.md for those that do.",
                server,
            )

    def _report(
        self,
        incident: str,
        *args: object,
        error: BaseException | None = None,
        **attributes: str | int | None,
    ) -> None:
        told = self._telemetry
        report(incident, *args, telemetry=told, error=error, measurements=None, **attributes)

    # --- ASGI --------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve websockets on the registered paths; answer everything else politely."""
        if scope["type"] == "websocket":
            found = self._find(scope)
            if found is None:
                self._report("not found", one_line(scope_path(scope)), list(self._endpoints))
                await self._turn_away("not found", scope, receive, send)
            else:
                endpoint, own = found
                # Into the server's scope, as routers do: each page would keep a copy of its own.
                scope["path_params"] = {**(scope.get("path_params") or {}), **own}
                page = await self._shake_hands(endpoint, scope, receive, send)
                if page is not None:  # served here, as every frame of a call costs memory
                    await page.serve(self._agree(scope))
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
                await self._hub.stop(DEBUG_STOP_SECONDS if self._debug else None)

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        phase = "startup"
        try:
            async with self.lifespan():
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
        except Exception as error:
            self._report("lifespan failed", phase, error=error)
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

    def _find(self, scope: Scope) -> tuple[Endpoint, dict[str, Any]] | None:
        """Give the endpoint of a path, and its parameters."""
        path = scope_path(scope)
        # Litestar ends every path below a mount with a slash.
        for text in dict.fromkeys((path, path.rstrip("/") or path)):
            for endpoint in self._endpoints.values():
                own = endpoint.path.match(text)
                if own is not None:
                    return endpoint, own
        return None

    async def serve(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a page at an endpoint, whose parameters are in ``scope["path_params"]``."""
        page = await self._shake_hands(endpoint, scope, receive, send)
        if page is not None:
            await page.serve(self._agree(scope))

    async def _shake_hands(
        self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send
    ) -> Page | None:
        """Let a page in, up to its accept; None where it was turned away."""
        route = endpoint.path.text
        cause = self.check_origin(scope)
        if cause is not None:
            self._report("bad origin", endpoint, cause, self.host.origins_hint, route=route)
            await self._turn_away("bad origin", scope, receive, send)
            return None
        try:
            endpoint, conn = await self._let_in(endpoint, scope, send)
        except Exception as error:
            refused = error if isinstance(error, Refused) else self.host.refusal(error)
            if refused is None:
                # Not raised: the host would answer what is accepted and closed already.
                self._report("not let in", endpoint, error=error, route=route)
            elif isinstance(refused, _BadPageToken):
                self._report("bad page token", endpoint, refused, route=route)
            elif isinstance(refused, _BadQuery):
                self._report("bad query", endpoint, refused.__cause__, route=route)
            else:
                code = refused.close_code
                self._report("turned away", endpoint, refused, route=route, code=code)
            await self._turn_away(refused or "not let in", scope, receive, send)
            return None
        if (await receive())["type"] != "websocket.connect":
            return None
        await self._hub.start()
        if RESUME in conn.query:
            conn.resume = Resume(conn, self._hub, self.host.refusal)
        why_not = self._hub.enter(conn)
        if why_not is not None:
            conn.report("full", why_not, code=503)
            conn.let_go()
            await _deny(scope, send)
            return None
        under_test = (scope.get("extensions") or {}).get(TESTING)
        if under_test is not None:
            under_test["conn"] = conn
        debug = self._debug or under_test is not None
        if self._clock is None or self._clock.loop is not conn.home.loop:
            self._clock = Clock()
        if not self._has_looked:
            self._look_at(send)
        return Page(conn, endpoint, receive, send, self._clock, debug=debug, overlay=self._debug)

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
            route=endpoint.path.text,
            telemetry=self._telemetry,
        )
        if self._proxies:
            conn.address = address_of(scope, self._proxies)
        try:
            conn.dialect = dialect_of(conn.query)
        except ValueError as error:
            raise _BadQuery("bad query", code=refuse("bad query")) from error
        identity = self._identify(conn)
        conn.identity = await identity if isawaitable(identity) else identity
        self._check_page(conn)
        return endpoint, conn

    def _agree(self, scope: Scope) -> str | None:
        offered = scope.get("subprotocols") or ()
        return next((name for name in offered if name in self._subprotocols), None)

    async def _turn_away(
        self, why: str | Refused, scope: Scope, receive: Receive, send: Send
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
            code, reason = refuse(why), why
        await send_close(send, code, close_reason(reason))


async def _deny(scope: Scope, send: Send) -> None:
    """Refuse a handshake for now: by 503 where the server can, else by what it makes of a close."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": refuse("not let in")})
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

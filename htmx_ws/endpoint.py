"""One path of an application: which handler answers a frame, and the hooks around it.

A handler claims the id of the element that sent the frame, or the value of a field; one may
take whatever is left. Looking it up is a dictionary's work, and everything else that can be
known when a handler is registered is compiled then: its parameters, what it returns, where
it runs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from types import CodeType
from typing import Any, Final, Literal, Protocol, TypeVar, overload

from .binding import Bind, compile_around, compile_error_hook, compile_handler, compile_hook
from .errors import RegistrationError
from .host import Around, Call, Host
from .results import DEFAULT, Runtime, render_now
from .routing import PathPattern
from .types import Receive, Scope, Send
from .wire.frame import Frame
from .wire.selector import normalise
from .wire.serialise import SWAPS

__all__ = ["Endpoint", "Handler", "RunAround", "Wrapper", "name_of"]

#: A generator function that runs around handlers, and what binds its arguments.
Wrapper = tuple[Callable[..., AsyncGenerator[Any, None]], Bind]

F = TypeVar("F", bound=Callable[..., Any])


#: What a handler answers.
Kind = Literal["message", "connect", "disconnect", "error"]


class Handler:
    """A registered callable: ``bind`` gives its arguments, ``call`` runs it where it belongs.

    ``around`` is what the host does around its calls. ``is_plain``: a call and its result are
    all there is to it.
    """

    __slots__ = (
        *("around", "bind", "call", "cancel", "concurrent", "function", "is_plain", "kind"),
        *("makes_generator", "name", "runtime", "work_name"),
    )

    def __init__(
        self,
        function: Callable[..., Any],
        bind: Callable[..., dict[str, Any]],
        *,
        around: Around | None = None,
        runtime: Runtime = DEFAULT,
        concurrent: bool = False,
        cancel: bool = False,
        kind: Kind = "message",
    ) -> None:
        self.kind: Kind = kind
        self.function: Callable[..., Any] = function
        self.name: str = name_of(function)
        self.work_name: str = self.name.rpartition(".")[2]
        self.bind: Callable[..., dict[str, Any]] = bind
        self.concurrent: bool = concurrent
        self.cancel: bool = cancel
        self.around: Around | None = around
        self.is_plain: bool = not cancel and around is None
        self.makes_generator: bool = _makes_generator(_innermost(function))
        self.runtime: Runtime = runtime
        self.call: Callable[..., Coroutine[Any, Any, Any]] = (
            function if inspect.iscoroutinefunction(_innermost(function)) else self._call_other
        )

    def __repr__(self) -> str:
        return f"<Handler {self.name}>"

    async def _call_other(self, **arguments: Any) -> Any:
        function = self.function
        if self.makes_generator:
            return function(**arguments)  # nothing of it has run yet
        result = await self.runtime.run_sync(_call_and_render, function, arguments)
        # An async function behind a plain decorator is the handler itself, not a stream of it.
        return await result if inspect.iscoroutine(result) else result


class Serves(Protocol):
    """What an endpoint needs of the application: to serve a page."""

    async def serve(
        self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send
    ) -> None: ...


#: Calls a handler or hook within what is done around its calls.
RunAround = Callable[[Handler, Frame | None, Call], Awaitable[None]]


class Endpoint:
    """One path with its handlers and hooks; an ASGI application for a router to route to.

    ``target`` and ``swap`` place what handlers send without saying where: HTML that has no
    ``hx-swap-oob`` of its own. ``name`` is for reverse URLs.
    """

    def __init__(
        self,
        path: str,
        target: str | None = None,
        swap: str = "innerHTML",
        *,
        name: str | None = None,
        host: Host | None = None,
        app: Serves | None = None,
    ) -> None:
        self.host: Host = Host() if host is None else host
        self.path: PathPattern = self.host.path(path)
        self.path_names: frozenset[str] = self.path.names
        self.target: str | None = None if target is None else normalise(target)
        if swap not in SWAPS:
            raise RegistrationError(
                f"The endpoint of {path!r} has the swap style {swap!r}, and htmx knows "
                f"{', '.join(SWAPS)}."
            )
        self.swap: str = swap
        self.name: str | None = name
        self._app = app
        self._registered: list[Callable[[Endpoint], object]] = []
        self._beneath: dict[frozenset[str], tuple[int, Endpoint]] = {}
        self.connect: Handler | None = None
        self.disconnect: Handler | None = None
        self.error: Handler | None = None
        #: What runs around each handler, the outermost first.
        self.wrappers: list[Wrapper] = []
        self._fallback: Handler | None = None
        #: Who answers every frame, where nothing has to be looked up.
        self.sole: Handler | None = None
        self._by_id: dict[str, Handler] = {}
        self._by_field: dict[str, dict[str, Handler]] = {}

    def __repr__(self) -> str:
        return f"<Endpoint {self.path.text}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a websocket that a router has brought here, its parameters in the scope."""
        assert self._app is not None
        await self._app.serve(self, scope, receive, send)

    def beneath(self, names: Iterable[str]) -> Endpoint:
        """This endpoint at a path with more parameters, as where a host mounts or prefixes it.

        Then these are the path's too: no field of a form can stand in for one. Raises
        ``RegistrationError`` when a handler cannot do with that.
        """
        every = self.path_names.union(names)
        if every == self.path_names:
            return self
        known, endpoint = self._beneath.get(every, (-1, self))
        if known != len(self._registered):
            endpoint = Endpoint(
                self.path.text, self.target, self.swap, name=self.name, host=self.host
            )
            endpoint.path_names = every
            for register in self._registered:
                register(endpoint)
            self._beneath[every] = len(self._registered), endpoint
        return endpoint

    def match(self, frame: Frame) -> Handler | None:
        """Find who answers a frame: by its sender's id, by a field's value, or the fallback."""
        handler = self._by_id.get(frame.sender or "")
        if handler is not None:
            return handler
        for field, by_value in self._by_field.items():
            if field not in frame.values:
                continue
            handler = by_value.get(_as_text(frame.values[field]))
            if handler is not None:
                return handler
        return self._fallback

    # --- registration ------------------------------------------------------------------

    def on(
        self,
        sender: str | None = None,
        /,
        *,
        concurrent: bool = False,
        cancel: bool = False,
        **field: str,
    ) -> Callable[[F], F]:
        """Register a handler for a sender's id, ``on("say-form")``, or a field: ``on(action="x")``.

        ``concurrent``: it runs beside the page's other handlers, not after them, as a Stop
        button must. ``cancel``: it is cancelled when the page goes, instead of finishing.
        """
        if callable(sender):
            raise RegistrationError(
                "on() takes what a handler claims, and gives a decorator: @chat.on('say-form')."
            )
        sender = (sender or "").removeprefix("#")
        if (not sender) == (not field) or len(field) > 1:
            raise RegistrationError(
                "on() takes the id of the element that sends, on('say-form'), or one field and "
                "its value, on(action='like'); for whatever is left, use on_message."
            )

        def register(function: F) -> F:
            handler = self._make(compile_handler, function, concurrent=concurrent, cancel=cancel)
            if sender:
                self._claim(self._by_id, sender, handler)
            for name, value in field.items():
                self._claim(self._by_field.setdefault(name, {}), str(value), handler)
            self._registered.append(
                lambda other: other.on(sender, concurrent=concurrent, cancel=cancel, **field)(
                    function
                )
            )
            return function

        return register

    @overload
    def on_message(self, function: F, /) -> F: ...
    @overload
    def on_message(
        self, /, *, concurrent: bool = False, cancel: bool = False
    ) -> Callable[[F], F]: ...
    def on_message(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        concurrent: bool = False,
        cancel: bool = False,
    ) -> Any:
        """Register the handler of whatever frame nothing else took."""
        if function is None:
            return functools.partial(self.on_message, concurrent=concurrent, cancel=cancel)
        handler = self._make(compile_handler, function, concurrent=concurrent, cancel=cancel)
        self._refuse_second(self._fallback, handler)
        self._fallback = handler
        if not self._by_id and not self._by_field:
            self.sole = handler
        self._registered.append(
            lambda other: other.on_message(concurrent=concurrent, cancel=cancel)(function)
        )
        return function

    def on_connect(self, function: F) -> F:
        """Register the hook that runs when a page has connected, before its frames.

        A generator streams: its first piece comes before the page's frames, the rest beside
        them. Raise ``Refused`` to turn the page away.
        """
        handler = self._make(compile_hook, function, kind="connect")
        self._refuse_second(self.connect, handler)
        self.connect = handler
        self._registered.append(lambda other: other.on_connect(function))
        return function

    def on_disconnect(self, function: F) -> F:
        """Register the hook that runs once when a page has gone, if its connect hook began."""
        handler = self._make(compile_hook, function, kind="disconnect")
        self._refuse_second(self.disconnect, handler)
        self.disconnect = handler
        self._registered.append(lambda other: other.on_disconnect(function))
        return function

    def on_error(self, function: F) -> F:
        """Register what answers an error; it takes ``error``, and may send to the page.

        Without it, what a page filled in wrongly is shown in ``#{sender's id}-errors``.
        """
        handler = self._make(compile_error_hook, function, kind="error")
        self._refuse_second(self.error, handler)
        self.error = handler
        self._registered.append(lambda other: other.on_error(function))
        return function

    def around(self, function: F) -> F:
        """Register what runs around each handler: an async generator that yields in its place.

        What it raises before is answered as the handler's own error; an error of the handler is
        raised where it yields. Where it returns without, the handler is not called. The first
        that is registered is the outermost. Hooks are not handlers.
        """
        if not inspect.isasyncgenfunction(_innermost(function)):
            raise RegistrationError(
                f"{name_of(function)} is to run around handlers: write it with `async def`, and "
                "with one `yield` where the handler runs."
            )
        framework = self.host.around(function, self.path.text)
        if framework is not None and framework.names:
            raise RegistrationError(
                f"{name_of(function)} runs around handlers, where {sorted(framework.names)} cannot "
                "be had: only handlers and hooks are given what a framework provides."
            )
        bind = compile_around(function, self.path_names, self.host.types)
        self.wrappers.append((function, bind))
        self._registered.append(lambda other: other.around(function))
        return function

    def _make(
        self, compile: Callable[..., Any], function: Callable[..., Any], **options: Any
    ) -> Handler:
        around = self.host.around(function, self.path.text)
        filled = () if around is None else around.names
        bind = compile(function, self.path_names, self.host.types, filled)
        return Handler(function, bind, around=around, runtime=self.host.runtime, **options)

    def _claim(self, claims: dict[str, Handler], key: str, handler: Handler) -> None:
        self._refuse_second(claims.get(key), handler)
        claims[key] = handler
        self.sole = None

    def _refuse_second(self, first: Handler | None, second: Handler) -> None:
        if first is not None:
            raise RegistrationError(
                f"{second.name} claims what {first.name} has on {self.path.text!r} already: one "
                "of the two would never run."
            )


def name_of(function: Callable[..., Any]) -> str:
    """The name by which messages and logs speak of a handler."""
    inner = _innermost(function)
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    return f"{getattr(inner, '__module__', '?')}.{name}"


def _call_and_render(function: Callable[..., Any], arguments: dict[str, Any]) -> object:
    return render_now(function(**arguments))


_GENERATOR: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def _innermost(function: Callable[..., Any]) -> Any:
    """The function that a call runs, below partials and callable objects."""
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function) and not inspect.isclass(function):
        return type(function).__call__
    return function


def _makes_generator(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return isinstance(code, CodeType) and bool(code.co_flags & _GENERATOR)


def _as_text(value: Any) -> str:
    """A field's value as the text to compare: hx-vals may have written any JSON."""
    if isinstance(value, list) and value:
        value = value[-1]  # as for every scalar: the last one of a name counts
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)

"""What a handler asks for: its parameters, and which of them are the server's.

A signature that cannot work is refused while it is registered, by the name of the handler and
with what to write instead: a developer reads that at once, where a user would have met it late.

A reserved name is the server's whatever a page sends. That is safe only if nobody can mistake
it for a field of the form, so a reserved name that is annotated as a form's value is refused.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from types import NoneType, SimpleNamespace
from typing import Any, Final, cast

from pydantic.fields import FieldInfo

from ..connection import Connection
from ..errors import HtmxWSError, RegistrationError
from ..wire.frame import Frame, HtmxHeaders
from .kinds import is_a, is_list, is_model, is_scalar, read_info, show, unfold

__all__ = ["SERVER", "Parameter", "Take", "parameters", "server_source"]

# Gives one argument from the connection, the frame where there is one, and a third thing: the
# values of the form, the query of the connect URL, or the error.
Take = Callable[[Connection, Any, Any], Any]

# --- parameters ------------------------------------------------------------------------

_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """One parameter of a handler, as ``parameters`` read it. ``owner`` names the handler."""

    owner: str
    name: str
    annotation: Any  # Any where there is none
    default: Any  # Parameter.empty where there is none
    info: FieldInfo
    arms: list[Any]  # of the annotation's union, None left out
    said: tuple[Any, ...]  # what stands in Annotated, and the default

    def refuse(self, why: str) -> RegistrationError:
        """Make the error that says why the parameter cannot stay as it is."""
        return RegistrationError(f"{self.owner}: the parameter `{self.name}` {why}")

    @property
    def is_field(self) -> bool:
        """Whether it says ``Field(...)``, as only a value of the form does."""
        return any(isinstance(one, FieldInfo) for one in self.said)

    @property
    def is_model(self) -> bool:
        """Whether the parameter can stand for the whole form."""
        return bool(self.arms) and all(map(is_model, self.arms))


def parameters(handler: Callable[..., Any]) -> Iterator[Parameter]:
    """The parameters to fill, in the order of the signature; raises ``RegistrationError``."""
    function: Any = handler
    pinned: set[str] = set()  # by a partial: the developer's values, which no page may replace
    while isinstance(function, partial):
        pinned.update(function.keywords)
        function = cast(Any, function).func
    if not hasattr(function, "__qualname__"):  # an object that can be called
        function = getattr(function, "__call__", function)  # noqa: B004  # its method is wanted
    owner = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"
    try:
        found = dict(inspect.signature(handler, follow_wrapped=False).parameters)
        if any(each.kind is each.VAR_KEYWORD for each in found.values()):
            # A wrapper that passes on what it does not take itself.
            found = {name: each for name, each in found.items() if each.kind not in _VARIADIC}
            found |= inspect.signature(handler).parameters
    except (NameError, TypeError, ValueError) as error:
        raise RegistrationError(f"{owner}: its signature cannot be read: {error}") from error
    # Our own types are often imported for type checkers alone.
    names = {kind.__name__: kind for kind in (Connection, Frame, HtmxHeaders)}
    names |= getattr(inspect.unwrap(function), "__globals__", {})
    for name, each in found.items():
        if each.kind in (*_VARIADIC, each.POSITIONAL_ONLY):
            raise RegistrationError(
                f"{owner}: the parameter `{each}` cannot be filled by name. Name what the handler "
                "takes, or take `data`, which holds every value; a decorator that passes "
                "everything on needs functools.wraps."
            )
        if name in pinned:
            continue
        try:
            yield _read_parameter(owner, each, names)
        except Exception as error:
            raise RegistrationError(
                f"{owner}: the parameter `{name}` is annotated {show(each.annotation)}, which "
                f"cannot be read: {error}. The type has to be there when the program runs: "
                "in the handler's module, not in a function or under TYPE_CHECKING."
            ) from error


def _read_parameter(owner: str, each: inspect.Parameter, names: dict[str, Any]) -> Parameter:
    annotation: Any = Any
    if each.annotation is not each.empty:
        holder = SimpleNamespace(__annotations__={each.name: each.annotation})
        annotation = typing.get_type_hints(holder, names, include_extras=True)[each.name]
    arms, said = unfold(annotation)
    return Parameter(
        owner,
        each.name,
        annotation,
        each.default,
        read_info(annotation, each.default),
        [arm for arm in arms if arm is not NoneType],
        (*said, each.default),
    )


# --- what the server gives -------------------------------------------------------------


def _session(conn: Connection, frame: Frame | None, third: object) -> Any:
    try:
        return conn.scope["session"]
    except KeyError:
        raise HtmxWSError(
            "A handler takes `session`, and this connection has none: put a session middleware "
            "around the application."
        ) from None


SERVER: Final[dict[str, Take]] = {
    "send": lambda conn, frame, third: conn.send,
    "conn": lambda conn, frame, third: conn,
    "ws": lambda conn, frame, third: conn,
    "data": lambda conn, frame, third: {} if frame is None else frame.values,
    "frame": lambda conn, frame, third: frame,
    "htmx": lambda conn, frame, third: HtmxHeaders({}) if frame is None else frame.htmx,
    "scope": lambda conn, frame, third: conn.scope,
    "app": lambda conn, frame, third: conn.app,
    "session": _session,
    "user": lambda conn, frame, third: conn.scope.get("user"),
    "auth": lambda conn, frame, third: conn.scope.get("auth"),
    "state": lambda conn, frame, third: conn.state,
    "error": lambda conn, frame, third: third,
}
_OF_A_FRAME: Final = ("data", "frame", "htmx")
_INJECTED: Final[dict[str, Any]] = {
    "conn": Connection,
    "frame": Frame,
    "htmx": HtmxHeaders,
    "error": BaseException,
}
_EXPECTED: Final[dict[str, Any]] = {**_INJECTED, "ws": Connection, "send": Callable}


def server_source(parameter: Parameter, path: Collection[str], third: str) -> str | None:
    """The entry of ``SERVER`` that a parameter takes; None if it is not the server's.

    Raises ``RegistrationError`` for a reserved name that is annotated as something else.
    """
    name, arms = parameter.name, parameter.arms
    source = None
    for key, kind in _INJECTED.items():
        if arms and all(is_a(arm, kind) for arm in arms) and (key != "error" or third == "error"):
            source = key
    if name == "data" and source is None and parameter.is_model and third in ("form", "query"):
        return None  # the values all the same, read as a model
    if name in SERVER and (name != "error" or third == "error"):
        if name in path:
            raise parameter.refuse(
                "would be the server's, not the path's: give the path's parameter another name."
            )
        if not _fits(parameter) or source not in (None, "conn" if name == "ws" else name):
            raise parameter.refuse(
                f"is the server's, and cannot be {show(parameter.annotation)}. Leave the "
                "annotation out; or, to take the form field of that name, write for example "
                f'`author: Annotated[str, Field(alias="{name}")]`.'
            )
        source = name
    if third == "query" and source in _OF_A_FRAME:
        raise parameter.refuse(
            "comes with a frame, and there is none when a page connects or leaves. Such a hook "
            "gets the path's parameters, the query of the connect URL, and "
            f"{', '.join(key for key in SERVER if key not in (*_OF_A_FRAME, 'error'))}."
        )
    return source


def _fits(parameter: Parameter) -> bool:
    """Whether a parameter with a reserved name is annotated as what the server gives."""
    arms, expected = parameter.arms, _EXPECTED.get(parameter.name)
    if parameter.name == "data":
        return not parameter.is_field and all(
            arm in (Any, object) or is_a(arm, Mapping) for arm in arms
        )
    if parameter.is_field or any(is_scalar(arm) or is_list(arm) for arm in arms):
        return False
    return expected is None or all(
        arm in (Any, object) or getattr(arm, "_is_protocol", False) or is_a(arm, expected)
        for arm in arms
    )

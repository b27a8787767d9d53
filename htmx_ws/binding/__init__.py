"""What a handler's parameters mean: read from its signature once, when it is registered.

Where a value comes from is settled by name and type before any frame arrives: what the server
gives, then the path, and only what is left is looked up in the form. So nothing that a page
writes can stand in for a server value, and binding a frame is a walk over a tuple.

    binding       from a callable to what binds its arguments
    ├── form      reads values: a field, the whole form, the path
    │   └── habits    puts right what HTML forms do to values
    ├── signature     a handler's parameters, and what the server gives
    └── kinds         questions about types; all of the above ask them
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, Literal, Protocol

from ..connection import Connection
from ..errors import BindingError
from ..wire.frame import Frame
from .form import exact_type, field_reader, form_reader, path_reader
from .signature import SERVER, Parameter, Take, parameters, server_source

__all__ = [
    "Bind",
    "Parameter",
    "Take",
    "compile_around",
    "compile_error_hook",
    "compile_handler",
    "compile_hook",
    "parameters",
]


class Bind(Protocol):
    """Gives a handler's keyword arguments; raises ``BindingError`` with every field at fault."""

    def __call__(self, conn: Connection, frame: Frame) -> dict[str, Any]: ...


# The name of the argument; its key in the form and the type that needs no reading, where there
# is one; and what gives it otherwise.
_Step = tuple[str, str, type | None, Take]
_Third = Literal["form", "query", "error", "around"]
#: What fills parameters of a type.
Types = Mapping[Any, Take]
_NO_TYPES: Final[Types] = {}
#: Who takes no values by their names, and what there is instead.
_WITHOUT_VALUES: Final = {
    "error": ("an error hook", tuple(SERVER)),
    "around": ("what runs around handlers", tuple(name for name in SERVER if name != "error")),
}


def compile_handler(
    handler: Callable[..., Any],
    path: Collection[str],
    types: Types = _NO_TYPES,
    filled: Collection[str] = (),
) -> Bind:
    """Compile what a handler takes: server values, path parameters, and the form.

    ``path`` names the parameters of the path; ``types`` says what fills a parameter that is
    annotated with one of its types; ``filled`` names those that somebody else fills. Raises
    ``RegistrationError``.
    """
    return _compile(handler, path, "form", types, filled)


def compile_hook(
    hook: Callable[..., Any],
    path: Collection[str],
    types: Types = _NO_TYPES,
    filled: Collection[str] = (),
) -> Callable[[Connection], dict[str, Any]]:
    """Compile what a connect or disconnect hook takes: the query stands in for the form.

    Raises ``RegistrationError``; what it gives raises ``BindingError``.
    """
    bind = _compile(hook, path, "query", types, filled)
    return lambda conn: bind(conn, None, conn.query)


def compile_error_hook(
    hook: Callable[..., Any],
    path: Collection[str],
    types: Types = _NO_TYPES,
    filled: Collection[str] = (),
) -> Callable[[Connection, Frame | None, Exception], dict[str, Any]]:
    """Compile what an error hook takes: server values, path parameters, and ``error``.

    Raises ``RegistrationError``; what it gives raises ``BindingError``.
    """
    return _compile(hook, path, "error", types, filled)


def compile_around(
    function: Callable[..., Any], path: Collection[str], types: Types = _NO_TYPES
) -> Bind:
    """Compile what runs around handlers takes: server values and path parameters.

    Raises ``RegistrationError``; what it gives raises ``BindingError``.
    """
    return _compile(function, path, "around", types, ())


def _compile(
    function: Callable[..., Any],
    path: Collection[str],
    third: _Third,
    types: Types,
    filled: Collection[str],
) -> Callable[..., dict[str, Any]]:
    left = [each for each in parameters(function) if each.name not in filled]
    steps = tuple(_steps(left, path, third, types))

    # It runs for every frame. So the three kinds share it without a call in between, and a value
    # that is of the right type already is taken without one. Only hooks say what is ``given``:
    # the query or the error. No step of an error hook has an exact type.
    def bind(conn: Connection, frame: Any, given: Any = None) -> dict[str, Any]:
        values = frame.values if given is None else given
        arguments: dict[str, Any] = {}
        wrong: dict[str, str] | None = None
        for name, key, exact, take in steps:
            if exact is not None:
                value = values.get(key)
                if type(value) is exact:
                    arguments[name] = value
                    continue
            try:
                arguments[name] = take(conn, frame, values)
            except BindingError as error:
                wrong = {**(wrong or {}), **error.fields}
        if wrong is not None:
            raise BindingError(wrong)
        return arguments

    return bind


def _steps(
    left: list[Parameter], path: Collection[str], third: _Third, types: Types
) -> Iterator[_Step]:
    """Where each parameter comes from: the server, the path, and what is left, the form."""
    form: list[Parameter] = []
    for parameter in left:
        name, arms = parameter.name, parameter.arms
        source = server_source(parameter, path, third)
        if source is not None:
            yield name, name, None, SERVER[source]
        elif arms and all(arm in types for arm in arms):
            yield name, name, None, types[arms[0]]
        elif name in path:
            yield name, name, None, path_reader(parameter)
        elif third in ("form", "query"):
            form.append(parameter)
        elif parameter.info.is_required():
            who, names = _WITHOUT_VALUES[third]
            raise parameter.refuse(
                f"is nothing that {who} gets. It gets {', '.join(names)} and the path's "
                "parameters; the values of the form are in `data`, and what a framework's path "
                "adds above ours is in `conn.path_params`."
            )
    models = [parameter for parameter in form if parameter.is_model]
    for parameter in form:
        name, alias = parameter.name, parameter.info.validation_alias
        if alias is None:
            alias = parameter.info.alias  # all that older FastAPIs give their Form()
        if alias is not None and not isinstance(alias, str):
            raise parameter.refuse("has an alias of several names: give it a plain one.")
        if models == [parameter] and alias is None:
            yield name, name, None, form_reader(parameter)
        else:
            key = alias or name
            yield name, key, exact_type(parameter), field_reader(parameter, key)

"""What a handler's parameters mean: read from its signature once, when it is registered.

Where a value comes from is settled by name and type before any frame arrives: what the server
gives, then the path, and only what is left is looked up in the form. So nothing that a page
writes can stand in for a server value, and binding a frame is a walk over a tuple.

pydantic reads most of what browsers send (``on``, ``2026-01-02T03:04``, ``09:30``). What it
cannot know is how HTML forms lose the shape of values: one ticked box of a group is a string,
no ticked box is nothing at all, an empty number is ``""``. That is put right before pydantic
looks, except for a parameter or field with a before, wrap or plain validator of its own: that
one sees what the page sent.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Final, Literal, Protocol, Union, cast, get_args, get_origin
from uuid import UUID

import pydantic
from pydantic import ConfigDict, Field, RootModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo

from .connection import Connection
from .errors import BindingError, HtmxWSError, RegistrationError
from .wire.frame import Frame, HtmxHeaders

__all__ = ["Bind", "compile_error_hook", "compile_handler", "compile_hook"]


class Bind(Protocol):
    """Gives a handler's keyword arguments; raises ``BindingError`` with every field at fault."""

    def __call__(self, conn: Connection, frame: Frame) -> dict[str, Any]: ...


# A step gives one argument from the connection, the frame where there is one, and a third
# thing: the values of the form, the query of the connect URL, or the error.
_Step = Callable[[Connection, Any, Any], Any]
_Steps = tuple[tuple[str, _Step], ...]
_Fix = Callable[[Any], Any]
_MISSING: Final[Any] = object()


def compile_handler(handler: Callable[..., Any], path: Collection[str]) -> Bind:
    """Compile what a handler takes: server values, path parameters, and the form.

    ``path`` names the parameters of the endpoint's path. Raises ``RegistrationError``.
    """
    steps = _compile(handler, path, "form")

    def bind(conn: Connection, frame: Frame) -> dict[str, Any]:
        return _bind(steps, conn, frame, frame.values)

    return bind


def compile_hook(
    hook: Callable[..., Any], path: Collection[str]
) -> Callable[[Connection], dict[str, Any]]:
    """Compile what a connect or disconnect hook takes: the query stands in for the form.

    Raises ``RegistrationError``; what it gives raises ``BindingError``.
    """
    steps = _compile(hook, path, "query")
    return lambda conn: _bind(steps, conn, None, conn.query)


def compile_error_hook(
    hook: Callable[..., Any], path: Collection[str]
) -> Callable[[Connection, Frame | None, Exception], dict[str, Any]]:
    """Compile what an error hook takes: server values, path parameters, and ``error``.

    Raises ``RegistrationError``; what it gives raises ``BindingError``.
    """
    steps = _compile(hook, path, "error")
    return lambda conn, frame, error: _bind(steps, conn, frame, error)


def _bind(steps: _Steps, conn: Connection, frame: Frame | None, third: object) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    wrong: dict[str, str] | None = None
    for name, take in steps:
        try:
            arguments[name] = take(conn, frame, third)
        except BindingError as error:
            wrong = {**(wrong or {}), **error.fields}
    if wrong is not None:
        raise BindingError(wrong)
    return arguments


# --- what the server gives -------------------------------------------------------------


def _session(conn: Connection, frame: Frame | None, third: object) -> Any:
    try:
        return conn.scope["session"]
    except KeyError:
        raise HtmxWSError(
            "A handler takes `session`, and this connection has none: put a session middleware "
            "around the application."
        ) from None


_SERVER: Final[dict[str, _Step]] = {
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


# --- signatures ------------------------------------------------------------------------

_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Parameter:
    owner: str
    name: str
    annotation: Any  # Any where there is none
    info: FieldInfo
    arms: list[Any]  # of the annotation's union, None left out
    is_field: bool  # says Field(...), as only a value of the form does

    def refuse(self, why: str) -> RegistrationError:
        return RegistrationError(f"{self.owner}: the parameter `{self.name}` {why}")

    @property
    def is_model(self) -> bool:
        return bool(self.arms) and all(map(_is_model, self.arms))


def _compile(
    handler: Callable[..., Any], path: Collection[str], third: Literal["form", "query", "error"]
) -> _Steps:
    steps: list[tuple[str, _Step]] = []
    form: list[_Parameter] = []
    for parameter in _parameters(handler):
        source = _server_source(parameter, path, third)
        if source is not None:
            steps.append((parameter.name, _SERVER[source]))
        elif parameter.name in path:
            steps.append((parameter.name, _path_reader(parameter)))
        elif third != "error":
            form.append(parameter)
        elif parameter.info.is_required():
            raise parameter.refuse(
                f"is nothing that an error hook gets. It gets {', '.join(_SERVER)} and the path's "
                "parameters; the values of the form are in `data`."
            )
    models = [parameter for parameter in form if parameter.is_model]
    for parameter in form:
        alias = parameter.info.validation_alias
        if alias is not None and not isinstance(alias, str):
            raise parameter.refuse("has an alias of several names: give it a plain one.")
        if models == [parameter] and alias is None:
            steps.append((parameter.name, _form_reader(parameter)))
        else:
            steps.append((parameter.name, _reader(parameter, alias or parameter.name)))
    return tuple(steps)


def _server_source(parameter: _Parameter, path: Collection[str], third: str) -> str | None:
    """The entry of ``_SERVER`` that a parameter takes; None if it is not the server's."""
    name, arms = parameter.name, parameter.arms
    source = None
    for key, kind in _INJECTED.items():
        if arms and all(_is_a(arm, kind) for arm in arms) and (key != "error" or third == "error"):
            source = key
    if name in _SERVER and (name != "error" or third == "error"):
        if name in path:
            raise parameter.refuse(
                "would be the server's, not the path's: give the path's parameter another name."
            )
        if not _fits(parameter) or source not in (None, "conn" if name == "ws" else name):
            raise parameter.refuse(
                f"is the server's, and cannot be {_show(parameter.annotation)}. Leave the "
                "annotation out; or, to take the form field of that name, write for example "
                f'`author: Annotated[str, Field(alias="{name}")]`.'
            )
        source = name
    if third == "query" and source in _OF_A_FRAME:
        raise parameter.refuse(
            "comes with a frame, and there is none when a page connects or leaves. Such a hook "
            "gets the path's parameters, the query of the connect URL, and "
            f"{', '.join(key for key in _SERVER if key not in (*_OF_A_FRAME, 'error'))}."
        )
    return source


def _fits(parameter: _Parameter) -> bool:
    """Whether a parameter with a reserved name is annotated as what the server gives."""
    arms, expected = parameter.arms, _EXPECTED.get(parameter.name)
    if parameter.name == "data":
        return not parameter.is_field and all(
            arm in (Any, object) or (_is_a(arm, Mapping) and not _is_model(arm)) for arm in arms
        )
    if parameter.is_field or any(_is_scalar(arm) or _is_list(arm) for arm in arms):
        return False
    return expected is None or all(
        arm in (Any, object) or getattr(arm, "_is_protocol", False) or _is_a(arm, expected)
        for arm in arms
    )


def _parameters(handler: Callable[..., Any]) -> Iterator[_Parameter]:
    function: Any = handler
    pinned: set[str] = set()  # by a partial: the developer's values, which no page may replace
    while isinstance(function, partial):
        pinned.update(function.keywords)
        function = cast(Any, function).func
    if not hasattr(function, "__qualname__"):  # an object that can be called
        function = getattr(function, "__call__", function)  # noqa: B004
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
                f"{owner}: the parameter `{name}` is annotated {_show(each.annotation)}, which "
                f"cannot be read: {error}. The type has to be there when the program runs: "
                "in the handler's module, not in a function or under TYPE_CHECKING."
            ) from error


def _read_parameter(owner: str, each: inspect.Parameter, names: dict[str, Any]) -> _Parameter:
    annotation: Any = Any
    if each.annotation is not each.empty:
        holder = SimpleNamespace(__annotations__={each.name: each.annotation})
        annotation = typing.get_type_hints(holder, names, include_extras=True)[each.name]
    arms, said = _unfold(annotation)
    return _Parameter(
        owner,
        each.name,
        annotation,
        _info(annotation, each.default),
        [arm for arm in arms if arm is not NoneType],
        any(isinstance(one, FieldInfo) for one in (*said, each.default)),
    )


def _info(annotation: Any, default: Any) -> FieldInfo:
    if default is inspect.Parameter.empty:
        return FieldInfo.from_annotation(annotation)
    return FieldInfo.from_annotated_attribute(annotation, default)


# --- reading one value -----------------------------------------------------------------


def _reader(parameter: _Parameter, key: str, is_html: bool = True) -> _Step:
    """Read one field: put right, validated, or its default."""
    annotation, info = parameter.annotation, parameter.info
    exact = annotation if annotation in (str, int, float, bool) and not parameter.is_field else None
    validate = _validator(parameter) if annotation is not Any or info.metadata else None
    fix = _habit(info) if is_html else None

    def read(conn: Connection, frame: Frame | None, values: Mapping[str, Any]) -> Any:
        value = values.get(key, _MISSING)
        if type(value) is exact:
            return value
        if fix is not None:
            value = fix(value)
        if value is _MISSING:
            if info.is_required():
                raise BindingError({key: "Field required"})
            return info.get_default(call_default_factory=True)
        if validate is None:
            return value
        try:
            return validate(value)
        except ValidationError as error:
            raise _explain(error, value, key) from None

    return read


def _form_reader(parameter: _Parameter) -> _Step:
    """Read a model from the whole form; its default if the form has none of its fields."""
    info, validate = parameter.info, _validator(parameter)
    fix = _habit(info) or dict[str, Any]
    fields = [field for arm in parameter.arms for field in _fields(arm).items()]
    keys = {name for name, _ in fields}
    keys |= {key for _, field in fields if isinstance(key := field.validation_alias, str)}

    def read(conn: Connection, frame: Frame | None, values: Mapping[str, Any]) -> Any:
        if not info.is_required() and keys.isdisjoint(values):
            return info.get_default(call_default_factory=True)
        value = fix(values)
        try:
            return validate(value)
        except ValidationError as error:
            raise _explain(error, value, "", otherwise=parameter.name) from None

    return read


def _path_reader(parameter: _Parameter) -> _Step:
    read = _reader(parameter, parameter.name, is_html=False)
    return lambda conn, frame, third: read(conn, frame, conn.path_params)


def _validator(parameter: _Parameter) -> Callable[[Any], Any]:
    info = parameter.info
    # Alias and default stay out: outside a model pydantic warns of them.
    said = [*info.metadata]
    if info.discriminator is not None:
        said.append(Field(discriminator=info.discriminator))
    plain: Any = info.annotation
    wanted = cast(Any, Annotated)[plain, *said] if said else plain
    # A model has a configuration of its own, and refuses another.
    is_model = any(_is_model(arm) or _is_a(arm, RootModel) for arm in parameter.arms)
    config = None if is_model else ConfigDict(coerce_numbers_to_str=True)
    try:
        return TypeAdapter[Any](wanted, config=config).validator.validate_python
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise parameter.refuse(
            f"is {_show(parameter.annotation)}, which cannot be read from a form: "
            f"{str(error).splitlines()[0].partition('. ')[0]}"
        ) from error


def _explain(error: ValidationError, data: Any, key: str, otherwise: str = "") -> BindingError:
    """The first message for each field, by the names that the form has for them."""
    fields: dict[str, str] = {}
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        parts = [key] if key else []
        here = data
        for part in each["loc"]:
            if _holds(here, part):
                here = here[part]
            elif each["type"] != "missing" or part != each["loc"][-1]:
                continue  # it names an arm of a union: no place in the form
            parts.append(str(part))
        text = each["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        fields.setdefault(".".join(parts) or otherwise, text)
    return BindingError(fields)


def _holds(data: Any, part: int | str) -> bool:
    if isinstance(part, int):
        return isinstance(data, list) and part < len(cast("Sequence[Any]", data))
    return isinstance(data, dict) and part in data


# --- the habits of HTML ----------------------------------------------------------------

# Json takes text, whatever it makes of it. It is written as a class and as an instance.
_JSON: Final[Any] = pydantic.Json
_OWN_VALIDATORS: Final = (
    *(pydantic.BeforeValidator, pydantic.WrapValidator, pydantic.PlainValidator),
    _JSON,
)


def _kind(value: object) -> object:
    return type(value)  # what came as JSON has no subclasses


def _habit(info: FieldInfo, seen: tuple[Any, ...] = ()) -> _Fix | None:
    """How to put a value right before it is validated; None where nothing needs it."""
    arms, said = _unfold(info.annotation)
    if any(one is _JSON or isinstance(one, _OWN_VALIDATORS) for one in said + info.metadata):
        return None
    nullable, arms = NoneType in arms, [arm for arm in arms if arm is not NoneType]
    only = arms[0] if len(arms) == 1 else None
    has_default = not info.is_required()
    is_list = _is_list(only)
    is_scalar = bool(arms) and all(map(_is_scalar, arms))
    is_blank = (nullable or has_default) and not any(map(_takes_empty, arms))
    absent = list[Any] if is_list else bool if only is bool else None
    members = () if only in seen or not _is_model(only) else tuple(_members(only, seen))
    if not (is_list or is_scalar or is_blank or members):
        return None
    # A form has no numbers: those of an Enum or a Literal come as text.
    choices = _choices(only)
    numbers: dict[Any, Any] = {
        str(one): one for one in choices if type(one) is int and str(one) not in choices
    }

    blank: Any = None if nullable else _MISSING

    def fix(value: Any) -> Any:
        if is_scalar and _kind(value) is list:
            value = value[-1] if value else _MISSING
        if is_blank and value == "":
            value = blank
        if absent is not None and (value is _MISSING or (value is None and not nullable)):
            return _MISSING if has_default else absent()
        kind = _kind(value)
        if is_list:
            return value if value is None or kind is list else [value]
        if kind is str:
            return numbers.get(value, value)
        if only is str and (kind is int or kind is float):
            return str(value)
        return _fix_members(value, members) if members and kind is dict else value

    return fix


def _fix_members(form: Any, members: tuple[tuple[str, str, _Fix], ...]) -> Any:
    form = dict[str, Any](form)
    for alias, name, fix in members:
        key = name if name in form and alias not in form else alias
        value = fix(form.pop(key, _MISSING))
        if value is not _MISSING:
            form[key] = value
    return form


def _members(model: Any, seen: tuple[Any, ...]) -> Iterator[tuple[str, str, _Fix]]:
    """The alias of each field, its name where that is read too, and how to put it right."""
    config = getattr(model, "model_config", None) or getattr(model, "__pydantic_config__", {})
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    decorators = getattr(model, "__pydantic_decorators__", None)
    validators = decorators.field_validators.values() if decorators is not None else ()
    own = {name for each in validators if each.info.mode != "after" for name in each.info.fields}
    for name, info in _fields(model).items():
        alias, fix = info.validation_alias or name, _habit(info, (*seen, model))
        if fix is not None and isinstance(alias, str) and own.isdisjoint((name, "*")):
            yield alias, name if by_name else alias, fix


# --- types -----------------------------------------------------------------------------

_SCALARS: Final = (str, bytes, int, float, Decimal, date, time, timedelta, UUID, Enum)


def _unfold(annotation: Any) -> tuple[list[Any], list[Any]]:
    """The plain types that an annotation allows, and what ``Annotated`` said on the way."""
    origin = get_origin(annotation)
    if origin is Annotated:
        arms, said = _unfold(annotation.__origin__)
        return arms, [*said, *annotation.__metadata__]
    if origin in (Union, UnionType):
        both = [_unfold(arm) for arm in get_args(annotation)]
        return [arm for arms, _ in both for arm in arms], [one for _, said in both for one in said]
    if hasattr(annotation, "__supertype__"):  # a NewType
        return _unfold(annotation.__supertype__)
    if hasattr(origin or annotation, "__value__"):  # the alias of a `type` statement
        value = (origin or annotation).__value__
        return _unfold(value if origin is None else value[get_args(annotation)])
    return [annotation], []


def _show(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _is_a(arm: Any, kind: Any) -> bool:
    plain = get_origin(arm) or arm
    return isinstance(plain, type) and issubclass(plain, kind)


def _is_scalar(arm: Any) -> bool:
    of_pydantic = isinstance(arm, type) and arm.__module__.startswith("pydantic.")
    return get_origin(arm) is Literal or _is_a(arm, _SCALARS) or of_pydantic  # such as SecretStr


def _is_list(arm: Any) -> bool:
    return _is_a(arm, (Sequence, Set)) and not (_is_a(arm, (str, bytes)) or _is_model(arm))


def _choices(arm: Any) -> tuple[Any, ...]:
    if _is_a(arm, Enum):
        return tuple(each.value for each in arm)
    return get_args(arm) if get_origin(arm) is Literal else ()


def _takes_empty(arm: Any) -> bool:
    """Whether the empty string is a value of its own."""
    if choices := _choices(arm):
        return "" in choices
    return arm in (Any, object) or _is_a(arm, (str, bytes))


def _is_model(arm: Any) -> bool:
    """Whether a type can stand for a whole form."""
    marks = ("__pydantic_fields__", "__dataclass_fields__", "_field_defaults", "__required_keys__")
    plain = get_origin(arm) or arm
    return _is_a(plain, object) and (
        any(hasattr(plain, mark) for mark in marks) and not issubclass(plain, (RootModel, Enum))
    )


def _fields(model: Any) -> dict[str, FieldInfo]:
    model = get_origin(model) or model
    if hasattr(model, "__pydantic_fields__"):
        return cast("dict[str, FieldInfo]", model.__pydantic_fields__)
    hints = typing.get_type_hints(model, include_extras=True)
    defaults: dict[str, Any] = dict.fromkeys(hints, inspect.Parameter.empty)
    if dataclasses.is_dataclass(model):
        defaults = {field.name: field for field in dataclasses.fields(model) if field.init}
    elif hasattr(model, "_field_defaults"):
        defaults |= model._field_defaults
    else:
        for name, hint in hints.items():
            marks = (get_origin(hint), typing.Required if name in model.__required_keys__ else None)
            if marks[0] is typing.NotRequired or typing.Required not in marks:
                defaults[name] = None
    return {name: _info(hints[name], default) for name, default in defaults.items()}

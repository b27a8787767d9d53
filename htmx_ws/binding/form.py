"""Reading values: of one field, of the whole form, of the path.

A page may be wrong in many places at once, and its user wants to hear of all of them, in words
for people and by the names that the form has. So each reader raises a ``BindingError`` of its
own, keyed by fields; pydantic's errors, with their paths through unions and validators, end
here. The query of a connect URL is read as a form is.

Everything that can be known from a signature is known before the first frame: a reader is
compiled once and holds its validator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, cast

from pydantic import ConfigDict, Field, RootModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from ..connection import Connection
from ..errors import BindingError
from ..wire.frame import Frame
from .habits import MISSING, habit
from .kinds import fields_of, is_a, is_model, show
from .signature import Parameter, Take

__all__ = ["exact_type", "field_reader", "form_reader", "path_reader"]


def exact_type(parameter: Parameter) -> type | None:
    """The type whose values a parameter takes as they come; None where all are to be read.

    A short cut and no more: reading such a value would give the same.
    """
    annotation = parameter.annotation
    if annotation in (str, int, float, bool) and not parameter.is_field:
        return cast(type, annotation)
    return None


def field_reader(parameter: Parameter, key: str, is_html: bool = True) -> Take:
    """Read one field: put right, validated, or its default."""
    annotation, info = parameter.annotation, parameter.info
    validate = _validator(parameter) if annotation is not Any or info.metadata else None
    fix = habit(info) if is_html else None

    def read(conn: Connection, frame: Frame | None, values: Mapping[str, Any]) -> Any:
        value = values.get(key, MISSING)
        if fix is not None:
            value = fix(value)
        if value is MISSING:
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


def form_reader(parameter: Parameter) -> Take:
    """Read a model from the whole form; its default if the form has none of its fields."""
    info, validate = parameter.info, _validator(parameter)
    fix = habit(info) or dict[str, Any]
    fields = [field for arm in parameter.arms for field in fields_of(arm).items()]
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


def path_reader(parameter: Parameter) -> Take:
    """Read a parameter of the path, which is no form: nothing is put right before."""
    name, exact = parameter.name, exact_type(parameter)
    read = field_reader(parameter, name, is_html=False)

    def take(conn: Connection, frame: Frame | None, third: object) -> Any:
        value = conn.path_params.get(name)
        return value if type(value) is exact else read(conn, frame, conn.path_params)

    return take


def _validator(parameter: Parameter) -> Callable[[Any], Any]:
    info = parameter.info
    # Alias and default stay out: outside a model pydantic warns of them.
    said = [*info.metadata]
    if info.discriminator is not None:
        said.append(Field(discriminator=info.discriminator))
    plain: Any = info.annotation
    wanted = cast(Any, Annotated)[plain, *said] if said else plain
    # A model has a configuration of its own, and refuses another.
    is_configured = any(is_model(arm) or is_a(arm, RootModel) for arm in parameter.arms)
    config = None if is_configured else ConfigDict(coerce_numbers_to_str=True)
    try:
        return TypeAdapter[Any](wanted, config=config).validator.validate_python
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise parameter.refuse(
            f"is {show(parameter.annotation)}, which cannot be read from a form: "
            f"{str(error).splitlines()[0].partition('. ')[0]}"
        ) from error


#: No person reads more; and a page would be sent forty times what it sent.
_MOST_ERRORS: Final = 50


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
        if len(fields) == _MOST_ERRORS:  # of one field: a list of a frame has room for thousands
            break
    return BindingError(fields)


def _holds(data: Any, part: int | str) -> bool:
    if isinstance(part, int):
        return isinstance(data, list) and part < len(cast("Sequence[Any]", data))
    return isinstance(data, dict) and part in data

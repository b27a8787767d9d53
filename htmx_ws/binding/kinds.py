"""Questions about types: the words in which the rest of the package asks them.

Python spells one type in many ways: in a union, in ``Annotated``, as a ``NewType``, as the
alias of a ``type`` statement. And what can stand for a form is a pydantic model, a dataclass, a
TypedDict or a NamedTuple. All of that is told apart here, so that the rules elsewhere say
"a list" or "a model" and mean each of its spellings.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Sequence, Set
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin
from uuid import UUID

from pydantic import RootModel
from pydantic.fields import FieldInfo

__all__ = [
    "choices_of",
    "fields_of",
    "is_a",
    "is_list",
    "is_model",
    "is_scalar",
    "read_info",
    "show",
    "takes_empty",
    "unfold",
]

_SCALARS: Final = (str, bytes, int, float, Decimal, date, time, timedelta, UUID, Enum)


def unfold(annotation: Any) -> tuple[list[Any], list[Any]]:
    """The plain types that an annotation allows, and what ``Annotated`` said on the way."""
    origin = get_origin(annotation)
    if origin is Annotated:
        arms, said = unfold(annotation.__origin__)
        return arms, [*said, *annotation.__metadata__]
    if origin in (Union, UnionType):
        both = [unfold(arm) for arm in get_args(annotation)]
        return [arm for arms, _ in both for arm in arms], [one for _, said in both for one in said]
    if hasattr(annotation, "__supertype__"):  # a NewType
        return unfold(annotation.__supertype__)
    if hasattr(origin or annotation, "__value__"):  # the alias of a `type` statement
        value = (origin or annotation).__value__
        return unfold(value if origin is None else value[get_args(annotation)])
    return [annotation], []


def show(annotation: Any) -> str:
    """Write a type as an error message has it."""
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def is_a(arm: Any, kind: Any) -> bool:
    """Whether a type, its parameters left out, is a subclass of a type or of one of several."""
    plain = get_origin(arm) or arm
    return isinstance(plain, type) and issubclass(plain, kind)


def is_scalar(arm: Any) -> bool:
    """Whether a type is one value of a form, such as text, a number or a date."""
    of_pydantic = isinstance(arm, type) and arm.__module__.startswith("pydantic.")
    return get_origin(arm) is Literal or is_a(arm, _SCALARS) or of_pydantic  # such as SecretStr


def is_list(arm: Any) -> bool:
    """Whether a type is several values of a form: a list, a set or a tuple."""
    return is_a(arm, (Sequence, Set)) and not (is_a(arm, (str, bytes)) or is_model(arm))


def choices_of(arm: Any) -> tuple[Any, ...]:
    """The values of an Enum or a Literal; empty for other types."""
    if is_a(arm, Enum):
        return tuple(each.value for each in arm)
    return get_args(arm) if get_origin(arm) is Literal else ()


def takes_empty(arm: Any) -> bool:
    """Whether the empty string is a value of its own."""
    if choices := choices_of(arm):
        return "" in choices
    return arm in (Any, object) or is_a(arm, (str, bytes))


def is_model(arm: Any) -> bool:
    """Whether a type can stand for a whole form."""
    marks = ("__pydantic_fields__", "__dataclass_fields__", "_field_defaults", "__required_keys__")
    plain = get_origin(arm) or arm
    return is_a(plain, object) and (
        any(hasattr(plain, mark) for mark in marks) and not issubclass(plain, (RootModel, Enum))
    )


def fields_of(model: Any) -> dict[str, FieldInfo]:
    """The fields of a model by name, whichever kind of model it is."""
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
    return {name: read_info(hints[name], default) for name, default in defaults.items()}


def read_info(annotation: Any, default: Any) -> FieldInfo:
    """What pydantic makes of an annotation and a default; ``Parameter.empty`` is no default."""
    if default is inspect.Parameter.empty:
        return FieldInfo.from_annotation(annotation)
    return FieldInfo.from_annotated_attribute(annotation, default)

"""How HTML forms lose the shape of values, and how it is put right.

pydantic reads most of what browsers send (``on``, ``2026-01-02T03:04``, ``09:30``). What it
cannot know is the habits of forms: one ticked box of a group is a string, no ticked box is
nothing at all, an empty number is ``""``. That is put right before pydantic looks, except for
a parameter or field with a before, wrap or plain validator of its own: that one sees what the
page sent.

What a type needs is worked out once, when a handler is registered; most types need little, and
some nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import NoneType
from typing import Any, Final

import pydantic
from pydantic.fields import FieldInfo

from .kinds import choices_of, fields_of, is_list, is_model, is_scalar, takes_empty, unfold

__all__ = ["MISSING", "Fix", "habit"]

Fix = Callable[[Any], Any]

#: What stands for a value that was not sent: None is a value, JSON has it.
MISSING: Final[Any] = object()

# Json takes text, whatever it makes of it. It is written as a class and as an instance.
_JSON: Final[Any] = pydantic.Json
_OWN_VALIDATORS: Final = (
    *(pydantic.BeforeValidator, pydantic.WrapValidator, pydantic.PlainValidator),
    _JSON,
)


def _kind(value: object) -> object:
    return type(value)  # what came as JSON has no subclasses


def habit(info: FieldInfo, seen: tuple[Any, ...] = ()) -> Fix | None:
    """How to put a value right before it is validated; None where nothing needs it."""
    arms, said = unfold(info.annotation)
    if any(one is _JSON or isinstance(one, _OWN_VALIDATORS) for one in said + info.metadata):
        return None
    nullable, arms = NoneType in arms, [arm for arm in arms if arm is not NoneType]
    only = arms[0] if len(arms) == 1 else None
    has_default = not info.is_required()
    is_many = is_list(only)
    is_single = bool(arms) and all(map(is_scalar, arms))
    is_blank = (nullable or has_default) and not any(map(takes_empty, arms))
    absent = list[Any] if is_many else bool if only is bool else None
    members = () if only in seen or not is_model(only) else tuple(_members(only, seen))
    if not (is_many or is_single or is_blank or members):
        return None
    # A form has no numbers: those of an Enum or a Literal come as text.
    choices = choices_of(only)
    numbers: dict[Any, Any] = {
        str(one): one for one in choices if type(one) is int and str(one) not in choices
    }

    blank: Any = None if nullable else MISSING

    def fix(value: Any) -> Any:
        if is_single and _kind(value) is list:
            value = value[-1] if value else MISSING
        if is_blank and value == "":
            value = blank
        if absent is not None and (value is MISSING or (value is None and not nullable)):
            return MISSING if has_default else absent()
        kind = _kind(value)
        if is_many:
            return value if value is None or kind is list else [value]
        if kind is str:
            return numbers.get(value, value)
        if only is str and (kind is int or kind is float):
            return str(value)
        return _fix_members(value, members) if members and kind is dict else value

    return fix


def _fix_members(form: Any, members: tuple[tuple[str, str, Fix], ...]) -> Any:
    form = dict[str, Any](form)
    for alias, name, fix in members:
        key = name if name in form and alias not in form else alias
        value = fix(form.pop(key, MISSING))
        if value is not MISSING:
            form[key] = value
    return form


def _members(model: Any, seen: tuple[Any, ...]) -> Iterator[tuple[str, str, Fix]]:
    """The alias of each field, its name where that is read too, and how to put it right."""
    config = getattr(model, "model_config", None) or getattr(model, "__pydantic_config__", {})
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    decorators = getattr(model, "__pydantic_decorators__", None)
    validators = decorators.field_validators.values() if decorators is not None else ()
    own = {name for each in validators if each.info.mode != "after" for name in each.info.fields}
    for name, info in fields_of(model).items():
        alias, fix = info.validation_alias or name, habit(info, (*seen, model))
        if fix is not None and isinstance(alias, str) and own.isdisjoint((name, "*")):
            yield alias, name if by_name else alias, fix

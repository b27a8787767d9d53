"""Values as JavaScript holds and writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from ..browser.forms import File
from ..browser.tab import NeedsJavaScript

__all__ = ["MISSING", "OBJECT_METHODS", "literal", "write"]

#: What every object has: a form field of that name meets it.
OBJECT_METHODS: Final = frozenset(
    "constructor toString toLocaleString valueOf hasOwnProperty isPrototypeOf "
    "propertyIsEnumerable __defineGetter__ __defineSetter__ __lookupGetter__ "
    "__lookupSetter__".split()
)
#: ``undefined``, which JSON leaves out of an object.
MISSING: Final = object()


def write(value: Any) -> str:
    """Write as ``JSON.stringify`` does."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, File):
        return {}
    if isinstance(value, Mapping):
        kept = {str(name): _plain(each) for name, each in value.items() if each is not MISSING}
        # JavaScript puts the names that are numbers first.
        numbers = sorted((name for name in kept if re.fullmatch(r"0|[1-9]\d{0,8}", name)), key=int)
        return {**{name: kept[name] for name in numbers}, **kept}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, str):
        # Lone surrogates are written as escapes.
        return value
    if isinstance(value, float | int) and not isinstance(value, bool):
        number = float(value)
        return int(number) if number.is_integer() and abs(number) < 1e21 else number
    return value


def literal(attribute: str, text: str) -> Any:
    """Read what an attribute gives as ``js:``, if it is data alone.

    Raises ``NeedsJavaScript`` when it is more.
    """
    text = text.strip()
    try:
        return json.loads(
            re.sub(r"([{,]\s*)([A-Za-z_$][\w$]*)\s*:", r'\1"\2":', text).replace("'", '"')
        )
    except ValueError:
        raise NeedsJavaScript(
            f"{attribute}={text!r} is JavaScript, which does not run in a test: give the field "
            "its value in the test"
        ) from None

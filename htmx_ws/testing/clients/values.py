"""Values as JavaScript holds and writes them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
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
    if isinstance(value, File):
        return "{}"
    if isinstance(value, Mapping):
        kept = {str(name): each for name, each in value.items() if each is not MISSING}
        # JavaScript puts the names that are numbers first.
        numbers = sorted((name for name in kept if re.fullmatch(r"0|[1-9]\d{0,8}", name)), key=int)
        kept = {**{name: kept[name] for name in numbers}, **kept}
        return "{" + ",".join(f"{_text(name)}:{write(kept[name])}" for name in kept) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float | int) and not isinstance(value, bool):
        return _number(float(value))
    return json.dumps(value)


def _text(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):x}", written)


def _number(number: float) -> str:
    """Write a number as JavaScript does, with the fewest digits that mean it."""
    if not math.isfinite(number):
        return "null"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)
    if not 1e-6 <= abs(number) < 1e21 and number:
        first, *rest = map(str, digits)
        point = exponent + len(digits) - 1
        dot = "." if rest else ""
        return f"{'-' * sign}{first}{dot}{''.join(rest)}e{point:+d}"
    return f"{Decimal((sign if number else 0, digits, exponent)):f}"


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

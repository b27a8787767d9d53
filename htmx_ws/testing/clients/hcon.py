"""HCON, in which htmx 4 writes what is in its attributes: ``settle:0 target:#x``."""

from __future__ import annotations

import json
import re
from typing import Any, Final

__all__ = ["Spec", "parse", "parse_swap", "split"]

_PAIR: Final = re.compile(
    r"""(?:"([^"]+)"|'([^']+)'|([^\s,:]+))"""
    r"""(?:\s*:\s*(?:"([^"]*)"|'([^']*)'|<((?:[^/]|/(?!>))+)/>|([^\s,]+)))?(?=\s|,|$)"""
)
_COMMA: Final = re.compile(
    r""",(?![^\[]*\])(?![^(]*\))(?![^<]*/>)(?=(?:[^"']|"[^"]*"|'[^']*')*$)"""
)
_STYLES: Final = {
    "before": "beforebegin",
    "after": "afterend",
    "prepend": "afterbegin",
    "append": "beforeend",
}


def split(text: str) -> list[str]:
    """Split at the commas that are not inside brackets or quotes."""
    return _COMMA.split(text)


def parse(text: str | None) -> dict[str, Any]:
    """Parse to a dict; raises ``ValueError`` for what begins as JSON and is none."""
    if not text:
        return {}
    if text.startswith("{"):
        parsed: dict[str, Any] = json.loads(text)
        return parsed
    result: dict[str, Any] = {}
    for found in _PAIR.finditer(text):
        double, single, bare, *values = found.groups()
        written = next((each for each in values if each is not None), "true").strip()
        try:
            value: Any = json.loads(written)
        except ValueError:
            value = written
        path = bare.split(".") if bare is not None else [double if double is not None else single]
        merge({path[-1]: value}, _at(result, path[:-1]))
    return result


def _at(result: dict[str, Any], path: list[str]) -> dict[str, Any]:
    for name in path:
        inner = result.get(name)
        if not isinstance(inner, dict):
            inner = result[name] = {}
        result = inner
    return result


def merge(source: dict[str, Any], target: dict[str, Any]) -> None:
    """Merge one into the other, deeply."""
    for name, value in source.items():
        held = target.get(name)
        if isinstance(value, dict) and isinstance(held, dict):
            merge(value, held)
        else:
            target[name] = value


__all__ += ["merge"]


class Spec(dict[str, Any]):
    """A swap as an attribute or an envelope writes it: the ``style``, and its modifiers."""

    @property
    def style(self) -> str:
        """How to swap."""
        return str(self["style"])


def parse_swap(text: str, default: str = "innerHTML") -> Spec:
    """Parse ``innerHTML settle:0``; what begins with a modifier has the default style."""
    text = text.strip()
    style = default
    if text and not re.match(r"\S*:", text):
        style, _, text = (
            text.partition(" ") if " " in text else (*re.split(r"\s", text, maxsplit=1), "", "")[:3]
        )
    return Spec({"style": _STYLES.get(style, style), **parse(text.strip())})

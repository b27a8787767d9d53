"""How htmx 1.9 and 2 read attributes, which inherit, and find what a selector names."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ..browser.dom import Branch, Element
from ..browser.tab import Tab, Uncaught
from .swapping import find_near, trim

__all__ = ["attribute", "closest_value", "find_all", "normalised", "nothing"]


def attribute(element: Element, name: str) -> str | None:
    """Give an attribute, or its ``data-`` form where that is empty or missing."""
    return element.get(name) or element.get(f"data-{name}")


def closest_value(element: Element, name: str) -> str | None:
    """Give an attribute of an element or of what is around it."""
    for each in element.itself_and_ancestors():
        value = attribute(each, name)
        kept_back = attribute(each, "hx-disinherit") or ""
        if each is not element and (kept_back == "*" or name in kept_back.split(" ")):
            return None
        if value:
            return None if value == "unset" else value
    return None


def normalised(selector: str) -> str:
    """Take hyperscript's ``<.../>`` from around a selector."""
    trimmed = trim(selector)
    if trimmed.startswith("<") and trimmed.endswith("/>"):
        return trimmed[1:-2]
    return trimmed


def find_all(tab: Tab, start: Branch, selector: str, *, lists: bool = True) -> list[Branch]:
    """Give what a selector finds, with htmx's own words in it; ``lists``: of version 2."""
    if lists and selector.startswith("global "):
        return find_all(tab, start, selector[7:])
    found: list[Branch] = []
    plain: list[str] = []
    for part in map(normalised, _split(selector) if lists else [selector]):
        word, _, rest = part.partition(" ")
        item: Branch | None = None
        if word in ("closest", "find", "next", "previous") and rest:
            item = _relative(tab, start, word, normalised(rest))
        elif part in _WORDS and (lists or part not in ("root", "host")):
            item = _WORDS[part](tab, start)
        else:
            plain.append(part)
        if item is not None:
            found.append(item)
    if plain:
        root = start.root if lists else tab.document
        found += root.select(",".join(plain))
    return found


def nothing(selector: str) -> str:
    """Say what JavaScript has of a selector that finds nothing."""
    return "null" if re.match(r"(closest|find) |(next|previous)$", selector) else "undefined"


def _split(selector: str) -> list[str]:
    parts: list[str] = [""]
    depth = 0
    for i, char in enumerate(selector):
        if char == "," and not depth:
            parts.append("")
            continue
        depth += (char == "<") - (selector[i : i + 2] == "/>")
        parts[-1] += char
    return parts if parts[-1] else parts[:-1]


def _relative(tab: Tab, start: Branch, word: str, selector: str) -> Branch | None:
    if word == "find":
        return start.select_one(selector)
    if word == "closest":
        return start.closest(selector) if isinstance(start, Element) else None
    if not isinstance(start, Element):
        return None
    return find_near(start, tab.document.select(selector), after=word == "next")


def _sibling(start: Branch, step: int) -> Element | None:
    if not isinstance(start, Element):
        name = "next" if step > 0 else "previous"
        raise Uncaught(f"Cannot read properties of null (reading '{name}ElementSibling')")
    siblings = start.parent.elements if start.parent is not None else [start]
    at = next(i for i, each in enumerate(siblings) if each is start) + step
    return siblings[at] if 0 <= at < len(siblings) else None


_WORDS: Final[dict[str, Callable[[Tab, Branch], Branch | None]]] = {
    "next": lambda tab, start: _sibling(start, 1),
    "nextElementSibling": lambda tab, start: _sibling(start, 1),
    "previous": lambda tab, start: _sibling(start, -1),
    "previousElementSibling": lambda tab, start: _sibling(start, -1),
    "document": lambda tab, start: tab.document,
    "window": lambda tab, start: tab.window,
    "body": lambda tab, start: tab.document.body,
    "root": lambda tab, start: tab.document,
    "host": lambda tab, start: None,
}

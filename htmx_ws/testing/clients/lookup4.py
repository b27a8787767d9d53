"""How htmx 4 reads attributes, which inherit where they say so, and finds what a selector names."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ..browser.dom import Branch, Element
from ..browser.tab import Tab
from .hcon import split
from .swapping import find_near

__all__ = ["attribute", "attribute_value", "find_all"]


def attribute(element: Element, name: str) -> str | None:
    """Give an attribute, or its ``data-`` form where it is missing."""
    return element.attrs.get(name, element.attrs.get(f"data-{name}"))


def attribute_value(element: Element, name: str) -> str | None:
    """Give an attribute by the rules of inheritance, which the markup must ask for."""
    for suffix in ("", ":inherited"):
        if (value := attribute(element, name + suffix)) is not None:
            return value
    added = next(
        (
            value
            for suffix in (":append", ":inherited:append")
            if (value := attribute(element, name + suffix)) is not None
        ),
        None,
    )
    parent = next(
        (
            around
            for around in element.itself_and_ancestors()
            if around is not element
            and any(
                attribute(around, name + suffix) is not None
                for suffix in (":inherited", ":inherited:append")
            )
        ),
        None,
    )
    inherited = attribute_value(parent, name) if parent is not None else None
    if added is None:
        return inherited
    return re.sub("[{}]", "", f"{inherited},{added}") if inherited else added


def find_all(tab: Tab, start: Element, selector: str, *, this: str | None = None) -> list[Branch]:
    """Give what a selector finds, with htmx's own words in it, each once.

    ``this`` is the attribute whose nearest ``this`` that word means.
    """
    if selector.startswith("global "):
        return find_all(tab, start, selector[7:], this=this)
    found: list[Branch] = []
    plain: list[str] = []
    for part in split(selector) if selector else []:
        part = part.strip()
        if part.startswith("<") and part.endswith("/>"):
            part = part[1:-2]
        word, _, rest = part.partition(" ")
        if word in ("closest", "find", "next", "previous") and rest:
            item = _relative(tab, start, word, rest)
        elif word == "findAll" and rest:
            found += start.select(rest)
            continue
        elif part == "this" and this is not None:
            found += _those_that_say_this(start, this)
            continue
        elif part in _WORDS:
            item = _WORDS[part](tab, start)
        else:
            plain.append(part)
            continue
        if item is not None:
            found.append(item)
    if plain:
        root = start.root if start.is_connected else tab.document
        found += root.select(",".join(plain))
    return list({id(each): each for each in found}.values())


def _relative(tab: Tab, start: Element, word: str, selector: str) -> Branch | None:
    if word == "find":
        return start.select_one(selector)
    if word == "closest":
        return start.closest(selector)
    return find_near(start, tab.document.select(selector), after=word == "next")


def _those_that_say_this(element: Element, name: str) -> list[Element]:
    for around in element.itself_and_ancestors():
        names = (name, f"{name}:inherited") if around is element else (f"{name}:inherited",)
        for each in names:
            value = attribute(around, each)
            if value is not None:
                return [around] if "this" in re.split(r"\s*[,:]\s*", value) else []
    return []


def _sibling(start: Element, step: int) -> Element | None:
    siblings = start.parent.elements if start.parent is not None else [start]
    at = next(i for i, each in enumerate(siblings) if each is start) + step
    return siblings[at] if 0 <= at < len(siblings) else None


_WORDS: Final[dict[str, Callable[[Tab, Element], Branch | None]]] = {
    "next": lambda tab, start: _sibling(start, 1),
    "nextElementSibling": lambda tab, start: _sibling(start, 1),
    "previous": lambda tab, start: _sibling(start, -1),
    "previousElementSibling": lambda tab, start: _sibling(start, -1),
    "document": lambda tab, start: tab.document,
    "window": lambda tab, start: tab.window,
    "body": lambda tab, start: tab.document.body,
    "host": lambda tab, start: None,
    "this": lambda tab, start: start,
}

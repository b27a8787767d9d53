"""What both generations do alike when they change a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ..browser.dom import Branch, Document, Element, Fragment, Node
from ..browser.tab import Uncaught

__all__ = [
    "add_class",
    "around",
    "find_near",
    "first_tag",
    "parse_in_template",
    "remove_class",
    "trim",
]


def first_tag(html: str, stop: str) -> str:
    """Give the first tag in a text, as a client's regular expression finds it."""
    found = re.search(rf"<([a-z][^{stop}]*)", html, re.IGNORECASE)
    return found[1].lower() if found else ""


def parse_in_template(parse: Callable[[str], Document], html: str) -> Fragment:
    """Parse a message inside a ``<template>``, where table parts may stand by themselves."""
    template = parse(html).select_one("template")
    assert template is not None
    assert template.content is not None
    return template.content


def trim(text: str) -> str:
    """Strip what JavaScript's ``trim`` does."""
    return text.strip().strip("\ufeff").strip()


def add_class(node: Node, name: str) -> None:
    """Add a class, as ``classList`` does: the attribute is written anew."""
    if isinstance(node, Element):
        node.attrs["class"] = " ".join(dict.fromkeys([*node.classes, name]))


def remove_class(node: Node, name: str) -> None:
    """Remove a class, and the attribute when none is left."""
    if isinstance(node, Element):
        left = [each for each in dict.fromkeys(node.classes) if each != name]
        if left:
            node.attrs["class"] = " ".join(left)
        else:
            node.attrs.pop("class", None)


def around(target: Element) -> Branch:
    """Give the parent of what is to be replaced or get siblings."""
    if target.parent is None or isinstance(target.parent, Document):
        raise Uncaught("Cannot read properties of null (reading 'insertBefore')")
    return target.parent


def find_near(start: Branch, matches: Iterable[Element], *, after: bool) -> Element | None:
    """Give the nearest of these after an element, or before it, that neither holds the other."""
    every = list(start.root.descendants())
    places = {id(element): place for place, element in enumerate(every)}
    here = places.get(id(start), -1)
    found = None
    for element in matches:
        place = places.get(id(element), -1)
        if after and place > here and not (isinstance(start, Element) and start.contains(element)):
            return element
        if not after and place < here and not element.contains(start):
            found = element
    return found

"""What both generations do alike when they change a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urljoin, urlsplit

from ..browser.dom import Branch, Document, Element, Fragment, Node

__all__ = [
    "add_class",
    "find_near",
    "first_tag",
    "is_boostable",
    "open_pantry",
    "parse_in_template",
    "remove_class",
    "trim",
]


def first_tag(html: str, stop: str) -> str:
    """Give the first tag in a text, as a client's regular expression finds it."""
    found = re.search(rf"<([a-z][^{stop}]*)", html, re.IGNORECASE)
    return found[1].lower() if found else ""


#: What may stand before a ``<title>`` that is the first to say what a template holds.
_BEFORE_TITLE: Final = re.compile(
    r"(?:\s|<!--[\s\S]*?-->|<(style|script|template)\b[\s\S]*?</\1>|<(?:base|link|meta)\b[^>]*>)*"
    r"(?=<title[\s>])",
    re.IGNORECASE,
)
_MARK: Final = "data-in-body"


def parse_in_template(parse: Callable[[str], Document], html: str, around: str) -> Fragment:
    """Parse a message inside a ``<template>``, where table parts may stand by themselves.

    ``around`` is what the client writes around it, with ``{}`` in the message's place.
    """
    # In Chrome no table part may stand by itself after a title.
    if (found := _BEFORE_TITLE.match(html)) is not None:
        html = f"{html[: found.end()]}<hr {_MARK}>{html[found.end() :]}"
    before, _, after = around.partition("{}")
    template = parse(f"{before}{html}{after}").select_one("template")
    assert template is not None
    assert template.content is not None
    for mark in template.content.select(f"[{_MARK}]"):
        mark.detach()
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


def is_boostable(element: Element, url: str) -> bool:
    """Whether ``hx-boost`` is for it: a link or form of the page's own site."""
    if element.tag == "form":
        return element.get("method", "").lower() != "dialog"
    href = element.get("href", "")
    return (
        element.tag == "a"
        and bool(href)
        and not href.startswith("#")
        and element.get("target", "_self") in ("", "_self")
        and urlsplit(urljoin(url, href)).netloc == urlsplit(url).netloc
    )


def open_pantry(document: Document) -> Element:
    """Put an element after the body, for what is to outlive a swap."""
    pantry = Element("div", {"hidden": ""})
    body = document.body
    (body.parent or Element("html")).insert(pantry, body.next)
    return pantry


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

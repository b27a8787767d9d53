"""htmx 1.9 and 2 with their websocket extension: what becomes of the page's messages.

Each message is parsed, and every element at its top level is swapped out of band, by the
style and selector of its ``hx-swap-oob`` or in the place of what has its id. Text is not
looked at, nor what is nested. What the versions do differently is in ``Habits``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from ..browser.dom import Branch, Comment, Element, Fragment, Node, Text
from ..browser.parse import parse_document
from ..browser.selectors import InvalidSelector, escape_identifier
from ..browser.tab import Tab, Uncaught
from .lookup2 import attribute, find_all
from .swapping import (
    add_class,
    first_tag,
    open_pantry,
    parse_in_template,
    remove_class,
)

__all__ = ["HABITS", "Habits", "Swaps2"]


@dataclass(frozen=True)
class Habits:
    """What one version does its own way."""

    table_contexts: bool = False  # parses by the first tag, not in a template
    keeps_oob: bool = False  # leaves hx-swap-oob in the page
    escapes_ids: bool = True
    reports_missing: bool = True
    preserves: bool = True
    drops_comments: bool = True  # a fault of Chrome 150 to 156 in what this version parses with
    renames_partials: bool = True
    skips_attributes: bool = False  # passes by the attribute after one that it takes away
    extended_selectors: bool = True
    lists_selects: bool = False  # a multiple select is always a list, a file input too
    form_by_owner: bool = True  # the form= attribute counts
    wipes_on_init: bool = False  # forgets what was prepared when an element is prepared itself
    retry_codes: tuple[int, ...] = (1006, 1011, 1012, 1013)


HABITS: Final = {
    "1.9.12": Habits(
        table_contexts=True,
        keeps_oob=True,
        escapes_ids=False,
        reports_missing=False,
        preserves=False,
        drops_comments=False,
        renames_partials=False,
        skips_attributes=True,
        extended_selectors=False,
        lists_selects=True,
        form_by_owner=False,
        wipes_on_init=True,
        retry_codes=(1006, 1012, 1013),
    ),
    "2.0.4": Habits(
        escapes_ids=False,
        reports_missing=False,
        drops_comments=False,
        renames_partials=False,
        skips_attributes=True,
        form_by_owner=False,
        wipes_on_init=True,
        retry_codes=(1006, 1012, 1013),
    ),
    "2.0.11": Habits(),
}

Tasks = list[Callable[[], None]]
_LOOKS: Final = ("class", "style", "width", "height")


class Swaps2:
    """Applies messages to a tab. ``process`` brings new elements to life."""

    ADDED: ClassVar = "htmx-added"

    def __init__(self, tab: Tab, habits: Habits) -> None:
        self.tab = tab
        self.habits = habits

    def process(self, element: Element) -> None:
        raise NotImplementedError

    def clean_up(self, element: Element) -> None:
        raise NotImplementedError

    def receive(self, element: Element, text: str) -> None:
        """Apply a message that came on the socket of an element."""
        tasks: Tasks = []
        try:
            for child in self.parse(text).elements:
                self.swap_oob(attribute(child, "hx-swap-oob") or "true", child, tasks)
            for task in tasks:
                task()
        except (InvalidSelector, Uncaught) as error:
            self.tab.note_unreadable(error)
            self.tab.console("pageerror", str(error))

    # --- parsing -------------------------------------------------------------------------

    def parse(self, text: str) -> Branch:
        """Parse a message as this version does."""
        if self.habits.table_contexts:
            return _parse_by_first_tag(text)
        if self.habits.renames_partials:
            text = re.sub(
                r"<hx-([a-z]+)((?:\s[^>]*)?)>", r'<template hx type="\1"\2>', text, flags=re.I
            )
            text = re.sub(r"</hx-[a-z]+>", "</template>", text, flags=re.I)
        headless = re.sub(r"<head(\s[^>]*)?>[\s\S]*?</head>", "", text, count=1, flags=re.I)
        tag = first_tag(headless, r"/\0>\x20\t\r\n\f")
        if tag in ("html", "body"):
            body = parse_document(text if tag == "html" else headless).body
            if self.habits.drops_comments:
                _drop_comments(body)
            return body
        fragment = parse_in_template(
            parse_document,
            headless,
            '<body><template class="internal-htmx-wrapper">{}</template></body>',
        )
        if self.habits.drops_comments:
            _drop_comments(fragment)
        title = fragment.select_one("title")
        if title is not None and title.parent is fragment:
            title.detach()
        return fragment

    # --- swapping ------------------------------------------------------------------------

    def swap_oob(self, value: str, oob: Element, tasks: Tasks) -> None:
        """Swap one element of a message out of band."""
        id = oob.get("id")
        own = "null" if id is None else id
        selector = "#" + (escape_identifier(own) if self.habits.escapes_ids else own)
        style = "outerHTML"
        if value != "true":
            style, colon, given = value.partition(":") if value.find(":") > 0 else (value, "", "")
            selector = given if colon else selector
        if not self.habits.keeps_oob:
            oob.attrs.pop("hx-swap-oob", None)
            oob.attrs.pop("data-hx-swap-oob", None)
        document = self.tab.document
        if self.habits.extended_selectors:
            targets = find_all(self.tab, document, selector)
        else:
            targets = list[Branch](document.select(selector))
        for target in targets:
            copy = oob.clone()
            source: Branch = copy
            if style == "outerHTML":
                source = Fragment()
                source.insert(copy)
            pantry = self._keep(source)
            if isinstance(target, Element):
                self.swap(style, target, source, tasks)
            self._put_back(pantry)
        oob.detach()
        if targets:
            names = ", ".join(e.name for e in targets if isinstance(e, Element))
            self.tab.note(f"{style} {selector} changed {names}")
            return
        if style == "delete":  # it is gone, as it should be
            self.tab.note(f"delete {selector} found nothing")
        else:
            self.tab.missing.append(selector)
        if self.habits.reports_missing:
            said = f", {selector}" if selector else ""
            self.tab.console("error", f"htmx:oobErrorNoTarget{said}")

    def swap(self, style: str, target: Element, source: Branch, tasks: Tasks) -> None:
        """Put what is in ``source`` where the style says; unknown ones are innerHTML."""
        if style == "none":
            return
        if style == "delete":
            self.clean_up(target)
            if _parent(target) is not None:
                target.detach()
            elif self.habits.table_contexts:
                raise Uncaught("Cannot read properties of null (reading 'removeChild')")
        elif style == "outerHTML" and target.tag != "body":
            self._replace(target, source, tasks)
        elif style == "afterbegin":
            self._insert(target, target.children[0] if target.children else None, source, tasks)
        elif style == "beforebegin":
            self._insert(_parent(target), target, source, tasks)
        elif style == "beforeend":
            self._insert(target, None, source, tasks)
        elif style == "afterend":
            self._insert(_parent(target), target.next, source, tasks)
        else:
            old = list(target.children)
            self._insert(target, old[0] if old else None, source, tasks)
            for node in old:
                if isinstance(node, Element):
                    self.clean_up(node)
                node.detach()

    def _replace(self, target: Element, source: Branch, tasks: Tasks) -> None:
        parent = _parent(target)
        if parent is None and not self.habits.table_contexts:
            return
        self._insert(parent, target, source, tasks)
        self.clean_up(target)
        target.detach()

    def _insert(
        self, parent: Element | None, before: Node | None, source: Branch, tasks: Tasks
    ) -> None:
        if parent is None:
            if self.habits.table_contexts and any(e.id for e in source.select("[id]")):
                raise Uncaught("Cannot read properties of null (reading 'querySelector')")
            if source.children:
                raise Uncaught("Cannot read properties of null (reading 'insertBefore')")
            return
        for new in source.select("[id]"):
            its = (e for e in parent.descendants() if e.attrs.get("id") == new.id)
            old = next((e for e in its if e.tag == new.tag), None)
            if new.id and old is not None:
                tasks.append(self._settling(new, old))
        for node in list(source.children):
            add_class(node, self.ADDED)
            parent.insert(node, before)
            if not self.habits.table_contexts:  # 1.9 runs scripts when it prepares what they are in
                self.tab.arrived(node)
            if isinstance(node, Element):
                tasks.append(self._loading(node))

    def _settling(self, new: Element, old: Element) -> Callable[[], None]:
        """Give a new element the looks of the old one until the message is settled."""
        own = dict(new.attrs)
        self._copy_looks(new, old.attrs)
        return lambda: self._copy_looks(new, own)

    def _copy_looks(self, element: Element, attrs: dict[str, str]) -> None:
        names = list(element.attrs)
        at = 0
        while at < len(names):
            if names[at] in _LOOKS and names[at] not in attrs:
                del element.attrs[names[at]]
                if self.habits.skips_attributes:
                    names.pop(at)
            at += 1
        element.attrs.update({name: attrs[name] for name in attrs if name in _LOOKS})

    def _loading(self, element: Element) -> Callable[[], None]:
        def load() -> None:
            remove_class(element, self.ADDED)
            self.process(element)
            self.tab.arrived(element)
            wants_focus = next(
                (e for e in element.itself_and_descendants() if "autofocus" in e.attrs), None
            )
            if wants_focus is not None and wants_focus.is_connected:
                self.tab.focus_if_it_can(wants_focus)

        return load

    def _keep(self, source: Branch) -> Element | None:
        """Move what the message says to preserve into a pantry beside the body."""
        if not self.habits.preserves:
            return None
        pantry: Element | None = None
        for element in source.select("[hx-preserve],[data-hx-preserve]"):
            existing = self.tab.document.by_id(element.get("id", ""))
            if existing is not None:
                pantry = pantry or open_pantry(self.tab.document)
                pantry.insert(existing)
        return pantry

    def _put_back(self, pantry: Element | None) -> None:
        if pantry is None:
            return
        for element in pantry.elements:
            new = self.tab.document.select_one(f"#{element.id}")
            if new is not None and new is not element and new.parent is not None:
                new.parent.insert(element, new)
                new.detach()
        pantry.detach()


def _parent(element: Element) -> Element | None:
    return element.parent if isinstance(element.parent, Element) else None


def _drop_comments(branch: Branch) -> None:
    for each in [branch, *branch.descendants()]:
        held = each.content if isinstance(each, Element) and each.content is not None else None
        if held is not None:
            _drop_comments(held)
        for node in list(each.children):
            if isinstance(node, Comment):
                node.detach()


#: The first tag of a message: what 1.9 puts around it, and how deep it is in that.
_CONTEXTS: Final = {
    **dict.fromkeys(("thead", "tbody", "tfoot", "colgroup", "caption"), ("<table>", 1)),
    "col": ("<table><colgroup>", 2),
    "tr": ("<table><tbody>", 2),
    **dict.fromkeys(("td", "th"), ("<table><tbody><tr>", 3)),
    **dict.fromkeys(("script", "style"), ("<div>", 1)),
}


def _parse_by_first_tag(text: str) -> Branch:
    tag = first_tag(text, r"/\0>\x20\t\r\n\f")
    if tag == "head":
        text = re.sub(r"<head(\s[^>]*>|>)([\s\S]*?)</head>", "", text, count=1)
    opening, depth = _CONTEXTS.get(tag, ("", 0))
    closing = "".join(f"</{name}>" for name in reversed(re.findall(r"\w+", opening)))
    node: Node | None = parse_document(f"{opening}{text}{closing}").body
    for _ in range(depth):  # the parser may have put something else before its table
        if node is None:
            raise Uncaught("Cannot read properties of null (reading 'firstChild')")
        node = node.children[0] if isinstance(node, Branch) and node.children else None
    if isinstance(node, Text):
        raise Uncaught("Cannot read properties of undefined (reading 'length')")
    return node if isinstance(node, Branch) else Fragment()

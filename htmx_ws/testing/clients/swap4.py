"""htmx 4 with its websocket extension: what becomes of the page's messages.

A message is HTML, or a JSON envelope around it. What is marked with ``hx-swap-oob``, at any
depth, and every ``<hx-partial>`` goes where it says; then whatever is left is swapped into
the element that connects. That last step is what wipes pages made for htmx 2.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from ..browser.dom import Branch, Element, Fragment
from ..browser.parse import parse_document
from ..browser.selectors import InvalidSelector, escape_identifier
from ..browser.tab import Uncaught
from .hcon import Spec, parse_swap
from .lookup4 import attribute, attribute_value, find_all
from .place4 import Places4, Task
from .swapping import first_tag, parse_in_template, trim

__all__ = ["Swaps4"]

_HX: Final = re.compile(r"<hx-([a-z]+)(\s+|>)", re.IGNORECASE)


@dataclass
class _Message:
    """What a message asks for: the ``hx-`` attributes of its socket's element, or its envelope."""

    text: str
    target: str | None
    swap: str
    select: str | None
    select_oob: str | None
    title: str = ""
    tasks: list[Task] = field(default_factory=list[Task])


class Swaps4(Places4):
    """Applies messages to a tab."""

    def receive(self, element: Element, text: str) -> None:
        """Apply a message that came on the socket of an element."""
        try:
            message = self._read(element, text)
            if message is not None:
                self._swap(element, message)
        except (InvalidSelector, Uncaught) as error:
            self.tab.note_unreadable(error)
            self.tab.console("error", f"htmx: htmx:ws:error: {error}")

    def _read(self, element: Element, text: str) -> _Message | None:
        envelope: Any = None
        html: Any = None
        try:
            envelope = json.loads(text, parse_constant=_refuse)
        except ValueError:
            html = text
        held: dict[str, Any] = envelope if isinstance(envelope, dict) else {}
        if "content" in held:
            html = held["content"]
        elif "payload" in held:
            html = held["payload"]
            if not element.life.get("warned"):
                element.life["warned"] = True
                self.tab.console(
                    "warning", "htmx: [hx-ws] json.payload is deprecated; use json.content instead"
                )
        if html is None:
            return None
        target = held.get("target") or attribute_value(element, "hx-target")
        swap = held.get("swap") or attribute_value(element, "hx-swap") or "innerHTML"
        if not re.search(r"(?:^|\s)swapEmpty(?::(?:true|false))?(?=\s|$)", swap):
            swap += " swapEmpty:false"
        select = held.get("select")
        if select is None:
            select = attribute_value(element, "hx-select")
        if not isinstance(html, str):
            raise Uncaught("text.replace is not a function")
        return _Message(html, target, swap, select, attribute_value(element, "hx-select-oob"))

    # --- parsing -------------------------------------------------------------------------

    def parse(self, message: _Message) -> Fragment:
        """Parse a message, and take its title out."""
        text = _HX.sub(r'<template hx type="\1"\2', message.text)
        text = re.sub(r"</hx-[a-z]+>", "</template>", text, flags=re.IGNORECASE)
        head = re.search(r"<head(\s[^>]*)?>[\s\S]*?</head>", text, re.IGNORECASE)
        if head is not None:
            message.title = parse_document(head[0]).title
            text = text[: head.start()] + text[head.end() :]
        if first_tag(text, r"/>\x20\t\r\n\f") in ("html", "body"):
            fragment = Fragment()
            fragment.insert(parse_document(text).body)
        else:
            fragment = parse_in_template(parse_document, text, "<template>{}</template>")
        title = fragment.select_one("title:not(svg title)")
        if not message.title and title is not None:
            message.title = title.text
            title.detach()
        return fragment

    # --- what to swap ----------------------------------------------------------------------

    def _swap(self, source: Element, message: _Message) -> None:
        fragment = self.parse(message)
        self._find_oob(fragment, source, message)
        self._find_partials(fragment, source, message)
        had_others = bool(message.tasks)
        main = self._main(fragment, source, message, had_others)
        tasks = message.tasks
        if main is not None:
            tasks = [main, *tasks]
        failure: Exception | None = None
        for task in tasks:
            try:
                self.insert_content(task)
            except (InvalidSelector, Uncaught) as error:
                failure = failure or error
        if failure is not None:
            raise failure
        if message.title and message.swap != "none":
            self.tab.document.set_title(message.title)

    def _find_oob(self, fragment: Fragment, source: Element, message: _Message) -> None:
        for spec in (message.select_oob or "").split(",") if message.select_oob else ():
            selector, _, value = spec.partition(":")
            for element in fragment.select(selector):
                self._out_of_band(element, value or "true", source, message)
        for element in fragment.select("[hx-swap-oob],[data-hx-swap-oob]"):
            name = "hx-swap-oob" if "hx-swap-oob" in element.attrs else "data-hx-swap-oob"
            self._out_of_band(element, element.attrs.pop(name), source, message)

    def _out_of_band(self, oob: Element, value: str, source: Element, message: _Message) -> None:
        selector = f"#{escape_identifier(oob.id)}" if oob.id else None
        if (found := re.match(r"(\S+):(.+)", value)) is not None:
            value, selector = found[1], found[2]
        spec = parse_swap("outerHTML" if value in ("true", "") else value)
        selector = spec.get("target") or selector
        if spec.get("strip") is None:
            spec["strip"] = not spec.style.startswith("outer")
        if not selector:
            return
        targets = find_all(self.tab, source, str(selector))
        if not targets:
            self._miss(str(selector), spec)
        for target in targets:
            copy = Fragment()
            copy.insert(oob.clone())
            message.tasks.append(Task(copy, target, spec))
        oob.detach()

    def _find_partials(self, fragment: Fragment, source: Element, message: _Message) -> None:
        for template in fragment.select("template[hx]"):
            selector = attribute(template, "hx-target")
            if not selector and template.id:
                selector = f"#{escape_identifier(template.id)}"
            if template.get("type") == "partial" and selector and template.content is not None:
                spec = parse_swap(attribute(template, "hx-swap") or "innerHTML")
                if spec.get("ignoreTitle"):
                    message.title = ""
                targets = find_all(self.tab, source, selector)
                if not targets:
                    self._miss(selector, spec)
                for target in targets:
                    message.tasks.append(Task(template.content.clone(), target, spec))
            template.detach()

    def _miss(self, selector: str, spec: Spec) -> None:
        if spec.style == "delete":  # it is gone, as it should be
            self.tab.note(f"delete {selector} found nothing")
        else:
            self.tab.missing.append(selector)

    def _main(
        self, fragment: Fragment, source: Element, message: _Message, had_others: bool
    ) -> Task | None:
        spec = parse_swap(message.swap)
        if spec.get("ignoreTitle"):
            message.title = ""
        body = fragment.select_one("body")
        swaps_empty = spec.get("swapEmpty")
        if not (
            spec.style == "delete"
            or (body or fragment).elements
            or trim(fragment.text)
            or (swaps_empty if swaps_empty is not None else not had_others)
        ):
            return None
        if message.select:
            selected = fragment.select(message.select)
            fragment = Fragment()
            for element in selected:
                fragment.insert(element)
        selector = spec.get("target") or message.target
        target: Branch | None = source
        if selector and not isinstance(selector, str):
            raise Uncaught("selector.startsWith is not a function")
        if selector:
            found = find_all(self.tab, source, selector, this="hx-target")
            target = found[0] if found else None
            if target is None:
                self.tab.missing.append(str(selector))
                self.tab.console(
                    "warning",
                    f"htmx: '{selector}' on hx-target did not match any element "
                    f"{{elt: {source.name}, selector: {selector}, attr: hx-target}}",
                )
        elif spec.style != "none":
            left = " ".join(fragment.html.split())
            self.tab.wiped.append(source)
            self.tab.note(
                f"{spec.style} of {source.name}, which connects, by what stood in the message "
                f"without a target: {left}"
            )
        return Task(fragment, target, spec)


def _refuse(constant: str) -> float:
    raise ValueError(constant)

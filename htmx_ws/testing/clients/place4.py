"""How htmx 4 puts content into a page, style by style, keeping the focus where it can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..browser.dom import Branch, Element, Fragment, Node, Text
from ..browser.tab import Tab, Uncaught
from .hcon import Spec
from .morph import copy_attributes, morph
from .swapping import add_class, open_pantry, remove_class

__all__ = ["Places4", "Task"]


@dataclass
class Task:
    """One thing to put somewhere; without a target nothing happens."""

    fragment: Fragment
    target: Branch | None
    spec: Spec


class Places4:
    """Puts content into a tab."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    def process(self, element: Element) -> None:
        """Bring a new element to life."""
        raise NotImplementedError

    def clean_up(self, element: Element) -> None:
        """End what lives in an element that goes."""
        raise NotImplementedError

    def insert_content(self, task: Task) -> None:
        target, spec, fragment = task.target, task.spec, task.fragment
        style = spec.style
        if not isinstance(target, Element) or style == "none":
            return
        first = fragment.elements[0] if fragment.elements else None
        strip = spec.get("strip")
        if first is not None and first.tag == "body":
            keeps_body = target is self.tab.document.body and style.startswith("outer")
            if keeps_body and style == "outerHTML":
                style = "outerSync"
            strip = not keeps_body if strip is None else strip
        if strip and first is not None:
            fragment = Fragment()
            held: Branch = first.content if first.content is not None else first
            for node in list(held.children):
                fragment.insert(node)
        add_class(target, "htmx-swapping")
        if style == "delete":
            self.clean_up(target)
            target.detach()
            return
        focused = self.tab.focused
        selection = self.tab.typed
        keeps_focus = style == "innerHTML" or (style == "outerHTML" and target.parent is not None)
        if keeps_focus and spec.get("settle") != 0:
            _reorder_looks(fragment, target)
        parent = target.parent
        pantry = self._keep(fragment)
        new = list(fragment.children)
        try:
            new = self._place(style, target, parent, fragment, new)
        finally:
            remove_class(target, "htmx-swapping")
        self._put_back(pantry)
        if keeps_focus and focused is not None and focused.id and self.tab.focused is not focused:
            again = self.tab.document.by_id(focused.id)
            if again is not None:
                self.tab.focus_if_it_can(again, selection)
        for node in new:
            add_class(node, "htmx-added")
            remove_class(node, "htmx-added")
            if isinstance(node, Element) and node.is_connected:
                self.process(node)
                wants = next(
                    (e for e in node.itself_and_descendants() if "autofocus" in e.attrs), None
                )
                if wants is not None:
                    self.tab.focus_if_it_can(wants)
        self.tab.note(f"{style} changed {target.name}")

    def _keep(self, fragment: Fragment) -> Element:
        """Move what is to be preserved into a pantry beside the body."""
        pantry = open_pantry(self.tab.document)
        for element in fragment.select("[hx-preserve],[data-hx-preserve]"):
            current = self.tab.document.by_id(element.id)
            if current is not None:
                pantry.insert(current)
        return pantry

    def _put_back(self, pantry: Element) -> None:
        for element in pantry.elements:
            new = self.tab.document.by_id(element.id)
            if new is not None and new is not element and new.parent is not None:
                new.parent.insert(element, new)
                self.clean_up(new)
                new.detach()
        self.clean_up(pantry)
        pantry.detach()

    def _put(self, parent: Branch, before: Node | None, fragment: Fragment) -> None:
        nodes = list(fragment.children)
        parent.insert(fragment, before)
        self.tab.arrived(*nodes)

    def _inner(self, target: Element, fragment: Fragment, new: list[Node]) -> list[Node]:
        for child in target.elements:
            self.clean_up(child)
        target.clear()
        self._put(target, None, fragment)
        return new

    def _text(self, target: Element, fragment: Fragment, new: list[Node]) -> list[Node]:

        for child in target.elements:
            self.clean_up(child)
        target.replace_children(Text(fragment.text))
        return new

    def _outer(self, target: Element, parent: Branch | None, fragment: Fragment) -> None:
        if parent is not None:
            self._beside("beforebegin", target, parent, fragment)
            self.clean_up(target)
            if target.parent is not parent:  # it is to be preserved itself
                raise Uncaught(
                    "Failed to execute 'removeChild' on 'Node': The node to be removed is not a "
                    "child of this node."
                )
            target.detach()

    def _outer_sync(self, target: Element, fragment: Fragment, new: list[Node]) -> list[Node]:
        body = fragment.elements[0]
        copy_attributes(self.tab, target, body, self.clean_up)
        inner = Fragment()
        for node in list(body.children):
            inner.insert(node)
        self._inner(target, inner, [])
        return [target]

    def _morph_inner(self, target: Element, fragment: Fragment, new: list[Node]) -> list[Node]:
        morph(self.tab, target, fragment, self.clean_up, inner=True)
        return list(target.children)

    def _morph_outer(self, target: Element, fragment: Fragment, new: list[Node]) -> list[Node]:
        morph(self.tab, target, fragment, self.clean_up, inner=False)
        return [*new, target]

    def _place(
        self,
        style: str,
        target: Element,
        parent: Branch | None,
        fragment: Fragment,
        new: list[Node],
    ) -> list[Node]:
        """Put a fragment where the style says, and give the nodes that are new with it.

        ``parent`` is what the target was in before anything was preserved.
        """
        if style in ("afterbegin", "beforebegin", "beforeend", "afterend"):
            self._beside(style, target, parent, fragment)
            return new
        if style == "outerHTML":
            self._outer(target, parent, fragment)
            return new
        styles = {
            "innerHTML": self._inner,
            "textContent": self._text,
            "outerSync": self._outer_sync,
            "innerMorph": self._morph_inner,
            "outerMorph": self._morph_outer,
        }
        if style not in styles:
            raise Uncaught(f"Unknown swap style: {style}")
        return styles[style](target, fragment, new)

    def _beside(
        self, style: str, target: Element, parent: Branch | None, fragment: Fragment
    ) -> None:
        if style == "afterbegin":
            self._put(target, target.children[0] if target.children else None, fragment)
        elif style == "beforeend":
            self._put(target, None, fragment)
        elif parent is not None:
            before = target if style == "beforebegin" else target.next
            if before is None:
                self._put(parent, None, fragment)
            else:  # which may be in the pantry
                assert before.parent is not None
                self._put(before.parent, before, fragment)


_LOOKS: Final = ("class", "style", "width", "height")


def _reorder_looks(fragment: Fragment, target: Element) -> None:
    """Write the looks that an element had not before after all others.

    For a transition htmx gives a new element the looks of the old one of its id, and its own
    again, of which this is all that stays.
    """
    there = {each.id: each for each in target.descendants() if each.id}
    for element in fragment.descendants():
        old = there.get(element.id)
        if old is not None and old.tag == element.tag:
            new = [name for name in element.attrs if name in _LOOKS and name not in old.attrs]
            for name in new:
                element.attrs[name] = element.attrs.pop(name)

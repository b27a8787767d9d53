"""How htmx 4 morphs: it makes the old nodes like the new ones, keeping those that match.

What counts is which nodes survive, as focus, typed text and sockets live in them. Elements
match by the ids in them first, then by being equal, then by their tag alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..browser.controls import settle_options
from ..browser.dom import Branch, Element, Node, Text
from ..browser.tab import Tab, Uncaught

__all__ = ["copy_attributes", "morph"]

_SCAN_LIMIT: Final = 10
_IGNORED: Final = "data-htmx-powered"


class _Morph:
    def __init__(
        self, tab: Tab, target: Element, fragment: Branch, clean_up: Callable[[Element], None]
    ) -> None:
        self.tab = tab
        self.target = target
        self.clean_up = clean_up
        self.pantry = Branch()
        self.upcoming: set[int] = set()
        old = [e for e in target.itself_and_descendants() if "id" in e.attrs]
        new = [e for e in fragment.descendants() if "id" in e.attrs]
        self.persistent = _persistent_ids(old, new)
        self.ids: dict[int, set[str]] = {}
        self._map(old, target.parent)
        self._map(new, fragment)

    def _map(self, elements: list[Element], root: Branch | None) -> None:
        for element in elements:
            if element.id in self.persistent:
                for around in element.itself_and_ancestors():
                    if around is root:
                        break
                    self.ids.setdefault(id(around), set()).add(element.id)

    def children(
        self, old: Branch, new: Branch, at: Node | None = None, end: Node | None = None
    ) -> None:
        if isinstance(old, Element) and isinstance(new, Element) and old.content and new.content:
            old, new = old.content, new.content
        at = at or (old.children[0] if old.children else None)
        for node in list(new.children):
            match = self._match(node, at, end) if at is not None and at is not end else None
            if match is not None and match is not at:
                self._skip_to(match, at, node, old, end)
            if match is None and isinstance(node, Element) and node.id in self.persistent:
                match = self._fetch(node.id)
                old.insert(match, at)
            if match is not None:
                self.node(match, node)
                at = match.next
            else:
                at = self._insert(node, old, at).next
        while at is not None and at is not end:
            gone = at
            at = at.next
            self._remove(gone)

    def _insert(self, node: Node, old: Branch, at: Node | None) -> Node:
        if isinstance(node, Element) and id(node) in self.ids:
            place = Element(node.tag)
            old.insert(place, at)
            self.node(place, node)
            return place
        old.insert(node, at)
        self.tab.arrived(node)
        return node

    def _skip_to(
        self, match: Node, at: Node | None, node: Node, old: Branch, end: Node | None
    ) -> None:
        while at is not None and at is not match:
            passed, at = at, at.next
            keeps = isinstance(passed, Element) and (
                id(passed) in self.ids or self._comes_again(passed, node)
            )
            if keeps:
                old.insert(passed, end)
            else:
                self._remove(passed)

    def _fetch(self, wanted: str) -> Element:
        """Find an element of the old page by an id that the new one has too."""
        if self.target.id == wanted:
            found: Element | None = self.target
        else:
            found = self.target.by_id(wanted) or self.pantry.by_id(wanted)
        assert found is not None
        for around in found.itself_and_ancestors():
            held = self.ids.get(id(around))
            if held is not None and around is not found:
                held.discard(wanted)
                if not held:
                    del self.ids[id(around)]
        return found

    def _match(self, node: Node, start: Node | None, end: Node | None) -> Node | None:
        if isinstance(node, Text) and type(node) is Text:
            return start if type(start) is Text else None
        if not isinstance(node, Element):
            return None
        wanted = self.ids.get(id(node))
        if node.id and not wanted:
            return None
        soft: Element | None = None
        displaced, limit, at = 0, _SCAN_LIMIT, start
        while at is not None and at is not end:
            held = self.ids.get(id(at), set())
            if isinstance(at, Element) and _is_alike(at, node):
                if held and wanted and held & wanted:
                    return at
                if not held:
                    if limit > 0 and at.equals(node):
                        return at
                    soft = soft or at
            displaced += len(held)
            if displaced > len(wanted or ()):
                break
            focused = self.tab.focused
            if self.tab.typed is not None and isinstance(at, Element) and at.contains(focused):
                break
            limit -= 1
            if limit < 1 and not wanted:
                break
            at = at.next
        return None if soft is not None and self._comes_again(soft, node) else soft

    def _comes_again(self, old: Element, start: Node) -> bool:
        if id(old) in self.upcoming:
            return True
        sibling, i = start.next, 0
        while sibling is not None and i < _SCAN_LIMIT:
            if isinstance(sibling, Element) and old.equals(sibling):
                self.upcoming.add(id(old))
                return True
            sibling, i = sibling.next, i + 1
        return False

    def _remove(self, node: Node) -> None:
        if isinstance(node, Element) and id(node) in self.ids:
            self.pantry.insert(node)
            return
        if isinstance(node, Element):
            self.clean_up(node)
        node.detach()

    def node(self, old: Node, new: Node) -> None:
        """Make one node like another."""
        if isinstance(old, Text) and isinstance(new, Text):
            old.data = new.data
        if not isinstance(old, Element) or not isinstance(new, Element):
            return
        if "hx-morph-skip" in old.attrs:
            return
        copy_attributes(self.tab, old, new, self.clean_up)
        if old.tag == "textarea" and old is not self.tab.focused and old.text != new.text:
            old.value = new.text
        templates = new.tag == "template" or new.select_one("template") is not None
        if "hx-morph-skip-children" not in old.attrs and (templates or not old.equals(new)):
            self.children(old, new)


def morph(
    tab: Tab,
    target: Element,
    fragment: Branch,
    clean_up: Callable[[Element], None],
    *,
    inner: bool,
) -> None:
    """Make a target, or what is in it (``inner``), like a fragment."""
    work = _Morph(tab, target, fragment, clean_up)
    if inner:
        work.children(target, fragment)
    elif target.parent is not None:
        work.children(target.parent, fragment, target, target.next)
    else:  # taken away by what came before it in its message
        raise Uncaught("Cannot read properties of null (reading 'insertBefore')")
    for left in work.pantry.elements:
        clean_up(left)


def _persistent_ids(old: list[Element], new: list[Element]) -> set[str]:
    twice: set[str] = set()
    tags: dict[str, str] = {}
    for element in old:
        if element.id in tags:
            twice.add(element.id)
        elif element.id:
            tags[element.id] = element.tag
    persistent: set[str] = set()
    for element in new:
        if element.id in persistent:
            twice.add(element.id)
        elif tags.get(element.id) == element.tag:
            persistent.add(element.id)
    return persistent - twice


def _is_alike(old: Element, new: Element) -> bool:
    if old.tag != new.tag or (old.tag == "script" and not old.equals(new)):
        return False
    return not old.id or old.id == new.id


def copy_attributes(
    tab: Tab, old: Element, new: Element, clean_up: Callable[[Element], None]
) -> None:
    """Give an element the attributes of another; it begins anew when htmx's own change."""
    before = _own(old)
    for name, value in new.attrs.items():
        if not name.startswith(_IGNORED) and old.attrs.get(name) != value:
            old.attrs[name] = value
            if name == "selected" and old.tag == "option":
                _choose(old, True)
            if name == "value" and old.tag == "input" and old is not tab.focused:
                old.value = value
    for name in list(old.attrs):
        if name not in new.attrs and not name.startswith(_IGNORED):
            del old.attrs[name]
            if name == "selected" and old.tag == "option":
                _choose(old, False)
    if _own(old) != before:
        clean_up(old)
        old.life.clear()


def _choose(option: Element, chosen: bool) -> None:
    option.selected = chosen
    select = option.closest("select")
    if select is not None:
        settle_options(select, option if chosen else None)


def _own(element: Element) -> dict[str, str]:
    own = ("hx-", "data-hx-")
    return {name: value for name, value in element.attrs.items() if name.startswith(own)}

"""The tree of a page in a test: what htmx's clients change, and what a test looks at.

The HTML comes from a real HTML5 parser (``parse``), but lives here in nodes of our own: a
page must know its elements again after every swap, with what is typed into them and the
socket they hold, and parsers' nodes are views that come and go. There is no more here than
htmx and a test use: insert, take away, copy, compare, and write as ``innerHTML`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final, Literal, overload

from . import controls, selectors

__all__ = ["Branch", "Comment", "Document", "Element", "Fragment", "Node", "Text", "escape"]

VOID: Final = frozenset(
    "area base basefont bgsound br col embed frame hr img input keygen link meta param source "
    "track wbr".split()
)
#: Their text is written as it is. A page whose scripts run reads <noscript> so, too.
RAW: Final = frozenset("style script xmp iframe noembed noframes plaintext noscript".split())

Namespace = Literal["html", "svg", "math"]


class Node:
    """Anything in a tree."""

    __slots__ = ("parent",)

    def __init__(self) -> None:
        self.parent: Branch | None = None

    @property
    def index(self) -> int:
        """Its place among its parent's children."""
        assert self.parent is not None
        return next(i for i, node in enumerate(self.parent.children) if node is self)

    @property
    def next(self) -> Node | None:
        """The node after it."""
        if self.parent is None:
            return None
        after = self.index + 1
        return self.parent.children[after] if after < len(self.parent.children) else None

    @property
    def previous(self) -> Node | None:
        """The node before it."""
        if self.parent is None or not (index := self.index):
            return None
        return self.parent.children[index - 1]

    @property
    def root(self) -> Node:
        """The outermost node around it: a ``Document`` when it is in a page."""
        return self if self.parent is None else self.parent.root

    @property
    def is_connected(self) -> bool:
        """Whether it is in a page."""
        return isinstance(self.root, Document)

    @property
    def text(self) -> str:
        """The text in it, as ``textContent`` gives it."""
        return ""

    @property
    def html(self) -> str:
        """It as HTML, as ``outerHTML`` gives it."""
        return "".join(_write(self))

    def detach(self) -> None:
        """Take it out of its tree."""
        if (parent := self.parent) is not None:
            del parent.children[self.index]
            self.parent = None
            _settle(parent, self)

    def clone(self) -> Node:
        """Copy it and all in it."""
        raise NotImplementedError

    def equals(self, other: Node) -> bool:
        """Whether both are the same in all that HTML says, as ``isEqualNode``."""
        raise NotImplementedError


class Text(Node):
    """Characters."""

    __slots__ = ("data",)

    def __init__(self, data: str) -> None:
        super().__init__()
        self.data: str = data

    @property
    def text(self) -> str:
        return self.data

    def clone(self) -> Text:
        return type(self)(self.data)

    def equals(self, other: Node) -> bool:
        return isinstance(other, Text) and type(self) is type(other) and self.data == other.data


class Comment(Text):
    """A comment."""

    __slots__ = ()

    @property
    def text(self) -> str:
        return ""


class Branch(Node):
    """A node with nodes in it. ``listeners`` are those of its events, with their types."""

    __slots__ = ("children", "listeners")

    #: What JavaScript calls such a node.
    KIND: ClassVar = "Node"

    def __init__(self) -> None:
        super().__init__()
        self.children: list[Node] = []
        self.listeners: list[tuple[str, Callable[..., None]]] = []

    @property
    def root(self) -> Branch:
        """The outermost node around it: a ``Document`` when it is in a page."""
        branch: Branch = self
        while branch.parent is not None:
            branch = branch.parent
        return branch

    @property
    def elements(self) -> list[Element]:
        """Its children that are elements."""
        return [node for node in self.children if isinstance(node, Element)]

    def descendants(self) -> Iterator[Element]:
        """Every element in it, in the order of the page."""
        waiting = [node for node in reversed(self.children) if isinstance(node, Element)]
        while waiting:
            element = waiting.pop()
            yield element
            waiting += [node for node in reversed(element.children) if isinstance(node, Element)]

    @property
    def text(self) -> str:
        return "".join(node.text for node in self.children)

    @property
    def inner_html(self) -> str:
        """What is in it as HTML, as ``innerHTML`` gives it."""
        return "".join(_write_inner(self))

    def insert(self, node: Node, before: Node | None = None) -> None:
        """Put a node, or all that is in a fragment, before a child, or at the end."""
        nodes = list(node.children) if isinstance(node, Fragment) else [node]
        for each in nodes:
            each.detach()
            each.parent = self
        at = len(self.children) if before is None else before.index
        for place, each in enumerate(nodes, at):
            self.children.insert(place, each)
            _settle(self, each)

    def replace_children(self, *nodes: Node) -> None:
        """Put these in the place of all that is in it."""
        self.clear()
        for node in nodes:
            self.insert(node)

    def clear(self) -> None:
        """Take out all that is in it."""
        for node in self.children:
            node.parent = None
        self.children.clear()

    def select(self, selector: str) -> list[Element]:
        """Give the elements in it that match; raises ``InvalidSelector``."""
        matches = selectors.compiled(selector, "querySelectorAll", self.KIND)
        return [element for element in self.descendants() if matches(element, self)]

    def select_one(self, selector: str) -> Element | None:
        """Give the first element in it that matches, or None."""
        matches = selectors.compiled(selector, "querySelector", self.KIND)
        return next((each for each in self.descendants() if matches(each, self)), None)

    def by_id(self, id: str) -> Element | None:
        """Give the first element in it of that id."""
        return next((e for e in self.descendants() if id and e.attrs.get("id") == id), None)

    def _copy_children(self, copy: Branch) -> None:
        for node in self.children:
            copied = node.clone()
            copied.parent = copy
            copy.children.append(copied)

    def _equal_children(self, other: Branch) -> bool:
        pairs = zip(self.children, other.children, strict=False)
        return len(self.children) == len(other.children) and all(a.equals(b) for a, b in pairs)


class Fragment(Branch):
    """Nodes without a parent, as a message has them at its top level."""

    __slots__ = ()

    KIND: ClassVar = "DocumentFragment"

    def clone(self) -> Fragment:
        copy = Fragment()
        self._copy_children(copy)
        return copy

    def equals(self, other: Node) -> bool:
        return isinstance(other, Fragment) and self._equal_children(other)


class Document(Branch):
    """A whole page. ``focused`` is the element that has the focus, None for the body."""

    __slots__ = ("doctype", "focused")

    KIND: ClassVar = "Document"

    def __init__(self) -> None:
        super().__init__()
        self.doctype: bool = False
        self.focused: Element | None = None

    @property
    def body(self) -> Element:
        """Its body; an element of no page when a message has taken it away."""
        found = (e for e in self.descendants() if e.tag in ("body", "frameset"))
        return next(found, None) or Element("body")

    @property
    def title(self) -> str:
        """The text of its title, its white space collapsed."""
        title = next((e for e in self.descendants() if e.tag == "title" and e.is_html), None)
        texts = [node.text for node in title.children if type(node) is Text] if title else []
        return " ".join("".join(texts).split())

    def set_title(self, text: str) -> None:
        """Set its title, as ``document.title = text`` does."""
        title = next((e for e in self.descendants() if e.tag == "title" and e.is_html), None)
        if title is None:
            head = next((e for e in self.descendants() if e.tag == "head"), None)
            if head is None:
                return
            title = Element("title")
            head.insert(title)
        title.replace_children(*([Text(text)] if text else []))


class Element(Branch):
    """An element.

    ``content`` is what a ``<template>`` holds. ``value``, ``checked``, ``selected`` and
    ``files`` are what a visitor made of a control, None where its HTML still says it. ``life``
    is for what htmx keeps about an element.
    """

    __slots__ = ("attrs", "checked", "content", "files", "life", "ns", "selected", "tag", "value")

    KIND: ClassVar = "Element"

    def __init__(
        self, tag: str, attrs: dict[str, str] | None = None, ns: Namespace = "html"
    ) -> None:
        super().__init__()
        self.tag: str = tag
        self.ns: Namespace = ns
        self.attrs: dict[str, str] = {} if attrs is None else attrs
        self.content: Fragment | None = None
        self.value: str | None = None
        self.checked: bool | None = None
        self.selected: bool | None = None
        self.files: list[str] | None = None
        self.life: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def name(self) -> str:
        """It in a few characters, for messages: ``div#log``, ``p.note``, ``td``."""
        if self.id:
            return f"{self.tag}#{self.id}"
        return ".".join([self.tag, *self.classes])

    @property
    def is_html(self) -> bool:
        """Whether it is an HTML element, and not one of svg or math."""
        return self.ns == "html"

    @property
    def id(self) -> str:
        """Its id, empty when it has none."""
        return self.attrs.get("id", "")

    @property
    def classes(self) -> list[str]:
        """Its classes."""
        return self.attrs.get("class", "").split()

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    def get(self, name: str, default: str | None = None) -> str | None:
        """Give the value of an attribute."""
        return self.attrs.get(name, default)

    def matches(self, selector: str) -> bool:
        """Whether it matches a selector; may raise ``InvalidSelector``."""
        return selectors.compiled(selector, "matches", self.KIND)(self, self)

    def closest(self, selector: str) -> Element | None:
        """Give the nearest of it and what is around it that matches."""
        matches = selectors.compiled(selector, "closest", self.KIND)
        return next((e for e in self.itself_and_ancestors() if matches(e, self)), None)

    def itself_and_descendants(self) -> Iterator[Element]:
        """It, and every element in it."""
        yield self
        yield from self.descendants()

    def itself_and_ancestors(self) -> Iterator[Element]:
        """It, and the elements around it, outwards."""
        node: Branch | None = self
        while isinstance(node, Element):
            yield node
            node = node.parent

    def contains(self, node: Node | None) -> bool:
        """Whether a node is it or in it."""
        while node is not None and node is not self:
            node = node.parent
        return node is self

    def clone(self) -> Element:
        copy = Element(self.tag, dict(self.attrs), self.ns)
        copy.value, copy.checked, copy.files = self.value, self.checked, self.files
        copy.content = self.content.clone() if self.content is not None else None
        self._copy_children(copy)
        if copy.tag == "select":  # what is chosen is not copied
            controls.settle_options(copy)
        return copy

    def equals(self, other: Node) -> bool:
        return (
            isinstance(other, Element)
            and (self.tag, self.ns, self.attrs) == (other.tag, other.ns, other.attrs)
            and self._equal_children(other)
        )


def _settle(branch: Branch, node: Node) -> None:
    """Have a select choose anew when options have come or gone, and a group of radio buttons."""
    if not isinstance(node, Element):
        return
    came = node.parent is branch
    inside = list(node.itself_and_descendants())
    if came and branch.is_connected:
        for each in inside:
            is_radio = each.tag == "input" and controls.input_type(each) == "radio"
            if is_radio and controls.is_checked(each):
                controls.set_checked(each, True)
    options = [each for each in inside if each.tag == "option"]
    select = branch.closest("select") if options and isinstance(branch, Element) else None
    if select is not None:
        chosen = [each for each in options if controls.is_chosen(each)] if came else []
        controls.settle_options(select, chosen[-1] if chosen else None)


def escape(text: str, *, quotes: bool = False) -> str:
    """Write text as browsers write it in HTML; ``quotes``: in an attribute's value."""
    text = text.replace("&", "&amp;").replace("\xa0", "&nbsp;")
    text = text.replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;") if quotes else text


def _write(node: Node) -> Iterator[str]:
    if isinstance(node, Comment):
        yield f"<!--{node.data}-->"
    elif isinstance(node, Text):
        parent = node.parent
        raw = isinstance(parent, Element) and parent.is_html and parent.tag in RAW
        yield node.data if raw else escape(node.data)
    elif isinstance(node, Element):
        attrs = "".join(f' {name}="{escape(v, quotes=True)}"' for name, v in node.attrs.items())
        yield f"<{node.tag}{attrs}>"
        if not (node.is_html and node.tag in VOID):
            yield from _write_inner(node)
            yield f"</{node.tag}>"
    elif isinstance(node, Branch):
        if isinstance(node, Document) and node.doctype:
            yield "<!DOCTYPE html>"
        yield from _write_inner(node)


def _write_inner(node: Branch) -> Iterator[str]:
    held = node.content if isinstance(node, Element) and node.content is not None else node
    for child in held.children:
        yield from _write(child)

"""The open elements at one place of an HTML text: tree construction, less the tree.

This follows the HTML standard with a stack of open names, one insertion mode per open table
part or template, and the tables of ``elements``. Where a browser moves, drops or repeats
content, a slice of the text is no longer an element of the page. There ``Tree`` refuses, and
never guesses:

- content straight inside ``<table>``, table parts beside other things or out of place;
- a formatting element (b, i, a, ...) that ends after a block opened inside it, or that is
  left open with more to come, because the browser would open it again there;
- ``<a>`` in ``<a>``, ``<form>`` in ``<form>``, a ``</p>`` or ``</br>`` without a start;
- an end tag without a start that ends what htmx puts around a message to parse it;
- NUL characters, depths that Chrome flattens, and the little on which browsers differ
  (``<table>`` in ``<p>``, ``</form>`` before the end of a ``<p>`` in it, a control inside
  ``<select>``).

Depth is bounded, so that each tag takes a bounded time.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from ..errors import FragmentError
from .elements import (
    AROUND,
    BARRIER,
    BEFORE_PARTS,
    BREAKOUT,
    CLASHES,
    CLOSES,
    CONTEXTS,
    FOLLOWS,
    FORMATTING,
    FRAGILE,
    HEADINGS,
    HTML_FONT,
    HTML_INSIDE,
    IGNORED,
    IMPLIES,
    IN_FORM,
    INNER_PARTS,
    MARKERS,
    MATH_TEXT,
    MODE,
    NEEDED,
    NONE,
    NOT_HTML,
    PARTS_ONLY,
    SCOPE,
    SELECT_SCOPE,
    SPECIAL,
    TABLE_PARTS,
    TOP_PARTS,
    TRACES,
    VOID,
)
from .node import Node, placement
from .tags import EQUALS, SPACE, attribute, attributes

__all__ = ["MAX_DEPTH", "Tree"]

#: Chrome nests no deeper than 512 and flattens the rest.
MAX_DEPTH: Final = 500

_APART: Final = "send it in a message of its own, or put rows in a <tbody>"


class Tree:
    """The elements open at one place of the text, and the nodes that ended before it."""

    __slots__ = ("deep", "foreign", "html", "lost", "modes", "nodes", "stack", "top")

    def __init__(self, html: str) -> None:
        self.html: str = html
        self.nodes: list[Node] = []
        self.stack: list[str] = []  # open elements; "svg/g" is a foreign one
        self.modes: list[str] = ["start"]  # the fragment, then its table parts and templates
        self.lost: list[str] = []  # formatting elements closed by something else's tag
        self.deep: set[str] = set()  # formatting elements of which the parser forgets the outer
        self.foreign: int = 0  # how many foreign elements are open
        self.top: tuple[str, int, int, str | None, str | None, tuple[int, int] | None]
        if "\0" in html:
            self.refuse("browsers drop NUL characters", html.index("\0"), "leave it out")

    def refuse(self, what: str, at: int, mend: str) -> NoReturn:
        shown = self.html[at : at + 40] + ("..." if len(self.html) > at + 40 else "")
        raise FragmentError(
            f"Browsers would not keep this HTML as it is: {what}, at {shown!r}; {mend}."
        )

    def is_calm(self) -> bool:
        """Whether text and simple tags need no more than the main loop."""
        return self.modes[-1] == "body" and not self.foreign and not self.lost

    def find(self, names: frozenset[str], barrier: frozenset[str], at: int) -> int:
        """Give the place of the innermost open element of these names in scope, or -1."""
        stack = self.stack
        if names.isdisjoint(stack):
            return -1
        i = len(stack) - 1
        while stack[i] not in names:
            if stack[i] == "search" and "search" in barrier:  # not special yet in Chrome
                self.refuse("<search> is still open", at, "close <search> before this")
            if stack[i] in barrier:
                return -1
            i -= 1
        return i

    def open(self, name: str, tag: re.Match[str], alone: bool) -> None:
        stack = self.stack
        if not stack:
            own_id, oob, span = placement(tag)
            # Without ours, it would become the value of the attribute before.
            if span and EQUALS.match(self.html, span[1]):
                self.refuse("an attribute has no name", span[1], "leave out what starts with =")
            self.top = (name.rpartition("/")[2], tag.start(), tag.end(2), own_id, oob, span)
            if alone:
                self.finish(tag.end(), True)
        if alone:
            return
        stack.append(name)
        if name in MODE:
            self.modes.append(MODE[name])
        elif "/" in name:
            self.foreign += 1
        if len(stack) > MAX_DEPTH:
            self.refuse_depth(tag.start())

    def finish(self, end: int, closed: bool) -> None:
        name, start, insert, id_, oob, span = self.top
        self.nodes.append(Node(name, start, end, insert, closed, id_, oob, span))

    def close(self, i: int, at: int, closed: bool = False) -> None:
        """Close ``stack[i]`` and all in it; at the top level the node ends at ``at``."""
        stack = self.stack
        for k in range(len(stack) - 1, i - 1, -1):
            name = stack.pop()
            if name in MARKERS:
                self.lost.clear()
            if name in MODE:
                self.modes.pop()
            elif "/" in name:
                self.foreign -= 1
            if k > i and name in FORMATTING:
                self.lost.append(name)
            if k > i and (name in FRAGILE or (name in FORMATTING and name in stack)):
                self.refuse(f"<{name}> is still open", at, f"close <{name}> before this")
        if not stack:
            self.finish(at, closed and not self.lost)

    def text(self, start: int, end: int) -> None:
        """Take the characters of ``html[start:end]``."""
        current = self.stack[-1] if self.stack else ""
        if self.lost:
            self.refuse_lost(start)
        if (current in PARTS_ONLY or self.modes[-1] == "cols") and self.html[start:end].strip(
            SPACE
        ):
            self.refuse("text stands straight inside a table", start, "put it in a cell")
        if not current:
            if self.nodes and self.nodes[-1].name == "#text":
                start = self.nodes.pop().start
            self.nodes.append(Node("#text", start, end, -1, True, None, None, None))

    def comment(self, start: int, end: int) -> None:
        """Take the comment ``html[start:end]``."""
        if not self.stack:
            self.nodes.append(Node("#comment", start, end, -1, True, None, None, None))

    def start(self, name: str, tag: re.Match[str]) -> None:
        """Take a start tag, by all the rules."""
        stack, at, mode = self.stack, tag.start(), self.modes[-1]
        if self.lost:
            self.refuse_lost(at)
        if self.foreign and "/" in stack[-1] and self.start_foreign(name, tag):
            return
        current = stack[-1] if stack else ""
        if name in NOT_HTML:
            self.refuse(f"<{name}> is not an HTML element", at, NOT_HTML[name])
        if name in TABLE_PARTS:
            self.start_part(name, tag)
            return
        if mode == "cols" and name not in ("html", "template"):
            if current != "colgroup":
                self.refuse(f"browsers drop <{name}> beside <col>", at, _APART)
            self.close(len(stack) - 1, at)
            current, mode = stack[-1] if stack else "", self.modes[-1]
        if name in IGNORED:
            self.modes[-1] = "body" if mode == "start" else mode
            return
        if current in PARTS_ONLY:
            hidden = name == "input" and attribute(tag, "type").lower() == "hidden"
            if not hidden and name not in ("script", "style", "template"):
                self.refuse(f"<{name}> stands straight inside <{current}>", at, "put it in a cell")
        elif mode in ("table", "rows", "row") and name in ("form", "table"):
            self.refuse(f"browsers drop <{name}> after table parts", at, _APART)
        elif mode == "start" and name not in BEFORE_PARTS:
            self.modes[-1] = "body"
        if stack:
            self.make_room(name, at)
        if name in ("svg", "math"):
            self.open(f"{name}/{name}", tag, tag[3].endswith("/"))
        else:
            self.open(name, tag, name in VOID)

    def make_room(self, name: str, at: int) -> None:
        """Close what a start tag closes."""
        stack = self.stack
        if name in CLASHES and (i := self.find(*CLASHES[name], at)) >= 0:
            outer = stack[i]
            self.refuse(f"<{name}> stands inside <{outer}>", at, f"close <{outer}> before it")
        for rule in CLOSES.get(name, ()):
            if (i := self.find(*rule, at)) >= 0:
                self.close(i, at)
        if stack and stack[-1] in FOLLOWS.get(name, NONE):
            self.close(len(stack) - 1, at)
        outer_names, inner_names = IMPLIES.get(name, (NONE, NONE))
        if self.find(outer_names, SELECT_SCOPE, at) >= 0:
            while stack[-1] in inner_names:
                self.close(len(stack) - 1, at)
        if name in FORMATTING and stack.count(name) >= 3:
            self.deep.add(name)
        if self.lost:
            self.refuse_lost(at)

    def start_part(self, name: str, tag: re.Match[str]) -> None:
        """Take the start tag of a table part."""
        stack = self.stack
        while (i := self.find(CONTEXTS, NONE, tag.start())) >= 0 and stack[i] != "template":
            between = INNER_PARTS[stack[i]].get(name)
            if between is None:
                self.close(i, tag.start())
            elif between:
                self.open(between, tag, False)
            else:
                break
        else:
            mode = TOP_PARTS[self.modes[-1]].get(name)
            if mode is None or i != len(stack) - 1:
                self.refuse(f"browsers drop <{name}> here", tag.start(), _APART)
            self.modes[-1] = mode
        self.open(name, tag, name == "col")

    def start_foreign(self, name: str, tag: re.Match[str]) -> bool:
        """Take a start tag where svg or math is innermost; False if it is to be HTML."""
        outer = self.stack[-1]
        if (
            outer in HTML_INSIDE
            or (outer in MATH_TEXT and name not in ("mglyph", "malignmark"))
            or (outer == "math/annotation-xml" and name == "svg")
        ):
            return False
        if name in BREAKOUT or (name == "font" and not HTML_FONT.isdisjoint(attributes(tag))):
            self.leave_foreign(tag.start())
            return False
        name = f"{outer.partition('/')[0]}/{name}"
        if name == "math/annotation-xml":
            encoding = attribute(tag, "encoding").lower()
            if encoding in ("text/html", "application/xhtml+xml"):
                name = "html/annotation-xml"
        self.open(name, tag, tag[3].endswith("/"))
        return True

    def leave_foreign(self, at: int) -> None:
        stack = self.stack
        while stack and "/" in stack[-1] and stack[-1] not in MATH_TEXT | HTML_INSIDE:
            self.close(len(stack) - 1, at)

    def end(self, name: str, start: int, end: int) -> None:
        """Take an end tag, by all the rules."""
        stack = self.stack
        if stack and stack[-1] == name and not self.lost:
            self.close(len(stack) - 1, end, True)
            return
        if self.foreign and "/" in stack[-1]:
            if name in ("p", "br"):
                self.leave_foreign(start)
            for i in range(len(stack) - 1, -1, -1):
                _, foreign, local = stack[i].partition("/")
                if not foreign:
                    break
                if local == name:
                    self.close(i, end, True)
                    return
        if name in self.deep and (stack or self.lost):
            what = f"</{name}> is out of order where <{name}> was over three deep"
            self.refuse(what, start, "close the elements inside it before")
        if name in self.lost:
            self.lost.remove(name)
            return
        if stack and stack[-1] == "colgroup" and name not in ("colgroup", "col", "template"):
            self.close(len(stack) - 1, start)
        names = HEADINGS if name in HEADINGS else frozenset({name})
        i = self.find(names, BARRIER.get(name, SPECIAL), start)
        inside = stack[i + 1 :]
        if i < 0:
            if name == "template" or self.ends_what_is_around(name):
                what = f"</{name}> has no <{name}> to end, and would end what htmx puts around it"
                self.refuse(what, start, "leave it out")
            if name in NEEDED and stack and self.is_calm():
                return  # browsers put an empty one here, as after the <ul> of a <p><ul></ul></p>
            if name in NEEDED or not TRACES.get(name, NONE).isdisjoint(stack):
                self.refuse(f"</{name}> has no <{name}> to end", start, "leave it out")
        elif (name in FORMATTING and not SPECIAL.isdisjoint(inside)) or (
            name == "form" and not IN_FORM.issuperset(inside)
        ):
            if SCOPE.isdisjoint(inside):
                mend = f"close <{stack[-1]}> before </{name}>"
                self.refuse(f"<{stack[-1]}> is still open", start, mend)
        else:
            self.close(i, end, True)

    def ends_what_is_around(self, name: str) -> bool:
        """Whether an end tag without a start ends what htmx 1.9 puts around a table part."""
        stack = self.stack
        around = AROUND.get(stack[0], NONE) if stack else NONE
        return name in around and "table" not in stack and "template" not in stack

    def refuse_depth(self, at: int) -> NoReturn:
        self.refuse(f"it nests more than {MAX_DEPTH} deep", at, "close its elements")

    def refuse_lost(self, at: int) -> NoReturn:
        name = self.lost[-1]
        mend = f"close <{name}> before what is around it ends"
        self.refuse(f"<{name}> is still open and would start again", at, mend)

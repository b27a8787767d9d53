"""Which nodes are at the top level of an HTML fragment, and where they stand in its text.

htmx parses what we send inside a ``<template>``. To add an attribute to a top-level element,
or to send the elements apart, one must know where the browser will see them begin and end,
and that takes more than balancing tags: ``<li>a<li>b`` is two elements, and in
``<title><p></title>`` there is no p. So this is the tree construction of the HTML standard,
less the tree: a stack of open names, one insertion mode per open table part or template, and
tables that say which start tag closes what and what an end tag cannot reach past.

Where a browser moves, drops or repeats content, a slice of the text is no longer an element
of the page. There ``scan`` refuses, and never guesses:

- content straight inside ``<table>``, table parts beside other things or out of place;
- a formatting element (b, i, a, ...) that ends after a block opened inside it, or that is
  left open with more to come, because the browser would open it again there;
- ``<a>`` in ``<a>``, ``<form>`` in ``<form>``, a ``</p>`` or ``</br>`` without a start;
- a tag that is not finished, NUL characters, depths that Chrome flattens, and the little
  on which browsers differ (``<table>`` in ``<p>``, ``</form>`` before the end of a ``<p>``
  in it, a control inside ``<select>``).

The main loop handles a tag that closes nothing but itself with a set test; all else goes to
``_Tree``. Every regular expression is possessive, and depth is bounded: the time is linear.
"""

from __future__ import annotations

import re
from html.entities import html5
from typing import Final, NamedTuple, NoReturn

from ..errors import FragmentError

__all__ = ["Node", "scan"]

#: Chrome nests no deeper than 512 and flattens the rest.
MAX_DEPTH: Final = 500


class Node(NamedTuple):
    """One top-level node: its source is ``html[start:end]``.

    ``name`` is the tag name in lower case, "#text" or "#comment". ``insert`` is where an
    attribute may be inserted (-1 unless an element). ``closed``: text may follow the source
    and is outside the element, because it is void or has its end tag. ``id`` is None when
    absent or empty; ``oob`` is the value of hx-swap-oob, or else of data-hx-swap-oob; both
    have their character references decoded. Cutting ``oob_span`` out removes that attribute.
    """

    name: str
    start: int
    end: int
    insert: int
    closed: bool
    id: str | None
    oob: str | None
    oob_span: tuple[int, int] | None


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


_NOT_HTML: Final = {"image": "write <img>", "foreignobject": "put it straight in an <svg>"}
_HEADINGS: Final = _names("h1 h2 h3 h4 h5 h6")
_FORMATTING: Final = _names("a b big code em font i nobr s small strike strong tt u")
_VOID: Final = _names(
    "area base basefont bgsound br col embed hr img input keygen link meta param source track wbr"
)
_IGNORED: Final = _names("html head body frame frameset")
#: These may come before table parts. (The standard has title and base too, but not Chrome.)
_HEAD: Final = _names("link meta script style template")
_RAW: Final = _names("title textarea script style xmp iframe noembed noframes plaintext")
_IMPLIED: Final = _names("dd dt li optgroup option p rb rp rt rtc")
_BLOCKS: Final = _names(
    "address article aside blockquote center details dialog dir div dl fieldset figcaption figure"
    " footer header hgroup listing main menu nav ol pre search section summary ul"
)
_SECTIONS: Final = _names("tbody tfoot thead")
_CELLS: Final = _names("caption td th")
_TABLE: Final = _SECTIONS | _names("table tr colgroup")
_PARTS: Final = _SECTIONS | _CELLS | _names("tr colgroup col")
#: No end tag of another element closes these; left open, they leave traces in the parser.
_FRAGILE: Final = _names("applet form marquee object table")
#: What is formatted inside one of these ends there.
_MARKERS: Final = _CELLS | _names("applet marquee object template")
_MATH_TEXT: Final = _names("math/mi math/mo math/mn math/ms math/mtext")
#: The foreign elements that hold HTML; "html/..." is an annotation-xml that says it does.
_HTML_IN: Final = _names("svg/foreignobject svg/desc svg/title html/annotation-xml")
_SCOPE: Final = _MARKERS | _MATH_TEXT | _HTML_IN | _names("math/annotation-xml select table")
_SPECIAL: Final = (_SCOPE | (_BLOCKS - {"dialog"}) | _HEADINGS | _RAW | _TABLE) | _names(
    "button dd dt form li noscript p"
)
_BREAKOUT: Final = _HEADINGS | _names(
    "b big blockquote body br center code dd div dl dt em embed head hr i img li listing menu meta"
    " nobr ol p pre ruby s small span strong strike sub sup table tt u ul var"
)
_FONT: Final = _names("color face size")  # with one of these it is a <font> of HTML
_NONE: Final = frozenset[str]()

#: The insertion mode inside a table part or template.
_MODE: Final = (
    {"table": "table", "colgroup": "cols", "tr": "row", "template": "start"}
    | dict.fromkeys(_SECTIONS, "rows")
    | dict.fromkeys(_CELLS, "body")
)
_CONTEXTS: Final = frozenset(_MODE)
#: The table parts that a fragment or template may hold in each mode, and the mode they set.
_TOP: Final[dict[str, dict[str, str]]] = {
    "body": {},
    "cols": {"col": "cols"},
    "rows": {"tr": "rows"},
    "row": {"td": "row", "th": "row"},
    "table": dict.fromkeys(_SECTIONS | {"caption", "colgroup"}, "table"),
}
_TOP["start"] = {name: mode for parts in _TOP.values() for name, mode in parts.items()}
#: The table parts that each may hold, and what the parser puts between, if anything.
_ROWS: Final = {"tr": "", "td": "tr", "th": "tr"}
_INNER: Final[dict[str, dict[str, str]]] = {
    **{name: {} for name in _CELLS},
    **dict.fromkeys(_SECTIONS, _ROWS),
    "colgroup": {"col": ""},
    "tr": {"td": "", "th": ""},
    "table": dict.fromkeys(_TOP["table"], "") | dict.fromkeys(_ROWS, "tbody") | {"col": "colgroup"},
}

_Rule = tuple[frozenset[str], frozenset[str]]
_IN_P: Final[_Rule] = (_names("p"), _SCOPE | {"button"})
_IN_SELECT: Final[_Rule] = (_names("select"), _SCOPE - {"select"})
_ITEM: Final = _SPECIAL - {"address", "div", "p"}
#: The open elements that a start tag closes, each with what protects it from that.
_CLOSES: Final[dict[str, tuple[_Rule, ...]]] = {
    **dict.fromkeys(_BLOCKS | _HEADINGS | _names("p form hr plaintext xmp"), (_IN_P,)),
    **dict.fromkeys(("dd", "dt"), ((_names("dd dt"), _ITEM), _IN_P)),
    "li": ((_names("li"), _ITEM), _IN_P),
    "button": ((_names("button"), _SCOPE),),
}
#: The element that a start tag closes if it is the innermost.
_FOLLOWS: Final = {
    **dict.fromkeys(("option", "optgroup"), _names("option")),
    **dict.fromkeys(_HEADINGS, _HEADINGS),
}
#: The element inside which a start tag closes innermost elements, and which.
_IMPLIES: Final = {
    **dict.fromkeys(("rb", "rtc"), (_names("ruby"), _IMPLIED)),
    **dict.fromkeys(("rp", "rt"), (_names("ruby"), _IMPLIED - {"rtc"})),
    **dict.fromkeys(("hr", "optgroup"), (_names("select"), _IMPLIED)),
    "option": (_names("select"), _IMPLIED - {"optgroup"}),
}
#: The open elements inside which a start tag would rebuild the tree, and what protects it.
_CLASHES: Final[dict[str, _Rule]] = {
    **dict.fromkeys((_RAW - {"script"}) | _names("input keygen select"), _IN_SELECT),
    "table": (_names("p select"), _IN_SELECT[1]),
    "form": (_names("form"), _NONE),
    **{name: (frozenset({name}), _MARKERS) for name in ("a", "nobr")},
}
#: All the open elements that make a start tag less than simple; None: it never is.
_GUARD: Final[dict[str, frozenset[str] | None]] = {
    **{name: frozenset({name}) for name in _FORMATTING},
    **{
        name: _NONE.union(
            *(names for names, _ in _CLOSES.get(name, ())),
            *(rules[name][0] for rules in (_IMPLIES, _CLASHES) if name in rules),
            _FOLLOWS.get(name, _NONE),
        )
        for name in {*_CLOSES, *_FOLLOWS, *_IMPLIES, *_CLASHES}
    },
    **dict.fromkeys(_RAW | _MARKERS | _PARTS | _IGNORED | _NOT_HTML.keys()),
    **dict.fromkeys(("math", "svg", "table")),
}
#: What an end tag does not reach past; for others, any special element.
_BARRIER: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(_BLOCKS | _HEADINGS | _FRAGILE | _names("button dd dt select"), _SCOPE),
    **dict.fromkeys(_SECTIONS | _CELLS | {"table", "tr"}, _names("table template")),
    **dict.fromkeys(_FORMATTING, _MARKERS),
    "p": _IN_P[1],
    "li": _SCOPE | {"ol", "ul"},
    "template": _NONE,
}

#: What </form> closes on its way; Chrome, inside a template, stops at the likes of <p>.
_IN_FORM: Final = _IMPLIED - _SPECIAL
#: End tags that do something even without a start tag, and those that do it inside of these.
_NEEDED: Final = _names("p br template")
_TRACES: Final = {"form": _names("form"), "table": _TABLE | {"caption"}}

_WS: Final = "\t\n\f\r "
_VALUE: Final = rf"\"[^\"]*+\"|'[^']*+'|[^{_WS}>\"'][^{_WS}>]*+|(?=>)"
_ATTRIBUTE: Final = (
    rf"[{_WS}/]*+([^{_WS}/>][^{_WS}/>=]*+)"
    rf"(?:[{_WS}]*+=[{_WS}]*+({_VALUE})|(?![{_WS}]*+=))"
)
_ATTRIBUTES: Final = re.compile(_ATTRIBUTE)
_EQUALS: Final = re.compile(f"[{_WS}]*+=")
# A tag (slash, name, what precedes ">"), or what else "<" begins: "" is an unfinished tag.
_TOKEN: Final = re.compile(
    rf"<(?:(/?)([a-zA-Z][^{_WS}/>]*+)(?:{_ATTRIBUTE.replace('(', '(?:').replace('(?:?', '(?')})*+"
    rf"([{_WS}/]*+)>|(!--|[!?/]|(?=[a-zA-Z])))"
)
_COMMENT_END: Final = re.compile(r"--!?>")
_SCRIPT: Final = re.compile(rf"<!(?=--)|-->|<(/?)script(?=[{_WS}/>])", re.A | re.I)
_RAW_END: Final = {name: re.compile(rf"</{name}(?=[{_WS}/>])", re.A | re.I) for name in _RAW}
_REFERENCE: Final = re.compile(
    r"&(?:#[xX]([0-9a-fA-F]++);?|#([0-9]++);?|([a-zA-Z][a-zA-Z0-9]*+)(;|(?!=)))"
)
_ASCII_LOWER: Final = {code: code + 32 for code in range(65, 91)}
_APART: Final = "send it in a message of its own, or put rows in a <tbody>"


def _decode(found: re.Match[str]) -> str:
    hexadecimal, decimal, name, semicolon = found.groups()
    if name:
        return html5.get(name + semicolon, found[0])
    digits = (hexadecimal or decimal).lstrip("0")
    code = int(digits or "0", 16 if hexadecimal else 10) if len(digits) < 8 else 0
    if 0x80 <= code < 0xA0:  # what people mean by them
        return bytes([code]).decode("cp1252", "ignore") or chr(code)
    return chr(code) if 0 < code < 0xD800 or 0xDFFF < code < 0x110000 else "\ufffd"


def _value(attribute: re.Match[str]) -> str:
    """Read the value of an attribute as a browser does."""
    value: str = attribute[2] or ""
    if value[:1] in ("'", '"'):
        value = value[1:-1]
    if "\r" in value:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    return _REFERENCE.sub(_decode, value) if "&" in value else value


def scan(html: str) -> list[Node]:
    """Say which nodes ``html`` has at its top level when a browser puts it in a ``<template>``.

    Adjacent text is one node. End tags without a start, doctypes and the tags of html, head
    and body leave nothing in the page: they are in no node, or inside a text. Raises
    ``FragmentError`` where slices of the text would not be what the page gets.
    """
    tree = _Tree(html)
    stack = tree.stack
    calm = False
    at = 0
    more = True
    while more:
        more = False
        for found in _TOKEN.finditer(html, at):
            slash, name, _, other = found.groups()
            start, end = found.span()
            if start > at and not (calm and stack):
                tree.text(at, start)
            at = end
            if name is None:
                at = tree.declaration(other, start)
                more = True
                break
            name = name.lower() if name.isascii() else name.translate(_ASCII_LOWER)
            if slash:
                if calm and stack and stack[-1] == name and name not in _MARKERS:
                    del stack[-1]
                    if not stack:
                        tree.finish(end, True)
                else:
                    tree.end(name, start, end)
                    calm = tree.is_calm()
            elif (
                calm
                and stack
                and (guard := _GUARD.get(name, _NONE)) is not None
                and (guard is _NONE or guard.isdisjoint(stack))
            ):
                if name not in _VOID:
                    stack.append(name)
                    if len(stack) > MAX_DEPTH:
                        tree.refuse_depth(start)
            else:
                tree.start(name, found)
                calm = tree.is_calm()
                if name in _RAW and stack and stack[-1] == name:
                    at = tree.raw_end(name, end)
                    more = True
                    break
    if at < len(html):
        tree.text(at, len(html))
    if stack:
        tree.finish(len(html), False)
    return tree.nodes


class _Tree:
    """The state of a scan. Its methods are what a browser does with each token."""

    __slots__ = ("deep", "foreign", "html", "lost", "modes", "nodes", "stack", "top")

    def __init__(self, html: str) -> None:
        self.html = html
        self.nodes: list[Node] = []
        self.stack: list[str] = []  # open elements; "svg/g" is a foreign one
        self.modes = ["start"]  # the fragment's, then of each open table part or template
        self.lost: list[str] = []  # formatting elements closed by something else's tag
        self.deep: set[str] = set()  # formatting elements of which the parser forgets the outer
        self.foreign = 0  # how many foreign elements are open
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

    def open(self, name: str, found: re.Match[str], alone: bool) -> None:
        stack = self.stack
        if not stack:
            own = self.own_attributes(found)
            self.top = (name.rpartition("/")[2], found.start(), found.end(2), *own)
            if alone:
                self.finish(found.end(), True)
        if alone:
            return
        stack.append(name)
        if name in _MODE:
            self.modes.append(_MODE[name])
        elif "/" in name:
            self.foreign += 1
        if len(stack) > MAX_DEPTH:
            self.refuse_depth(found.start())

    def finish(self, end: int, closed: bool) -> None:
        name, start, insert, id_, oob, span = self.top
        self.nodes.append(Node(name, start, end, insert, closed, id_, oob, span))

    def close(self, i: int, at: int, closed: bool = False) -> None:
        """Close ``stack[i]`` and all in it; at the top level the node ends at ``at``."""
        stack = self.stack
        for k in range(len(stack) - 1, i - 1, -1):
            name = stack.pop()
            if name in _MARKERS:
                self.lost.clear()
            if name in _MODE:
                self.modes.pop()
            elif "/" in name:
                self.foreign -= 1
            if k > i and name in _FORMATTING:
                self.lost.append(name)
            if k > i and (name in _FRAGILE or (name in _FORMATTING and name in stack)):
                self.refuse(f"<{name}> is still open", at, f"close <{name}> before this")
        if not stack:
            self.finish(at, closed and not self.lost)

    def attributes(self, found: re.Match[str]) -> dict[str, re.Match[str]]:
        """Give the attributes of a tag by their lower-case names; the first of a name wins."""
        named: dict[str, re.Match[str]] = {}
        for attribute in _ATTRIBUTES.finditer(self.html, found.end(2), found.end()):
            named.setdefault(attribute[1].lower(), attribute)
        return named

    def attribute(self, found: re.Match[str], name: str) -> str:
        named = self.attributes(found)
        return _value(named[name]) if name in named else ""

    def own_attributes(
        self, found: re.Match[str]
    ) -> tuple[str | None, str | None, tuple[int, int] | None]:
        """Read the id and the out-of-band attribute of a top-level element."""
        if found.end() == found.end(2) + 1:
            return None, None, None
        named = self.attributes(found)
        own_id = _value(named["id"]) if "id" in named else None
        mark = named.get("hx-swap-oob") or named.get("data-hx-swap-oob")
        if mark is None:
            return own_id or None, None, None
        # Without ours, it would become the value of the attribute before.
        if _EQUALS.match(self.html, mark.end()):
            self.refuse("an attribute has no name", mark.end(), "leave out what starts with =")
        # Where something follows without a space, the space before has to stay.
        glued = self.html[mark.end()] not in _WS + ">"
        return own_id or None, _value(mark), (mark.start(1 if glued else 0), mark.end())

    def text(self, start: int, end: int) -> None:
        """Take the characters of ``html[start:end]``."""
        current = self.stack[-1] if self.stack else ""
        if self.lost:
            self.refuse_lost(start)
        if (current in _TABLE or self.modes[-1] == "cols") and self.html[start:end].strip(_WS):
            self.refuse("text stands straight inside a table", start, "put it in a cell")
        if not current:
            if self.nodes and self.nodes[-1].name == "#text":
                start = self.nodes.pop().start
            self.nodes.append(Node("#text", start, end, -1, True, None, None, None))

    def declaration(self, opener: str, at: int) -> int:
        """Take what is not a tag (a comment, a doctype, a lone "</") and say where it ends."""
        html = self.html
        after = html[at + 2 : at + 3]
        if not opener or (opener == "/" and (not after or (after.isascii() and after.isalpha()))):
            self.refuse("a tag is not finished", at, "end it with >, or write &lt; for <")
        if self.foreign and "/" in self.stack[-1] and html.startswith("<![CDATA[", at):
            end = html.find("]]>", at + 9)
            return end + 3 if end >= 0 else len(html)
        if opener != "!--":
            end = html.find(">", at + 2) + 1 or len(html)
            if opener == "?" and html[end - 1] != ">":  # a comment, or nothing in newer browsers
                self.refuse("a processing instruction is not finished", at, "end it with >")
        elif html.startswith((">", "->"), at + 4):
            end = html.index(">", at) + 1
        else:
            closing = _COMMENT_END.search(html, at + 4)
            end = closing.end() if closing else len(html)
        doctype = opener == "!" and html[at + 2 : at + 9].lower() == "doctype"
        if not (self.stack or doctype or opener + after == "/>"):
            self.nodes.append(Node("#comment", at, end, -1, True, None, None, None))
        return end

    def raw_end(self, name: str, at: int) -> int:
        """Give where the end tag of an element without markup in it starts, or the end."""
        html = self.html
        if name == "script":
            escaped = 0  # 1 after <!--, 2 after a <script> in that: there </script> ends no more
            for found in _SCRIPT.finditer(html, at):
                what = found[0].lower()
                if what == "<!":
                    escaped = escaped or 1
                elif what == "-->":
                    escaped = 0
                elif what == "<script":
                    escaped = 2 if escaped else 0
                elif escaped == 2:
                    escaped = 1
                else:
                    return found.start()
            return len(html)
        closing = _RAW_END[name].search(html, at) if name != "plaintext" else None
        return closing.start() if closing else len(html)

    def start(self, name: str, found: re.Match[str]) -> None:
        """Take a start tag, by all the rules."""
        stack, at, mode = self.stack, found.start(), self.modes[-1]
        if self.lost:
            self.refuse_lost(at)
        if self.foreign and "/" in stack[-1] and self.start_foreign(name, found):
            return
        current = stack[-1] if stack else ""
        if name in _NOT_HTML:
            self.refuse(f"<{name}> is not an HTML element", at, _NOT_HTML[name])
        if name in _PARTS:
            self.start_part(name, found)
            return
        if mode == "cols" and name not in ("html", "template"):
            if current != "colgroup":
                self.refuse(f"browsers drop <{name}> beside <col>", at, _APART)
            self.close(len(stack) - 1, at)
            self.start(name, found)
            return
        if name in _IGNORED:
            self.modes[-1] = "body" if mode == "start" else mode
            return
        if current in _TABLE:
            hidden = name == "input" and self.attribute(found, "type").lower() == "hidden"
            if not hidden and name not in ("script", "style", "template"):
                self.refuse(f"<{name}> stands straight inside <{current}>", at, "put it in a cell")
        elif mode in ("table", "rows", "row") and name in ("form", "table"):
            self.refuse(f"browsers drop <{name}> after table parts", at, _APART)
        elif mode == "start" and name not in _HEAD:
            self.modes[-1] = "body"
        if stack:
            self.make_room(name, at)
        if name in ("svg", "math"):
            self.open(f"{name}/{name}", found, found[3].endswith("/"))
        else:
            self.open(name, found, name in _VOID)

    def make_room(self, name: str, at: int) -> None:
        """Close what a start tag closes."""
        stack = self.stack
        if name in _CLASHES and (i := self.find(*_CLASHES[name], at)) >= 0:
            outer = stack[i]
            self.refuse(f"<{name}> stands inside <{outer}>", at, f"close <{outer}> before it")
        for rule in _CLOSES.get(name, ()):
            if (i := self.find(*rule, at)) >= 0:
                self.close(i, at)
        if stack and stack[-1] in _FOLLOWS.get(name, _NONE):
            self.close(len(stack) - 1, at)
        outer_names, inner_names = _IMPLIES.get(name, (_NONE, _NONE))
        if self.find(outer_names, _IN_SELECT[1], at) >= 0:
            while stack[-1] in inner_names:
                self.close(len(stack) - 1, at)
        if name in _FORMATTING and stack.count(name) >= 3:
            self.deep.add(name)
        if self.lost:
            self.refuse_lost(at)

    def start_part(self, name: str, found: re.Match[str]) -> None:
        """Take the start tag of a table part."""
        stack = self.stack
        while (i := self.find(_CONTEXTS, _NONE, found.start())) >= 0 and stack[i] != "template":
            between = _INNER[stack[i]].get(name)
            if between is None:
                self.close(i, found.start())
            elif between:
                self.open(between, found, False)
            else:
                break
        else:
            mode = _TOP[self.modes[-1]].get(name)
            if mode is None or i != len(stack) - 1:
                self.refuse(f"browsers drop <{name}> here", found.start(), _APART)
            self.modes[-1] = mode
        self.open(name, found, name == "col")

    def start_foreign(self, name: str, found: re.Match[str]) -> bool:
        """Take a start tag where svg or math is innermost; False if it is to be HTML."""
        outer = self.stack[-1]
        if (
            outer in _HTML_IN
            or (outer in _MATH_TEXT and name not in ("mglyph", "malignmark"))
            or (outer == "math/annotation-xml" and name == "svg")
        ):
            return False
        if name in _BREAKOUT or (name == "font" and not _FONT.isdisjoint(self.attributes(found))):
            self.leave_foreign(found.start())
            return False
        name = f"{outer.partition('/')[0]}/{name}"
        if name == "math/annotation-xml":
            encoding = self.attribute(found, "encoding").lower()
            if encoding in ("text/html", "application/xhtml+xml"):
                name = "html/annotation-xml"
        self.open(name, found, found[3].endswith("/"))
        return True

    def leave_foreign(self, at: int) -> None:
        stack = self.stack
        while stack and "/" in stack[-1] and stack[-1] not in _MATH_TEXT | _HTML_IN:
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
        names = _HEADINGS if name in _HEADINGS else frozenset({name})
        i = self.find(names, _BARRIER.get(name, _SPECIAL), start)
        inside = stack[i + 1 :]
        if i < 0:
            if name in _NEEDED or not _TRACES.get(name, _NONE).isdisjoint(stack):
                self.refuse(f"</{name}> has no <{name}> to end", start, "leave it out")
        elif (name in _FORMATTING and not _SPECIAL.isdisjoint(inside)) or (
            name == "form" and not _IN_FORM.issuperset(inside)
        ):
            if _SCOPE.isdisjoint(inside):
                mend = f"close <{stack[-1]}> before </{name}>"
                self.refuse(f"<{stack[-1]}> is still open", start, mend)
        else:
            self.close(i, end, True)

    def refuse_depth(self, at: int) -> NoReturn:
        self.refuse(f"it nests more than {MAX_DEPTH} deep", at, "close its elements")

    def refuse_lost(self, at: int) -> NoReturn:
        name = self.lost[-1]
        mend = f"close <{name}> before what is around it ends"
        self.refuse(f"<{name}> is still open and would start again", at, mend)

"""CSS selectors, as strict as a browser's: what it refuses is refused here in its words.

A message is lost when a browser cannot read the selector in it, so being lenient, as parsers'
own engines are, would hide the fault that a test is for. A selector is compiled once, to a
function of an element, and the scope that ``:scope`` means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from . import controls
from .pseudo import NEVER, NTH, SIMPLE, nth

if TYPE_CHECKING:
    from .dom import Branch, Element

__all__ = ["InvalidSelector", "compiled", "escape_identifier"]

Match = Callable[["Element", "Branch"], bool]

_ESC: Final = r"\\(?:[0-9a-fA-F]{1,6}[ \t\n\r\f]?|[^\n\r\f0-9a-fA-F]|\Z)"
_IDENT: Final = rf"(?:--|-?(?:[a-zA-Z_\x80-\U0010FFFF]|{_ESC}))(?:[\w\-\x80-\U0010FFFF]|{_ESC})*"
_TOKEN: Final = re.compile(
    rf"""
    (?P<space>[ \t\n\r\f]+)
  | \#(?P<id>{_IDENT})
  | \.(?P<cls>{_IDENT})
  | (?P<pseudo>::?)(?P<name>{_IDENT})(?P<call>\()?
  | \[(?P<attr>[ \t\n\r\f]*)
  | (?P<type>(?:(?:{_IDENT}|\*)?\|(?!=))?(?:{_IDENT}|\*))
  | (?P<combinator>[>+~,)])
    """,
    re.VERBOSE | re.ASCII,
)
_STRING: Final = r'"(?:[^"\\\n]|\\[\s\S])*(?:"|$)|\'(?:[^\'\\\n]|\\[\s\S])*(?:\'|$)'
_ATTRIBUTE: Final = re.compile(
    rf"""
    (?:(?:{_IDENT}|\*)?\|)?(?P<name>{_IDENT})\s*
    (?:(?P<op>[~|^$*]?=)\s*(?P<value>{_IDENT}|{_STRING})\s*(?P<flag>[iI])?\s*)?
    (?:\]|$)
    """,
    re.VERBOSE | re.ASCII,
)
_ESCAPE: Final = re.compile(r"\\(?:([0-9a-fA-F]{1,6})[ \t\n\r\f]?|([^\n\r\f])|\n|(\Z))")
_COMMENT: Final = re.compile(rf"({_STRING})|/\*[\s\S]*?(?:\*/|\Z)")
#: Attributes of HTML whose values are compared without regard to case.
_CASELESS: Final = frozenset(
    "accept accept-charset align alink axis bgcolor charset checked clear codetype color compact "
    "declare defer dir direction disabled enctype face frame hreflang http-equiv lang language "
    "link media method multiple nohref noresize noshade nowrap readonly rel rev rules scope "
    "scrolling selected shape target text type valign valuetype vlink".split()
)


class InvalidSelector(ValueError):
    """A browser cannot read this selector; the message is Chrome's."""

    def __init__(
        self, selector: str, method: str = "querySelectorAll", on: str = "Document"
    ) -> None:
        self.selector: str = selector
        super().__init__(
            f"Failed to execute '{method}' on '{on}': "
            + (
                f"'{selector}' is not a valid selector."
                if selector
                else "The provided selector is empty."
            )
        )


def escape_identifier(text: str) -> str:
    """Write an id or a class so that it is a name in a selector, as ``CSS.escape``."""

    def one(found: re.Match[str]) -> str:
        char = found[0]
        if char == "\0":
            return "\ufffd"
        if char.isdigit() or char < " " or char == "\x7f":
            return f"\\{ord(char):x} "
        return f"\\{char}"

    return re.sub(
        r"[\x00-\x1f\x7f]|^\d|(?<=^-)\d|^-$|[^\w\-\x80-\U0010FFFF]", one, text, flags=re.A
    )


@lru_cache(maxsize=4096)
def compiled(selector: str, method: str = "querySelectorAll", on: str = "Document") -> Match:
    """Compile a selector list; raises ``InvalidSelector``, in the words of a JavaScript method."""
    reader = _Reader(selector)
    try:
        match = reader.read_list()
    except InvalidSelector:
        match = None
    if match is None or reader.at < len(reader.selector):
        raise InvalidSelector(selector, method, on)
    return match


class _Reader:
    """Reads one selector from left to right."""

    def __init__(self, selector: str) -> None:
        self.given = selector
        self.selector = selector
        if "/*" in selector:
            self.selector = _COMMENT.sub(lambda found: found[1] or "", selector)
        self.at = 0

    def refuse(self) -> InvalidSelector:
        return InvalidSelector(self.given)

    def skip_space(self) -> bool:
        start = self.at
        while self.selector[self.at : self.at + 1] in tuple(" \t\n\r\f"):
            self.at += 1
        return self.at > start

    def read_list(self, *, relative: bool = False, forgiving: bool = False) -> Match:
        """Read what commas part; ``relative``: each may begin with a combinator."""
        matches: list[Match] = []
        self.skip_space()
        if forgiving and self.selector[self.at : self.at + 1] in ("", ")"):
            return lambda element, scope: False
        while True:
            start = self.at
            try:
                matches.append(self.read_complex(relative))
            except InvalidSelector:
                if not forgiving:
                    raise
                self.skip_argument(start)
            if self.selector[self.at : self.at + 1] != ",":
                break
            self.at += 1
        if len(matches) == 1:
            return matches[0]
        return lambda element, scope: any(match(element, scope) for match in matches)

    def skip_argument(self, start: int) -> None:
        """Go on after what cannot be read, at the comma or bracket that ends it."""
        depth, self.at = 0, start
        while (char := self.selector[self.at : self.at + 1]) and (depth or char not in ",)"):
            depth += (char in "([") - (char in ")]")
            self.at += 1

    def read_complex(self, relative: bool) -> Match:
        self.skip_space()
        match: Match | None = None
        if relative:
            combinator = self.combinator() or " "
            match = _combine(lambda element, scope: element is scope, combinator, self.compound())
        else:
            match = self.compound()
        while True:
            spaced = self.skip_space()
            after = self.selector[self.at : self.at + 1]
            if after in ("", ",", ")"):
                return match
            combinator = self.combinator() or (" " if spaced else "")
            if not combinator:
                raise self.refuse()
            match = _combine(match, combinator, self.compound())

    def combinator(self) -> str:
        found = self.selector[self.at : self.at + 1]
        if found not in (">", "+", "~") or not found:
            return ""
        self.at += 1
        self.skip_space()
        return found

    def compound(self) -> Match:
        tests: list[Match] = []
        while True:
            token = _TOKEN.match(self.selector, self.at)
            if token is None or token["space"] or token["combinator"]:
                break
            if token["type"] and tests:
                raise self.refuse()
            self.at = token.end()
            tests.append(self.simple(token))
        if not tests:
            raise self.refuse()
        if len(tests) == 1:
            return tests[0]
        return lambda element, scope: all(test(element, scope) for test in tests)

    def simple(self, token: re.Match[str]) -> Match:
        if token["id"]:
            id = _unescape(token["id"])
            return lambda element, scope: element.attrs.get("id") == id
        if token["cls"]:
            name = _unescape(token["cls"])
            return lambda element, scope: name in element.classes
        if token["type"]:
            return self.type(token["type"])
        if token["attr"] is not None:
            return self.attribute()
        return self.pseudo(token["pseudo"], _unescape(token["name"]).lower(), bool(token["call"]))

    def type(self, text: str) -> Match:
        space, bar, name = text.rpartition("|")
        if bar and space not in ("", "*"):
            raise self.refuse()  # a namespace that nobody declared
        name = _unescape(name)
        if name == "*":
            return lambda element, scope: not bar or space == "*"
        if bar and space != "*":  # elements without a namespace, of which a page has none
            return lambda element, scope: False
        lower = name.lower()
        return lambda element, scope: element.tag.lower() == lower

    def attribute(self) -> Match:
        found = _ATTRIBUTE.match(self.selector, self.at)
        if found is None:
            raise self.refuse()
        self.at = found.end()
        name, op, value = _unescape(found["name"]), found["op"], found["value"]
        lower = name.lower()
        if op is None:
            return lambda element, scope: (lower if element.is_html else name) in element.attrs
        wanted = _unescape(value[1:].removesuffix(value[0]) if value[0] in "\"'" else value)
        caseless = bool(found["flag"]) or lower in _CASELESS
        compare = _COMPARE[op]

        def has(element: Element, scope: Branch) -> bool:
            held = element.attrs.get(lower if element.is_html else name)
            if held is None:
                return False
            if caseless:
                return compare(held.lower(), wanted.lower())
            return compare(held, wanted)

        return has

    def pseudo(self, colons: str, name: str, call: bool) -> Match:
        if colons == "::" or name in ("before", "after", "first-line", "first-letter"):
            if call or name not in NEVER:
                raise self.refuse()
            return lambda element, scope: False
        if not call:
            if name == "scope":
                return lambda element, scope: (
                    element is scope or (element.tag == "html" and not hasattr(scope, "tag"))
                )
            if (test := SIMPLE.get(name) or controls.STATES.get(name)) is None:
                raise self.refuse()
            return lambda element, scope: test(element)
        match = self.function(name)
        self.skip_space()
        if self.selector[self.at : self.at + 1] not in (")", ""):
            raise self.refuse()
        self.at += 1
        return match

    def function(self, name: str) -> Match:
        if name in ("is", "where", "matches", "-webkit-any"):
            return self.read_list(forgiving=True)
        if name == "not":
            inner = self.read_list()
            return lambda element, scope: not inner(element, scope)
        if name == "has":
            inner = self.read_list(relative=True)
            return lambda element, scope: any(
                inner(each, element) for each in _after_and_in(element)
            )
        if name in ("lang", "dir"):
            return self.inherited(name)
        if name in NTH:
            found = nth(self.selector, self.at)
            if found is None:
                raise self.refuse()
            self.at, step, offset, of = found
            if not of:
                return lambda element, scope: NTH[name](element, step, offset, None)
            among = self.read_list()
            return lambda element, scope: NTH[name](
                element, step, offset, lambda each: among(each, scope)
            )
        raise self.refuse()

    def inherited(self, name: str) -> Match:
        """Read the argument of ``:lang()`` or ``:dir()``, which elements have from those around."""
        found = re.compile(rf"\s*({_IDENT})\s*").match(self.selector, self.at)
        if found is None:
            raise self.refuse()
        self.at = found.end()
        wanted = found[1].lower()

        def has(element: Element, scope: Branch) -> bool:
            around = element.itself_and_ancestors()
            held = next((e.attrs[name].lower() for e in around if name in e.attrs), "")
            if name == "dir":
                return (held or "ltr") == wanted
            return held == wanted or held.startswith(f"{wanted}-")

        return has


def _after_and_in(element: Element) -> Iterator[Element]:
    yield from element.descendants()
    if element.parent is not None:
        at = element.parent.elements.index(element)
        for sibling in element.parent.elements[at + 1 :]:
            yield from sibling.itself_and_descendants()


def _combine(left: Match, combinator: str, right: Match) -> Match:
    def matches(element: Element, scope: Branch) -> bool:
        return right(element, scope) and any(
            left(each, scope) for each in _REACH[combinator](element)
        )

    return matches


def _ancestors(element: Element) -> Iterator[Element]:
    above = element.itself_and_ancestors()
    next(above)
    return above


def _earlier(element: Element) -> Iterable[Element]:
    siblings = element.parent.elements if element.parent is not None else [element]
    return reversed(siblings[: next(i for i, e in enumerate(siblings) if e is element)])


_REACH: Final[dict[str, Callable[[Element], Iterable[Element]]]] = {
    " ": _ancestors,
    ">": lambda element: list(_ancestors(element))[:1],
    "~": _earlier,
    "+": lambda element: list(_earlier(element))[:1],
}
_COMPARE: Final[dict[str, Callable[[str, str], bool]]] = {
    "=": str.__eq__,
    "~=": lambda held, wanted: wanted in held.split(),
    "|=": lambda held, wanted: held == wanted or held.startswith(f"{wanted}-"),
    "^=": lambda held, wanted: bool(wanted) and held.startswith(wanted),
    "$=": lambda held, wanted: bool(wanted) and held.endswith(wanted),
    "*=": lambda held, wanted: bool(wanted) and wanted in held,
}


def _unescape(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        if found[1]:
            code = int(found[1], 16)
            return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
        return "\ufffd" if found[3] is not None else found[2] or ""

    return _ESCAPE.sub(one, text)

"""CSS selectors written so that every htmx reads them alike.

``hx-swap-oob="STYLE:SELECTOR"`` is split by rules that differ: 4.0.0 stops at a space,
4.0.1 takes the last colon that has no white space before it, and 1.9 to 2.0.4 put an id into
a selector unescaped. So: descendants are written with a tab, other combinators without
space, a selector that holds a colon begins with a tab, and an odd character is always the
six-digit escape, which needs no space after it, but takes one: two tabs follow it where a
descendant does.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from ..errors import FragmentError
from .elements import ELEMENTS

__all__ = ["LONG", "id_selector", "normalise"]

# What an id may not hold bare in a selector: it is written as a six-digit escape.
_ODD_IN_ID: Final = re.compile(r"^[0-9]|^-(?=[0-9]|$)|[^A-Za-z0-9_-]")
_ODD_IN_SELECTOR: Final = re.compile(r"(?<=#)[0-9]|[^\x00-\x7f]")
_ODD_IN_STRING: Final = re.compile(
    r"\\(?P<hex>[0-9a-fA-F]{1,6})[ \t]?|\\(?P<char>.)|(?P<odd>[ \t:()\[\]]|[^\x00-\x7f])", re.DOTALL
)

_TOKEN: Final = re.compile(
    r"""
    \\(?P<hex>[0-9a-fA-F]{1,6})[ \t\n\r\f]?
  | \\(?P<char>[^\n\r\f])
  | (?P<string>"(?:[^"\\\n\r\f]|\\.)*"|'(?:[^'\\\n\r\f]|\\.)*')
  | [ \t\n\r\f]*(?P<combinator>[>+~,=])[ \t\n\r\f]*
  | [ \t\n\r\f]*(?P<closing>[)\]])
  | (?P<opening>[(\[])[ \t\n\r\f]*
  | (?P<space>[ \t\n\r\f]+)
  | (?P<plain>[^\\"'\s>+~,()\[\]=]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE_AND_TAB: Final = re.compile(r"\\[0-9A-F]{6}\t")
_BARE_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def id_selector(identifier: str) -> str:
    """Give the selector of an id, whatever characters it has: ``a.b`` is ``#a\\00002Eb``."""
    return "#" + _ODD_IN_ID.sub(_escape, identifier)


def _escape(odd: re.Match[str]) -> str:
    kind = odd.lastgroup
    return f"\\{int(odd['hex'], 16) if kind == 'hex' else ord(odd[kind or 0]):06X}"


#: What an application writes itself is shorter; longer ones, of a page's making, are not kept.
LONG: Final = 200


def normalise(selector: str) -> str:
    """Write a CSS selector in the form that every htmx reads alike.

    Raises ``FragmentError`` for an empty or unfinished selector, and for a bare word that is
    no HTML tag, which is nearly always an id without its ``#``.
    """
    if not isinstance(selector, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' input
        raise FragmentError(f"A target is a CSS selector such as '#log', not {selector!r}.")
    return (_normalise if len(selector) <= LONG else _normalise.__wrapped__)(selector)


@lru_cache(maxsize=4096)
def _normalise(selector: str) -> str:
    stripped = selector.strip()
    if not stripped:
        raise FragmentError("The target is empty: name one, such as '#log'.")
    if _BARE_WORD.fullmatch(stripped) and stripped.lower() not in ELEMENTS:
        raise FragmentError(
            f"The target {stripped!r} means an element <{stripped}>, which HTML does not have: "
            f"for the element with that id write '#{stripped}'."
        )
    parts: list[str] = []
    at = 0
    while at < len(stripped):
        token = _TOKEN.match(stripped, at)
        if token is None:
            rest = stripped[at:]
            raise FragmentError(f"The target {selector!r} is not a selector: see {rest!r}.")
        parts.append(_write(token))
        at = token.end()
    written = _ESCAPE_AND_TAB.sub(r"\g<0>\t", "".join(parts))
    if any(written.count(left) != written.count(right) for left, right in ("()", "[]")):
        raise FragmentError(f"The target {selector!r} is not a selector: a bracket is left open.")
    return "\t" + written if ":" in written else written


def _write(token: re.Match[str]) -> str:
    kind = token.lastgroup
    text = token[kind] if kind else ""
    if kind in ("hex", "char"):
        return _escape(token)
    if kind == "space":
        return "\t"
    return (_ODD_IN_STRING if kind == "string" else _ODD_IN_SELECTOR).sub(_escape, text)

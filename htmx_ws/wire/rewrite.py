"""What htmx rewrites in the text of a message before a parser sees it, and how to prevent that.

htmx 2.0.11 and 4 make templates of ``<hx-...>`` tags and cut the first ``<head>`` out, by regular
expressions over the whole text: in attributes and scripts too, where these are no tags. In an
attribute ``&lt;`` means the same to a parser as ``<``, and nothing to htmx. Then the text goes
into a ``<template>``, which an end tag too many would end.

HTML is read loosely here, without a tree: what else a browser would rebuild is not asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from ..errors import FragmentError
from .elements import BREAKOUT, HEAD_PARTS, HTML_INSIDE, MATH_TEXT, RAW_TEXT
from .scan import ASCII_LOWER, TOKEN, end_of_declaration, raw_end
from .tags import ATTRIBUTES

__all__ = ["Piece", "first_name", "open_templates", "pieces", "rewritten", "settle"]

#: JavaScript's white space, or the end of a tag.
_BEHIND: Final = r"(?=[\s\ufeff>])"
#: Without <header>, which is common, and read no further for this.
_MAYBE: Final = re.compile(r"<(?=/?hx-[a-z]|head(?!er))", re.A | re.I)
_START: Final = re.compile(rf"<hx-([a-z]+){_BEHIND}", re.I)
_END: Final = re.compile(r"</hx-[a-z]+>", re.I)
_HEAD: Final = re.compile(rf"<head{_BEHIND}", re.I)
_HEAD_END: Final = re.compile(r"</head>", re.I)
_MEND_RAW: Final = "write \\u003c for the < in a script, or leave it out"


def settle(html: str) -> str:
    """Write HTML so that htmx finds nothing to rewrite in it but tags that are tags.

    Raises ``FragmentError`` where that cannot be written: in a script, or for a whole head.
    """
    if _MAYBE.search(html) is None:
        return html
    written: list[str] = []
    at = 0
    for piece in pieces(html):
        # The "<" of a tag itself is to be there.
        first = piece.start + (piece.kind != "raw")
        if piece.kind != "comment" and _MAYBE.search(html, first, piece.end):
            written += html[at : piece.start], _escape(html, piece)
            at = piece.end
    text = "".join((*written, html[at:]))
    if (head := _HEAD.search(text)) and (end := _HEAD_END.search(text, head.end())):
        start = head.start()
        around = next((each for each in pieces(text) if each.start < start < each.end), None)
        # What is cut out of a comment is not missed.
        if around is None or around.kind != "comment" or end.end() >= around.end:
            is_raw = around is not None and around.kind == "raw"
            mend = _MEND_RAW if is_raw else "send what is in the <body>, without the <head>"
            raise _refusal(text, start, mend)
    return text


def rewritten(html: str) -> str:
    """Give what has been settled as htmx rewrites it."""
    if _MAYBE.search(html) is None:
        return html
    return _END.sub("</template>", _START.sub(r'<template hx type="\1"', html))


def open_templates(html: str) -> int:
    """Say how many templates are open at the end; raises ``FragmentError`` for an end too many."""
    open_now = 0
    for piece in pieces(html):
        if piece.name == "template":
            open_now += 1 if piece.kind == "start" else -1
            if open_now < 0:
                what = "it ends a <template>, or an <hx-...>, that it did not begin"
                raise _refusal(html, piece.start, "leave the end tag out", what)
    return open_now


def first_name(html: str) -> str:
    """Give the name of the first element that is not one of those before which rows may stand."""
    inside = 0
    for kind, name, *_ in pieces(html):
        if name == "template":
            inside += 1 if kind == "start" else -1
        elif kind == "start" and inside <= 0 and name not in HEAD_PARTS:
            return name
    return ""


class Piece(NamedTuple):
    """A part of a text that is no text: its source is ``html[start:end]``.

    ``kind``: "start" and "end" are tags, and "alone" is an svg's that ends itself; "raw" is what is
    in a script or the like, or CDATA; "comment" is one, and "rest" a tag that is not finished.
    ``inside`` is where attributes begin. ``name`` is in lower case; an svg's g is "/g".
    """

    kind: str
    name: str
    start: int
    inside: int
    end: int


#: What may hold HTML inside an svg or a formula.
_HOLDS_HTML: Final = HTML_INSIDE | MATH_TEXT


def pieces(html: str) -> Iterator[Piece]:
    """Cut HTML into its tags and what is not read for tags, in a time that is linear."""
    foreign: list[str] = []  # the open elements of an svg or formula, as "svg/g"
    counts: Counter[str] = Counter()  # of these, by "g"
    at = 0
    while found := TOKEN.search(html, at):
        slash, name, gap, other = found.groups()
        start, at = found.span()
        is_foreign = bool(foreign) and foreign[-1] not in _HOLDS_HTML
        if name is None:
            after = html[start + 2 : start + 3]
            if not other or (other == "/" and (not after or (after.isascii() and after.isalpha()))):
                yield Piece("rest", "", start, start, len(html))
                return
            at = end_of_declaration(html, other, start, is_foreign)
            is_text = is_foreign and html.startswith("<![CDATA[", start)
            yield Piece("raw" if is_text else "comment", "", start, start, at)
            continue
        name = name.translate(ASCII_LOWER)
        kind = "end" if slash else "start"
        if slash and counts[name]:
            local = ""
            while local != name:
                local = foreign.pop().partition("/")[2]
                counts[local] -= 1
            name = f"/{name}"
        elif not slash:
            while is_foreign and name in BREAKOUT:
                counts[foreign.pop().partition("/")[2]] -= 1
                is_foreign = bool(foreign) and foreign[-1] not in _HOLDS_HTML
            if is_foreign or name in ("svg", "math"):
                if gap.endswith("/"):
                    kind = "alone"
                else:
                    space = foreign[-1].partition("/")[0] if is_foreign else name
                    foreign.append(f"{space}/{name}")
                    counts[name] += 1
                name = f"/{name}"
        yield Piece(kind, name, start, found.end(2), at)
        if name in RAW_TEXT and not slash:
            start, at = at, raw_end(html, name, at)
            yield Piece("raw", name, start, start, at)


def _escape(html: str, piece: Piece) -> str:
    """Write a piece without what htmx would take for a tag in it."""
    text = html[piece.inside : piece.end]
    mend = "write &lt; for <"
    if piece.name in ("textarea", "title") and piece.kind == "raw":
        text = _MAYBE.sub("&lt;", text)
    elif piece.kind == "raw":
        mend = _MEND_RAW
    elif piece.kind != "rest":
        text = ATTRIBUTES.sub(_escape_value, text)
    text = html[piece.start : piece.inside] + text
    first = piece.kind != "raw"
    if found := _START.search(text, first) or _END.search(text, first):
        raise _refusal(text, found.start(), mend)
    return text


def _escape_value(attribute: re.Match[str]) -> str:
    value = attribute.start(2) - attribute.start()
    text = attribute[0]
    return text[:value] + _MAYBE.sub("&lt;", text[value:]) if attribute[2] else text


def _refusal(
    html: str, at: int, mend: str, what: str = "it is rewritten wherever it stands"
) -> FragmentError:
    shown = html[at : at + 40] + ("..." if len(html) > at + 40 else "")
    return FragmentError(f"htmx would not keep this HTML as it is: {what}, at {shown!r}; {mend}.")

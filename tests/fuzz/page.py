"""What a page makes of a message: a second reading, by lexbor, in the way of each htmx.

htmx does not hand a message to a parser as it is. It joins it into the text of a page, into a
``<template>`` since 2.0 and into whatever fits its first tag before; and from 2.0.11 on it rewrites
``<hx-...>`` tags before, wherever in the text they stand. What survives a parser need not survive
that, so a message is read in all of these ways, and must be the same in all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from .kind import Broken

__all__ = [
    "READINGS",
    "Top",
    "as_fragment",
    "below",
    "inside",
    "marked",
    "only",
    "siblings",
    "tops",
]


class Top(NamedTuple):
    """One node at the top level; ``oob`` is None where it has none, ``inside`` its HTML."""

    tag: str
    oob: str | None
    attributes: Mapping[str, str | None]
    inside: str


# --- the ways of reading ---------------------------------------------------------------


def as_fragment(text: str) -> LexborNode | None:
    """Give the first node at the top level, as ``template.innerHTML = text`` makes it."""
    return LexborHTMLParser(text, is_fragment=True, fragment_tag="template").root


_HX_2: Final = re.compile(r"<hx-([a-z]+)((?:\s[^>]*)?)>", re.IGNORECASE)
_HX_4: Final = re.compile(r"<hx-([a-z]+)(\s+|>)", re.IGNORECASE)
_HX_END: Final = re.compile(r"</hx-[a-z]+>", re.IGNORECASE)
_HEAD: Final = re.compile(r"<head(\s[^>]*)?>[\s\S]*?</head>", re.IGNORECASE)
_FIRST_TAG: Final = re.compile(r"<([a-z][^/\0>\x20\t\r\n\f]*)", re.IGNORECASE)


def _by_htmx_2(text: str) -> LexborNode | None:
    return _in_a_template(_HX_2.sub(r'<template hx type="\1"\2>', text))


def _by_htmx_4(text: str) -> LexborNode | None:
    return _in_a_template(_HX_4.sub(r'<template hx type="\1"\2', text))


def _in_a_template(text: str) -> LexborNode | None:
    text = _HEAD.sub("", _HX_END.sub("</template>", text), count=1)
    before = '<!doctype html><body><template class="internal-htmx-wrapper">'
    template = LexborHTMLParser(f"{before}{text}</template></body>").css_first("template")
    if template is None or template.next is not None:
        raise Broken("a message leaves the template in which htmx reads it", text)
    return template.template_fragments()[0].first_child


#: What htmx 1.9 puts around a message, by its first tag, and how deep it then looks.
_AROUND: Final = {
    **dict.fromkeys(("thead", "tbody", "tfoot", "colgroup", "caption"), ("<table>", 1)),
    "col": ("<table><colgroup>", 2),
    "tr": ("<table><tbody>", 2),
    **dict.fromkeys(("td", "th"), ("<table><tbody><tr>", 3)),
    **dict.fromkeys(("script", "style"), ("<div>", 1)),
}


def _by_htmx_1(text: str) -> LexborNode | None:
    first = _FIRST_TAG.search(text)
    before, depth = _AROUND.get(first[1].lower() if first else "", ("", 0))
    node: LexborNode | None = LexborHTMLParser(before + text).body
    for _ in range(depth):
        node = node.first_child if node is not None else None
    return node.first_child if node is not None else None


READINGS: Final[Mapping[str, Callable[[str], LexborNode | None]]] = {
    "as a fragment": as_fragment,
    "by htmx 1.9": _by_htmx_1,
    "by htmx 2": _by_htmx_2,
    "by htmx 4": _by_htmx_4,
}


# --- what is there ---------------------------------------------------------------------


def siblings(node: LexborNode | None) -> Iterator[LexborNode]:
    """Go through a node and those that follow it."""
    while node is not None:
        yield node
        node = node.next


def below(node: LexborNode) -> Iterator[LexborNode]:
    """Go through the elements inside a node, and those in the content of templates."""
    for inner in node.css("*"):
        if inner.mem_id != node.mem_id:
            yield inner
        if inner.tag == "template":
            for content in inner.template_fragments():
                yield from below(content)


def tops(first: LexborNode | None) -> list[Top]:
    """Say what is at a level, comments and white space aside."""
    found: list[Top] = []
    for node in siblings(first):
        if node.tag == "-text":
            if (node.text_content or "").strip():
                found.append(Top("#text", None, {}, node.text_content or ""))
        elif node.tag is not None and node.tag != "-comment":
            attributes = dict(node.attributes)
            oob = attributes.pop("hx-swap-oob", None)
            found.append(Top(node.tag, oob, attributes, node.inner_html or ""))
    return found


#: First in a message, htmx 1.9 loses these in the head of the page that it makes of it.
_OF_THE_HEAD: Final = frozenset(
    "base basefont bgsound link meta noframes noscript template title".split()
)


def inside(text: str) -> LexborNode | None:
    """Give the first node in the first element of a message."""
    first = next((node for node in siblings(as_fragment(text)) if node.is_element_node), None)
    return first.first_child if first is not None else None


def marked(text: str) -> list[Top]:
    """Read a message in every way; raises where one finds what has no place of its own."""
    first_tag = _FIRST_TAG.search(text)
    is_for_1 = first_tag is not None and first_tag[1].lower() not in _OF_THE_HEAD
    every = {
        name: tops(read(text))
        for name, read in READINGS.items()
        if is_for_1 or read is not _by_htmx_1
    }
    for name, found in every.items():
        for top in found:
            if top.oob is None:
                raise Broken(f"a message {name} has something without a place", top, text)
    first, *others = every.items()
    for name, found in others:
        if [top.oob for top in found] != [top.oob for top in first[1]]:
            raise Broken(f"a message {name} is another than {first[0]}", found, first[1], text)
    _hold(text)
    return first[1]


def _hold(text: str) -> None:
    """Raise where an htmx that rewrites the text of a message finds other elements in it."""
    if not any(pattern.search(text) for pattern in (_HX_4, _HX_END, _HEAD)):
        return
    meant = _skeleton(as_fragment(text))
    if any(tag.startswith("hx-") for tag, _ in meant):
        return  # elements that are there to be rewritten
    for name in ("by htmx 2", "by htmx 4"):
        if _skeleton(READINGS[name](text)) != meant:
            raise Broken(f"a message {name} is rewritten into other elements", text)


def _skeleton(first: LexborNode | None) -> list[tuple[str, list[str]]]:
    """Give the tags and the names of attributes of all elements, without what is in them."""
    every = (inner for node in siblings(first) for inner in (node, *below(node)))
    return [(one.tag or "", sorted(one.attributes)) for one in every if one.is_element_node]


def only(text: str) -> Top:
    """Read a message in every way, which must have one element."""
    found = marked(text)
    if len(found) != 1:
        raise Broken("a message has not one element", found, text)
    return found[0]

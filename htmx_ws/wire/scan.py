"""Which nodes are at the top level of an HTML fragment, and where they stand in its text.

htmx parses what we send inside a ``<template>``. To add an attribute to a top-level element,
or to send the elements apart, one must know where the browser will see them begin and end,
and that takes more than balancing tags: ``<li>a<li>b`` is two elements, and in
``<title><p></title>`` there is no p. So here the text is cut into tags, text and comments
(a tag that is not finished is refused), and ``tree`` follows which elements are open, and
refuses what a browser would rebuild.

The main loop handles a tag that closes nothing but itself with a set test; all else goes to
``Tree``. Every regular expression is possessive, and depth is bounded: the time is linear.
"""

from __future__ import annotations

import re
from typing import Final

from .elements import GUARD, MARKERS, NONE, RAW_TEXT, VOID
from .node import Node
from .tags import SPACE, TAG
from .tree import MAX_DEPTH, Tree

__all__ = ["ASCII_LOWER", "TOKEN", "Node", "end_of_declaration", "raw_end", "scan"]

#: A tag, or what else "<" begins: "" is an unfinished tag.
TOKEN: Final = re.compile(rf"<(?:{TAG}|(!--|[!?/]|(?=[a-zA-Z])))")
_COMMENT_END: Final = re.compile(r"--!?>")
_SCRIPT: Final = re.compile(rf"<!(?=--)|-->|<(/?)script(?=[{SPACE}/>])", re.A | re.I)
_RAW_END: Final = {name: re.compile(rf"</{name}(?=[{SPACE}/>])", re.A | re.I) for name in RAW_TEXT}
#: So is the name of a tag lowered: "\u212a" is no k.
ASCII_LOWER: Final = {code: code + 32 for code in range(65, 91)}


def scan(html: str) -> list[Node]:
    """Say which nodes ``html`` has at its top level when a browser puts it in a ``<template>``.

    Adjacent text is one node. End tags without a start, doctypes and the tags of html, head
    and body leave nothing in the page: they are in no node, or inside a text. Raises
    ``FragmentError`` where slices of the text would not be what the page gets.
    """
    tree = Tree(html)
    stack = tree.stack
    calm = False
    at = 0
    while True:
        for found in TOKEN.finditer(html, at):
            slash, name, _, other = found.groups()
            start, end = found.span()
            if start > at and not (calm and stack):
                tree.text(at, start)
            at = end
            if name is None:
                at = _declaration(tree, other, start)
                break
            name = name.lower() if name.isascii() else name.translate(ASCII_LOWER)
            if slash:
                if calm and stack and stack[-1] == name and name not in MARKERS:
                    del stack[-1]
                    if not stack:
                        tree.finish(end, True)
                else:
                    tree.end(name, start, end)
                    calm = tree.is_calm()
            elif (
                calm
                and stack
                and (guard := GUARD.get(name, NONE)) is not None
                and (guard is NONE or guard.isdisjoint(stack))
            ):
                if name not in VOID:
                    stack.append(name)
                    if len(stack) > MAX_DEPTH:
                        tree.refuse_depth(start)
            else:
                tree.start(name, found)
                calm = tree.is_calm()
                if name in RAW_TEXT and stack and stack[-1] == name:
                    at = raw_end(html, name, end)
                    break
        else:
            break
    if at < len(html):
        tree.text(at, len(html))
    if stack:
        tree.finish(len(html), False)
    return tree.nodes


def _declaration(tree: Tree, opener: str, at: int) -> int:
    """Take what is not a tag (a comment, a doctype, a lone "</") and say where it ends."""
    html = tree.html
    after = html[at + 2 : at + 3]
    if not opener or (opener == "/" and (not after or (after.isascii() and after.isalpha()))):
        tree.refuse("a tag is not finished", at, "end it with >, or write &lt; for <")
    foreign = tree.foreign > 0 and "/" in tree.stack[-1]
    end = end_of_declaration(html, opener, at, foreign)
    if opener == "?" and html[end - 1] != ">":  # a comment, or nothing in newer browsers
        tree.refuse("a processing instruction is not finished", at, "end it with >")
    doctype = opener == "!" and html[at + 2 : at + 9].lower() == "doctype"
    if not doctype and opener + after != "/>":
        tree.comment(at, end)
    return end


def end_of_declaration(html: str, opener: str, at: int, foreign: bool) -> int:
    """Say where a comment, a doctype or the like ends, which "<" and ``opener`` begin."""
    if foreign and html.startswith("<![CDATA[", at):
        end = html.find("]]>", at + 9)
        return end + 3 if end >= 0 else len(html)
    if opener != "!--":
        return html.find(">", at + 2) + 1 or len(html)
    if html.startswith((">", "->"), at + 4):
        return html.index(">", at) + 1
    closing = _COMMENT_END.search(html, at + 4)
    return closing.end() if closing else len(html)


def raw_end(html: str, name: str, at: int) -> int:
    """Give where the end tag of an element without markup in it starts, or the end."""
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

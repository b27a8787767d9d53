"""Selectors given to ``update``, and ids of which a selector is made.

A selector that is taken must come out of the message whole, by the rules of each htmx for where
a style ends and a selector begins; and an id's selector must select that id and no other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from random import Random
from typing import ClassVar, Final

from selectolax.lexbor import LexborHTMLParser

from htmx_ws import FragmentError, serialise, update
from htmx_ws.wire.selector import id_selector

from . import page
from .kind import Broken, Kind
from .words import mutate, word

__all__ = ["PLAIN", "Selectors", "split"]

#: Selectors that every page may use: they must be taken.
PLAIN: Final = [
    *(
        "#log",
        "#a-b_c",
        "#1a",
        "#é",
        r"#a\:b",
        r"#a\3a b",
        r"#a\.b",
        "body",
        "head>title",
        "li",
        "*",
    ),
    *(".m", "#log li", "#log > li", "#log>li", "li + li", "ul ~ p", "#a, #b", "#log  \t li"),
    *("[data-x]", "[data-x=y]", "[data-x='a b']", '[data-x="a:b"]', "[ data-x = 'é]' ]"),
    *("li:first-child", "#log :nth-child( 2n + 1 )", ":is(#a , .m) b", ":not(.m)", "#a:hover"),
]
_PIECES: Final = [
    *("#a", "#é", "#1", r"\:", r"\3a ", r"\e9", r"\0", r"\110000 ", " ", "\t", ">", " + ", ","),
    *(":is(", ")", "[x", "]", "=", "'a b'", '"\\""', ".b", "li", "*", "|", "||", "::before", "$="),
    *("'", '"', "\\", "\\\n", "\n", "\f", "\0", "/*", "*/", "{", "}", ";", "!", "%", "&", "<", "@"),
]


@dataclass(frozen=True)
class Target:
    """A selector, or an id to make one of."""

    text: str
    is_id: bool


class Selectors(Kind[Target]):
    """Selectors for ``update``."""

    name: ClassVar[str] = "selector"
    share: ClassVar[int] = 400

    def make(self, random: Random) -> Target:
        chance = random.random()
        if chance < 0.25:
            return Target(word(random), True)
        if chance < 0.4:
            return Target(random.choice(PLAIN), False)
        if chance < 0.6:
            return Target(mutate(random, random.choice(PLAIN)), False)
        if chance < 0.7:
            return Target(word(random), False)
        return Target("".join(random.choices(_PIECES, k=random.randint(1, 8))), False)

    async def check(self, given: Target) -> None:
        if given.is_id:
            _check_id(given.text)
        else:
            _check_selector(given.text)


def _check_id(identifier: str) -> None:
    selector = id_selector(identifier)
    if not identifier:
        return
    (message,) = serialise(update(selector, "x"))
    if _read(message.text) != selector:
        raise Broken("an id's selector does not arrive as it is", selector, message.text)
    # Parsers change these before an id is one.
    if "\0" in identifier or "\r" in identifier:
        return
    others = {identifier + "x", "x" + identifier, identifier[:-1], identifier.swapcase()}
    ids = [identifier, *sorted(others - {identifier})]
    body = "".join(f'<p id="{escape(one)}"></p>' for one in ids)
    found = LexborHTMLParser("<!doctype html>" + body).css(selector)
    if [node.attributes["id"] for node in found] != [identifier]:
        raise Broken("an id's selector does not select it alone", identifier, selector)


def _check_selector(selector: str) -> None:
    try:
        (message,) = serialise(update(selector, "x"))
    except FragmentError:
        if selector in PLAIN:
            raise Broken("a plain selector is refused", selector) from None
        return
    written = _read(message.text)
    if "\0" in selector:
        return  # the page has read another character in its place
    again = serialise(update(written, "x"))
    if [one.text for one in again] != [message.text]:
        raise Broken("a selector is written otherwise the second time", selector, written)


def _read(text: str) -> str:
    """Give the selector that every htmx reads in a message of one update."""
    top = page.only(text)
    if top.inside != "x" or top.attributes:
        raise Broken("a selector leaves its attribute", text)
    styles = {split(top.oob or "", how) for how in _SPLITS}
    if len(styles) != 1:
        raise Broken("each htmx reads another selector", text, sorted(map(str, styles)))
    style, selector = styles.pop() or ("", "")
    # What a parser makes of NUL; CSS makes the same of it.
    if style != "innerHTML" or not selector.replace("\ufffd", "").isascii():
        raise Broken("a selector is not written for every htmx", text)
    return selector


#: How each htmx finds the end of the style: at the first colon; by a pattern, whose "." stops
#: at the end of a line; or at the first colon where no space is in all of it.
_SPLITS: Final = {
    "2": re.compile(r"(?P<style>[^:]*):(?P<selector>.*)", re.DOTALL),
    "4.0.1": re.compile(r"(?P<style>\S+):(?P<selector>.+)"),
    "4.0.0": re.compile(r"(?P<style>[^ :]*):(?P<selector>[^ ]*)", re.DOTALL),
}


def split(oob: str, how: str) -> tuple[str, str] | None:
    """Split the value of an hx-swap-oob as that htmx does; None: not by its rule."""
    found = _SPLITS[how].match(oob)
    if found is None or (how != "4.0.1" and found.end() != len(oob)):
        return None
    return found["style"], found["selector"]

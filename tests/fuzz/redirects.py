"""Addresses given to ``redirect``: those it takes lead to http, https, or this site.

What a page does with the message is worked out by the standards: the value of the refresh is cut
as HTML says, and its address is read as URLs are. ``redirect`` has rules of its own for both.
"""

from __future__ import annotations

import re
from random import Random
from typing import ClassVar, Final

from htmx_ws import FragmentError, redirect, serialise

from . import page, sites
from .kind import Broken, Kind
from .words import HOSTILE, PLAIN, mutate, word

__all__ = ["Redirects"]

_SCHEMES: Final = (
    *("http:", "https:", "HTTPS:", "javascript:", "JavaScript:", "data:", "vbscript:", "file:"),
    *("blob:", "about:", "view-source:", "mailto:", "tel:", "ms-x:", "a+b.c-d:", "ws:", "x1:"),
    *("http\n:", "java\tscript:", "\x01javascript:", " javascript:", "\ufeffjavascript:"),
    *("javascript\0:", "http:javascript:", "&#106;avascript:", "java%0ascript:", "1x:", "-x:"),
)
_BEFORE: Final = (
    *("", "", "", "", " ", "\t", "\n", "\0", "\x1f", "'", '"', "url=", "URL = '", ";", ",", "0;"),
    *("\xa0", "\u2028", "''", "\"'", "%22", "\\", "/", "//", "?", "#", "./", "u", "="),
)
_BEHIND: Final = ("", "/", "//evil.test", "/a?b=c#d", "alert(1)", "\\", "@evil.test", "\n//x", "'")


class Redirects(Kind[str]):
    """Addresses for a redirect."""

    name: ClassVar[str] = "redirect"
    share: ClassVar[int] = 300

    def make(self, random: Random) -> str:
        chance = random.random()
        if chance < 0.1:
            return word(random)
        scheme = random.choice((*_SCHEMES, "", ""))
        url = random.choice(_BEFORE) + scheme + random.choice((*_BEHIND, *PLAIN, *HOSTILE))
        return mutate(random, url) if chance < 0.4 else url

    async def check(self, given: str) -> None:
        try:
            messages = serialise(redirect(given))
        except FragmentError:
            if _IS_PLAIN.fullmatch(given):
                raise Broken("an address of this site is refused", given) from None
            return
        (message,) = messages
        top = page.only(message.text)
        brought = page.tops(page.as_fragment(top.inside))
        if (top.oob, [one.tag for one in brought]) != ("beforeend:body", ["meta"]):
            raise Broken("a redirect brings more than itself", top)
        if brought[0].attributes.keys() != {"http-equiv", "content"}:
            raise Broken("a redirect has attributes of its own", top)
        content = brought[0].attributes["content"] or ""
        for scheme in _leads_to(content):
            if scheme not in (None, "http", "https"):
                raise Broken("a redirect leads to another scheme", given, content)


_IS_PLAIN: Final = re.compile(r"(?:https?://[a-z.]+)?/[a-z0-9/?=&#]*")
_TIME: Final = re.compile(r"[\t\n\f\r ]*[0-9]*[0-9.]*")
_SEPARATOR: Final = re.compile(r"[\t\n\f\r ]*(?:[;,][\t\n\f\r ]*)?")
_URL: Final = re.compile(r"[uU][rR][lL][\t\n\f\r ]*=[\t\n\f\r ]*")


def _leads_to(content: str) -> list[str | None]:
    """Give the scheme of a refresh, by HTML's shared declarative refresh steps.

    Older browsers do not take the quotes off, or end at one that stands anywhere: these too.
    """
    at = _SEPARATOR.match(content, _TIME.match(content).end()).end()  # type: ignore[union-attr]
    found = _URL.match(content, at)
    text = content[found.end() if found else at :]
    texts = [text]
    if text[:1] in ("'", '"'):
        texts.append(text[1:].partition(text[0])[0])
    return [sites.scheme(one) for one in texts]

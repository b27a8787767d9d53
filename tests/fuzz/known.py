"""What the fuzzer has found and is not mended yet: each with the smallest input that shows it.

A run does not fail for these. A test fails for one that is found no more: then it is taken out, so
that it cannot come back unseen.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .course import Finding
from .escapes import Written
from .fragments import Content
from .handshakes import Opening
from .origins import Handshake
from .sessions import Session
from .tokens import Token

__all__ = ["KNOWN", "KNOWN_FLOODS", "Known", "is_known"]


@dataclass(frozen=True)
class Known:
    """A finding: the kind of its input, one input, and how it is told from others."""

    why: str
    kind: str
    given: Any
    is_it: Callable[[Finding], bool]


def is_known(finding: Finding) -> bool:
    """Whether a finding is one of those that are known."""
    return any(known.is_it(finding) for known in KNOWN)


def _says(cause: str, text: str = "") -> Callable[[Finding], bool]:
    return lambda found: found.cause.startswith(cause) and text in str(found.error)


def _is_odd(found: Finding) -> bool:
    return found.kind == "origin" and "security.check_origin" in found.cause


def _has_brackets(found: Finding) -> bool:
    headers = getattr(found.given, "headers", ())
    return found.cause.startswith("a page of another site") and "]" in repr(headers)


#: HTML that begins with what a page's head may hold: in a template, rows may follow that.
_HEAD: Final = re.compile(
    r"\s*(?:<!--.*?-->\s*)*"
    r"<(?:base|basefont|bgsound|link|meta|noframes|script|style|template|title)",
    re.S | re.I,
)


def _hides_rows(found: Finding) -> bool:
    is_inside = found.cause == "what is inside a fragment is not what was given"
    return is_inside and _HEAD.match(found.given.html) is not None  # type: ignore[attr-defined]


def _page(path: str, *messages: str) -> Session:
    return Session(path, "htmx2", False, False, messages)


_SAME: Final = ((b"host", b"testserver"), (b"origin", b"http://testserver"))
_AROUND: Final = ((b"host", b"[::1]"), (b"origin", b"http://evil.test[::1]"))
_LISTS: Final = ",".join(["[]"] * 9_000)
_NUL: Final = '{"msg":"a\\u0000","HEADERS":{"HX-Trigger":"said"}}'

#: Of ``growth.FLOODS``: ids of senders are kept, by a page and by caches.
KNOWN_FLOODS: Final = ("long ids", "many ids")

KNOWN: Final = [
    Known(
        "unsign raises AttributeError or TypeError for a token that is no text",
        "token",
        Token("a", None, "", 0, 0, "", "no text", 0),
        lambda found: found.cause.endswith(" in signing.unsign"),
    ),
    Known(
        "the same in a handler, where it is logged as the handler's failure",
        "session",
        _page("/form/a", '{"token":5,"HEADERS":{"HX-Trigger":"signed"}}'),
        _says("the log says that something failed by ", "_signed failed"),
    ),
    Known(
        "a path with a line break goes into the log as it is, by the repr of its connection",
        "session",
        _page("/form/%0Aa", "no frame"),
        _says("a page writes lines of its own into the log"),
    ),
    Known(
        "so does the name of a field, by the text of a BindingError",
        "session",
        _page("/person/a", '{"a\\nb":"x","HEADERS":{}}'),
        _says("a page writes lines of its own into the log"),
    ),
    Known(
        "each value of a long list that does not bind is answered by a line of HTML",
        "session",
        _page("/form/a", f'{{"numbers":[{_LISTS}],"HEADERS":{{"HX-Trigger":"one-numbers"}}}}'),
        _says("a page is sent far more than it sent"),
    ),
    Known(
        "a long path fills the log",
        "handshake",
        Opening(Handshake(_SAME, "ws", ()), "/" + "a" * 3_000, "", b"", "", False, ()),
        _says("a page fills the log"),
    ),
    Known(
        "NUL from a page, escaped by html(), is refused by what scans the HTML",
        "escape",
        Written("message", "\0", "1"),
        _says("FragmentError in tree.refuse", "browsers drop NUL"),
    ),
    Known(
        "the same in a handler, where it is logged as the handler's failure",
        "session",
        _page("/form/a", _NUL),
        _says("the log says that something failed by FragmentError", "browsers drop NUL"),
    ),
    Known(
        "what stands around the brackets of an IPv6 address is passed over",
        "origin",
        Handshake(_AROUND, "ws", ()),
        _has_brackets,
    ),
    Known(
        "check_origin raises for headers that are no pairs of bytes",
        "origin",
        Handshake(((b"origin", None),), "ws", ()),
        _is_odd,
    ),
    Known(
        "and passes over an Origin that is a str",
        "origin",
        Handshake((("origin", "http://evil.test"),), "ws", ()),
        _says("an Origin that is not bytes is passed over"),
    ),
    Known(
        "a stray </template> ends the one that htmx 2 and 4 read a message in",
        "fragment",
        Content("update", "#x", "a</template><b>c</b>"),
        _says("a message leaves the template in which htmx reads it"),
    ),
    Known(
        "a stray </tbody> in a row ends the one that htmx 1.9 reads it in",
        "fragment",
        Content("append", "#x", "<td>a</tbody><b>c</b></td>"),
        _says("a message by htmx 1.9 is another"),
    ),
    Known(
        "an <hx-...> or a <head> in an attribute is rewritten by htmx as if it were a tag",
        "fragment",
        Content("own", "", '<p id="x" title="<hx-x y>">a</p>'),
        _says("a message by htmx ", "is rewritten into other elements"),
    ),
    Known(
        "it may close the attribute, and what is behind it falls out of its element",
        "fragment",
        Content("update", "#x", '<col title="<hx-x y>">'),
        _says("a message by htmx ", "has something without a place"),
    ),
    Known(
        "rows behind a <script>, <style>, <link>, <meta> or <template> lose their tags",
        "fragment",
        Content("append", "#x", "<script></script><tr><td>a</td></tr>"),
        _hides_rows,
    ),
]

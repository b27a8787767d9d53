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
from .fragments import Content

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


#: HTML that begins with what a page's head may hold: in a template, rows may follow that.
_HEAD: Final = re.compile(
    r"\s*(?:<!--.*?-->\s*)*"
    r"<(?:base|basefont|bgsound|link|meta|noframes|script|style|template|title)",
    re.S | re.I,
)


def _hides_rows(found: Finding) -> bool:
    is_inside = found.cause == "what is inside a fragment is not what was given"
    return is_inside and _HEAD.match(found.given.html) is not None  # type: ignore[attr-defined]


#: Of ``growth.FLOODS``: ids of senders are kept, by a page and by caches.
KNOWN_FLOODS: Final[tuple[str, ...]] = ()

KNOWN: Final = [
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

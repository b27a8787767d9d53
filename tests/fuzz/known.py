"""What the fuzzer has found: what is not mended yet, and what is, each with a small input.

A run does not fail for what is known. A test fails for one that is found no more: then it is taken
out of ``KNOWN`` and its input goes to ``MENDED``, so that it cannot come back unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .course import Finding
from .fragments import Content

__all__ = ["KNOWN", "KNOWN_FLOODS", "MENDED", "Known", "is_known"]


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


#: Of ``growth.FLOODS``: ids of senders are kept, by a page and by caches.
KNOWN_FLOODS: Final[tuple[str, ...]] = ()

KNOWN: Final[list[Known]] = []

#: By kind and by what it was.
MENDED: Final[dict[tuple[str, str], Any]] = {
    ("fragment", "a stray </template> ends the one that htmx 2 and 4 read a message in"): Content(
        "update", "#x", "a</template><b>c</b>"
    ),
    ("fragment", "so does a stray </hx-...>, which htmx rewrites"): Content(
        "own", "", '<p id="x">a</hx-x><b>c</b></p>'
    ),
    ("fragment", "a stray </tbody> in a row ends the one that htmx 1.9 reads it in"): Content(
        "append", "#x", "<td>a</tbody><b>c</b></td>"
    ),
    ("fragment", "an <hx-...> in an attribute is rewritten as if it were a tag"): Content(
        "own", "", '<p id="x" title="<hx-x y>">a</p>'
    ),
    ("fragment", "a <head> in attributes is cut out"): Content(
        "own", "", '<p id="x" title="<head>">a</p><p id="y" title="</head>">b</p>'
    ),
    ("fragment", "it may close the attribute, and what is behind it falls out"): Content(
        "update", "#x", '<col title="<hx-x y>">'
    ),
    ("fragment", "in a tag that is not finished it may finish it"): Content(
        "update", "#x", 'a<b title="<hx-x y> >'
    ),
    ("fragment", "rows behind a <script> or the like lose their tags"): Content(
        "append", "#x", "<script></script><tr><td>a</td></tr>"
    ),
}

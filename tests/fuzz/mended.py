"""What the fuzzer has found and is mended: small inputs that cannot come back unseen."""

from __future__ import annotations

from typing import Any, Final

from .fragments import Content

__all__ = ["MENDED"]

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

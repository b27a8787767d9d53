"""HTML that users wrote, made safe for pages with htmx.

Sanitisers know scripts and ``onclick``. They do not know that on a page with htmx ``hx-get`` is
as good as a script, that htmx reads ``data-hx-get`` too, and that htmx 4 carries out an
``hx-swap-oob`` however deep in a message it stands. The cleaning itself is nh3's.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from .errors import FragmentError
from .reflection import note_cleaned
from .wire.content import HTML, html
from .wire.elements import VOID
from .wire.rewrite import pieces
from .wire.scan import scan
from .wire.tags import ATTRIBUTES
from .wire.tree import MAX_DEPTH

__all__ = ["clean"]

_ACTS: Final = ("on", "hx-", "data-hx-", "ws-", "data-ws-", "sse-", "data-sse-")


def clean(
    text: str,
    *,
    attribute_filter: Callable[[str, str, str], str | None] | None = None,
    **options: Any,
) -> HTML:
    """Clean HTML that users wrote, for ``append("#log", clean(text))``.

    Keeps text, links and common markup, as nh3 does; drops ids and classes, which nh3 does too
    unless ``attributes`` allows them, and, whatever is allowed, every attribute that htmx or a
    browser acts on. ``options`` and ``attribute_filter`` are those of ``nh3.clean``. To show text
    as text, use ``html("{}", text)`` instead. Raises ``ImportError`` where nh3 is not there.

    A parser's time grows with the square of the depth. So what nests more than 500 deep, or has
    over 500 attributes in one tag, as no person writes it, is shown as the text that it is.
    """
    try:
        import nh3
    except ImportError as error:
        raise ImportError('clean() needs nh3: pip install "htmx-ws[clean]"') from error

    def without_acts(tag: str, name: str, value: str) -> str | None:
        if name.lower().startswith(_ACTS):
            return None
        return value if attribute_filter is None else attribute_filter(tag, name, value)

    if _takes_long(text):
        return html("{}", text)
    cleaned = HTML(nh3.clean(text, attribute_filter=without_acts, **options))
    note_cleaned(cleaned)
    return cleaned


#: So many characters may hold more attributes than a parser should compare with each other.
_LONG: Final = 50_000
#: Without their ends these do not nest, except in something else.
_FLAT: Final = VOID | frozenset("dd dt li option p tbody td tfoot th thead tr".split())


def _takes_long(text: str) -> bool:
    """Whether a parser could take long for HTML, by counts that are never too low."""
    may_be_deep = text.count("<") > MAX_DEPTH and not _is_shallow(text)
    if not may_be_deep and len(text) <= _LONG:
        return False
    stack: list[str] = []
    for kind, name, start, inside, end in pieces(text):
        if kind == "end" and stack and stack[-1] == name:
            stack.pop()
        elif kind == "start" and name not in _FLAT:
            stack.append(name)
            if may_be_deep and len(stack) > MAX_DEPTH:
                return True
        if end - start > _LONG and kind not in ("comment", "raw"):
            attributes = ATTRIBUTES.finditer(text, inside, end)
            if next(islice(attributes, MAX_DEPTH, None), None):
                return True
    return False


def _is_shallow(text: str) -> bool:
    """Whether HTML is known not to be deep, since a browser would leave it as it is."""
    try:
        scan(text)
    except FragmentError:
        return False
    return True

"""A top-level node of an HTML text, and what its tag says of its place in the page."""

from __future__ import annotations

import re
from typing import NamedTuple

from .tags import SPACE, attributes, value_of

__all__ = ["Node", "placement"]


class Node(NamedTuple):
    """One top-level node: its source is ``html[start:end]``.

    ``name`` is the tag name in lower case, "#text" or "#comment". ``insert`` is where an
    attribute may be inserted (-1 unless an element). ``closed``: text may follow the source
    and is outside the element, because it is void or has its end tag. ``id`` is None when
    absent or empty; ``oob`` is the value of hx-swap-oob, or else of data-hx-swap-oob; both
    have their character references decoded. Cutting ``oob_span`` out removes that attribute.
    """

    name: str
    start: int
    end: int
    insert: int
    closed: bool
    id: str | None
    oob: str | None
    oob_span: tuple[int, int] | None


def placement(tag: re.Match[str]) -> tuple[str | None, str | None, tuple[int, int] | None]:
    """Give ``id``, ``oob`` and ``oob_span`` of the ``Node`` that begins with this ``TAG``."""
    if tag.end() == tag.end(2) + 1:
        return None, None, None
    named = attributes(tag)
    own_id = (value_of(named["id"]) or None) if "id" in named else None
    mark = named.get("hx-swap-oob") or named.get("data-hx-swap-oob")
    if mark is None:
        return own_id, None, None
    # Where something follows without a space, the space before has to stay.
    glued = tag.string[mark.end()] not in SPACE + ">"
    return own_id, value_of(mark), (mark.start(1 if glued else 0), mark.end())

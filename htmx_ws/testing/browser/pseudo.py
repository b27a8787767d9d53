"""The pseudo-classes that are about where an element stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .dom import Element

__all__ = ["NEVER", "NTH", "SIMPLE", "nth"]

Test = Callable[["Element"], bool]

#: Pseudo-elements that browsers know: no element is one.
NEVER: Final = frozenset(
    "after backdrop before cue details-content file-selector-button first-letter first-line "
    "grammar-error marker placeholder selection spelling-error target-text".split()
)
_NTH: Final = re.compile(
    r"\s*(?:(?P<word>odd|even)|(?P<step>[+-]?\d*)n(?:\s*(?P<sign>[+-])\s*(?P<offset>\d+))?"
    r"|(?P<only>[+-]?\d+))(?P<of>\s+of(?=[\s.#:\[*]))?\s*",
    re.ASCII | re.IGNORECASE,
)


def nth(text: str, at: int) -> tuple[int, int, int, bool] | None:
    """Read ``2n+1`` and its like: where it ends, the step, the offset, whether ``of`` follows."""
    found = _NTH.match(text, at)
    if found is None:
        return None
    if found["word"]:
        step, offset = 2, int(found["word"].lower() == "odd")
    elif found["only"]:
        step, offset = 0, int(found["only"])
    else:
        given = found["step"]
        step = int(given) if given.strip("+-") else int(f"{given}1")
        offset = int(f"{found['sign']}{found['offset']}") if found["sign"] else 0
    return found.end(), step, offset, bool(found["of"])


def _siblings(element: Element) -> list[Element]:
    return element.parent.elements if element.parent is not None else [element]


def _place(element: Element, among: Test | None, last: bool) -> int:
    """Count it among its siblings, from 1; 0 when it is not one of them."""
    siblings = [each for each in _siblings(element) if among is None or among(each)]
    if last:
        siblings.reverse()
    return next((i for i, each in enumerate(siblings, 1) if each is element), 0)


def _is_end(element: Element, among: Test | None, last: bool) -> bool:
    """Whether it is the first of its siblings, or the last; does not count them: lists are long."""
    nodes: Any = element.parent.children if element.parent is not None else [element]
    elements = (each for each in (reversed(nodes) if last else nodes) if hasattr(each, "tag"))
    return next(each for each in elements if among is None or among(each)) is element


def _same_type(element: Element) -> Test:
    return lambda each: (each.tag, each.ns) == (element.tag, element.ns)


def _is_nth(place: int, step: int, offset: int) -> bool:
    if not place:
        return False
    if not step:
        return place == offset
    return (place - offset) % step == 0 and (place - offset) // step >= 0


NTH: Final[dict[str, Callable[[Element, int, int, Test | None], bool]]] = {
    "nth-child": lambda e, step, offset, of: _is_nth(_place(e, of, False), step, offset),
    "nth-last-child": lambda e, step, offset, of: _is_nth(_place(e, of, True), step, offset),
    "nth-of-type": lambda e, step, offset, of: _is_nth(
        _place(e, _same_type(e), False), step, offset
    ),
    "nth-last-of-type": lambda e, step, offset, of: _is_nth(
        _place(e, _same_type(e), True), step, offset
    ),
}


def _is_empty(element: Element) -> bool:
    return not element.elements and not element.text


def _is_focused(element: Element) -> bool:
    return getattr(element.root, "focused", None) is element


def _has_focus(element: Element) -> bool:
    return element.contains(getattr(element.root, "focused", None))


SIMPLE: Final[dict[str, Test]] = {
    "first-child": lambda e: _is_end(e, None, False),
    "last-child": lambda e: _is_end(e, None, True),
    "only-child": lambda e: len(_siblings(e)) == 1,
    "first-of-type": lambda e: _is_end(e, _same_type(e), False),
    "last-of-type": lambda e: _is_end(e, _same_type(e), True),
    "only-of-type": lambda e: sum(map(_same_type(e), _siblings(e))) == 1,
    "root": lambda e: e.tag == "html" and not hasattr(e.parent, "tag"),
    "empty": _is_empty,
    "focus": _is_focused,
    "focus-visible": _is_focused,
    "focus-within": _has_focus,
    "link": lambda e: e.tag in ("a", "area") and "href" in e.attrs,
    "any-link": lambda e: e.tag in ("a", "area") and "href" in e.attrs,
    "defined": lambda e: True,
    "open": lambda e: e.tag in ("details", "dialog") and "open" in e.attrs,
    **dict.fromkeys(
        "active autofill current fullscreen future host hover modal muted paused past "
        "picture-in-picture playing popover-open seeking stalled target user-invalid user-valid "
        "visited".split(),
        lambda e: False,
    ),
}

"""Additions that leave one element though applied twice, and messages that take a cursor.

What a page missed is sent again when it comes back, and now and then with it what it did not
miss: the page showed it, but could not say so before it went, or its server had queried it for
the page. Where an added element has an id, the target says that it must not be there yet; the
browser, which knows, decides.
"""

from __future__ import annotations

import re
from html import escape, unescape
from typing import Final

from ..errors import FragmentError
from .scan import scan
from .selector import id_selector
from .serialise import Message

__all__ = ["make_once", "takes_cursor"]

_ADDING: Final = re.compile(
    r'<([a-z-]+) hx-swap-oob="(beforeend|afterbegin|beforebegin|afterend):([^",]*)">'
)

#: Those that add to their target; the others add beside it.
_INSIDE: Final = ("beforeend", "afterbegin")


def make_once(message: Message) -> Message:
    """Give a message that adds nothing where its first element is already.

    One that adds no element with an id, or to several selectors, is given back as it is.
    """
    opening = _ADDING.match(message.text)
    if opening is None or ":not(:has(" in opening[3]:  # it may say so itself
        return message
    tag, style, target = opening.groups()
    try:
        nodes = scan(message.text[opening.end() : -len(f"</{tag}>")])
    except FragmentError:  # only whole it is what a browser would leave as it is
        return message
    first = next((node for node in nodes if not node.name.startswith("#")), None)
    if first is None or not first.id:
        return message
    has_it = f":has({id_selector(first.id)})"
    if style not in _INSIDE:
        has_it += "\t*"  # anywhere in the page, then
    selector = f"\t{unescape(target).lstrip()}:not({has_it})"
    start = f'<{tag} hx-swap-oob="{escape(f"{style}:{selector}")}">'
    return message._replace(text=start + message.text[opening.end() :])


def takes_cursor(message: Message) -> bool:
    """Whether one more element may stand at the end of a message, at its top level."""
    if not message.cursor:
        return False
    try:
        return scan(message.text)[-1].closed
    except (FragmentError, IndexError):
        return False

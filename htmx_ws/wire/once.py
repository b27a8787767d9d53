"""Appends that leave one element though they are applied twice, and messages that take a cursor.

What a page missed is sent again when it comes back, and now and then with it what it did not
miss: the page showed it, but could not say so before it went, or its server had queried it for
the page. Where an appended element has an id, the target says that it must not hold that id
yet; the browser, which knows, decides.
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

_APPENDING: Final = re.compile(r'<([a-z-]+) hx-swap-oob="(beforeend|afterbegin):([^",]*)">')


def make_once(message: Message) -> Message:
    """Give a message that appends nothing to a target that holds its first element already.

    One that appends no element with an id, or to several selectors, is given back as it is.
    """
    opening = _APPENDING.match(message.text)
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
    selector = f"\t{unescape(target).lstrip()}:not(:has({id_selector(first.id)}))"
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

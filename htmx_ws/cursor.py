"""Where a page is in the order of a room, as the page itself keeps it: in a hidden field.

A message and the position that it brings a page to are one text, so they are applied together
or not at all. The field is one of a form that is sent when the socket opens, so with nothing
but htmx a page says what it has applied. A cursor is a position, never a permission.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2s
from html import escape
from typing import Any, Final
from urllib.parse import quote, unquote

__all__ = ["AT", "HELLO", "RESERVED", "RESUME", "TAB", "cursor_field", "id_of", "read_cursors"]

#: Frames with this field are between us and our own markup; no handler sees them.
RESERVED: Final = "htmx-ws"

#: The id of the form that says hello, and what its reserved field holds.
HELLO: Final = "htmx-ws-hello"

#: The field of a cursor, of a tab's token, and of the connect URL of a page that resumes.
AT: Final = "htmx-ws-at"
TAB: Final = "htmx-ws-tab"
RESUME: Final = "htmx-ws-resume"

#: No cursor of ours is longer, in characters.
_LONGEST: Final = 2_000


def id_of(room: str) -> str:
    """Give the id of the field that holds a room's cursor."""
    return f"htmx-ws-at-{blake2s(room.encode(), digest_size=6).hexdigest()}"


def cursor_field(room: str, epoch: str, offset: int, swap: str = "") -> str:
    """Write a room's cursor as a hidden field; ``swap`` is its hx-swap-oob, in a message.

    It is not to be completed: Firefox would put the value of before a reload into it.
    """
    value = escape(f"{offset}:{quote(epoch, safe='')}:{room}")
    oob = f' hx-swap-oob="{swap}"' if swap else ""
    return (
        f'<input type="hidden" id="{id_of(room)}" name="{AT}" autocomplete="off" '
        f'value="{value}"{oob}>'
    )


def read_cursors(values: Mapping[str, Any], most: int) -> dict[str, tuple[str, int]]:
    """Read the cursors that a page says: room to epoch and offset; ``most`` are looked at.

    Whatever is none is left out: a page may write anything.
    """
    said = values.get(AT)
    cursors: dict[str, tuple[str, int]] = {}
    for text in (said if isinstance(said, list) else [said])[:most]:
        if not isinstance(text, str) or len(text) > _LONGEST:
            continue
        offset, _, rest = text.partition(":")
        epoch, colon, room = rest.partition(":")
        # isdigit alone takes other scripts' digits; 18 are more than any count will have.
        if colon and room and offset.isascii() and offset.isdigit() and len(offset) <= 18:
            cursors[room] = unquote(epoch), int(offset)
    return cursors

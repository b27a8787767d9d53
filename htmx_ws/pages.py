"""The one layout of a page that opens one socket on every htmx, and that resumes.

The element that connects has an id, by which the form that says hello is triggered when the
socket opens: htmx has no other way to send something at each opening, first or again. The form
stands within that element and holds the cursors, which were read before whatever the page was
rendered from: so nothing is between the two that would be in neither.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Mapping
from json import dumps
from typing import Any, Final

from .backends import Position
from .cursor import HELLO, RESERVED, RESUME, TAB, cursor_field
from .dual import Done
from .markup import Attributes, page_field, send_attrs, with_query
from .wire.content import HTML, html

__all__ = ["PageMarkup", "opening"]

#: htmx 4 does not reconnect a page that comes back from the back-forward cache, whose socket it
#: has itself closed with 1000, unless that code is among those after which it does.
_CONFIG: Final = dumps({"ws": {"reconnectCodes": [1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014]}})


def opening(element: str) -> str:
    """Give the events, for hx-trigger, by which the socket of an element opens, on every htmx."""
    return f"htmx:wsOpen from:#{element}, htmx:ws:after:connection from:#{element}"


class PageMarkup:
    """What a page that connects is rendered with: ``connect``, ``hello`` and ``field``.

    ``<div {{ page.connect }}>{{ page.hello }} ... </div>``: the attributes of the element around
    all that sends and is updated, and, within it, the form that says hello. ``field`` goes into
    forms that are sent by HTTP, whose work is to leave this page out; ``token`` is its value.
    """

    def __init__(
        self,
        attributes: Mapping[str, str],
        token: str,
        element: str,
        where: Awaitable[Mapping[str, Position]],
    ) -> None:
        self._attributes = attributes
        self.token: str = token
        self.element: str = element
        self._where = where
        self._cursors: Mapping[str, Position] | None = (
            where.value if isinstance(where, Done) else None
        )

    def __await__(self) -> Generator[Any, None, PageMarkup]:
        if self._cursors is None:
            self._cursors = yield from self._where.__await__()
        return self

    def __html__(self) -> str:
        raise TypeError(
            "A page's markup has parts: <div {{ page.connect }}>{{ page.hello }} ... </div>."
        )

    def __str__(self) -> str:
        return self.__html__()

    @property
    def connect(self) -> Attributes:
        """The attributes of the element that connects."""
        attributes = {
            name: with_query(value, RESUME, "1") if name.endswith("connect") else value
            for name, value in self._attributes.items()
        }
        return Attributes({"id": self.element, **attributes, "hx-config": _CONFIG})

    @property
    def hello(self) -> HTML:
        """The form that says, at each opening of the socket, where the page is."""
        if self._cursors is None:
            raise RuntimeError(
                "Where its rooms are is not known: write page = await live.page(...), before "
                "anything is queried that the page is rendered from."
            )
        fields = "".join(cursor_field(room, *at) for room, at in self._cursors.items())
        # It is a tab's own: what htmx 1.9 keeps for the back button is for all of them. And it is
        # sent as it is, whatever an element around it says by hx-params.
        return html(
            '<form id="{}" hidden hx-history="false" hx-params="*" {} hx-trigger="{}">'
            '<input type="hidden" name="{}" value="hello">'
            '<input type="hidden" id="{}" name="{}" value="" autocomplete="off">{}</form>',
            HELLO,
            send_attrs(),
            opening(self.element),
            RESERVED,
            TAB,
            TAB,
            HTML(fields),
        )

    @property
    def field(self) -> HTML:
        """The hidden field by which a form that is sent by HTTP says which page it is of."""
        return page_field(self.token)

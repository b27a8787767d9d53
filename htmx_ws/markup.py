"""What goes into the page: htmx's script tags, and the attributes that open one socket.

The versions are those that this package was measured against, and the hashes are those of
the files in htmx's npm packages, so a CDN cannot change what a page runs. Both generations
of attributes are written at once, with addresses that say which one connects: a page opens
one socket whichever htmx it loads, and the server knows the dialect before the first frame.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from .wire.content import HTML, html
from .wire.frame import Dialect

__all__ = [
    "PAGE",
    "Attributes",
    "connect_attrs",
    "dialect_of",
    "new_page",
    "page_field",
    "scripts",
    "send_attrs",
    "with_query",
]

_CDN: Final = "https://cdn.jsdelivr.net/npm/"

#: Version of htmx: the files that a page needs, each with the hash of its content.
SCRIPTS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "1.9.12": (
        (
            "htmx.org@1.9.12/dist/htmx.min.js",
            "sha384-ujb1lZYygJmzgSwoxRggbCHcjc0rB2XoQrxeTUQyRjrOnlCoYta87iKBWq3EsdM2",
        ),
        (
            "htmx.org@1.9.12/dist/ext/ws.js",
            "sha384-QILjBFil9/FrWrP1Y9Qh3vBfd7kiQE8h1BX9auwiVgsFlGwe4tEl7Y966BG178W6",
        ),
    ),
    "2.0.11": (
        (
            "htmx.org@2.0.11/dist/htmx.min.js",
            "sha384-2OatzQy1H+Zd/IIrjr1TcuDGqLXeHhbooAyJY1KdQMKnr4LZ22k31GBLdYKHmVjg",
        ),
        (
            "htmx-ext-ws@2.0.4/dist/ws.min.js",
            "sha384-1RwI/nvUSrMRuNj7hX1+27J8XDdCoSLf0EjEyF69nacuWyiJYoQ/j39RT1mSnd2G",
        ),
    ),
    "4.0.1": (
        (
            "htmx.org@4.0.1/dist/htmx.min.js",
            "sha384-Qp9rdC8H7EqOoX+nR0P3RPG2Noji+qdwJlGpfzwQJsfOpp3sGwIdSP9xO3+UlEhn",
        ),
        (
            "htmx.org@4.0.1/dist/ext/hx-ws.min.js",
            "sha384-8iDMDuKIquXLgObstxvwGlWD1bY/ALMH7k9rbC070qmZrRvJ0BGO+8xG+Ul+J0bP",
        ),
    ),
}
_NEWEST: Final = {1: "1.9.12", 2: "2.0.11", 4: "4.0.1"}


def scripts(htmx: int | str = 4, *, static: str | None = None, nonce: str | None = None) -> HTML:
    """Give the script tags of htmx and its websocket extension, for the page's head.

    ``htmx`` is a generation (1, 2 or 4) or one of its versions known here. From the CDN the
    tags carry integrity hashes; ``static`` is the URL of a folder of your own that holds the
    files under their own names. ``nonce`` is the page's CSP nonce. Raises ``ValueError`` that
    lists the versions for any other.
    """
    version = _NEWEST.get(htmx) if isinstance(htmx, int) else htmx
    if version is None or version not in SCRIPTS:
        raise ValueError(
            f"htmx {htmx!r} is not known here: use one of {', '.join(map(str, _NEWEST))} or "
            f"{', '.join(SCRIPTS)}."
        )
    marks = f' nonce="{escape(nonce)}"' if nonce else ""
    tags: list[str] = []
    for path, digest in SCRIPTS[version]:
        if static is None:
            source = f'{_CDN}{path}" integrity="{digest}" crossorigin="anonymous'
        else:
            source = escape(f"{static.rstrip('/')}/{path.rpartition('/')[2]}")
        tags.append(f'<script src="{source}"{marks}></script>')
    return HTML("\n".join(tags))


class Attributes(Mapping[str, str]):
    """Attributes of an element: HTML in a template (``__html__``), a mapping in Python."""

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self._attributes = dict(attributes)

    def __getitem__(self, name: str) -> str:
        return self._attributes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)

    def __html__(self) -> HTML:
        # Django asks for the text, and escapes it unless that is HTML too.
        return HTML(" ".join(f'{name}="{escape(value)}"' for name, value in self.items()))

    def __str__(self) -> str:
        return self.__html__()

    def __repr__(self) -> str:
        return f"Attributes({self._attributes!r})"


def connect_attrs(url: object, *, page: str | None = None) -> Attributes:
    """Give the attributes of the element that connects, for htmx 2 and 4 at once.

    ``url`` is a ``str``, or what ``str()`` makes one of, as frameworks' reversed URLs are.
    Put them on an element that does nothing else, around what sends and what is updated:
    ``<div {{ connect_attrs(url) }}>``. On htmx 2 a form that also connects, or an ``hx-ext``
    further up, would open a second socket. ``page`` is the page's own token, of ``new_page()``.
    """
    url = str(url)
    if page is not None:
        url = with_query(url, PAGE, page)
    return Attributes(
        {
            "hx-ext": "ws",
            "ws-connect": with_query(url, "hx", "2"),
            "hx-ws:connect": with_query(url, "hx", "4"),
        }
    )


def send_attrs(trigger: str | None = None) -> Attributes:
    """Give the attributes of a form, button or input that sends, for htmx 2 and 4 at once.

    ``trigger`` is its hx-trigger.
    """
    # Within an inherited hx-boost, htmx 4 would send a form by HTTP as well.
    attributes = {"ws-send": "", "hx-ws:send": "", "hx-boost": "false"}
    return Attributes(attributes if trigger is None else {**attributes, "hx-trigger": trigger})


#: The field that holds a page's token: of its connect URL, and of the requests it makes.
PAGE: Final = "htmx-ws-page"


def new_page() -> str:
    """Make the token of one rendering of a page, by which it is told from every other.

    Give it to ``connect_attrs`` and to ``page_field``; then what a form of that page does by
    HTTP can leave it out: ``publish(..., exclude=token)``. It proves nothing.
    """
    return secrets.token_urlsafe(12)


def page_field(page: str) -> HTML:
    """Give the hidden field by which a page's forms say which page they are of."""
    return html('<input type="hidden" name="{}" value="{}">', PAGE, page)


def with_query(url: str, name: str, value: str) -> str:
    """Give an address with one more field in its query."""
    parts = urlsplit(url)
    field = urlencode({name: value})
    query = f"{parts.query}&{field}" if parts.query else field
    # Browsers refuse to open a websocket whose address has a fragment.
    return urlunsplit(parts._replace(query=query, fragment=""))


def dialect_of(query: Mapping[str, Any]) -> Dialect | None:
    """Give the dialect that an address of ``connect_attrs`` declares."""
    return _DIALECTS.get(str(query.get("hx")))


_DIALECTS: Final[Mapping[str, Dialect]] = {"2": "htmx2", "4": "htmx4"}

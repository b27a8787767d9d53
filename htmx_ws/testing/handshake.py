"""The handshake of a page, as an ASGI scope: what a browser sends and a server makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

__all__ = ["SAME", "build_scope"]

#: As ``origin``: the page is from the host that it connects to.
SAME: Final = "same"

_HOST: Final = "testserver"
#: What browsers leave as it is in an address.
_ADDRESS: Final = "%;,/?:@&=+$-_.!~*'()[]"


def build_scope(
    path: str,
    *,
    origin: str | None = SAME,
    headers: Iterable[tuple[str, str]] = (),
    subprotocols: Iterable[str] = (),
    more: Mapping[str, Any] | None = None,
    debug: bool = False,
) -> dict[str, Any]:
    """Make the scope of a websocket to ``path``, which may have a query.

    ``headers`` stand beside Host and Origin, or instead of them; ``more`` is added to the
    scope. Raises ``ValueError`` for a path without a slash at its start.
    """
    parts = urlsplit(path)
    if not parts.path.startswith("/"):
        raise ValueError(f"The path {path!r} must start with a slash: '/{path}'.")
    scope: dict[str, Any] = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": unquote(parts.path),
        "raw_path": quote(parts.path, safe=_ADDRESS).encode(),
        "query_string": quote(parts.query, safe=_ADDRESS).encode(),
        "root_path": "",
        "client": ("127.0.0.1", 50000),
        "server": (_HOST, 80),
        "subprotocols": list(subprotocols),
        "state": {},
        "extensions": {"websocket.http.response": {}},
        **(more or {}),
    }
    scope.setdefault("headers", _headers(headers, origin, scope["scheme"]))
    if debug:
        scope["extensions"] = {**(scope["extensions"] or {}), "htmx_ws.testing": {}}
    return scope


def _headers(
    headers: Iterable[tuple[str, str]], origin: str | None, scheme: str
) -> list[tuple[bytes, bytes]]:
    given = [(name.lower(), value) for name, value in headers]
    host = dict(given).get("host")
    sent = [("host", _HOST), *given] if host is None else given
    if origin is not None and "origin" not in dict(given):
        site = "https" if scheme in ("wss", "https") else "http"
        sent.append(("origin", f"{site}://{host or _HOST}" if origin == SAME else origin))
    return [(name.encode(), value.encode()) for name, value in sent]

"""Frames as each generation of htmx writes them: the other direction of ``wire.frame``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from ..wire.frame import Dialect

__all__ = ["build_frame"]

_UUID: Final = "d736e8a3-4a2b-49c7-a00e-c2bd4ede5dc7"
#: What JavaScript's encodeURI leaves as it is.
_URI: Final = ";,/?:@&=+$-_.!~*'()#"


def build_frame(
    values: Mapping[str, Any],
    *,
    dialect: Dialect = "htmx4",
    sender: str | None = None,
    name: str | None = None,
    tag: str = "form",
    url: str = "http://testserver/",
) -> str:
    """Write the text of a frame as an htmx of that dialect would.

    ``sender`` is the id of the element that sends, ``name`` its name attribute, ``tag`` its
    tag, and ``url`` the address of its page.
    """
    source = f"{tag}#{quote(sender, safe=_URI)}" if sender else tag
    headers: dict[str, Any] = {"HX-Request": "true"}
    body: dict[str, Any]
    if dialect == "raw":
        body = dict(values)
    elif dialect == "htmx2":
        headers |= {"HX-Trigger": sender, "HX-Trigger-Name": name, "HX-Target": sender}
        body = {**values, "HEADERS": {**headers, "HX-Current-URL": url}}
    elif dialect == "htmx4alpha":
        headers |= {"HX-Current-URL": url} | ({"HX-Trigger": sender} if sender else {})
        body = {"type": "request", "request_id": _UUID, "event": "submit", "headers": headers}
        body |= {"values": dict(values), "path": "ws://testserver/"}
        body |= {"id": sender} if sender else {}
    else:
        headers |= {"HX-Source": source, "HX-Current-URL": url}
        if dialect == "htmx4beta":
            headers |= {"HX-Request-Type": "partial", "HX-Target": source, "HX-Request-ID": _UUID}
            body = {"headers": headers, "body": dict(values)}
        else:
            body = {**values, "headers": {**headers, "HX-Target": source}}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))

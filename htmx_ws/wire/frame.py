"""What a page sends: the text of one websocket message, parsed.

htmx writes three shapes, and its 4.0 pre-releases two more. Which one a text is can be
seen from the text alone, so the rule is here, once, and everything above sees one ``Frame``:

    1.9 and 2      {...values, "HEADERS": {...}}
    4 alpha        {"type": "request", "headers": {...}, "values": {...}, ...}
    4 beta         {"headers": {... "HX-Request-ID": ...}, "body": {...}}
    4.0            {...values, "headers": {"HX-Request": ..., ...}}

A JSON object of any other shape is a ``raw`` frame: its members are the values. Whatever
else comes, however hostile, is a ``FrameError``. Every header was written by the client:
good for dispatch and for error messages, never for permission.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, NoReturn
from urllib.parse import unquote

from pydantic_core import from_json

from ..errors import FrameError

__all__ = ["Dialect", "Frame", "HtmxHeaders", "parse"]

Dialect = Literal["htmx2", "htmx4alpha", "htmx4beta", "htmx4", "raw"]

#: A form of a thousand fields is a generated one; more than this is an attack.
MAX_FIELDS: Final = 1_000


class HtmxHeaders:
    """What htmx says about the element that sent a frame; None where this htmx is silent.

    ``trigger`` is the sender's id; ``trigger_name`` its name attribute (htmx 1.9 and 2
    only); ``target`` what htmx wrote as HX-Target (an id up to 2, ``tag#id`` or a selector
    on 4); ``tag`` the sender's tag (4 only); ``current_url`` the page's address. ``raw`` has
    every header as it came, hx-headers included.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw: Mapping[str, Any] = raw

    def __repr__(self) -> str:
        return f"HtmxHeaders({self.raw!r})"

    def _text(self, name: str) -> str | None:
        value = self.raw.get(name)
        return value if isinstance(value, str) else None

    @property
    def trigger(self) -> str | None:
        """The id of the element that sent the frame."""
        headers = self.raw
        if "HX-Trigger" in headers:
            return self._text("HX-Trigger") or None
        _, found, encoded = (self._text("HX-Source") or "").partition("#")
        # htmx 4 writes encodeURI(id); its early betas wrote the id as it is.
        return unquote(encoded) if found and encoded else None

    @property
    def trigger_name(self) -> str | None:
        """The name attribute of the element that sent the frame (htmx 1.9 and 2)."""
        return self._text("HX-Trigger-Name")

    @property
    def tag(self) -> str | None:
        """The tag name of the element that sent the frame (htmx 4)."""
        return (self._text("HX-Source") or "").partition("#")[0] or None

    @property
    def target(self) -> str | None:
        """HX-Target as it came; None also for the false that htmx 2 sends for no match."""
        return self._text("HX-Target")

    @property
    def current_url(self) -> str | None:
        """The address of the page."""
        return self._text("HX-Current-URL")


class Frame(NamedTuple):
    """One message from a page: ``values`` (field to value), ``headers`` and ``dialect``.

    A value is a string, a list of strings for a repeated field, or any JSON value that
    hx-vals wrote.
    """

    values: dict[str, Any]
    headers: Mapping[str, Any]
    dialect: Dialect

    @property
    def htmx(self) -> HtmxHeaders:
        """The headers, read."""
        return HtmxHeaders(self.headers)

    @property
    def sender(self) -> str | None:
        """The id of the element that sent the frame, where it has one."""
        return HtmxHeaders(self.headers).trigger


def parse(text: str, hint: Dialect | None = None, most_fields: int = MAX_FIELDS) -> Frame:
    """Read one text message of a page as a ``Frame``.

    ``hint`` is the dialect that the page declared when it connected; it decides only where
    a text could be two, when a field called ``headers`` or ``HEADERS`` holds an object.
    Raises ``FrameError`` for anything that is not a JSON object of finite numbers and valid
    Unicode, nested less than about 200 deep, with at most ``most_fields``. A repeated key keeps
    its last value, as in a browser.
    """
    # The usual text is what JSON.stringify makes of a form: its fields, then the headers, last.
    # These are most of it and the same for every frame of a form, so they are parsed once. The
    # key cannot stand like this inside of a string: both parts are JSON if the whole is.
    form, key, headers = text.partition(_KEY_2)
    if not key:
        form, key, headers = text.partition(_KEY_4)
    try:
        values = from_json(form + "}")
        frame = _new(Frame, (values, _parse_headers(headers), _DIALECTS[key]))
        if not values or "HEADERS" in values or "headers" in values:
            raise ValueError
        if key == _KEY_4 and (
            "values" in values or "body" in values or "HX-Request" not in frame.headers
        ):
            raise ValueError
    except (ValueError, TypeError):
        return _parse_any(text, hint, most_fields)
    if len(values) > most_fields:
        _reject_fields(text, values, most_fields)
    for value in values.values():
        if type(value) is not str and not _is_finite(value):
            _reject(text, _NOT_FINITE)
    return frame


_KEY_2: Final = ',"HEADERS":'
_KEY_4: Final = ',"headers":'
_DIALECTS: Final[Mapping[str, Dialect]] = {_KEY_2: "htmx2", _KEY_4: "htmx4", "": "raw"}
#: What a NamedTuple's own constructor does, without the call of a Python function.
_new: Final = tuple.__new__


@lru_cache(maxsize=1024)
def _parse_headers(text: str) -> Mapping[str, Any]:
    """Read the headers at the end of a text, with the brace that closes the frame."""
    if len(text) > 2_000:  # no page has so many: not worth the memory
        raise ValueError
    headers = from_json(text[:-1])
    if text[-1:] != "}" or type(headers) is not dict or not _is_finite(headers):
        raise ValueError
    return MappingProxyType(headers)


def _parse_any(text: str, hint: Dialect | None, most_fields: int) -> Frame:
    """Read any text as a whole."""
    try:
        members = from_json(text)
    except ValueError as error:
        _reject(text, str(error))
    except TypeError:  # what from_json says of a lone surrogate
        _reject(text, "it holds a lone surrogate, which is not valid Unicode")
    if type(members) is not dict:
        _reject(text, f"it is a JSON {_JSON_NAMES[type(members)]}")
    if not _is_finite(members):
        _reject(text, _NOT_FINITE)
    frame = _recognise(members, hint)
    if len(frame.values) > most_fields:
        _reject_fields(text, frame.values, most_fields)
    return frame


def _recognise(members: dict[str, Any], hint: Dialect | None) -> Frame:
    upper, lower = members.get("HEADERS"), members.get("headers")
    if type(upper) is dict and not (hint == "htmx4" and type(lower) is dict):
        del members["HEADERS"]
        return Frame(members, upper, "htmx2")
    if type(lower) is not dict:
        return Frame(members, {}, "raw")
    values = members.get("values")
    if members.get("type") == "request" and type(values) is dict and "request_id" in members:
        return Frame(values, lower, "htmx4alpha")
    body = members.get("body")
    if len(members) == 2 and type(body) is dict and "HX-Request-ID" in lower:
        return Frame(body, lower, "htmx4beta")
    if "HX-Request" in lower:
        del members["headers"]
        return Frame(members, lower, "htmx4")
    return Frame(members, {}, "raw")


def _is_finite(value: Any) -> bool:
    if type(value) is float:
        return isfinite(value)
    if type(value) is list:
        return all(map(_is_finite, value))
    if type(value) is dict:
        return all(map(_is_finite, value.values()))
    return True


_NOT_FINITE: Final = "it holds a number that is not finite"
_JSON_NAMES: Final = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
}


def _reject_fields(text: str, values: Mapping[str, Any], most: int) -> NoReturn:
    _reject(text, f"it has {len(values)} fields, and {most} are the most (Limits.frame_fields)")


def _reject(text: str, why: str) -> NoReturn:
    shown = text if len(text) <= 60 else text[:60] + "..."
    raise FrameError(
        f"A page sent what is not a frame of htmx: {why}. It began {shown!r}. "
        "Frames are JSON objects; whatever else a page has to say can travel in hx-vals."
    ) from None

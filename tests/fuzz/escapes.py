"""Values that a page wrote, put where an application puts them: they come out as they went in.

In text, in attributes, in a script, in JSON, in an address: whatever the value, what a parser reads
there is the value, and around it what the application meant.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from htmx_ws import (
    BindingError,
    append,
    connect_attrs,
    data_only,
    html,
    page_field,
    replace,
    scripts,
    serialise,
    title,
    trigger,
)
from htmx_ws.answers import show_errors

from . import json_text, page
from .frames import is_json
from .kind import Broken, Kind
from .words import mutate, word

__all__ = ["Escapes"]


@dataclass(frozen=True)
class Written:
    """A value, and where it is put."""

    where: str
    value: str
    json: str


class Escapes(Kind[Written]):
    """Values in all the places that escape them."""

    name: ClassVar[str] = "escape"
    share: ClassVar[int] = 500

    def make(self, random: Random) -> Written:
        value = word(random)
        if random.random() < 0.2:
            value = mutate(random, value)
        return Written(random.choice(list(_PLACES)), value, json_text.value(random))

    async def check(self, given: Written) -> None:
        _PLACES[given.where](given)


def _first(markup: str) -> LexborNode:
    node = page.as_fragment(markup)
    if node is None or node.next is not None:
        raise Broken("a value leaves its element", markup)
    return node


def _equal(what: str, said: object, value: str, nul: str) -> None:
    """Compare what a parser read, which cannot hold all characters."""
    expected = value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", nul)
    if said != expected:
        raise Broken(f"{what} is not the value", said, value)


def _text(node: LexborNode) -> str:
    inside = list(page.siblings(node.first_child))
    if any(inner.tag != "-text" for inner in inside):
        raise Broken("a value is more than text", node.html)
    return "".join(inner.text_content or "" for inner in inside)


def _in_html(given: Written) -> None:
    value = given.value
    node = _first(html("<p title='{0}' lang=\"{0}\">{0}</p>", value))
    for name in ("title", "lang"):
        _equal("an attribute", node.attributes[name] or "", value, "\ufffd")
    if node.attributes.keys() != {"title", "lang"}:
        raise Broken("a value is more than an attribute", node.attributes)
    # In text, browsers drop NUL; what writes it may put another character in its place.
    said = _text(node).replace("\ufffd", "")
    _equal("the text of an element", said, value.replace("\ufffd", ""), "")


def _in_a_message(given: Written) -> None:
    for content in (
        replace(html('<li id="m">{}</li>', given.value)),
        replace("#m", html("<p title='{}'></p>", given.value)),
        append("#log", html("<tr><td>{}</td></tr>", given.value)),
        html('<li id="{}">{}</li>', given.value or "x", given.value),
    ):
        (message,) = serialise(content)
        page.only(message.text)


def _in_the_title(given: Written) -> None:
    (message,) = serialise(title(given.value))
    if page.only(message.text).oob != "innerHTML:head>title":
        raise Broken("a title goes elsewhere", message.text)
    _equal("the title", _text(_first(message.text)), given.value, "")


def _in_a_script(given: Written) -> None:
    detail = _detail(given)
    (message,) = serialise(trigger(given.value, detail, nonce=given.value))
    node = page.inside(message.text)
    if page.only(message.text).oob != "beforeend:body" or node is None or node.tag != "script":
        raise Broken("an event is no script", message.text)
    if node.next is not None:
        raise Broken("an event is more than a script", message.text)
    _equal("the nonce", node.attributes.get("nonce") or "", given.value, "\ufffd")
    script = _text(node)
    name, at = _decode(script, "CustomEvent(", 0)
    said, _ = _decode(script, ",{detail:", at)
    if (name, said) != (given.value, detail):
        raise Broken("an event brings something else", name, said, detail)


def _detail(given: Written) -> Any:
    """Give what a frame may hold: JSON that is finite, and not as deep as Python can go."""
    try:
        detail = json.loads(given.json)
        return detail if is_json(detail) else given.value
    except (ValueError, RecursionError):
        return given.value


def _decode(script: str, before: str, at: int) -> tuple[Any, int]:
    start = script.index(before, at) + len(before)
    decoded: tuple[Any, int] = json.JSONDecoder().raw_decode(script, start)
    return decoded


def _in_data(given: Written) -> None:
    (message,) = serialise(data_only(given.value, {"value": given.value, given.value: 1}))
    said = json.loads(message.text)
    if said != {"channel": given.value, "data": {"value": given.value, given.value: 1}}:
        raise Broken("data is something else", said)
    if "<" in message.text:
        raise Broken("data may be HTML to an old htmx", message.text)


def _in_markup(given: Written) -> None:
    field = _first(page_field(given.value))
    _equal("the value of a field", field.attributes["value"] or "", given.value, "\ufffd")
    node = _first(f"<div {connect_attrs('/ws/x?y=1', page=given.value)}></div>")
    for name in ("ws-connect", "hx-ws:connect"):
        query = parse_qs(urlsplit(node.attributes[name] or "").query, keep_blank_values=True)
        if query.get("htmx-ws-page") != [given.value] or query.keys() != {
            "y",
            "hx",
            "htmx-ws-page",
        }:
            raise Broken("an address has another page in it", query)
    tree = LexborHTMLParser(scripts(4, nonce=given.value), is_fragment=True)
    for script in tree.css("script"):
        if given.value:
            _equal("the nonce", script.attributes.get("nonce") or "", given.value, "\ufffd")


def _in_errors(given: Written) -> None:
    error = BindingError({given.value: given.value, "other": "wrong"})
    (message,) = serialise(show_errors(error, given.value))
    page.only(message.text)
    lines = list(page.siblings(page.inside(message.text)))
    if [line.tag for line in lines] != ["p", "p"]:
        raise Broken("an error is more than text", message.text)
    _equal("the field", lines[0].attributes["data-field"] or "", given.value, "\ufffd")


_PLACES: Final[dict[str, Callable[[Written], None]]] = {
    "html": _in_html,
    "message": _in_a_message,
    "title": _in_the_title,
    "script": _in_a_script,
    "data": _in_data,
    "markup": _in_markup,
    "errors": _in_errors,
}

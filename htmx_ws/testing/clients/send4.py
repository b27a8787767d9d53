"""The frames of htmx 4: which values an element sends, and the headers beside them."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

from ..browser.controls import (
    form_of,
    input_type,
    is_checked,
    is_disabled,
    members,
    option_value,
    passing_for,
    selected_options,
    value_of,
)
from ..browser.dom import Branch, Element
from ..browser.forms import File, entries
from ..browser.tab import Tab, Uncaught
from . import hcon
from .lookup4 import attribute_value, find_all
from .swapping import is_boostable
from .values import OBJECT_METHODS, literal, write

__all__ = ["frame_of"]

#: What JavaScript's encodeURI leaves as it is.
_URI: Final = ";,/?:@&=+$-_.!~*'()#"


def frame_of(tab: Tab, element: Element, submitter: Element | None) -> str:
    """Write the frame of an element that sends.

    Raises ``Uncaught`` where htmx throws, and ``NeedsJavaScript``.
    """
    headers = _headers(tab, element)
    values: dict[str, Any] = {}
    for name, value in _collect(tab, element, submitter):
        if name == "__proto__":
            continue
        if name in values or name in OBJECT_METHODS:
            held = values.get(name)
            values[name] = [*(held if isinstance(held, list) else [held]), value]
        else:
            values[name] = value
    given = attribute_value(element, "hx-vals")
    if given:
        values.update(_values(given))
    values.pop("headers", None)
    return write({**values, "headers": headers})


def _values(given: str) -> dict[str, Any]:
    for prefix in ("js:", "javascript:"):
        if given.startswith(prefix):
            text = given[len(prefix) :].strip()
            return dict(literal("hx-vals", text if text.startswith("{") else "{" + text + "}"))
    values = _parsed("hx-vals", given)
    values.pop("__proto__", None)
    return values


def _parsed(name: str, given: str | None) -> dict[str, Any]:
    try:
        return hcon.parse(given)
    except json.JSONDecodeError as error:
        raise Uncaught(f"{name} is no JSON: {error}") from None


def _identifier(element: Element) -> str:
    id, named = element.id, passing_for(element, "id")
    if named:  # a field of that name stands where the id is looked for
        id = f"[object {_CLASSES[named[0].tag] if len(named) == 1 else 'RadioNodeList'}]"
    return f"{element.tag}#{quote(id, safe=_URI)}" if id else element.tag


#: What JavaScript calls the elements of a form.
_CLASSES: Final = {
    "button": "HTMLButtonElement",
    "fieldset": "HTMLFieldSetElement",
    "input": "HTMLInputElement",
    "object": "HTMLObjectElement",
    "output": "HTMLOutputElement",
    "select": "HTMLSelectElement",
    "textarea": "HTMLTextAreaElement",
}


def _headers(tab: Tab, element: Element) -> dict[str, Any]:
    headers: dict[str, Any] = {
        "HX-Request": "true",
        "HX-Source": _identifier(element),
        "HX-Current-URL": tab.url,
    }
    selector = attribute_value(element, "hx-target")
    boost = attribute_value(element, "hx-boost") or "false"
    is_boosted = boost != "false" and is_boostable(element, tab.url)
    if is_boosted:
        headers["HX-Boosted"] = "true"
    if selector is None and is_boosted:
        headers["HX-Target"] = _identifier(tab.document.body)
    elif selector is None:
        headers["HX-Target"] = _identifier(element)
    else:
        found = find_all(tab, element, selector, this="hx-target")
        if found:
            headers["HX-Target"] = _identifier(_element(found[0], "toLowerCase"))
        else:
            tab.console("warning", f"htmx: '{selector}' on hx-target did not match any element")
    request: dict[str, Any] = {"headers": headers}
    hcon.merge(_parsed("hx-config", attribute_value(element, "hx-config")), request)
    return {name: value for name, value in request["headers"].items() if name != "Accept"}


def _element(found: Branch, reads: str) -> Element:
    if not isinstance(found, Element):  # the document and the window have no tag
        raise Uncaught(f"Cannot read properties of undefined (reading '{reads}')")
    return found


def _collect(tab: Tab, element: Element, submitter: Element | None) -> list[tuple[str, str]]:
    form = form_of(element) or element.closest("form")
    found: list[tuple[str, str]] = []
    included: list[Element] = []
    if form is not None:
        if submitter is None and input_type(element) == "submit":
            submitter = element
        named = passing_for(form, "elements")
        if len(named) == 1 and named[0].tag != "select":
            raise Uncaught("object is not iterable (cannot read property Symbol(Symbol.iterator))")
        found = entries(form)
        included = named or list(members(form))
    else:
        _add(element, included, found)
    if submitter is not None and submitter.get("name"):
        found.append((submitter.attrs["name"], _value(submitter)))
        included.append(submitter)
    selector = attribute_value(element, "hx-include")
    if selector:
        for each in find_all(tab, element, selector):
            _add(_element(each, "includes"), included, found)
    return found


def _value(control: Element) -> str:
    return control.get("value", "") if control.tag == "button" else value_of(control)


_VALUED: Final = ("input", "textarea", "select", "output", "button", "option", "data")


def _add(element: Element, included: list[Element], found: list[tuple[str, str]]) -> None:
    if element.tag == "button" or "-" in element.tag:
        inputs = [element]
    elif element.tag == "body":
        inputs = []
    else:
        named = element.itself_and_descendants()
        inputs = [each for each in named if "name" in each.attrs and each.tag != "button"]
    for control in inputs:
        name = control.get("name")
        if not name or is_disabled(control) or any(each is control for each in included):
            continue
        included.append(control)
        kind = input_type(control)
        if kind in ("checkbox", "radio"):
            if is_checked(control):
                found.append((name, value_of(control)))
        elif kind == "file":
            found += [(name, File(each)) for each in control.files or ()]
        elif kind == "select-multiple":
            found += [(name, option_value(option)) for option in selected_options(control)]
        else:
            # JavaScript makes a text of the undefined that other elements have for a value.
            found.append((name, _value(control) if control.tag in _VALUED else "undefined"))

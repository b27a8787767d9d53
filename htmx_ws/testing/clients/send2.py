"""The frames of htmx 1.9 and 2: which values an element sends, and the headers beside them.

Version 2 hands its values on in a ``Proxy`` of a ``FormData``, which is why some names are
lost there, and why ``hx-params`` with names throws.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from ..browser.controls import (
    form_of,
    input_type,
    is_checked,
    members,
    option_value,
    options,
    passing_for,
    problem,
    selected_options,
    value_of,
)
from ..browser.dom import Branch, Element
from ..browser.forms import Entries, File, entries
from ..browser.tab import Tab, Uncaught
from .lookup2 import attribute, closest_value, find_all, nothing
from .swap2 import Habits
from .swapping import is_boostable
from .values import MISSING, OBJECT_METHODS, literal, write

__all__ = ["frame_of"]

#: What gives null, and not nothing, in 1.9.
_RELATIVE: Final = re.compile("closest |find |next|previous")
#: Names that a Proxy of a FormData has already, so that a field's value is not reached.
_TAKEN: Final = OBJECT_METHODS | set(
    "append delete get getAll has set keys values entries forEach __proto__".split()
)


def frame_of(tab: Tab, habits: Habits, element: Element) -> str | None:
    """Write the frame of an element that sends; None when its fields are not valid.

    Raises ``Uncaught`` where htmx throws, and ``NeedsJavaScript``.
    """
    headers = _headers(tab, habits, element)
    collected = _Collected(tab, habits, element)
    values = collected.values()
    variables = _inherited(tab, habits, element, "hx-vals", {})
    if collected.wrong:
        control, why = collected.wrong[0]
        tab.note(f"not sent: {control.name} {control.get('name')!r}: {why}")
        return None
    merged = _filtered(habits, element, {**values, **(variables or {})})
    if not habits.lists_selects and "toJSON" in values:
        # The function of the Proxy, which JSON.stringify calls.
        return write(dict(collected.entries))
    return write({**merged, "HEADERS": headers})


def _filtered(habits: Habits, element: Element, values: dict[str, Any]) -> dict[str, Any]:
    wanted = closest_value(element, "hx-params")
    if not wanted or wanted == "*":
        return values
    if wanted == "none":
        return {}
    excluding = wanted.startswith("not ")
    if not habits.lists_selects:
        raise Uncaught(f"inputValues.{'delete' if excluding else 'has'} is not a function")
    names = [name.strip() for name in wanted.removeprefix("not ").split(",")]
    if excluding:
        return {name: value for name, value in values.items() if name not in names}
    return {name: values.get(name, MISSING) for name in names}


class _Collected:
    """The values of an element: its form's over its own and the included ones."""

    def __init__(self, tab: Tab, habits: Habits, element: Element) -> None:
        self.habits = habits
        self.seen: list[Element] = []
        self.wrong: list[tuple[Element, str]] = []
        button: Element | None = element.life.get("button")
        if button is not None and not button.is_connected:
            button = None
        self.validates = (element.tag == "form" and "novalidate" not in element.attrs) or (
            attribute(element, "hx-validate") == "true"
        )
        if button is not None and "formnovalidate" in button.attrs:
            self.validates = False
        form = form_of(element) if habits.form_by_owner else None
        if form is None:
            form = element.closest("form")
        own: list[tuple[str, Any]] = []
        first: list[tuple[str, Any]] = []
        if form is not None:
            self._take(form, first)
        self._take(element, own)
        is_submit = element.tag == "input" and element.get("type") == "submit"
        if button is not None or element.tag == "button" or is_submit:
            button = button or element
            self._add(
                button.get("name"),
                button.get("value", "") if button.tag == "button" else value_of(button),
                first,
            )
        for included in _included(tab, habits, element):
            if isinstance(included, Element):
                self._take(included, own)
            if not isinstance(included, Element) or included.tag != "form":
                for each in included.select("input,textarea,select"):
                    self._take(each, own)
        names = {name for name, _ in first}
        self.entries: Entries = [*(each for each in own if each[0] not in names), *first]
        self._own, self._first = own, first

    def values(self) -> dict[str, Any]:
        """Give them as the object that becomes the frame."""
        if self.habits.lists_selects:
            own, first = _object(self._own), _object(self._first)
            if "hasOwnProperty" in first:
                raise Uncaught("obj2.hasOwnProperty is not a function")
            return {**own, **first}
        values: dict[str, Any] = {}
        for name, value in self.entries:
            values.setdefault(name, []).append(value)
        return {
            name: held[0] if len(held) == 1 else held
            for name, held in values.items()
            if name not in _TAKEN
        }

    def _add(self, name: str | None, value: Any, to: list[tuple[str, Any]]) -> None:
        if name is None:
            return
        if isinstance(value, list) and not self.habits.lists_selects:
            to += [(name, each) for each in value]
        else:
            to.append((name, value))

    def _take(self, element: Element, to: list[tuple[str, Any]]) -> None:
        if any(each is element for each in self.seen):
            return
        self.seen.append(element)
        if _counts(element):
            self._add(element.get("name"), _value(element, self.habits), to)
            self._validate(element)
        if element.tag != "form":
            return
        if self.habits.lists_selects:
            for control in _elements(element):
                self._take(control, to)
            return
        for control in members(element):
            if any(each is control for each in self.seen):
                gone = _value(control, self.habits)
                gone = gone if isinstance(gone, list) else [gone]
                to[:] = [e for e in to if e[0] != control.get("name") or e[1] not in gone]
            else:
                self.seen.append(control)
            self._validate(control)
        to += [each for each in entries(element) if not (isinstance(each[1], File) and not each[1])]

    def _validate(self, control: Element) -> None:
        if self.validates and (why := problem(control)) is not None:
            self.wrong.append((control, why))


def _elements(form: Element) -> Iterable[Element]:
    """Give ``form.elements``, for which a control of that name passes itself off."""
    named = passing_for(form, "elements")
    if len(named) == 1:
        return options(named[0]) if named[0].tag == "select" else ()
    return named or members(form)


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Gather values by name, as 1.9 does in a plain object."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name == "__proto__":
            continue
        if name not in values and name not in OBJECT_METHODS:
            values[name] = value
            continue
        current = values.get(name, [None])  # a function of every object, null in JSON
        before = current if isinstance(current, list) else [current]
        values[name] = [*before, *(value if isinstance(value, list) else [value])]
    return values


_VALUED: Final = ("input", "textarea", "select", "output", "button")


def _counts(element: Element) -> bool:
    if not element.get("name") or element.tag not in _VALUED:
        return False
    if "disabled" in element.attrs or element.closest("fieldset[disabled]") is not None:
        return False
    kind = input_type(element)
    if kind in ("button", "submit"):
        return False
    return kind not in ("checkbox", "radio") or is_checked(element)


def _value(element: Element, habits: Habits) -> Any:
    kind = input_type(element)
    if kind == "select-multiple":
        return [option_value(option) for option in selected_options(element)]
    if kind == "file":
        return [File(name) for name in element.files or ()]
    if element.tag == "button":
        return element.get("value", "")
    return value_of(element)


def _included(tab: Tab, habits: Habits, element: Element) -> list[Branch]:
    selector = closest_value(element, "hx-include")
    if not selector:
        return []
    if selector == "this":
        around = element.itself_and_ancestors()
        return [next(each for each in around if attribute(each, "hx-include"))]
    found = find_all(tab, element, selector, lists=not habits.lists_selects)
    if not found and habits.lists_selects and _RELATIVE.match(selector):
        raise Uncaught(f"Cannot read properties of {nothing(selector)} (reading 'matches')")
    if any(each is tab.window for each in found):
        raise Uncaught(
            "Failed to execute 'isSameNode' on 'Node': parameter 1 is not of type 'Node'."
            if habits.lists_selects
            else "Cannot read properties of null (reading 'querySelectorAll')"
        )
    if not found:
        tab.console("error", f'The selector "{selector}" on hx-include returned no matches!')
    return found


def _headers(tab: Tab, habits: Habits, element: Element) -> dict[str, Any]:
    headers: dict[str, Any] = {
        "HX-Request": "true",
        "HX-Trigger": element.get("id"),
        "HX-Trigger-Name": element.get("name"),
        "HX-Target": _target_id(tab, habits, element),
        "HX-Current-URL": tab.url,
    }
    _inherited(tab, habits, element, "hx-headers", headers)
    if _is_boosted(tab, element):
        headers["HX-Boosted"] = "true"
    return headers


def _is_boosted(tab: Tab, element: Element) -> bool:
    return closest_value(element, "hx-boost") == "true" and is_boostable(element, tab.url)


def _target_id(tab: Tab, habits: Habits, element: Element) -> object:
    selector = closest_value(element, "hx-target")
    target: Branch | None = element
    if selector == "this":
        target = next(e for e in element.itself_and_ancestors() if attribute(e, "hx-target"))
    elif selector:
        found = find_all(tab, element, selector, lists=not habits.lists_selects)
        target = found[0] if found else None
    elif _is_boosted(tab, element):
        target = tab.document.body
    if isinstance(target, Element):
        return attribute(target, "id")
    if not habits.lists_selects:
        return False
    if target is not None:  # the document, which has no attributes
        return MISSING
    raise Uncaught(f"Cannot read properties of {nothing(selector or '')} (reading 'getAttribute')")


def _inherited(
    tab: Tab, habits: Habits, element: Element, name: str, values: dict[str, Any]
) -> dict[str, Any] | None:
    """Gather the JSON of an attribute from an element outwards; the inner one wins."""
    for each in element.itself_and_ancestors():
        text = (attribute(each, name) or "").strip()
        if not text:
            continue
        if text == "unset":
            return None
        for prefix in ("javascript:", "js:"):
            if text.startswith(prefix):
                given = text[len(prefix) :].strip()
                found = literal(name, given if given.startswith("{") else "{" + given + "}")
                break
        else:
            try:
                found = json.loads(text if text.startswith("{") else "{" + text + "}")
            except ValueError:
                tab.console("error", f"SyntaxError: {name} is no JSON: {text}")
                if habits.wipes_on_init:
                    continue
                raise Uncaught("Cannot convert undefined or null to object") from None
        for key, value in found.items():
            if values.get(key) is None and key not in (*OBJECT_METHODS, "__proto__"):
                values[key] = value
    return values

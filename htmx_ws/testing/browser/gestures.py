"""What a visitor does, and what the browser makes of it: events first, then its own part.

A click on a submit button is a click event and then, unless a client prevented it, the
form's validation and a submit event. Only what no client takes becomes a request of the
browser's own: the form is sent, the link is followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from .controls import (
    form_of,
    input_type,
    is_checked,
    is_disabled,
    is_submit,
    members,
    set_checked,
    value_of,
)
from .dom import Element
from .forms import Entries, default_button, enter, entries, invalid, type_into
from .tab import Event, Tab

__all__ = ["Request", "change", "click", "fill", "press", "request_submit", "submit"]


@dataclass(frozen=True)
class Request:
    """What the browser asks the server for, when it leaves the page."""

    method: str
    url: str
    fields: Entries = field(default_factory=Entries)
    enctype: str = "application/x-www-form-urlencoded"


def click(tab: Tab, element: Element, *, by_key: bool = False) -> Request | None:
    """Click an element; gives where the browser goes, if it does.

    ``by_key``: as Enter does it, which leaves the focus where it is.
    """
    if is_disabled(element):
        tab.note(f"{element.name} is disabled, so a click does nothing")
        return None
    before = is_checked(element) if element.tag == "input" else False
    kind = input_type(element) if element.tag == "input" else ""
    if kind in ("checkbox", "radio"):
        set_checked(element, kind == "radio" or not before)
    focusable = "input,button,select,textarea,a[href],[tabindex]"
    focused = element.closest(focusable)
    if focused is not tab.focused and not by_key:
        tab.blur()
        tab.focus(focused)
    if not tab.dispatch(Event("click", element)):
        if kind in ("checkbox", "radio"):
            set_checked(element, before)
        return None
    if kind in ("checkbox", "radio"):
        if is_checked(element) != before:
            tab.dispatch(Event("input", element))
            tab.dispatch(Event("change", element))
        return None
    return _default_of_click(tab, element)


def _default_of_click(tab: Tab, element: Element) -> Request | None:
    for each in element.itself_and_ancestors():
        if is_submit(each):
            form = form_of(each)
            return None if form is None or is_disabled(each) else request_submit(tab, form, each)
        if each.tag in ("button", "input", "select", "textarea"):
            if input_type(each) == "reset" and (form := form_of(each)) is not None:
                _reset(tab, form)
            return None
        if each.tag == "a" and "href" in each.attrs:
            return Request("GET", urljoin(tab.url, each.attrs["href"]))
        if each.tag == "label" and (control := _labelled(each)) is not None:
            return click(tab, control)
    return None


def _labelled(label: Element) -> Element | None:
    if "for" in label.attrs:
        return label.root.by_id(label.attrs["for"])
    return label.select_one("input:not([type=hidden]),select,textarea,button")


def _reset(tab: Tab, form: Element) -> None:
    if tab.dispatch(Event("reset", form)):
        for each in form.descendants():
            each.value = each.checked = each.selected = each.files = None


def submit(
    tab: Tab, form: Element, fields: Mapping[str, Any], by: Element | None = None
) -> Request | None:
    """Fill in a form, and submit it by a button, or as Enter does."""
    for name, value in fields.items():
        for control in enter(form, {name: value}, lambda field: _arrive(tab, field)):
            _entered(tab, control)
    if by is not None:
        return click(tab, by)
    button = default_button(form)
    return request_submit(tab, form, None) if button is None else click(tab, button, by_key=True)


def _arrive(tab: Tab, control: Element) -> None:
    """Go to a field."""
    if control is not tab.focused:
        tab.blur()
        tab.focus(control, (0, 0))


def _entered(tab: Tab, control: Element) -> None:
    """Tell of what was entered, as browsers do when the visitor goes on to the next field."""
    _arrive(tab, control)
    caret = len(control.value or "")
    tab.focus(control, (caret, caret))
    tab.dispatch(Event("input", control))
    tab.dispatch(Event("change", control))


def request_submit(tab: Tab, form: Element, submitter: Element | None = None) -> Request | None:
    """Submit a form if it is valid, as ``form.requestSubmit()`` does."""
    own = submitter.attrs if submitter is not None else {}
    if "novalidate" not in form.attrs and "formnovalidate" not in own:
        wrong = invalid(form)
        for control, why in wrong:
            tab.dispatch(Event("invalid", control, bubbles=False))
            tab.note(
                f"{form.name} was not submitted: {control.name} {control.get('name')!r}: {why}"
            )
        if wrong:
            tab.focus(wrong[0][0])
            return None
    if not tab.dispatch(Event("submit", form, submitter=submitter)):
        return None
    method = own.get("formmethod", form.get("method", "get")).upper()
    if method == "DIALOG":
        dialog = form.closest("dialog")
        if dialog is not None:
            dialog.attrs.pop("open", None)
        return None
    action = own.get("formaction") or form.get("action") or tab.url
    enctype = own.get("formenctype", form.get("enctype", "application/x-www-form-urlencoded"))
    url = urljoin(tab.url, action)
    return Request(method, url, entries(form, submitter), enctype)


def fill(tab: Tab, control: Element, text: str) -> None:
    """Type a text into a field in the place of what is there; the focus stays in it."""
    _arrive(tab, control)
    type_into(control, text)
    caret = len(control.value or "")
    tab.focus(control, (caret, caret))
    key = text[-1:] or "Backspace"
    for type in ("keydown", "input", "keyup"):
        tab.dispatch(Event(type, control, key=key))
    tab.changed = control


def change(tab: Tab, control: Element, value: Any) -> None:
    """Give a field another value, and leave it."""
    name = control.get("name", "")
    if (
        control.tag == "input"
        and input_type(control) in ("checkbox", "radio")
        and value in (True, False)
    ):
        if is_checked(control) != value:
            click(tab, control)
        return
    named = dict(control.attrs)
    control.attrs["name"] = name or "it"
    try:
        enter(control, {name or "it": value}, lambda field: _arrive(tab, field))
    finally:
        control.attrs = named
    _entered(tab, control)
    tab.blur()


def press(tab: Tab, element: Element, key: str) -> Request | None:
    """Press a key in an element; Enter submits the form of an input."""
    if element is not tab.focused:
        tab.blur()
        tab.focus(element)
    if not tab.dispatch(Event("keydown", element, key=key)):
        return None
    going = None
    if key == "Enter" and element.tag == "input":
        changed, tab.changed = tab.changed, None
        if changed is not None:
            tab.dispatch(Event("change", changed))
        form = form_of(element)
        if form is not None and _submits_by_enter(form):
            going = submit(tab, form, {})
    elif element.tag in ("input", "textarea") and (len(key) == 1 or key == "Enter"):
        type_into(element, value_of(element) + ("\n" if key == "Enter" else key))
        tab.dispatch(Event("input", element, key=key))
        tab.changed = element
    elif key == "Tab":
        tab.blur()
    tab.dispatch(Event("keyup", element, key=key))
    return going


def _submits_by_enter(form: Element) -> bool:
    """Without a button, Enter submits only a form with a single field."""
    if default_button(form) is not None:
        return True
    others = ("hidden", "checkbox", "radio", "file", "button", "reset", "range", "color")
    fields = [e for e in members(form) if e.tag == "input" and input_type(e) not in others]
    return len(fields) <= 1

"""Forms as a browser fills and reads them: what a visitor may enter, and the entry list.

The entry list is the HTML standard's: which controls count, in which order, with which
values. What htmx makes of it is the clients' matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from .controls import (
    collapsed,
    form_of,
    input_type,
    is_checked,
    is_disabled,
    is_submit,
    members,
    option_value,
    options,
    problem,
    selected_options,
    set_checked,
    value_of,
)
from .dom import Element

__all__ = [
    "Entries",
    "File",
    "default_button",
    "enter",
    "entries",
    "invalid",
    "named",
    "type_into",
]


class File(str):
    """The name of a chosen file; empty where none was. htmx never sends what is in it."""


Entries = list[tuple[str, str]]


def entries(form: Element, submitter: Element | None = None) -> Entries:
    """Give what a form holds, as ``new FormData(form, submitter)``."""
    found: Entries = []
    for control in members(form):
        found += _entries_of(control, submitter)
    return found


def _entries_of(control: Element, submitter: Element | None) -> Entries:
    kind, name = input_type(control), control.get("name", "")
    if control.tag not in ("input", "select", "textarea", "button") or is_disabled(control):
        return []
    if kind in ("submit", "button", "reset", "image") and control is not submitter:
        return []
    if kind in ("checkbox", "radio") and not is_checked(control):
        return []
    if not name:
        return []
    if control.tag == "select":
        chosen = selected_options(control)
        return [(name, option_value(option)) for option in chosen if not is_disabled(option)]
    if kind == "file":
        return [(name, File(each)) for each in control.files or [""]]
    if kind == "hidden" and name.lower() == "_charset_":
        return [(name, "UTF-8")]
    found = [(name, value_of(control))]
    if direction := control.get("dirname"):
        found.append((direction, "ltr"))
    return found


def invalid(form: Element) -> list[tuple[Element, str]]:
    """Give the controls that keep a browser from submitting a form, each with the reason."""
    checked = [(control, problem(control)) for control in members(form)]
    return [(control, why) for control, why in checked if why is not None]


def default_button(form: Element) -> Element | None:
    """Give the button that Enter clicks."""
    buttons = (each for each in form.root.descendants() if is_submit(each))
    return next((each for each in buttons if form_of(each) is form), None)


def named(form: Element, name: str) -> list[Element]:
    """Give the controls of that name in a form, or in any element that is no form."""
    if form.tag == "form":
        inside: Iterable[Element] = members(form)
    else:
        inside = form.itself_and_descendants()
    return [each for each in inside if each.get("name") == name and each.tag in _FILLED]


_FILLED: Final = ("input", "select", "textarea", "button")


def enter(
    form: Element, fields: Mapping[str, Any], arrive: Callable[[Element], object] = id
) -> list[Element]:
    """Enter values into the fields of a form, as a visitor does, and give those that changed.

    A text is typed; a box takes True or False, several of a name a list of their values; a
    choice takes its value or its text, a multiple one a list. Raises ``LookupError`` that
    names what there is, for a field or choice that is not there, and ``ValueError`` for one
    that a visitor cannot change. ``arrive`` is called with a field before it is typed into.
    """
    changed: list[Element] = []
    for name, value in fields.items():
        controls = [each for each in named(form, name) if not is_submit(each)]
        if not controls:
            there = sorted(
                {each.get("name", "") for each in form.descendants() if each.tag in _FILLED} - {""}
            )
            raise LookupError(
                f"{form.name} has no field {name!r}: there are {', '.join(there) or 'none'}"
            )
        usable = [each for each in controls if not is_disabled(each)]
        if not usable or (usable[0].tag != "select" and "readonly" in usable[0].attrs):
            raise ValueError(f"a visitor cannot change the field {name!r} of {form.name}")
        changed += _enter(usable, name, value, arrive)
    return changed


def _enter(
    controls: list[Element], name: str, value: Any, arrive: Callable[[Element], object]
) -> list[Element]:
    control = controls[0]
    kind = input_type(control)
    if kind == "checkbox":
        return _tick(controls, name, value)
    if kind == "radio":
        return _pick(controls, name, str(value))
    if control.tag == "select":
        return _choose(control, name, value)
    if kind == "file":
        control.files = [value] if isinstance(value, str) else list(value)
        return [control]
    values = list(value) if isinstance(value, list | tuple) else [value]
    if len(values) > len(controls):
        raise LookupError(f"there are only {len(controls)} fields {name!r}, not {len(values)}")
    for each, text in zip(controls, values, strict=False):
        arrive(each)
        type_into(each, "" if text is None else str(text))
    return controls[: len(values)]


def type_into(control: Element, text: str) -> None:
    """Type into a field in the place of what is there; what is too long is cut, as browsers do."""
    most = control.get("maxlength", "")
    typed = input_type(control) in ("text", "search", "url", "tel", "email", "password", "textarea")
    control.value = text[: int(most)] if typed and most.isdigit() else text


def _tick(controls: list[Element], name: str, value: Any) -> list[Element]:
    if isinstance(value, bool) and len(controls) == 1:
        wanted = [value_of(controls[0])] if value else []
    else:
        wanted = [str(each) for each in (value if isinstance(value, list | tuple) else [value])]
        for each in wanted:
            if each not in map(value_of, controls):
                there = ", ".join(map(value_of, controls))
                raise LookupError(f"no box {name!r} has the value {each!r}: there are {there}")
    changed: list[Element] = []
    for control in controls:
        if is_checked(control) != (value_of(control) in wanted):
            control.checked = value_of(control) in wanted
            changed.append(control)
    return changed


def _pick(controls: list[Element], name: str, value: str) -> list[Element]:
    for control in controls:
        if value_of(control) == value:
            set_checked(control, True)
            return [control]
    there = ", ".join(map(value_of, controls))
    raise LookupError(f"no radio button {name!r} has the value {value!r}: there are {there}")


def _choose(select: Element, name: str, value: Any) -> list[Element]:
    wanted = [str(each) for each in (value if isinstance(value, list | tuple) else [value])]
    chosen: list[Element] = []
    for each in wanted:
        fits = [
            option
            for option in options(select)
            if each in (option_value(option), collapsed(option.text))
        ]
        if not fits:
            there = ", ".join(map(option_value, options(select)))
            raise LookupError(f"the choice {name!r} has no {each!r}: there are {there}")
        chosen.append(fits[0])
    for option in options(select):
        option.selected = option in chosen
    return [select]

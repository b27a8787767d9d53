"""What a form's controls hold, by the rules of HTML: value, checkedness, owner, validity.

A control's HTML says what it starts with; what a visitor made of it is in the element's own
``value``, ``checked``, ``selected`` and ``files``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .dom import Element

__all__ = [
    "STATES",
    "form_of",
    "input_type",
    "is_checked",
    "is_disabled",
    "is_submit",
    "members",
    "options",
    "problem",
    "radio_group",
    "selected_options",
    "set_checked",
    "value_of",
]

_TYPES: Final = frozenset(
    "button checkbox color date datetime-local email file hidden image month number password "
    "radio range reset search submit tel text time url week".split()
)
_TEXTUAL: Final = frozenset("text search url tel email password number".split())
_LISTED: Final = ("button", "fieldset", "input", "object", "output", "select", "textarea")


def input_type(control: Element) -> str:
    """Give its ``type``: ``text`` for an input that says none, ``submit`` for a button."""
    given = control.get("type", "").lower()
    if control.tag == "button":
        return given if given in ("reset", "button") else "submit"
    if control.tag == "select":
        return "select-multiple" if "multiple" in control.attrs else "select-one"
    if control.tag == "input":
        return given if given in _TYPES else "text"
    return control.tag


def is_submit(control: Element) -> bool:
    """Whether a click on it submits its form."""
    return control.tag in ("button", "input") and input_type(control) in ("submit", "image")


def is_checked(control: Element) -> bool:
    """Whether a box or radio button is checked."""
    return "checked" in control.attrs if control.checked is None else control.checked


def set_checked(control: Element, checked: bool) -> None:
    """Check or uncheck it, and with it the others of a radio group."""
    if checked and input_type(control) == "radio":
        for other in radio_group(control):
            other.checked = False
    control.checked = checked


def radio_group(control: Element) -> list[Element]:
    """Give all radio buttons of the same name and form."""
    form, name = form_of(control), control.get("name")
    if not name:
        return [control]
    return [
        each
        for each in control.root.descendants()
        if each.tag == "input"
        and input_type(each) == "radio"
        and each.get("name") == name
        and form_of(each) is form
    ]


def is_disabled(control: Element) -> bool:
    """Whether it is disabled, by itself or by a fieldset around it."""
    if control.tag not in (
        "button",
        "fieldset",
        "input",
        "optgroup",
        "option",
        "select",
        "textarea",
    ):
        return False
    if "disabled" in control.attrs:
        return True
    if control.tag == "option":
        parent = control.parent
        return getattr(parent, "tag", "") == "optgroup" and "disabled" in parent.attrs  # type: ignore[union-attr]
    inner: Element = control
    for outer in control.itself_and_ancestors():
        if outer.tag == "fieldset" and outer is not control and "disabled" in outer.attrs:
            legend = next((e for e in outer.elements if e.tag == "legend"), None)
            if legend is None or inner is not legend:
                return True
        inner = outer
    return False


def options(select: Element) -> list[Element]:
    """Give the options of a select."""
    return [each for each in select.descendants() if each.tag == "option"]


def option_value(option: Element) -> str:
    """Give the value of an option: its attribute, or its text."""
    return option.get("value", " ".join(option.text.split()))


def selected_options(select: Element) -> list[Element]:
    """Give the options that are chosen; a plain select has its first when none is."""
    all_options = options(select)
    chosen = [
        each
        for each in all_options
        if ("selected" in each.attrs if each.selected is None else each.selected)
    ]
    if "multiple" in select.attrs:
        return chosen
    if chosen:
        return chosen[-1:]
    if re.fullmatch(r"\s*0*1?\s*", select.get("size", "")):
        return [each for each in all_options if not is_disabled(each)][:1]
    return []


def value_of(control: Element) -> str:
    """Give its ``value``, as JavaScript reads it."""
    if control.tag == "option":
        return option_value(control)
    if control.tag == "select":
        chosen = selected_options(control)
        return option_value(chosen[0]) if chosen else ""
    if control.tag == "textarea":
        return control.text if control.value is None else control.value
    if control.tag == "output":
        return control.text
    kind = input_type(control)
    if kind in ("checkbox", "radio"):
        return control.get("value", "on")
    if kind == "file":
        return f"C:\\fakepath\\{control.files[0]}" if control.files else ""
    value = control.get("value", "") if control.value is None else control.value
    return _sanitised(control, kind, value) if control.tag == "input" else value


def _sanitised(control: Element, kind: str, value: str) -> str:
    """Make of a value what an input of that kind holds."""
    if kind in ("text", "search", "tel", "password"):
        return re.sub(r"[\r\n]", "", value)
    if kind in ("url", "email"):
        return re.sub(r"[\r\n]", "", value).strip()
    if kind in _FORMS and not re.fullmatch(_FORMS[kind], value):
        return ""
    if kind == "color":
        return value.lower() if re.fullmatch("#[0-9a-fA-F]{6}", value) else "#000000"
    if kind == "range":
        low, high = _number(control.get("min")) or 0.0, _number(control.get("max"))
        high = 100.0 if high is None else high
        held = _number(value)
        held = (low + high) / 2 if held is None else min(max(held, low), high)
        return value if _number(value) == held else f"{held:g}"
    return value


_FORMS: Final = {
    "number": r"-?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+)?",
    "date": r"\d{4,}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])",
    "month": r"\d{4,}-(0[1-9]|1[0-2])",
    "week": r"\d{4,}-W(0[1-9]|[1-4]\d|5[0-3])",
    "time": r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,3})?)?",
    "datetime-local": r"\d{4,}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[T ]"
    r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,3})?)?",
}


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(_FORMS["number"], text) else None


# --- forms -----------------------------------------------------------------------------


def form_of(control: Element) -> Element | None:
    """Give the form that a control belongs to, by its ``form`` attribute or by where it is."""
    if control.tag not in (*_LISTED, "label", "option"):
        return None
    named = control.get("form")
    if named is not None and control.tag in _LISTED:
        found = control.root.by_id(named) if named else None
        return found if found is not None and found.tag == "form" else None
    return next((e for e in control.itself_and_ancestors() if e.tag == "form"), None)


def members(form: Element) -> Iterator[Element]:
    """Give the controls of a form, its ``elements``, in the order of the page."""
    for each in form.root.descendants():
        is_listed = each.tag in _LISTED and each.is_html and input_type(each) != "image"
        if is_listed and form_of(each) is form:
            yield each


# --- validity --------------------------------------------------------------------------


def _will_validate(control: Element) -> bool:
    if control.tag not in ("input", "select", "textarea", "button") or is_disabled(control):
        return False
    if control.tag != "select" and "readonly" in control.attrs:
        return False
    return input_type(control) not in ("hidden", "button", "reset", "image", "submit")


def problem(control: Element) -> str | None:
    """Say what keeps a browser from submitting its form, or None."""
    if not _will_validate(control):
        return None
    kind, value = input_type(control), value_of(control)
    if "required" in control.attrs or (
        kind == "radio" and any("required" in e.attrs for e in radio_group(control))
    ):
        if kind == "radio":
            empty = not any(map(is_checked, radio_group(control)))
        else:
            empty = not is_checked(control) if kind == "checkbox" else not value
        if empty:
            return "it is required"
    if not value or kind in ("checkbox", "radio", "file") or control.tag == "select":
        return None
    for rule in (_pattern, _length, _kind, _range):
        if (found := rule(control, kind, value)) is not None:
            return found
    return None


def _pattern(control: Element, kind: str, value: str) -> str | None:
    pattern = control.get("pattern")
    if not pattern or kind not in _TEXTUAL or kind == "number":
        return None
    try:
        fits = re.fullmatch(pattern, value)
    except re.error:  # browsers ignore a pattern that they cannot read
        return None
    return None if fits else f"it does not fit the pattern {pattern}"


def _length(control: Element, kind: str, value: str) -> str | None:
    # Browsers hold only what a visitor typed to these.
    if control.value is None or kind == "number":
        return None
    length = len(value.encode("utf-16-le")) // 2
    least, most = control.get("minlength", ""), control.get("maxlength", "")
    if least.isdigit() and length < int(least):
        return f"it is shorter than {least} characters"
    return f"it is longer than {most} characters" if most.isdigit() and length > int(most) else None


def _kind(control: Element, kind: str, value: str) -> str | None:
    if kind == "url" and not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:.", value):
        return "it is not a URL"
    name = r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*"
    if kind == "email":
        all_values = value.split(",") if "multiple" in control.attrs else [value]
        if not all(re.fullmatch(name, each.strip()) for each in all_values):
            return "it is not an email address"
    return None


def _range(control: Element, kind: str, value: str) -> str | None:
    if kind not in (*_FORMS, "range"):
        return None
    low, high = control.get("min"), control.get("max")
    if kind not in ("number", "range"):  # written so that they sort as text
        if low and re.fullmatch(_FORMS[kind], low) and value < low:
            return f"it is before {low}"
        late = high and re.fullmatch(_FORMS[kind], high) and value > high
        return f"it is after {high}" if late else None
    number, least, most = float(value), _number(low), _number(high)
    if least is not None and number < least:
        return f"it is less than {low}"
    if most is not None and number > most:
        return f"it is more than {high}"
    step = control.get("step", "1").lower()
    size = _number(step) or 1.0
    base = least if least is not None else _number(control.get("value")) or 0.0
    steps = (number - base) / size
    return None if step == "any" or abs(steps - round(steps)) < 1e-9 else f"it is no step of {step}"


def _is_checked_state(element: Element) -> bool:
    if element.tag == "option":
        select = next((e for e in element.itself_and_ancestors() if e.tag == "select"), None)
        if select is None:
            return "selected" in element.attrs
        return any(each is element for each in selected_options(select))
    return input_type(element) in ("checkbox", "radio") and is_checked(element)


def _is_mutable(element: Element) -> bool:
    if element.tag == "textarea" or (
        element.tag == "input" and input_type(element) in {*_TEXTUAL, *_FORMS}
    ):
        return "readonly" not in element.attrs and not is_disabled(element)
    return element.get("contenteditable", "false").lower() in ("", "true", "plaintext-only")


def _is_enabled(element: Element) -> bool:
    tags = ("button", "fieldset", "input", "optgroup", "option", "select", "textarea")
    return element.tag in tags and not is_disabled(element)


def _is_indeterminate(element: Element) -> bool:
    if input_type(element) == "radio" and element.tag == "input":
        return not any(map(is_checked, radio_group(element)))
    return element.tag == "progress" and "value" not in element.attrs


def _is_validated(element: Element) -> bool:
    return element.tag in ("form", "fieldset") or _will_validate(element)


def _has_problem(element: Element) -> bool:
    if element.tag == "form":
        return any(problem(each) for each in members(element))
    return any(problem(each) for each in element.itself_and_descendants())


_ASKED: Final = ("input", "select", "textarea")

#: The pseudo-classes that are about controls.
STATES: Final[dict[str, Callable[[Element], bool]]] = {
    "checked": _is_checked_state,
    "disabled": is_disabled,
    "enabled": _is_enabled,
    "required": lambda e: e.tag in _ASKED and "required" in e.attrs,
    "optional": lambda e: e.tag in _ASKED and "required" not in e.attrs,
    "read-write": _is_mutable,
    "read-only": lambda e: not _is_mutable(e),
    "placeholder-shown": lambda e: (
        e.tag in ("input", "textarea") and bool(e.get("placeholder")) and not value_of(e)
    ),
    "valid": lambda e: _is_validated(e) and not _has_problem(e),
    "invalid": lambda e: _is_validated(e) and _has_problem(e),
    "indeterminate": _is_indeterminate,
    "default": lambda e: "checked" in e.attrs or "selected" in e.attrs,
}

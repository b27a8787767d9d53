"""What a form's controls hold, by the rules of HTML: value, checkedness, owner, validity.

A control's HTML says what it starts with; what a visitor made of it is in the element's own
``value``, ``checked``, ``selected`` and ``files``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from . import times

if TYPE_CHECKING:
    from .dom import Element

__all__ = [
    "STATES",
    "collapsed",
    "form_of",
    "input_type",
    "is_checked",
    "is_chosen",
    "is_disabled",
    "is_focusable",
    "is_submit",
    "members",
    "options",
    "passing_for",
    "problem",
    "radio_group",
    "selected_options",
    "set_checked",
    "settle_options",
    "value_of",
]

_TYPES: Final = frozenset(
    "button checkbox color date datetime-local email file hidden image month number password "
    "radio range reset search submit tel text time url week".split()
)
_TEXTUAL: Final = frozenset("text search url tel email password number".split())
_SHOWS_ONE: Final = re.compile(r"\s*0*1?\s*")
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


def is_focusable(element: Element) -> bool:
    """Whether it takes the focus, as far as its HTML says."""
    if element.tag in ("button", "input", "select", "textarea"):
        return not is_disabled(element) and input_type(element) != "hidden"
    if element.tag in ("a", "area") and "href" in element.attrs:
        return True
    if re.match(r"\s*[+-]?\d", element.get("tabindex", "")):
        return True
    if element.tag == "summary":
        parent = element.parent
        return getattr(parent, "tag", "") == "details"
    editable = element.get("contenteditable", "false").lower()
    return element.tag == "iframe" or editable in ("", "true", "plaintext-only")


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
    return option.get("value", collapsed(option.text))


def collapsed(text: str) -> str:
    """Collapse white space as HTML does: only that of ASCII."""
    return re.sub("[ \t\n\f\r]+", " ", text).strip(" ")


def is_chosen(option: Element) -> bool:
    """Whether an option by itself is chosen, by its HTML or a visitor."""
    return "selected" in option.attrs if option.selected is None else option.selected


def selected_options(select: Element) -> list[Element]:
    """Give the options that are chosen; a plain select has its first when none is."""
    all_options = options(select)
    chosen = list(filter(is_chosen, all_options))
    if "multiple" in select.attrs:
        return chosen
    if chosen:
        return chosen[-1:]
    if _SHOWS_ONE.fullmatch(select.get("size", "")):
        return [each for each in all_options if not is_disabled(each)][:1]
    return []


def settle_options(select: Element, new: Element | None = None) -> None:
    """Hold on to what is chosen, as browsers do when options come and go.

    ``new`` is one that has just arrived and is chosen: it takes the place of the one before.
    """
    if "multiple" in select.attrs:
        return
    chosen = selected_options(select) if new is None else [new]
    for each in options(select):
        each.selected = any(each is one for one in chosen)


def value_of(control: Element) -> str:
    """Give its ``value``, as JavaScript reads it."""
    if control.tag == "option":
        return option_value(control)
    if control.tag == "select":
        chosen = selected_options(control)
        return option_value(chosen[0]) if chosen else ""
    if control.tag == "textarea":
        text = _own_text(control) if control.value is None else control.value
        return text.replace("\r\n", "\n").replace("\r", "\n")
    if control.tag == "output":
        return control.text
    kind = input_type(control)
    if kind in ("checkbox", "radio"):
        return control.get("value", "on")
    if kind == "file":
        return f"C:\\fakepath\\{control.files[0]}" if control.files else ""
    value = control.get("value", "") if control.value is None else control.value
    return _sanitised(control, kind, value) if control.tag == "input" else value


def _own_text(element: Element) -> str:
    """Give the text that stands straight in it."""
    return "".join(node.text for node in element.children if not hasattr(node, "children"))


def _sanitised(control: Element, kind: str, value: str) -> str:
    """Make of a value what an input of that kind holds."""
    if kind in ("text", "search", "tel", "password"):
        return re.sub(r"[\r\n]", "", value)
    if kind == "email" and "multiple" in control.attrs:
        return ",".join(each.strip() for each in value.split(","))
    if kind in ("url", "email"):
        return re.sub(r"[\r\n]", "", value).strip()
    if kind in times.FORMS:
        return times.sanitised(kind, value)
    if kind == "number":
        return value if _number(value) is not None else ""
    if kind == "color":
        return _color(value)
    if kind == "range":
        return _slid(control, value)
    return value


_NUMBER: Final = r"-?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+)?"
_NUMERIC: Final = ("number", "range")
#: The colours that HTML has names for, of old.
_COLORS: Final = {
    "black": "000000",
    "silver": "c0c0c0",
    "gray": "808080",
    "white": "ffffff",
    "maroon": "800000",
    "red": "ff0000",
    "purple": "800080",
    "fuchsia": "ff00ff",
    "green": "008000",
    "lime": "00ff00",
    "olive": "808000",
    "yellow": "ffff00",
    "navy": "000080",
    "blue": "0000ff",
    "teal": "008080",
    "aqua": "00ffff",
}


def _slid(control: Element, value: str) -> str:
    """Give where a slider stands: within its range, on a step."""
    low = _number(control.get("min")) or 0.0
    high = _number(control.get("max"))
    high = max(100.0 if high is None else high, low)
    held = _number(value)
    held = (low + high) / 2 if held is None else min(max(held, low), high)
    if control.get("step", "").lower() != "any":
        step = _number(control.get("step")) or 1.0
        step = step if step > 0 else 1.0
        base = _number(control.get("min"))
        base = _number(control.get("value")) or 0.0 if base is None else base
        on_step = base + step * math.floor((held - base) / step + 0.5 + 1e-9)
        on_step = on_step - step if on_step > high else on_step
        held = on_step if abs(on_step - held) > 1e-9 else held
    return value if _number(value) == held else f"{held:g}"


def _color(text: str) -> str:
    """Write a colour as a field holds it; what a browser cannot read is black."""
    text = text.strip().lower()
    if found := re.fullmatch("#([0-9a-f]{3})[0-9a-f]?", text):
        return "#" + "".join(digit * 2 for digit in found[1])
    if found := re.fullmatch("#([0-9a-f]{6})([0-9a-f]{2})?", text):
        return f"#{found[1]}"
    return f"#{_COLORS.get(text, '000000')}"


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(_NUMBER, text) else None


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


def passing_for(form: Element, name: str) -> list[Element]:
    """Give the controls that pass themselves off as a property of their form."""
    if form.tag != "form":
        return []
    return [each for each in members(form) if name in (each.get("id"), each.get("name"))]


# --- validity --------------------------------------------------------------------------


def _will_validate(control: Element) -> bool:
    if control.tag not in ("input", "select", "textarea", "button") or is_disabled(control):
        return False
    if control.tag != "select" and "readonly" in control.attrs:
        return False
    if any(each.tag == "datalist" for each in control.itself_and_ancestors()):
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
        elif control.tag == "select":
            empty = _chooses_nothing(control)
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


def _chooses_nothing(select: Element) -> bool:
    """Whether no option is chosen but the one that stands for none: the first, when it is empty."""
    first = next(iter(options(select)), None)
    is_placeholder = (
        first is not None
        and first.parent is select
        and not option_value(first)
        and input_type(select) == "select-one"
        and _SHOWS_ONE.fullmatch(select.get("size", "")) is not None
    )
    chosen = selected_options(select)
    return not any(each is not first or not is_placeholder for each in chosen)


def _pattern(control: Element, kind: str, value: str) -> str | None:
    pattern = control.get("pattern")
    if pattern is None or kind not in _TEXTUAL or kind == "number":
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


_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_EMAIL: Final = re.compile(rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*")


def _kind(control: Element, kind: str, value: str) -> str | None:
    if kind == "url" and not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:.", value):
        return "it is not a URL"
    if kind == "email":
        all_values = value.split(",") if "multiple" in control.attrs else [value]
        if not all(map(_EMAIL.fullmatch, all_values)):
            return "it is not an email address"
    return None


def _measure(kind: str, text: str | None) -> float | None:
    """Give a value as a number, None for what is none."""
    return times.measure(kind, text or "") if kind in times.FORMS else _number(text)


def _limits(control: Element, kind: str, value: str) -> str | None:
    low, high = control.get("min"), control.get("max")
    number, least, most = (_measure(kind, each) for each in (value, low, high))
    assert number is not None  # what is none is not held
    if kind == "time" and least is not None and most is not None and least > most:
        # From the evening to the morning.
        return f"it is not from {low} to {high}" if most < number < least else None
    if least is not None and number < least:
        return f"it is before {low}" if kind in times.FORMS else f"it is less than {low}"
    if most is not None and number > most:
        return f"it is after {high}" if kind in times.FORMS else f"it is more than {high}"
    return None


def _has_limits(element: Element) -> bool:
    limited = element.tag == "input" and input_type(element) in (*times.FORMS, *_NUMERIC)
    return limited and ("min" in element.attrs or "max" in element.attrs)


def _exceeds(element: Element) -> bool:
    value = value_of(element)
    return bool(value) and _limits(element, input_type(element), value) is not None


def _range(control: Element, kind: str, value: str) -> str | None:
    if kind not in (*times.FORMS, *_NUMERIC):
        return None
    return _limits(control, kind, value) or _steps(control, kind, value)


def _steps(control: Element, kind: str, value: str) -> str | None:
    step = control.get("step", "")
    if step.lower() == "any":
        return None
    unit, usual = times.STEPS.get(kind, (1.0, 1.0))
    size = _number(step)
    size = (size if size is not None and size > 0 else usual) * unit
    base = _measure(kind, control.get("min"))
    if base is None:
        base = _measure(kind, control.get("value"))
    number = _measure(kind, value)
    assert number is not None
    steps = (number - (times.BASES.get(kind, 0.0) if base is None else base)) / size
    return None if abs(steps - round(steps)) < 1e-9 else f"it is no step of {step or usual}"


def _is_checked_state(element: Element) -> bool:
    if element.tag == "option":
        select = next((e for e in element.itself_and_ancestors() if e.tag == "select"), None)
        if select is None:
            return "selected" in element.attrs
        return any(each is element for each in selected_options(select))
    return input_type(element) in ("checkbox", "radio") and is_checked(element)


def _is_mutable(element: Element) -> bool:
    if element.tag == "textarea" or (
        element.tag == "input" and input_type(element) in {*_TEXTUAL, *times.FORMS}
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
    "in-range": lambda e: _has_limits(e) and not _exceeds(e),
    "out-of-range": lambda e: _has_limits(e) and _exceeds(e),
    "indeterminate": _is_indeterminate,
    "default": lambda e: "checked" in e.attrs or "selected" in e.attrs,
}

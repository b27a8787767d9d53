"""``hx-trigger``: which events make an element send, and when.

Both generations write it nearly alike. What stands in ``[...]`` is JavaScript; the few forms
that pages use are understood, and anything else raises rather than being guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from ..browser.controls import input_type, value_of
from ..browser.dom import Branch, Element
from ..browser.tab import Event, NeedsJavaScript, Tab, Uncaught
from .hcon import parse, split

__all__ = ["Trigger", "listen", "passes", "read_triggers", "seconds"]


@dataclass(frozen=True)
class Trigger:
    """One event of an ``hx-trigger``; ``delay``, ``throttle`` and ``every`` are in seconds."""

    event: str
    filter: str = ""
    once: bool = False
    changed: bool = False
    consume: bool = False
    prevent: bool = False
    delay: float = 0
    throttle: float = 0
    every: float = 0
    origin: str = ""
    target: str = ""


def seconds(text: str) -> float:
    """Read ``300ms``, ``2s``, ``1m``, or a bare number of milliseconds."""
    found = re.match(r"([\d.]+)\s*(ms|s|m|h)?", text.strip())
    if found is None:
        return 0
    return float(found[1]) * {"ms": 0.001, None: 0.001, "s": 1, "m": 60, "h": 3600}[found[2]]


def read_triggers(text: str) -> list[Trigger]:
    """Parse an ``hx-trigger`` as htmx 4 does, whose modifiers are HCON."""
    triggers: list[Trigger] = []
    for part in split(text):
        event, filter, rest = _parts(part)
        if event:
            if re.search(r"\[[^\]]*$", part.strip().split(maxsplit=1)[0]):
                raise Uncaught(f"unterminated:{part.strip().split(maxsplit=1)[0]}")
            values = parse(rest)
            if values.get("delay") is True or values.get("throttle") is True:
                raise Uncaught("str?.match is not a function")
            given = {name: str(value) for name, value in values.items()}
            every = seconds(next(iter(given), "")) if event == "every" else 0
            triggers.append(_trigger(event, filter, every, given))
    return triggers


def _parts(text: str) -> tuple[str, str, str]:
    found = re.match(
        r"\s*([^\s\[]*)(?:\[([^\]]*(?:\[[^\]]*\][^\]]*)*)\])?\s*(.*)$", text, re.DOTALL
    )
    assert found is not None
    return found[1], found[2] or "", found[3]


def _trigger(event: str, filter: str, every: float, given: Mapping[str, str]) -> Trigger:
    halts = "halt" in given
    return Trigger(
        event,
        filter,
        once="once" in given,
        changed="changed" in given,
        consume=halts or "consume" in given or "stop" in given,
        prevent=halts or "prevent" in given,
        delay=seconds(given.get("delay", "")),
        throttle=seconds(given.get("throttle", "")),
        every=every,
        origin=given.get("from", ""),
        target=given.get("target", ""),
    )


def listen(
    tab: Tab,
    element: Element,
    trigger: Trigger,
    origins: Iterable[Branch],
    act: Callable[[Event], None],
    *,
    is_old: bool,
    by_place: bool = False,
) -> list[Callable[[], None]]:
    """Call ``act`` when a trigger fires; gives what ends each of its listeners.

    ``is_old``: htmx 1.9 and 2, where ``changed`` compares with the value that there was to begin
    with, an element has one ``once`` for all its triggers, and ``throttle`` wins over ``delay``.
    ``by_place``: 1.9, where ``changed`` looks at what listens, not at what the event is of.
    """
    ends: list[Callable[[], None]] = []
    places = list(origins)
    last = {id(each): _value(each) for each in places} if is_old else {}
    state: dict[str, object] = element.life.setdefault("timers", {})

    def fire(event: Event) -> None:
        if trigger.once and not is_old:
            for end in ends:
                end()
        act(event)

    def handle(place: Branch, event: Event) -> None:
        if trigger.origin == "outside" and element.contains(event.target):
            return
        if trigger.origin == "self" and event.target is not element:
            return
        if trigger.target and not (
            isinstance(event.target, Element) and event.target.matches(trigger.target)
        ):
            return
        if trigger.filter and not passes(trigger.filter, event):
            return
        if trigger.prevent:
            event.is_prevented = True
        if trigger.consume:
            event.is_stopped = True
        if trigger.once and is_old:
            if element.life.get("once"):
                return
            element.life["once"] = True
        if trigger.changed and (is_old or not _is_box(event.target)):
            judged = place if by_place else event.target
            value = _value(judged)
            if last.get(id(judged)) == value:
                return
            last[id(judged)] = value
        if callable(cancel := state.pop("delayed", None)):
            cancel()
        if state.get("throttled"):
            return
        if trigger.throttle:
            state["throttled"] = True
            tab.later(trigger.throttle, lambda: state.pop("throttled", None))
        if trigger.delay and not (is_old and trigger.throttle):
            state["delayed"] = tab.later(trigger.delay, partial(tab.run, partial(fire, event)))
        else:
            fire(event)

    ends += [tab.listen(place, trigger.event, partial(handle, place)) for place in places]
    return ends


def _is_box(node: Branch) -> bool:
    """In htmx 4 a box has always changed."""
    return isinstance(node, Element) and input_type(node) in ("checkbox", "radio")


def _value(node: Branch) -> str:
    return value_of(node) if isinstance(node, Element) and input_type(node) else ""


def passes(expression: str, event: Event) -> bool:
    """Whether an event passes a filter; raises ``NeedsJavaScript`` for one not known here."""
    return any(
        all(_is_true(term.strip(), event, expression) for term in part.split("&&"))
        for part in expression.split("||")
    )


_NOT_HELD: Final = ("ctrlKey", "shiftKey", "altKey", "metaKey")


def _is_true(term: str, event: Event, whole: str) -> bool:
    if term.startswith("!"):
        return not _is_true(term[1:].strip(), event, whole)
    if term in _NOT_HELD or term == "false":
        return False
    if term == "true":
        return True
    found = re.fullmatch(r"(?:event\.)?(key|code|type)\s*===?\s*([\"'])(.*)\2", term)
    if found is None:
        raise NeedsJavaScript(
            f"the filter [{whole}] of an hx-trigger is JavaScript, which does not run in a test"
        )
    return {"key": event.key, "code": event.key, "type": event.type}[found[1]] == found[3]

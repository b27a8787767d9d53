"""``hx-trigger`` as htmx 1.9 and 2 read it: token by token, which decides what is a fault."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .triggers import Trigger, seconds

__all__ = ["parse_triggers"]

_TOKEN: Final = re.compile(
    r"""[_$a-zA-Z][_$a-zA-Z0-9]*|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|/(?:\\.|[^/\\])*/?|.""",
    re.DOTALL,
)
_WORDS: Final = ("closest", "find", "next", "previous")


def parse_triggers(text: str, fault: Callable[[], None], *, strict: bool) -> list[Trigger]:
    """Parse an ``hx-trigger``; ``fault`` is called for each part that is none.

    ``strict`` is 1.9, for which white space at the end is a fault.
    """
    return _Reader(text, fault, strict).read()


class _Reader:
    def __init__(self, text: str, fault: Callable[[], None], strict: bool) -> None:
        self.tokens = _TOKEN.findall(text)
        self.fault = fault
        self.strict = strict

    def until(self, pattern: str) -> str:
        taken = ""
        while self.tokens and not re.search(pattern, self.tokens[0]):
            taken += self.tokens.pop(0)
        return taken

    def skip_space(self) -> None:
        self.until(r"\S")

    def take(self, token: str) -> bool:
        if self.tokens[:1] != [token]:
            return False
        self.tokens.pop(0)
        return True

    def wrong(self) -> None:
        del self.tokens[:1]
        self.fault()

    def read(self) -> list[Trigger]:
        triggers: list[Trigger] = []
        while True:
            self.skip_space()
            left = len(self.tokens)
            event = self.until(r"[,\[\s]")
            if event == "every":
                self.skip_space()
                interval = seconds(self.until(r"[,\[\s]"))
                self.skip_space()
                triggers.append(Trigger(event, self.filter(), every=interval))
            elif event:
                triggers.append(self.trigger(event))
            if len(self.tokens) == left:
                self.wrong()
            self.skip_space()
            if not self.take(","):
                return triggers

    def filter(self) -> str:
        if not self.take("["):
            return ""
        taken, depth = "", 1
        while self.tokens:
            token = self.tokens.pop(0)
            depth += (token == "[") - (token == "]")
            if not depth:
                return taken.strip() or "true"
            taken += token
        return ""

    def trigger(self, event: str) -> Trigger:
        filter = self.filter()
        flags: set[str] = set()
        given: dict[str, str] = {}
        if not self.strict:
            self.skip_space()
        while self.tokens and self.tokens[0] != ",":
            self.skip_space()
            name = self.tokens.pop(0) if self.tokens else ""
            if name in ("changed", "once", "consume"):
                flags.add(name)
            elif name in ("delay", "throttle", "queue", "threshold") and self.take(":"):
                given[name] = self.until(r"[\s,]")
            elif name in ("target", "root") and self.take(":"):
                given[name] = self.selector()
            elif name == "from" and self.take(":"):
                given[name] = self.origin()
            else:
                self.wrong()
            if not self.strict:
                self.skip_space()
        return Trigger(
            event,
            filter,
            once="once" in flags,
            changed="changed" in flags,
            consume="consume" in flags,
            delay=seconds(given.get("delay", "")),
            throttle=seconds(given.get("throttle", "")),
            origin=given.get("from", ""),
            target=given.get("target", ""),
        )

    def origin(self) -> str:
        if self.tokens and re.search(r"[{(]", self.tokens[0]):
            return self.selector()
        origin = self.until(r"[\s,]")
        if origin in _WORDS:
            del self.tokens[:1]
            origin = f"{origin} {self.selector()}".strip()
        return origin

    def selector(self) -> str:
        if self.tokens and re.search(r"[{(]", self.tokens[0]):
            self.tokens.pop(0)
            selector = self.until(r"[})]").strip()
            del self.tokens[:1]
            return selector
        return self.until(r"[\s,]")

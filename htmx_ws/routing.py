"""Paths with parameters, as Starlette and FastAPI users write them: ``/chat/{room}``.

Converters: ``{n:int}``, ``{x:float}``, ``{key:uuid}``, ``{rest:path}`` and ``{name}`` or
``{name:str}``, with the meaning that they have there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from uuid import UUID

from .errors import RegistrationError

__all__ = ["Converters", "Path", "PathPattern", "scope_path"]

#: Of each converter's name: its regular expression, and what makes the value of the text.
Converters = Mapping[str, tuple[str, Callable[[str], Any]]]

_CONVERTERS: Final[Converters] = {
    "str": (r"[^/]+", str),
    "path": (r".*", str),
    "int": (r"[0-9]+", int),
    "float": (r"[0-9]+(?:\.[0-9]+)?", float),
    "uuid": (r"[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", UUID),
}
_PARAMETER: Final = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-zA-Z_][a-zA-Z0-9_]*))?\}")
_OF_DJANGO: Final = re.compile(r"<(?:\w+:)?(\w+)>")


class PathPattern(Protocol):
    """A path with parameters, in whatever syntax: its text, their names, and how it matches."""

    @property
    def text(self) -> str: ...
    @property
    def names(self) -> frozenset[str]: ...
    def match(self, path: str, /) -> dict[str, Any] | None: ...


class Path:
    """A compiled path: ``match`` gives its parameters, converted; ``names`` are theirs."""

    __slots__ = ("_converters", "_regex", "text")

    def __init__(self, text: str, converters: Converters = _CONVERTERS) -> None:
        if not text.startswith("/"):
            raise RegistrationError(f"The path {text!r} must start with a slash: '/{text}'.")
        right = _OF_DJANGO.sub(r"{\1}", text)
        if right != text:
            raise RegistrationError(
                f"The path {text!r} is in the syntax of Django: here it is {right!r}."
            )
        self.text: str = text
        self._converters: dict[str, Callable[[str], Any]] = {}
        pattern, at = "", 0
        for found in _PARAMETER.finditer(text):
            name, converter = found[1], found[2] or "str"
            if converter not in converters:
                raise RegistrationError(
                    f"The path {text!r} names the converter {converter!r}: there are "
                    f"{', '.join(converters)}."
                )
            if name in self._converters:
                raise RegistrationError(f"The path {text!r} has two parameters called {name!r}.")
            regex, self._converters[name] = converters[converter]
            pattern += re.escape(text[at : found.start()]) + f"(?P<{name}>{regex})"
            at = found.end()
        rest = text[at:]
        if "{" in _PARAMETER.sub("", text) or "}" in _PARAMETER.sub("", text):
            raise RegistrationError(f"The path {text!r} has a brace that is no parameter.")
        self._regex = re.compile(pattern + re.escape(rest), re.DOTALL)

    def __repr__(self) -> str:
        return f"Path({self.text!r})"

    @property
    def names(self) -> frozenset[str]:
        """The names of the path's parameters."""
        return frozenset(self._converters)

    def match(self, path: str) -> dict[str, Any] | None:
        """Give the parameters of a path that fits, converted, or None."""
        found = self._regex.fullmatch(path)
        if found is None:
            return None
        try:
            return {name: self._converters[name](text) for name, text in found.groupdict().items()}
        except ValueError:  # more digits than Python converts
            return None


def scope_path(scope: Mapping[str, Any]) -> str:
    """Give the path below where the application is mounted.

    ASGI's ``path`` holds the ``root_path`` in newer servers and frameworks and not in older:
    it is taken off only where it stands.
    """
    path: str = scope.get("path", "")
    root: str = scope.get("root_path", "").rstrip("/")
    if root and (path == root or path.startswith(root + "/")):
        return path[len(root) :] or "/"
    return path

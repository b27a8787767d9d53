"""Is what is called by position, a rule or a hook, written for what it is called with?

Handlers are filled by name, these are not: ``may_join(user, room)`` would get a connection for
its user, find it true and let everybody in. So what says otherwise by its own names is refused
while it is registered, as is what could not be called at all.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

from .errors import RegistrationError

__all__ = ["check_hook"]

#: What parameters are mistaken for: what handlers get by these names, and the other places.
_NAMES: Final = frozenset(
    "app auth conn data error frame htmx request room scope send session state user who ws".split()
)
#: Other names of what is passed.
_ALSO: Final = {"conn": "ws", "who": "user"}


def check_hook(name: str, hook: Any, *takes: str) -> None:
    """Refuse what is not to be called with ``takes``: their names, in the order of their places.

    Raises ``TypeError`` for what is not callable, ``RegistrationError`` for what has another
    signature. What has none, or takes anything, passes.
    """
    right = f"{name}({', '.join(takes)})"
    if not callable(hook):
        raise TypeError(f"{name} is called, as {right}, and {hook!r} is no function.")
    try:
        signature = inspect.signature(hook, follow_wrapped=False)
    except (NameError, TypeError, ValueError):  # as of some that are written in C
        return
    shown = getattr(hook, "__qualname__", repr(hook))
    try:
        signature.bind(*takes)
    except TypeError as error:
        raise RegistrationError(
            f"{name} is called by position, as {right}, and {shown} cannot be: {error}."
        ) from None
    for parameter, place in _places(signature, hook, takes):
        if parameter in _NAMES and parameter not in (place, _ALSO.get(place)):
            raise RegistrationError(
                f"{name} is called by position, as {right}: the parameter `{parameter}` of "
                f"{shown} would be the {place}."
            )


def _places(
    signature: inspect.Signature, hook: Any, takes: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """Give parameters and what they get; of what a wrapper passes on by ``*``, those within it."""
    own = signature.bind(*takes).arguments
    named = [(parameter, place) for parameter, place in own.items() if isinstance(place, str)]
    yield from named
    try:
        within = inspect.signature(hook).bind(*takes).arguments
    except (NameError, TypeError, ValueError):  # the wrapper passes on something else
        return
    for parameter, place in within.items():
        if place in takes[len(named) :]:
            yield parameter, place

"""A page in a test, without a browser or a server, for any ASGI application.

``Page`` is a page as a visitor has it, with the htmx of his choice; ``Socket`` is the bare
websocket below it. Both speak ASGI straight to the application, in one event loop, and
everything that waits has a timeout, because a test that hangs says nothing. ``BackendContract``
is the suite that every backend passes.

Names are imported when they are first used: pytest loads the plugin in here for every test
run, and few of them have pages.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .asserts import assert_joined, assert_published, publications
    from .backend import BackendContract
    from .clients import VERSIONS
    from .faults import FaultyBackend
    from .frames import build_frame
    from .network import Browser
    from .page import Page
    from .socket import Closed, Denied, Socket
    from .time import advance

__all__ = [
    "VERSIONS",
    "BackendContract",
    "Browser",
    "Closed",
    "Denied",
    "FaultyBackend",
    "Page",
    "Socket",
    "advance",
    "assert_joined",
    "assert_published",
    "build_frame",
    "publications",
]

_HOMES: Final = {
    "VERSIONS": "clients",
    "BackendContract": "backend",
    "Browser": "network",
    "Closed": "socket",
    "Denied": "socket",
    "FaultyBackend": "faults",
    "Page": "page",
    "Socket": "socket",
    "advance": "time",
    "assert_joined": "asserts",
    "assert_published": "asserts",
    "build_frame": "frames",
    "publications": "asserts",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)

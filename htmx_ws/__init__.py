"""The server side of htmx's websockets, for any ASGI application: one handler, every htmx.

Names are imported when they are first used, so that ``import htmx_ws`` costs nothing and
brings in neither pydantic nor anything else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .app import HtmxWS
    from .backends import Backend, MemoryBackend
    from .clean import clean
    from .connection import Connection
    from .endpoint import Endpoint
    from .errors import (
        BackendError,
        BadSignature,
        BindingError,
        FragmentError,
        FrameError,
        FrameTooBig,
        HtmxWSError,
        LimitError,
        Refused,
        RegistrationError,
    )
    from .markup import Attributes, connect_attrs, new_page, page_field, scripts, send_attrs
    from .pages import PageMarkup
    from .presence import Presence, Present
    from .publisher import Publisher
    from .security import ALLOW_ALL, Limits
    from .telemetry import Event
    from .wire.content import HTML, html
    from .wire.fragment import (
        Fragment,
        after,
        append,
        before,
        data_only,
        morph,
        prepend,
        redirect,
        refresh,
        remove,
        replace,
        title,
        trigger,
        update,
    )
    from .wire.frame import Dialect, Frame, HtmxHeaders, parse
    from .wire.serialise import Message, serialise

__version__ = "0.1.0"

__all__ = [
    "ALLOW_ALL",
    "HTML",
    "Attributes",
    "Backend",
    "BackendError",
    "BadSignature",
    "BindingError",
    "Connection",
    "Dialect",
    "Endpoint",
    "Event",
    "Fragment",
    "FragmentError",
    "Frame",
    "FrameError",
    "FrameTooBig",
    "HtmxHeaders",
    "HtmxWS",
    "HtmxWSError",
    "LimitError",
    "Limits",
    "MemoryBackend",
    "Message",
    "PageMarkup",
    "Presence",
    "Present",
    "Publisher",
    "Refused",
    "RegistrationError",
    "after",
    "append",
    "before",
    "clean",
    "connect_attrs",
    "data_only",
    "html",
    "morph",
    "new_page",
    "page_field",
    "parse",
    "prepend",
    "redirect",
    "refresh",
    "remove",
    "replace",
    "scripts",
    "send_attrs",
    "serialise",
    "title",
    "trigger",
    "update",
]

_MODULES: Final = {
    "app": "HtmxWS",
    "backends": "Backend MemoryBackend",
    "clean": "clean",
    "connection": "Connection",
    "endpoint": "Endpoint",
    "errors": "BackendError BadSignature BindingError FragmentError FrameError FrameTooBig "
    "HtmxWSError LimitError Refused RegistrationError",
    "markup": "Attributes connect_attrs new_page page_field scripts send_attrs",
    "pages": "PageMarkup",
    "presence": "Presence Present",
    "publisher": "Publisher",
    "security": "ALLOW_ALL Limits",
    "telemetry": "Event",
    "wire.content": "HTML html",
    "wire.fragment": "Fragment after append before data_only morph prepend redirect refresh "
    "remove replace title trigger update",
    "wire.frame": "Dialect Frame HtmxHeaders parse",
    "wire.serialise": "Message serialise",
}
_HOME: Final = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOME[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

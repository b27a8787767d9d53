"""htmx-ws with the manners of Django and Channels; also a Django app: ``"htmx_ws_channels"``.

``from htmx_ws_channels import HtmxWS`` imports Channels, and Django's models with it. Django
imports this package before its models are there, so names are imported when they are used.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .live import HtmxWS
    from .requests import page_of, request_of

__all__ = ["HtmxWS", "page_of", "request_of"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if find_spec("django") is None or find_spec("channels") is None:
        raise ImportError(
            'htmx_ws_channels needs Django and Channels: pip install "htmx-ws[channels]"'
        )
    from . import live, requests

    return getattr(live if name == "HtmxWS" else requests, name)

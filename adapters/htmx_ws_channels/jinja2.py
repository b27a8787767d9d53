"""The template tags as functions for Jinja2: ``environment.globals.update(GLOBALS)``.

{{ htmx_ws_scripts() }}
<div {{ htmx_ws_connect("chat", room=room.slug) }}>
  <form id="say" {{ htmx_ws_send() }}> ... </form>
  <form hx-post="{{ url('save') }}">{{ csrf_input }}{{ htmx_ws_page() }} ... </form>
</div>
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from jinja2 import pass_context

from . import tags

__all__ = ["GLOBALS"]

GLOBALS: Final[dict[str, Callable[..., Any]]] = {
    "htmx_ws_scripts": pass_context(tags.script_tags),
    "htmx_ws_connect": pass_context(tags.connect),
    "htmx_ws_send": tags.send,
    "htmx_ws_page": pass_context(tags.page),
}

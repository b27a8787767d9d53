"""Django's Jinja2 engine, with the tags of htmx-ws as functions."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment

from htmx_ws_channels.jinja2 import GLOBALS


def environment(**options: Any) -> Environment:
    """Make the environment, with Django's own options: it escapes."""
    made = Environment(**options)
    made.globals.update(GLOBALS)
    return made

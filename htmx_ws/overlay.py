"""In debug alone: a handler's error, shown in the page that met it.

Whoever writes a handler looks at the page, not at the log. The overlay is a dialog that closes
without a script; it lies over the page's foot, and a later one over it. In production nothing
of an error reaches a page but what its ``on_error`` sends.
"""

from __future__ import annotations

import traceback
from typing import Final

from .wire.content import html
from .wire.fragment import Fragment, append

__all__ = ["CLASS", "show_failure"]

#: The class of the dialog, for whoever wants to style or look for it.
CLASS: Final = "htmx-ws-error"

_STYLE: Final = (
    "position:fixed;inset:auto 0 0 0;z-index:2147483647;margin:0;box-sizing:border-box;"
    "width:100%;max-width:none;max-height:60vh;overflow:auto;padding:1em;border:0;"
    "border-top:4px solid #b00020;background:#fff;color:#111;font:14px/1.4 monospace"
)


def show_failure(error: BaseException, handler: str) -> Fragment:
    """Make the overlay of an error, with its traceback, all of it escaped."""
    lines = "".join(traceback.format_exception(error))
    lines = lines.encode("utf-8", "backslashreplace").decode()  # no message takes lone surrogates
    return append(
        "body",
        html(
            '<dialog open class="{}" style="{}"><form method="dialog"><button>Close</button> '
            "<b>{} failed.</b> This is shown because of debug=True.</form>"
            '<pre style="white-space:pre-wrap">{}</pre></dialog>',
            CLASS,
            _STYLE,
            handler,
            lines,
        ),
    )

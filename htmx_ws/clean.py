"""HTML that users wrote, made safe for pages with htmx.

Sanitisers know scripts and ``onclick``. They do not know that on a page with htmx ``hx-get`` is
as good as a script, that htmx reads ``data-hx-get`` too, and that htmx 4 carries out an
``hx-swap-oob`` however deep in a message it stands. The cleaning itself is nh3's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .wire.content import HTML

__all__ = ["clean"]

_ACTS: Final = ("on", "hx-", "data-hx-", "ws-", "data-ws-", "sse-", "data-sse-")


def clean(
    text: str,
    *,
    attribute_filter: Callable[[str, str, str], str | None] | None = None,
    **options: Any,
) -> HTML:
    """Clean HTML that users wrote, for ``append("#log", clean(text))``.

    Keeps text, links and common markup, as nh3 does; drops ids and classes, which nh3 does too
    unless ``attributes`` allows them, and, whatever is allowed, every attribute that htmx or a
    browser acts on. ``options`` and ``attribute_filter`` are those of ``nh3.clean``. To show text
    as text, use ``html("{}", text)`` instead. Raises ``ImportError`` where nh3 is not there.
    """
    try:
        import nh3
    except ImportError as error:
        raise ImportError('clean() needs nh3: pip install "htmx-ws[clean]"') from error

    def without_acts(tag: str, name: str, value: str) -> str | None:
        if name.lower().startswith(_ACTS):
            return None
        return value if attribute_filter is None else attribute_filter(tag, name, value)

    return HTML(nh3.clean(text, attribute_filter=without_acts, **options))

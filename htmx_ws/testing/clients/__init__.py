"""What each htmx does with a page and its sockets, read in its source, held against Chromium."""

from __future__ import annotations

from typing import Final

from ..browser.tab import Tab
from .htmx2 import Htmx2
from .htmx4 import Htmx4

__all__ = ["VERSIONS", "Client", "start"]

Client = Htmx2 | Htmx4

#: The versions whose every step is known; the first of each generation is its newest.
VERSIONS: Final = ("4.0.1", "2.0.11", "2.0.4", "1.9.12")


def start(version: str, tab: Tab) -> Client:
    """Give a tab an htmx, which is yet to be started; raises ``ValueError`` for one not known."""
    if version not in VERSIONS:
        raise ValueError(f"htmx {version!r} is not known here: use one of {', '.join(VERSIONS)}")
    return Htmx4(tab, version) if version.startswith("4.") else Htmx2(tab, version)

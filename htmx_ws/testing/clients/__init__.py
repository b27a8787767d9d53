"""What each htmx does with a page and its sockets, read in its source, held against Chromium."""

from __future__ import annotations

from typing import Final

from ..browser.tab import Tab
from .htmx2 import Htmx2
from .htmx4 import Htmx4

__all__ = ["VERSIONS", "Client", "find_version", "start"]

Client = Htmx2 | Htmx4

#: The versions whose every step is known; the first of each generation is its newest.
VERSIONS: Final = ("4.0.1", "2.0.11", "2.0.4", "1.9.12")


def find_version(htmx: str | int) -> str:
    """Give one of ``VERSIONS``, of a generation its newest; raises ``ValueError`` for any other."""
    for version in VERSIONS:
        if str(htmx) in (version, version.partition(".")[0]):
            return version
    raise ValueError(
        f"htmx {htmx!r} is not known here: use 1, 2 or 4, or one of {', '.join(VERSIONS)}"
    )


def start(version: str, tab: Tab) -> Client:
    """Give a tab an htmx, which is yet to be started."""
    return Htmx4(tab, version) if version.startswith("4.") else Htmx2(tab, version)

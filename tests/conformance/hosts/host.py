"""What the suite asks of a framework: to put ``live`` into an application, as its users would.

A host is one subclass in a module of its own. Its application has, beside the sockets, two
views, written in the framework's way: ``/publish?text=`` publishes a line to the room "lobby"
from a plain function, and ``/sign-in`` makes the visitor "ann". Its lifespan is ``live``'s and
gives the state ``db``, which is "open".
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, NamedTuple

from htmx_ws import Connection, Dialect, HtmxWS
from htmx_ws.types import ASGIApp

__all__ = ["Cannot", "Host"]


class Cannot(NamedTuple):
    """Why a host cannot do a case, for the docs; and what its test fails with, as a regex."""

    why: str
    shows: str


class Host:
    """A framework, and how its users compose an application of it."""

    #: How the docs call it.
    name: ClassVar[str]
    #: Every one of htmx's dialects is tried in `make test-all`; these always.
    dialects: ClassVar[tuple[Dialect, ...]] = ("htmx4",)
    #: Where ``live``'s paths are, in what ``build`` gives.
    root: ClassVar[str] = ""
    #: By the name of its test, what this framework has no place for.
    cannot: ClassVar[Mapping[str, Cannot]] = {}

    def live(self, **options: Any) -> HtmxWS:
        """Make the ``HtmxWS`` that this framework's users import."""
        return HtmxWS(**options)

    def build(self, live: Any) -> ASGIApp:
        """Compose an application with all that is registered on ``live``."""
        raise NotImplementedError

    def build_below(self, live: Any, prefix: str) -> ASGIApp:
        """Compose an application that has ``live`` below a path."""
        raise NotImplementedError

    def reverse(self, app: Any, name: str, **params: Any) -> str:
        """Give the address of an endpoint by its name."""
        raise NotImplementedError

    def render(self, conn: Connection, text: str) -> object:
        """Make ``<p id="line">text</p>`` by what the framework renders HTML with."""
        raise NotImplementedError

    def environment(self) -> AbstractContextManager[object]:
        """Give what has to be there while the application is used, and not after."""
        return nullcontext()

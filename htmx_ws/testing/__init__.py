"""A page's socket without a browser or a server, for tests of any ASGI application.

It speaks ASGI straight to the application, in one event loop, and writes frames exactly as
the htmx of the chosen dialect does. Everything that waits has a timeout, because a test that
hangs says nothing.
"""

from .asserts import assert_joined, assert_published, publications
from .clients import VERSIONS
from .frames import build_frame
from .network import Browser
from .page import Page
from .socket import Closed, Denied, Socket
from .time import advance

__all__ = [
    "VERSIONS",
    "Browser",
    "Closed",
    "Denied",
    "Page",
    "Socket",
    "advance",
    "assert_joined",
    "assert_published",
    "build_frame",
    "publications",
]

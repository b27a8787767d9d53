"""What tests use: a page's socket without a browser or a server, and the suite of backends.

``Socket`` speaks ASGI straight to the application, in one event loop, and writes frames exactly
as the htmx of the chosen dialect does. Everything that waits has a timeout, because a test that
hangs says nothing.
"""

from .backend import BackendContract
from .frames import build_frame
from .socket import Closed, Denied, Socket

__all__ = ["BackendContract", "Closed", "Denied", "Socket", "build_frame"]

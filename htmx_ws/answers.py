"""What a page sees of an error: what ``on_error`` answers, or a message at its form.

Every error of a frame is logged here, once, whoever raised it. A page learns of one by a hook,
by errors beside the fields of the form that it sent, or in debug mode by an overlay; it keeps
its connection, unless what it sent is too big.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .connection import Connection
from .endpoint import Endpoint, Handler, RunAround
from .errors import BindingError, FrameError, FrameTooBig, Refused
from .incidents import refuse
from .overlay import show_failure
from .reflection import handling
from .wire.content import html
from .wire.fragment import Fragment, update
from .wire.frame import Frame
from .wire.selector import id_selector

__all__ = ["Answers", "show_errors"]

#: Where errors are shown: no page has longer ids, or more forms that are filled in wrongly.
_LONGEST_ID: Final = 200
_MOST_SHOWN: Final = 100


class Answers:
    """The answers to the errors of one page, and where they are shown on it."""

    __slots__ = ("_conn", "_debug", "_endpoint", "_overlay", "_run", "_shown")

    def __init__(
        self, conn: Connection, endpoint: Endpoint, run: RunAround, *, debug: bool, overlay: bool
    ) -> None:
        self._conn = conn
        self._endpoint = endpoint
        self._run = run
        self._debug = debug
        self._overlay = overlay
        self._shown: set[str] = set()  # by the ids of their forms

    async def answer(self, error: Exception, frame: Frame | None, handler: Handler | None) -> None:
        """Log an error once, and let ``on_error`` answer the page."""
        conn, hook = self._conn, self._endpoint.error
        if isinstance(error, Refused):
            await conn.turn_away(error)
            return
        self._report(error, None if handler is None else handler.name)
        if hook is not None:
            await self._ask(hook, error, frame)
        elif isinstance(error, BindingError):
            await self._show(error, frame)
        if isinstance(error, FrameTooBig):
            conn.close(refuse("too big"), "too big")

    def clear(self, frame: Frame) -> None:
        """Take away what is shown at a form, which was sent again and is right now."""
        if frame.sender in self._shown:
            self._shown.discard(frame.sender)
            self._conn.send(update(id_selector(f"{frame.sender}-errors"), ""))

    def _report(self, error: Exception, by: str | None) -> None:
        conn = self._conn
        if isinstance(error, BindingError):
            conn.report("bad values", by, error)
        elif isinstance(error, FrameError):
            conn.report("too big" if isinstance(error, FrameTooBig) else "bad frame", error)
        elif self._endpoint.host.refusal(error) is not None:
            conn.report("frame turned away", by, error)
        else:
            conn.report("handler failed", by, error=error)
            if self._overlay:
                conn.send(show_failure(error, str(by)))

    async def _ask(self, hook: Handler, error: Exception, frame: Frame | None) -> None:
        """Let ``on_error`` answer."""
        conn = self._conn
        try:
            arguments = hook.bind(conn, frame, error)

            async def call(more: Mapping[str, Any]) -> None:
                if self._debug and frame is not None:
                    handling.set((frame, hook.name))
                await conn.send_all(await hook.call(**arguments, **more))

            await self._run(hook, frame, call)
        except Refused as refused:
            await conn.turn_away(refused)
        except Exception as failure:
            conn.report("error hook failed", hook.name, error=failure)

    async def _show(self, error: BindingError, frame: Frame | None) -> None:
        """Show what is wrong at the form that sent it."""
        sender = None if frame is None else frame.sender
        if sender and len(sender) <= _LONGEST_ID:
            if len(self._shown) < _MOST_SHOWN:
                self._shown.add(sender)
            await self._conn.send(show_errors(error, sender))
        elif self._debug:
            self._conn.report("no place for errors")


def show_errors(error: BindingError, sender: str) -> Fragment:
    """What a page sees of values that do not bind, where there is no ``on_error``."""
    return update(
        id_selector(f"{sender}-errors"),
        [
            html('<p data-field="{}"><b>{}</b> {}</p>', field, field, what)
            for field, what in error.fields.items()
        ],
    )

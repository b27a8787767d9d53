"""Publishing from processes that hold no pages: a view, a task queue, a cron job, a shell.

It needs nothing of the application but the address of its backend, and no event loop. The rules
of rooms, as how much of their history is kept, are those that the serving processes have told
the broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from .backends import Backend, from_url
from .peers import ROOM
from .publication import Publication
from .results import is_deferred, refuse_bare_str
from .wire.once import make_once
from .wire.serialise import serialise

__all__ = ["Publisher"]


class Publisher:
    """Publishes to the rooms of an application: ``Publisher("redis://127.0.0.1:6379/0")``.

    ``backend`` is what the application's ``HtmxWS(backend=...)`` got, with the same prefix. One
    publisher can be shared by all threads, and be made before a process forks: each child
    connects by itself, as it publishes for the first time. Close it, or use it in a ``with``
    block, where the process goes on without it. ``strict_html``: refuse a bare ``str``.
    """

    def __init__(self, backend: Backend | str, *, strict_html: bool = False) -> None:
        if isinstance(backend, str):
            backend = from_url(backend)
            if not backend.is_shared:
                raise ValueError(
                    "A Publisher at memory:// reaches nobody: that backend is one for each "
                    "process. Give it the address of the backend that serves pages."
                )
        self._strict = strict_html
        self._appender = backend.sync()

    def publish(
        self, room: str, content: object, *, exclude: str | Iterable[str] | None = None
    ) -> int:
        """Send content to every page of a room, and give its offset there.

        ``content`` is what ``live.publish`` takes but for functions, which other processes cannot
        call. ``exclude`` are tokens of pages, or ids of connections, that are left out. It blocks
        until the broker has it: on an event loop use ``apublish``. Raises ``BackendError`` when
        the broker does not take it.
        """
        return self._appender.append(room, self._pack(room, content, exclude))

    async def apublish(
        self, room: str, content: object, *, exclude: str | Iterable[str] | None = None
    ) -> int:
        """Publish from an event loop, whichever it is, without holding it up; await it.

        Unlike ``live.publish``, which acts at once, it does nothing until it is awaited. Raises
        what ``publish`` raises.
        """
        payload = self._pack(room, content, exclude)
        return await asyncio.to_thread(self._appender.append, room, payload)

    def _pack(self, room: object, content: object, exclude: str | Iterable[str] | None) -> bytes:
        if not isinstance(room, str) or not room or room == ROOM:
            raise TypeError(f"A room is named by a str such as 'chat:lobby', not {room!r}.")
        if callable(content) and not hasattr(type(content), "__html__"):
            raise TypeError(
                "publish() was given a function, and the processes that hold the pages cannot "
                "call it: publish HTML, to one room for each variant."
            )
        if is_deferred(content):
            raise TypeError(
                f"publish() takes finished content, not {type(content).__name__}: await it, or "
                "publish each piece of the generator."
            )
        if self._strict:
            refuse_bare_str(content)
        left_out = (exclude,) if isinstance(exclude, str) else exclude or ()
        # Which rooms have a history is not known here; in others it does no harm.
        messages = tuple(map(make_once, serialise(content)))
        return Publication(messages, exclude=frozenset(left_out)).pack()

    def close(self) -> None:
        """Let go of connections; the next publication makes others."""
        self._appender.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

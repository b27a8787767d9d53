"""What a server does besides sockets: start an application, stop it, and ask it for a view.

It is written out here because a framework's own test client starts a thread and a loop, and
the sockets of a test are in its own.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, NamedTuple, Self

from htmx_ws.types import ASGIApp, Message

__all__ = ["Answer", "Server", "get"]

#: What everything that waits may take, in seconds.
CEILING = 5.0


class Server:
    """The lifespan of an application: ``async with Server(app) as server:``.

    ``state`` is what the lifespan put there for each scope. An application that knows no lifespan
    raises when it is asked for one, and runs without, as under uvicorn: then ``has_lifespan`` is
    False.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}
        self.has_lifespan = True
        self._app = app
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        self._task = asyncio.ensure_future(self._app(scope, self._events.get, self._answers.put))
        answer = await self._ask("startup")
        self.has_lifespan = answer is not None
        assert answer in (None, {"type": "lifespan.startup.complete"}), answer
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Shut the application down; once is enough."""
        if self._task.done():
            return
        answer = await self._ask("shutdown")
        assert answer == {"type": "lifespan.shutdown.complete"}
        await self._task

    async def _ask(self, phase: str) -> Message | None:
        self._events.put_nowait({"type": f"lifespan.{phase}"})
        answer = asyncio.ensure_future(self._answers.get())
        await asyncio.wait(
            (answer, self._task), timeout=CEILING, return_when=asyncio.FIRST_COMPLETED
        )
        if answer.done():
            return answer.result()
        answer.cancel()
        assert self._task.done(), f"the application did not answer lifespan.{phase}"
        self._task.exception()  # it is seen
        return None


class Answer(NamedTuple):
    """What a view answered; ``cookie`` is what a browser brings from then on."""

    text: str
    cookie: str


async def get(app: ASGIApp, path: str, query: str = "") -> Answer:
    """Ask an application for a view that is there, as a browser does."""
    sent: list[Message] = []
    asked: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
    gone = asyncio.Event()

    async def receive() -> Message:
        if asked:
            return asked.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(event: Message) -> None:
        sent.append(event)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"testserver")],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
        "state": {},
        "extensions": {},
    }
    async with asyncio.timeout(CEILING):
        await app(scope, receive, send)
    cookies = [value for name, value in sent[0]["headers"] if name.lower() == b"set-cookie"]
    text = b"".join(event.get("body", b"") for event in sent[1:]).decode()
    assert sent[0]["status"] == 200, text
    return Answer(text, "; ".join(cookie.decode().partition(";")[0] for cookie in cookies))

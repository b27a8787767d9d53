"""The middleware form takes its own paths and hands everything else on untouched."""

from __future__ import annotations

from typing import Any

import pytest

from htmx_ws.middleware import wrap
from htmx_ws.types import Message, Receive, Scope, Send


class Recorder:
    """An ASGI application that notes what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Scope, Receive, Send]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls.append((scope, receive, send))


class Live(Recorder):
    def serves(self, scope: Scope) -> bool:
        return bool(scope["path"] == "/ws")


async def receive() -> Message:
    raise AssertionError("the middleware itself reads nothing")


async def send(message: Message) -> None:
    raise AssertionError("the middleware itself writes nothing")


async def test_a_websocket_on_our_paths_is_ours() -> None:
    live, inner = Live(), Recorder()
    scope = {"type": "websocket", "path": "/ws"}
    await wrap(live, inner)(scope, receive, send)
    assert inner.calls == []
    [(taken, *ends)] = live.calls
    assert taken is scope
    assert ends == [receive, send]


@pytest.mark.parametrize(
    "scope",
    [
        {"type": "websocket", "path": "/other"},
        {"type": "http", "path": "/ws"},
        {"type": "lifespan"},
        {"type": "something new"},
    ],
)
async def test_all_else_passes_through_untouched(scope: dict[str, Any]) -> None:
    live, inner = Live(), Recorder()
    await wrap(live, inner)(scope, receive, send)
    assert live.calls == []
    [(passed, *ends)] = inner.calls
    assert passed is scope
    assert ends == [receive, send]


async def test_an_error_of_the_inner_application_is_its_own() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await wrap(Live(), broken)({"type": "http", "path": "/"}, receive, send)

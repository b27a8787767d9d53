"""A server that never holds a sender back is named, once; every other is not spoken of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from htmx_ws import HtmxWS
from htmx_ws.backpressure import name_unbounded
from htmx_ws.testing import Socket
from htmx_ws.types import Message, Receive, Scope, Send


def of_module(name: str) -> Callable[[type], type]:
    """Make a class one of another module, as ``name_unbounded`` sees it."""

    def rename(made: type) -> type:
        made.__module__ = name
        return made

    return rename


@of_module("daphne.server")
class Daphne:
    """As daphne's, whose ``send`` is a partial of its server's method."""

    async def handle_reply(self, protocol: object, message: Message) -> None: ...


@of_module("daphnelike.server")
class AnotherServer(Daphne): ...


@of_module("aserver.protocols.plain")
class TakesNoNotice(asyncio.Protocol):
    """As uvicorn's websockets-sansio was: a full transport is no matter to it."""

    async def send(self, message: Message) -> None: ...


@of_module("aserver.protocols.careful")
class HoldsBack(TakesNoNotice):
    """A protocol that waits until the transport has room."""

    def pause_writing(self) -> None: ...


class InheritsIt(HoldsBack): ...


class NoProtocol:
    async def send(self, message: Message) -> None: ...

    async def __call__(self, message: Message) -> None: ...


async def a_function(message: Message) -> None: ...


@pytest.mark.parametrize(
    ("send", "name"),
    [
        (partial(Daphne().handle_reply, object()), "daphne"),
        (Daphne().handle_reply, "daphne"),
        (TakesNoNotice().send, "aserver's TakesNoNotice"),
        (partial(TakesNoNotice().send), "aserver's TakesNoNotice"),
        (partial(AnotherServer().handle_reply, object()), None),
        (HoldsBack().send, None),
        (InheritsIt().send, None),
        (NoProtocol().send, None),
        (NoProtocol(), None),
        (a_function, None),
        (partial(a_function), None),
        (lambda message: TakesNoNotice().send(message), None),  # a middleware hides it
    ],
)
def test_a_server_is_known_by_the_owner_of_its_send(send: Any, name: str | None) -> None:
    assert name_unbounded(send) == name


class Server:
    """A server whose ``send`` is its protocol's own method, before an application."""

    def __init__(self, protocol: type, app: HtmxWS) -> None:
        self.protocol, self.app = protocol, app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        class Protocol(self.protocol):  # type: ignore[name-defined,misc]  # any of the above
            async def send(self, message: Message) -> None:
                await send(message)

        Protocol.__module__ = self.protocol.__module__
        await self.app(scope, receive, Protocol().send)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    return lambda: [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]


async def test_the_log_says_so_once_with_what_it_means_and_where_to_read_on(
    warnings: Callable[[], list[str]],
) -> None:
    live = HtmxWS()
    live.ws("/ws")(lambda: None)
    for _ in range(3):
        async with Socket(Server(TakesNoNotice, live), "/ws"):
            pass
    (said,) = warnings()
    assert said.startswith("aserver's Protocol never holds a sender back")
    assert "Limits.outbox_bytes" in said
    assert "docs/servers.md" in said


@pytest.mark.parametrize("app", [Server(HoldsBack, HtmxWS()), None])
async def test_nothing_is_said_of_a_server_that_does(
    app: Server | None, warnings: Callable[[], list[str]]
) -> None:
    live = HtmxWS() if app is None else app.app
    live.ws("/ws")(lambda: None)
    async with Socket(app or live, "/ws"):
        pass
    assert warnings() == []

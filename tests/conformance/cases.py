"""A case is a test that every host passes, or says why it cannot.

Where a host's ``cannot`` names a case, its test runs all the same, and must fail with what the
host says: so a reason cannot outlive what it is about, and nothing is skipped.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any, Concatenate, ParamSpec, cast

import pytest

from htmx_ws import Dialect, Fragment, HtmxWS, MemoryBackend, append, html
from htmx_ws.testing import Socket
from htmx_ws.types import ASGIApp

from .hosts import Host

__all__ = ["Backend", "On", "answer", "case", "code", "line", "name_of", "soon"]

P = ParamSpec("P")
Test = Callable[Concatenate["On", P], Coroutine[Any, Any, None]]


class On:
    """A host with one application: what is registered on ``live`` before ``app`` is used."""

    def __init__(self, host: Host, dialect: Dialect) -> None:
        self.host = host
        self.dialect = dialect
        self.live: HtmxWS = host.live()

    @cached_property
    def app(self) -> ASGIApp:
        """The application, as users of the host would compose it."""
        return self.host.build(self.live)

    def page(self, path: str, **how: Any) -> Socket:
        """Open a page of the application."""
        return Socket(self.app, self.host.root + path, **{"dialect": self.dialect, **how})


def case(test: Test[P]) -> Test[P]:
    """Run a test on every host; its name is the case's."""

    @functools.wraps(test)
    async def run(on: On, *args: P.args, **kwargs: P.kwargs) -> None:
        cannot = on.host.cannot.get(name_of(test))
        if cannot is None:
            await test(on, *args, **kwargs)
        else:
            with pytest.raises(Exception, match=cannot.shows):
                await test(on, *args, **kwargs)

    run.is_case = True  # type: ignore[attr-defined]  # for the table in the docs
    return cast(Test[P], run)


def name_of(test: Callable[..., Any]) -> str:
    """The name by which a host's ``cannot`` knows a case."""
    return test.__name__.removeprefix("test_")


def line(text: object) -> Fragment:
    """One more line for the page's log."""
    return append("#log", html("<li>{}</li>", text))


async def answer(app: ASGIApp, path: str, **how: Any) -> str:
    """What a page is told when it sends an empty frame."""
    async with Socket(app, path, **how) as page:
        await page.send()
        return await page.receive()


async def code(app: ASGIApp, path: str, **how: Any) -> tuple[int, str]:
    """The code and reason with which a page is closed, having been accepted."""
    async with Socket(app, path, **how) as page:
        await page.closed()
        assert page.code is not None
        return page.code, page.reason


async def soon(event: asyncio.Event) -> None:
    """Wait for what is about to happen."""
    async with asyncio.timeout(5):
        await event.wait()


class Backend(MemoryBackend):
    """Notes when it is started and stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    async def start(self, receiver: Any, keeps: Any = None) -> None:
        self.calls.append("start")
        await super().start(receiver, keeps)

    async def stop(self) -> None:
        self.calls.append("stop")
        await super().stop()

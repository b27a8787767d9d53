"""What a load balancer is told, and who may drain a process by HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from htmx_ws import HtmxWS, HtmxWSError
from htmx_ws.readiness import Readiness, drain_token
from htmx_ws.testing import Denied, Socket
from htmx_ws.types import ASGIApp, Message

SECRET, OLD = "a secret of these tests", "an old secret of these tests"
BALANCER, READY = (b"user-agent", b"balancer"), (200, "ready\n")


class Answer(NamedTuple):
    """What came back: status, text and headers."""

    status: int
    text: str
    headers: dict[str, str]


async def ask(
    app: ASGIApp, method: str = "GET", headers: Iterable[tuple[bytes, bytes]] = (BALANCER,)
) -> Answer:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope: dict[str, Any] = {"type": "http", "method": method, "path": "/ready", "root_path": ""}
    scope |= {"headers": headers, "query_string": b"", "scheme": "http", "server": None}
    await app(scope, receive, send)
    start, body = sent
    told = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], body["body"].decode(), told)


def bearer(token: str, scheme: str = "Bearer") -> tuple[bytes, bytes]:
    return (b"authorization", f"{scheme} {token}".encode())


def an_app(secret: Any = SECRET) -> HtmxWS:
    live = HtmxWS(secret=secret)
    live.ws("/ws")(lambda: None)
    return live


# --- asking ----------------------------------------------------------------------------


async def test_it_is_green_until_pages_are_to_go_elsewhere() -> None:
    live = an_app(None)
    assert (await ask(live.readiness))[:2] == READY
    async with Socket(live, "/ws"):
        assert (await ask(live.readiness))[:2] == READY
        await live.drain(0)
    assert (await ask(live.readiness))[:2] == (503, "draining\n")
    with pytest.raises(Denied):
        await Socket(live, "/ws").open()


async def test_it_is_red_before_the_first_page_is_closed() -> None:
    live = an_app()
    async with Socket(live, "/ws") as page:
        began = asyncio.create_task(live.drain(0))
        await asyncio.sleep(0)
        assert (await ask(live.readiness)).status == 503
        assert page.code is None
        assert await page.closed() == 1012
        await began


async def test_whoever_asks_for_the_head_alone_gets_no_body() -> None:
    answer = await ask(an_app().readiness, "HEAD")
    assert answer[:2] == (200, "")
    assert answer.headers["content-length"] == str(len("ready\n"))


async def test_no_answer_is_kept() -> None:
    live = an_app()
    for method in ("GET", "HEAD", "POST", "PUT"):
        answer = await ask(live.readiness, method)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_other_methods_are_told_which_there_are() -> None:
    answer = await ask(an_app().readiness, "DELETE")
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"


async def test_a_framework_routes_every_method_to_it() -> None:
    live = an_app()
    app = Starlette(routes=[Route("/ready", live.readiness)])
    assert (await ask(app))[:2] == READY
    assert (await ask(app, "POST")).status == 403
    assert (await ask(app, "POST", [bearer(live.readiness.token())])).text == "drained 0 pages\n"


async def test_it_is_the_same_one_always() -> None:
    live = an_app()
    assert isinstance(live.readiness, Readiness)
    assert live.readiness is live.readiness


async def test_a_websocket_that_comes_there_is_refused() -> None:
    with pytest.raises(Denied):
        await Socket(an_app().readiness, "/ready").open()


async def test_what_else_a_server_may_ask_it_leaves_alone() -> None:
    async def nothing(message: Message | None = None) -> Any:
        raise AssertionError(message)

    await an_app().readiness({"type": "lifespan"}, nothing, nothing)


# --- draining --------------------------------------------------------------------------


async def test_who_has_a_token_drains_and_is_answered_when_that_is_over() -> None:
    live, left = an_app(), list[int]()
    live.ws("/slow", disconn=lambda: left.append(1))(lambda: None)
    async with Socket(live, "/slow") as page, Socket(live, "/slow") as other:
        answer = await ask(live.readiness, "POST", [BALANCER, bearer(live.readiness.token())])
        assert answer[:2] == (200, "drained 2 pages\n")
        assert left == [1, 1]
        assert [page.code, other.code] == [1012, 1012]
    assert not live.is_ready


async def test_the_pages_that_go_are_counted() -> None:
    live = an_app()
    async with Socket(live, "/ws"):
        answer = await ask(live.readiness, "POST", [bearer(live.readiness.token(), "bearer")])
        assert answer.text == "drained 1 page\n"
    assert (await ask(live.readiness, "POST", [bearer(live.readiness.token())])).text == (
        "drained 0 pages\n"
    )


@pytest.mark.parametrize(
    "headers",
    [
        [bearer("x.y.z")],
        [bearer("\u00e9.\u20ac")],
        [bearer(drain_token((b"another secret than that",)))],
        [bearer(HtmxWS(secret=SECRET).sign("drain", seconds=60))],
        [bearer(HtmxWS(secret=SECRET).new_page())],
    ],
)
async def test_nobody_else_drains(headers: list[tuple[bytes, bytes]]) -> None:
    """Nor by what the application signed for its pages, whatever the text."""
    live = an_app()
    async with Socket(live, "/ws"):
        answer = await ask(live.readiness, "POST", headers)
        assert answer.status == 403
        assert answer.text.startswith("Not drained, by this token: it was not signed here")
        assert live.is_ready


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [BALANCER],
        [bearer("")],
        [(b"authorization", b"\xff")],
        [bearer(drain_token((SECRET.encode(),)), "Basic")],
        [(b"cookie", bearer(drain_token((SECRET.encode(),)))[1])],
    ],
)
async def test_who_drains_needs_a_token(headers: list[tuple[bytes, bytes]]) -> None:
    answer = await ask(an_app().readiness, "POST", headers)
    assert answer.status == 403
    assert answer.text == (
        "Not drained: it needs a token, as Authorization: Bearer TOKEN. python -m htmx_ws drain "
        "sends one.\n"
    )


async def test_a_token_is_over_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    live, now = an_app(), time.time()
    token = live.readiness.token()
    monkeypatch.setattr(time, "time", lambda: now + 62)
    answer = await ask(live.readiness, "POST", [bearer(token)])
    assert answer[:2] == (403, "Not drained, by this token: its time is over.\n")


async def test_a_token_of_an_older_secret_holds_while_secrets_are_changed() -> None:
    live = an_app([SECRET, OLD])
    assert (await ask(live.readiness, "POST", [bearer(drain_token((OLD.encode(),)))])).status == 200


async def test_without_a_secret_nobody_can_prove_anything() -> None:
    live = an_app(None)
    with pytest.raises(HtmxWSError, match="secret="):
        live.readiness.token()
    answer = await ask(live.readiness, "POST", [bearer("x")])
    assert answer.status == 403
    assert "HtmxWS(secret=...)" in answer.text
    assert live.is_ready


async def test_who_does_not_wait_for_the_answer_ends_nothing() -> None:
    """As a preStop hook that is killed, where the server cancels what answers it."""
    live, may_end, began = an_app(), asyncio.Event(), asyncio.Event()

    async def gone() -> None:
        began.set()
        await may_end.wait()

    live.ws("/slow", disconn=gone)(lambda: None)
    async with Socket(live, "/slow") as page:
        token = bearer(live.readiness.token())
        first = asyncio.create_task(ask(live.readiness, "POST", [token]))
        await asyncio.wait_for(began.wait(), 5)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        second = asyncio.create_task(ask(live.readiness, "POST", [token]))
        assert await page.closed() == 1012
        may_end.set()
        # Together with the first: that one's page is counted.
        assert (await asyncio.wait_for(second, 5)).text == "drained 1 page\n"

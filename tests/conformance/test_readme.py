"""The code in the README and the guide is run, not just shown."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from htmx_ws import Connection, HtmxWS, append, html
from htmx_ws.testing import Socket

TOP = Path(__file__).parents[2]
HTMX2, HTMX4 = "htmx2", "htmx4"


def code_of(page: str, containing: str) -> str:
    blocks = re.findall(r"```python\n(.*?)```", (TOP / page).read_text(), re.DOTALL)
    found: list[str] = [block for block in blocks if containing in block]
    assert len(found) == 1, f"{page} has {len(found)} blocks with {containing!r}"
    return found[0]


@pytest.mark.parametrize("dialect", [HTMX2, HTMX4])
async def test_the_chat_of_the_readme_reaches_every_page(dialect: Any) -> None:
    code = code_of("README.md", "def joined")
    assert len([line for line in code.splitlines() if line.strip()]) <= 25
    chat: dict[str, Any] = {"__name__": "chat"}
    exec(compile(code, "README.md", "exec"), chat)
    async with (
        Socket(chat["app"], "/chat/lobby", dialect=dialect) as ann,
        Socket(chat["app"], "/chat/lobby") as bob,
        Socket(chat["app"], "/chat/other") as eve,
    ):
        await ann.send(msg="<b>hi</b>", sender="say")
        line = '<div hx-swap-oob="beforeend:#log"><li>&lt;b&gt;hi&lt;/b&gt;</li></div>'
        assert await ann.receive() == line
        assert (await ann.receive()).startswith('<form hx-swap-oob="outerHTML" id="say"')
        assert await bob.receive() == line
        await ann.send(sender="say")
        assert "Field required" in await ann.receive()
        assert eve.pending == []


async def test_the_page_of_the_readme_holds_scripts_and_one_connecting_element() -> None:
    chat: dict[str, Any] = {"__name__": "chat"}
    exec(compile(code_of("README.md", "def joined"), "README.md", "exec"), chat)
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    async def receive() -> Any:
        return {"type": "http.request"}

    await chat["app"]({"type": "http", "path": "/", "method": "GET"}, receive, send)
    page = sent[1]["body"].decode()
    assert page.count("integrity=") == 2
    assert page.count('hx-ws:connect="/chat/lobby?hx=4"') == 1
    assert page.count("hx-ws:send") == 1


async def test_the_streaming_handler_of_the_guide_is_stopped_by_its_button() -> None:
    live = HtmxWS()
    stopped = asyncio.Event()

    async def answer(question: str) -> Any:
        try:
            while True:
                yield question
        finally:
            stopped.set()

    names = {"chat": live.endpoint("/chat"), "append": append, "html": html, "answer": answer}
    exec(compile(code_of("docs/guide.md", "def ask"), "guide.md", "exec"), names)
    async with Socket(live, "/chat") as page:
        await page.send(question="why", sender="ask-form")
        assert "why " in await page.receive()
        await page.send(action="stop")
        async with asyncio.timeout(5):
            await stopped.wait()


def run_guide(containing: str, **names: Any) -> dict[str, Any]:
    exec(compile(code_of("docs/guide.md", containing), "guide.md", "exec"), names)
    return names


async def test_the_rule_of_a_room_in_the_guide_lets_members_in() -> None:
    live = HtmxWS(identify=lambda conn: conn.query["user"])

    async def is_member(user: str, team: str) -> bool:
        return (user, team) == ("ann", "7")

    async def joined(conn: Connection, team: str) -> Any:
        await conn.join(f"team:{team}")
        return append("#log", html("<li>in</li>"))

    run_guide("def may_join", live=live, is_member=is_member)
    live.ws("/{team}", conn=joined)(lambda: None)
    for address, may in (("/7?user=ann", True), ("/8?user=ann", False), ("/7?user=bob", False)):
        async with Socket(live, address) as page:
            if may:
                assert "in" in await page.receive()
            else:
                assert await page.closed() == 4403


async def test_around_the_handlers_of_the_guide_are_a_transaction_and_a_right() -> None:
    live, notes = HtmxWS(), list[str]()
    chat = live.endpoint("/{room}")

    class Database:
        @asynccontextmanager
        async def begin(self) -> AsyncIterator[str]:
            notes.append("begin")
            yield "a transaction"
            notes.append("commit")

    run_guide("def in_a_transaction", live=live, chat=chat, html=html, database=Database())

    @chat.on_message
    async def say(conn: Connection) -> Any:
        notes.append(conn.state.transaction)
        return html('<p id="status">Said.</p>')

    for may, said in ((True, "Said."), (False, "You may only read here.")):
        user = SimpleNamespace(may_write=may)
        async with Socket(live, "/a", scope={"user": user}) as page:
            await page.send()
            assert said in await page.receive()
    assert notes == ["begin", "a transaction", "commit", "begin", "commit"]


async def test_the_login_of_the_guide_ends() -> None:
    out, asked = set[str](), asyncio.Event()

    async def is_open(key: str) -> bool:
        asked.set()
        return key not in out

    class Soon(HtmxWS):
        def __init__(self, **how: Any) -> None:
            assert how["reauth_seconds"] == 60
            super().__init__(**{**how, "reauth_seconds": 0.001})

    live = run_guide("def still_in", HtmxWS=Soon, is_open=is_open)["live"]
    live.ws("/ws")(lambda: append("#log", html("<li>there</li>")))
    async with live.lifespan(), Socket(live, "/ws", scope={"session": {"key": "k"}}) as page:
        async with asyncio.timeout(5):
            await asked.wait()
        await page.send()
        assert "there" in await page.receive()
        out.add("k")
        assert await page.closed() == 1008


async def test_the_page_tokens_of_the_guide_let_in_what_was_rendered_for_a_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET", "a secret of the tests")
    names = run_guide("page_tokens=", HtmxWS=HtmxWS, os=os)
    live, attributes = names["live"], names["attributes"]
    live.ws("/ws")(lambda: append("#log", html("<li>there</li>")))
    address = attributes({"key": "k"})["hx-ws:connect"]
    for key, may in (("k", True), ("other", False)):
        how: Any = {"origin": "https://elsewhere.test", "scope": {"session": {"key": key}}}
        async with Socket(live, address, **how) as page:
            if may:
                await page.send()
                assert "there" in await page.receive()
            else:
                assert await page.closed() == 4403


def test_the_filter_of_the_guide_keeps_tokens_out_of_a_log() -> None:
    log = logging.getLogger("uvicorn.error")
    run_guide("WithoutTokens")
    try:
        line, said = '%s - "WebSocket %s" %d', ("::1", "/ws?htmx-ws-page=a.-_.b&hx=4", 403)
        record = log.makeRecord(log.name, logging.INFO, "", 0, line, said, None)
        assert log.filter(record)
    finally:
        log.filters.clear()
    assert record.getMessage() == '::1 - "WebSocket /ws?htmx-ws-page=...&hx=4" 403'


async def test_the_test_of_the_guide_passes() -> None:
    chat: dict[str, Any] = {"__name__": "chat"}
    exec(compile(code_of("README.md", "def joined"), "README.md", "exec"), chat)
    exec(compile(code_of("docs/guide.md", "import Socket"), "guide.md", "exec"), chat)
    await chat["test_a_line_reaches_the_room"]()

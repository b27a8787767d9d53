"""The one table of what can go wrong: each line of it happens here, and is told as it says."""

from __future__ import annotations

import ast
import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import htmx_ws
from htmx_ws import (
    Connection,
    Endpoint,
    HtmxWS,
    Limits,
    MemoryBackend,
    Presence,
    Present,
    Refused,
    append,
    html,
)
from htmx_ws.backends import History
from htmx_ws.clock import Clock
from htmx_ws.errors import BackendError
from htmx_ws.host import Host
from htmx_ws.incidents import INCIDENTS, refuse, report
from htmx_ws.security import check_origin
from htmx_ws.telemetry import EVENTS, Event
from htmx_ws.testing import Denied, FaultyBackend, Socket
from htmx_ws.types import Message, Receive, Scope, Send

#: What each scene plays: gives the code that its page was closed with, None where it stays.
Scene = Callable[["Stage"], Awaitable[int | None]]
SCENES: dict[str, Scene] = {}

#: After these every htmx comes back; after all others it stays away.
COMES_BACK = (1012, 1013)


def scene(incident: str) -> Callable[[Scene], Scene]:
    """Register what makes an incident happen."""

    def register(play: Scene) -> Scene:
        SCENES[incident] = play
        return play

    return register


def item(text: object) -> Any:
    return append("#log", html("<li>{}</li>", text))


async def soon(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), 5)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def forever() -> None:
    await asyncio.Event().wait()


async def fails() -> None:
    raise ZeroDivisionError("by design")


class Hosted(HtmxWS):
    """An application in a framework that turns visitors away by PermissionError."""

    host = Host(refusal=lambda error: Refused("no") if isinstance(error, PermissionError) else None)


class Stage:
    """An application with one endpoint, at ``/ws``; its pages join the room ``chat:1``."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.begun = asyncio.Event()
        self.live: HtmxWS = Hosted()
        self.endpoint: Endpoint = self.live.endpoint("/ws")
        self.conn: Connection = None  # type: ignore[assignment]  # once a page has connected

    def set(self, *, connects: bool = True, **how: Any) -> Endpoint:
        """Make the application; ``connects``: with a connect hook that keeps the connection."""
        self.live = Hosted(telemetry=self.events.append, **how)
        self.endpoint = self.live.endpoint("/ws")
        if connects:
            self.endpoint.on_connect(self.connected)
        return self.endpoint

    async def connected(self, conn: Connection) -> None:
        self.conn = conn
        await conn.join("chat:1")

    def page(self, query: str = "", **how: Any) -> Socket:
        return Socket(self, f"/ws{query}", debug=False, **how)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.live(scope, receive, send)

    async def lives(self, page: Socket) -> None:
        """See that a page is there: that it is told something."""
        self.conn.send(item("there"))
        while "there" not in await page.receive():
            pass

    def told(self, incident: str) -> list[Event]:
        """The events of an incident."""
        named = (incident, LIMITS.get(incident))
        return [
            each
            for each in self.events
            if named == (each.attributes.get("why", incident), each.attributes.get("limit"))
            and each.name == INCIDENTS[incident].event
        ]


#: The limit that an incident of the event ``limit`` names.
LIMITS = {
    "too fast": "frames_per_second",
    "waiting": "frames_waiting",
    "taking turns": "concurrent",
    "late handlers": "handler_seconds",
}


# --- the handshake ---------------------------------------------------------------------


@scene("bad origin")
async def _(stage: Stage) -> int | None:
    stage.set()
    async with stage.page(origin="https://evil.test") as page:
        return await page.closed()


@scene("not found")
async def _(stage: Stage) -> int | None:
    stage.set()
    async with Socket(stage, "/elsewhere") as page:
        return await page.closed()


@scene("bad query")
async def _(stage: Stage) -> int | None:
    stage.set()
    async with stage.page("?" + "&".join(f"f{n}=" for n in range(1_001))) as page:
        return await page.closed()


@scene("turned away")
async def _(stage: Stage) -> int | None:
    def identify(conn: Connection) -> object:
        raise PermissionError

    stage.set(identify=identify)
    async with stage.page() as page:
        assert await page.closed() == 1008  # the refusal's own
    return None


@scene("bad page token")
async def _(stage: Stage) -> int | None:
    stage.set(secret="s" * 20, page_tokens=True)
    async with stage.page() as page:
        return await page.closed()


@scene("not let in")
async def _(stage: Stage) -> int | None:
    def identify(conn: Connection) -> object:
        raise ZeroDivisionError

    stage.set(identify=identify)
    async with stage.page() as page:
        return await page.closed()


@scene("full")
async def _(stage: Stage) -> int | None:
    stage.set(limits=Limits(connections=0))
    with pytest.raises(Denied) as denied:
        await stage.page().open()
    assert denied.value.status == 503
    return None


# --- frames ----------------------------------------------------------------------------


@scene("bad frame")
async def _(stage: Stage) -> int | None:
    stage.set().on_message(lambda: item("done"))
    async with stage.page() as page:
        await page.send_text("no frame")
        await page.send()
        assert "done" in await page.receive()
        return page.code


@scene("too big")
async def _(stage: Stage) -> int | None:
    stage.set(limits=Limits(frame_bytes=10, frame_bytes_hard=20)).on_message(lambda: None)
    async with stage.page() as page:
        await page.send(msg="x" * 20)
        return await page.closed()


@scene("bad values")
async def _(stage: Stage) -> int | None:
    async def take(n: int) -> None: ...

    stage.set().on_message(take)
    async with stage.page() as page:
        await page.send(n="x", sender="form")
        assert "form-errors" in await page.receive()
        return page.code


@scene("frame turned away")
async def _(stage: Stage) -> int | None:
    async def forbid() -> None:
        raise PermissionError

    endpoint = stage.set()
    endpoint.on_message(forbid)
    endpoint.on_error(lambda error: item("forbidden"))
    async with stage.page() as page:
        await page.send()
        assert "forbidden" in await page.receive()
        return page.code


@scene("no handler")
async def _(stage: Stage) -> int | None:
    stage.set().on("a")(lambda: item("done"))
    async with stage.page() as page:
        await page.send(sender="b")
        await page.send(sender="a")
        assert "done" in await page.receive()
        return page.code


@scene("no place for errors")
async def _(stage: Stage) -> int | None:
    async def take(n: int) -> Any:
        return item(n)

    stage.set(debug=True).on_message(take)
    async with stage.page() as page:
        await page.send(n="x")
        await page.send(n="7")
        assert "7" in await page.receive()
        return page.code


@scene("too fast")
async def _(stage: Stage) -> int | None:
    limits = Limits(frames_per_second=500, frames_burst=1)
    stage.set(limits=limits).on_message(lambda: item("done"))
    async with stage.page() as page:
        for _ in range(10):
            await page.send()
        for _ in range(10):
            await page.receive()
        return page.code


@scene("flood")
async def _(stage: Stage) -> int | None:
    stage.set(limits=Limits(frames_per_second=100, frames_burst=1)).on_message(lambda: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("htmx_ws.pace.FAST_SECONDS", 0.05)
        async with stage.page() as page:
            for _ in range(100):
                await page.send()
            return await page.closed()


@scene("waiting")
async def _(stage: Stage) -> int | None:
    async def wait() -> Any:
        while not stage.told("waiting"):
            await asyncio.sleep(0)
        return item("done")

    stage.set(limits=Limits(frames_waiting=1)).on_message(wait)
    async with stage.page() as page:
        for _ in range(4):
            await page.send()
        for _ in range(4):
            assert "done" in await page.receive()
        return page.code


@scene("taking turns")
async def _(stage: Stage) -> int | None:
    may_end = asyncio.Event()

    async def wait() -> Any:
        await may_end.wait()
        return item("done")

    endpoint = stage.set(limits=Limits(concurrent=1))
    endpoint.on("a", concurrent=True)(wait)
    async with stage.page() as page:
        for _ in range(3):
            await page.send(sender="a")
        while not stage.told("taking turns"):
            await asyncio.sleep(0)
        may_end.set()
        for _ in range(3):
            assert "done" in await page.receive()
        return page.code


# --- handlers and hooks ----------------------------------------------------------------


@scene("handler failed")
async def _(stage: Stage) -> int | None:
    endpoint = stage.set()
    endpoint.on_message(fails)
    endpoint.on_error(lambda error: item("sorry"))
    async with stage.page() as page:
        await page.send()
        assert "sorry" in await page.receive()
        return page.code


@scene("error hook failed")
async def _(stage: Stage) -> int | None:
    endpoint = stage.set()
    endpoint.on("a")(lambda: item("done"))
    endpoint.on_error(fails)
    async with stage.page() as page:
        await page.send_text("no frame")
        await page.send(sender="a")
        assert "done" in await page.receive()
        return page.code


@scene("connect hook failed")
async def _(stage: Stage) -> int | None:
    stage.set(connects=False).on_connect(fails)
    async with stage.page() as page:
        return await page.closed()


@scene("bad address")
async def _(stage: Stage) -> int | None:
    async def connected(n: int) -> None: ...

    stage.set(connects=False).on_connect(connected)
    async with stage.page("?n=x") as page:
        return await page.closed()


@scene("disconnect hook failed")
async def _(stage: Stage) -> int | None:
    stage.set().on_disconnect(fails)
    async with stage.page() as page:
        pass
    return page.code


@scene("refusal failed")
async def _(stage: Stage) -> int | None:
    async def connected() -> None:
        raise Refused(content="<p>no place</p>")

    stage.set(connects=False).on_connect(connected)
    async with stage.page() as page:
        assert await page.closed() == 1008
    return None


@scene("work failed")
async def _(stage: Stage) -> int | None:
    stage.set()
    async with stage.page() as page:
        working = stage.conn.start(fails())
        await asyncio.wait([working])
        await stage.lives(page)
        return page.code


@scene("wait cancelled")
async def _(stage: Stage) -> int | None:
    async def cancelled() -> None:
        work = asyncio.ensure_future(forever())
        work.cancel()
        await work

    endpoint = stage.set()
    endpoint.on("a")(cancelled)
    endpoint.on_message(lambda: item("done"))
    async with stage.page() as page:
        await page.send(sender="a")
        await page.send()
        assert "done" in await page.receive()
        return page.code


@scene("late handlers")
async def _(stage: Stage) -> int | None:
    async def never_ends() -> None:
        stage.begun.set()
        await forever()

    stage.set(limits=Limits(handler_seconds=0.01)).on_message(never_ends)
    async with stage.page() as page:
        await page.send()
        await soon(stage.begun)
    return page.code


@scene("late work")
async def _(stage: Stage) -> int | None:
    async def never_ends() -> None:
        stage.begun.set()
        await forever()

    endpoint = stage.set(limits=Limits(handler_seconds=0.01))
    endpoint.on_message(concurrent=True)(never_ends)
    async with stage.page() as page:
        await page.send()
        await soon(stage.begun)
    return page.code


@scene("unescaped")
async def _(stage: Stage) -> int | None:
    async def injects(msg: str) -> Any:
        return append("#log", f"<li>{msg}</li>")

    stage.set(debug=True).on_message(injects)
    async with stage.page() as page:
        await page.send(msg="<b>hi</b>")
        assert "<b>hi</b>" in await page.receive()
        return page.code


# --- logins ----------------------------------------------------------------------------


@scene("login over")
async def _(stage: Stage) -> int | None:
    stage.set(reauth=lambda conn: False, reauth_seconds=0.001)
    async with stage.live.lifespan(), stage.page() as page:
        return await page.closed()


@scene("login unknown")
async def _(stage: Stage) -> int | None:
    again = asyncio.Event()
    asked: list[Connection] = []

    async def reauth(conn: Connection) -> object:
        asked.append(conn)
        if len(asked) == 1:
            raise ZeroDivisionError
        again.set()
        return True

    stage.set(reauth=reauth, reauth_seconds=0.001)
    async with stage.live.lifespan(), stage.page() as page:
        await soon(again)
        await stage.lives(page)
        return page.code


# --- pages that read slowly ------------------------------------------------------------


@scene("outbox full")
async def _(stage: Stage) -> int | None:
    stage.set(limits=Limits(outbox_messages=1))
    async with stage.page() as page:
        page.stall()
        for n in range(3):
            stage.conn.send(item(n))
        page.resume()
        return await page.closed()


@scene("stuck")
async def _(stage: Stage) -> int | None:
    stage.set(limits=Limits(write_seconds=0.01))
    async with stage.page() as page:
        page.stall()
        stage.conn.send(item(1))
        async with asyncio.timeout(5):
            while not stage.conn.gone:
                await asyncio.sleep(0)
        page.resume()
        return await page.closed()


@scene("held too long")
async def _(stage: Stage) -> int | None:
    stage.set(limits=Limits(outbox_messages=1))
    async with stage.page() as page:
        stage.conn.hold("chat:1")
        for n in range(2):
            stage.live.publish("chat:1", item(n))
        return await page.closed()


@scene("dropped")
async def _(stage: Stage) -> int | None:
    stage.set(limits=Limits(outbox_messages=1, slow_pages="drop"))
    async with stage.page() as page:
        page.stall()
        for n in range(3):  # one is being written, one waits
            stage.conn.send(item(n))
        page.resume()
        assert ["0" in await page.receive(), "2" in await page.receive()] == [True, True]
        return page.code


# --- rooms -----------------------------------------------------------------------------


@scene("join refused")
async def _(stage: Stage) -> int | None:
    stage.set()
    stage.live.room("chat:*", may_join=lambda conn, room: False)
    async with stage.page() as page:
        return await page.closed()


@scene("rendering failed")
async def _(stage: Stage) -> int | None:
    stage.set()
    async with stage.page() as page:
        stage.live.publish("chat:1", lambda conn: 1 / 0)
        await stage.lives(page)
        return page.code


@scene("presence hook failed")
async def _(stage: Stage) -> int | None:
    failed = asyncio.Event()

    async def came(room: str, who: Present) -> None:
        failed.set()
        raise ZeroDivisionError

    stage.set()
    stage.live.room("chat:*", presence=Presence(on_join=came, grace=0))
    async with stage.live.lifespan(), stage.page() as page:
        await soon(failed)
        await stage.lives(page)
        return page.code


@scene("unheard")
async def _(stage: Stage) -> int | None:
    stage.set()
    for _ in range(2):
        await stage.live.publish("chat:1", item(1))
    return None


@scene("several workers")
async def _(stage: Stage) -> int | None:
    looked = asyncio.Event()

    def count() -> int:
        looked.set()
        return 3

    stage.set()
    with (
        patch("htmx_ws.app.count_workers", count),
        patch("htmx_ws.app.LOOK_AFTER_SECONDS", 0),
    ):
        async with stage.page() as page:
            await soon(looked)
            await stage.lives(page)
            return page.code


@scene("lost")
async def _(stage: Stage) -> int | None:
    backend = FaultyBackend()
    stage.set(backend=backend)
    async with stage.live.lifespan(), stage.page() as page:
        backend.is_away = True
        stage.live.publish("chat:1", item("lost"))
        await stage.lives(page)
        return page.code


@scene("unreadable")
async def _(stage: Stage) -> int | None:
    stage.set()
    async with stage.page() as page:
        stage.live._hub.deliver("chat:1", "epoch", 1, b"of another program")
        await stage.lives(page)
        return page.code


@scene("gap")
async def _(stage: Stage) -> int | None:
    stage.set()
    async with stage.page() as page:
        stage.live._hub.report_gap("chat:1", "the broker began anew")
        await stage.lives(page)
        return page.code


# --- pages that resume -----------------------------------------------------------------

RESUMES = "?htmx-ws-resume=1"


@scene("history away")
async def _(stage: Stage) -> int | None:
    class Away(MemoryBackend):
        asked = 0

        async def history(self, *which: Any) -> History:
            self.asked += 1
            if self.asked == 1:
                raise BackendError("the broker is away")
            return await super().history(*which)

    backend = Away()
    stage.set(backend=backend)
    stage.live.room("chat:*", history=10)
    async with stage.page(RESUMES) as page:
        await page.send({"htmx-ws": "hello", "htmx-ws-tab": ""})
        async with asyncio.timeout(5):
            while backend.asked < 2:
                await asyncio.sleep(0)
        await stage.lives(page)
        return page.code


@scene("resume failed")
async def _(stage: Stage) -> int | None:
    async def snapshot(conn: Connection, room: str) -> Any:
        raise ZeroDivisionError

    stage.set()
    stage.live.room("chat:*", history=10, snapshot=snapshot)
    async with stage.page(RESUMES) as page:
        await page.send({"htmx-ws": "hello", "htmx-ws-tab": ""})
        return await page.closed()


@scene("nowhere")
async def _(stage: Stage) -> int | None:
    backend = FaultyBackend()
    stage.set(backend=backend)
    stage.live.room("chat:*", history=10)
    backend.is_away = True
    markup = await stage.live.page("/ws", rooms=["chat:1"])
    backend.is_away = False
    async with stage.page(RESUMES) as page:
        said = re.search(r'name="htmx-ws-at"[^>]* value="([^"]*)"', markup.hello)
        assert said
        await page.send({"htmx-ws": "hello", "htmx-ws-at": said[1]})
        assert "refresh" in await page.receive()
        return page.code


@scene("no snapshot")
async def _(stage: Stage) -> int | None:
    stage.set()
    stage.live.room("chat:*", history=10)
    async with stage.page(RESUMES) as page:
        at = "7:an epoch long ago:chat:1"
        await page.send({"htmx-ws": "hello", "htmx-ws-tab": "", "htmx-ws-at": at})
        assert 'http-equiv="refresh"' in await page.receive()
        return page.code


@scene("no hello")
async def _(stage: Stage) -> int | None:
    stage.set()
    with patch("htmx_ws.resume.HELLO_SECONDS", 0), patch("htmx_ws.resume.TELL_SECONDS", 0):
        async with stage.page(RESUMES) as page:
            await until(lambda: stage.live._hub.told)
            await stage.lives(page)
            return page.code


@scene("stray hello")
async def _(stage: Stage) -> int | None:
    stage.set()
    async with stage.page() as page:
        await page.send({"htmx-ws": "hello", "htmx-ws-tab": ""})
        await until(lambda: stage.live._hub.told)
        await stage.lives(page)
        return page.code


@scene("not joined")
async def _(stage: Stage) -> int | None:
    stage.set()
    with patch("htmx_ws.resume.TELL_SECONDS", 0):
        async with stage.page(RESUMES) as page:
            await page.send({"htmx-ws": "hello", "htmx-ws-tab": "", "htmx-ws-at": "7:x:chat:2"})
            await until(lambda: stage.live._hub.told)
            await stage.lives(page)
            return page.code


# --- networks and servers --------------------------------------------------------------


def breaks(stage: Stage, kind: str) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The application on a server whose ``send`` fails for a kind of event."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def failing(event: Message) -> None:
            if event["type"] == kind:
                raise OSError("the network is down")
            await send(event)

        await stage(scope, receive, failing)

    return app


@scene("gone")
async def _(stage: Stage) -> int | None:
    stage.set()
    with pytest.raises(AssertionError, match="ended without accepting"):
        await Socket(breaks(stage, "websocket.accept"), "/ws", debug=False).open()
    return None


@scene("unwritable")
async def _(stage: Stage) -> int | None:
    stage.set()
    async with Socket(breaks(stage, "websocket.send"), "/ws", debug=False) as page:
        stage.conn.send(item(1))
        return await page.closed()


@scene("unclosable")
async def _(stage: Stage) -> int | None:
    stage.set()
    async with Socket(breaks(stage, "websocket.close"), "/ws", debug=False) as page:
        stage.conn.close()
        await page.close()
        return page.code


@scene("restart")
async def _(stage: Stage) -> int | None:
    stage.set()
    async with stage.live.lifespan(), stage.page() as page:
        await stage.live.drain(0)
        return await page.closed()


@scene("abandoned")
async def _(stage: Stage) -> int | None:
    async def never_ends() -> None:
        stage.begun.set()
        await forever()

    stage.set().on_message(never_ends)
    async with stage.page() as page:
        await page.send()
        await soon(stage.begun)
        await stage.live.drain(0)
    return None


@scene("pages left")
async def _(stage: Stage) -> int | None:
    may_end = asyncio.Event()

    async def left() -> None:
        await may_end.wait()

    stage.set().on_disconnect(left)
    async with stage.page():
        await stage.live.drain(0)
        may_end.set()
    return None


@scene("lifespan failed")
async def _(stage: Stage) -> int | None:
    class Unreachable(MemoryBackend):
        async def start(self, *how: Any, **more: Any) -> None:
            raise ConnectionError("no broker")

    async def startup() -> Message:
        return {"type": "lifespan.startup"}

    answers: list[Message] = []

    async def send(event: Message) -> None:
        answers.append(event)

    stage.set(backend=Unreachable())
    await stage({"type": "lifespan"}, startup, send)
    assert answers == [{"type": "lifespan.startup.failed", "message": "no broker"}]
    return None


# --- each is told as the table says ----------------------------------------------------

#: The errors that are somebody's mistake without one having been raised.
WITHOUT_TRACEBACK = {"late handlers", "late work", "pages left", "unreadable"}


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=2)
    assert not left


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock ticks fast, and nothing waits long for pages that do not end."""
    monkeypatch.setattr(Clock, "TICK", 0.001)
    monkeypatch.setattr("htmx_ws.app.STOP_SECONDS", 0.01)
    monkeypatch.setattr("htmx_ws.resume._AGAIN_SECONDS", 0.001)


def test_each_incident_has_its_scene() -> None:
    assert set(SCENES) == set(INCIDENTS)


@pytest.mark.parametrize("name", INCIDENTS)
async def test_an_incident_is_told_once_to_the_log_and_the_telemetry_and_closes_as_it_says(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "htmx_ws")
    stage, incident = Stage(), INCIDENTS[name]
    async with asyncio.timeout(10):
        code = await SCENES[name](stage)
    assert code == incident.code
    (record,) = (each for each in caplog.records if each.msg == incident.text)
    assert record.name == "htmx_ws"
    assert record.levelno == incident.level
    assert record.getMessage()  # its arguments fit its text
    assert re.fullmatch(r"(?!incidents)\w+\.py", record.filename)  # where it happened
    if incident.level == logging.ERROR:
        assert bool(record.exc_info) == (name not in WITHOUT_TRACEBACK)
    told = stage.told(name)
    assert len(told) == bool(incident.event)
    for event in told:
        assert set(event.attributes) == set(EVENTS[event.name].attributes)
        if event.name == "handshake.refused":
            assert event.attributes["code"] == (incident.code or {"full": 503}.get(name, 1008))


@pytest.mark.parametrize("name", INCIDENTS)
async def test_of_one_handshake_that_is_refused_one_event_tells(name: str) -> None:
    stage = Stage()
    await SCENES[name](stage)
    refused = [each for each in stage.events if each.name == "handshake.refused"]
    assert len(refused) == (INCIDENTS[name].event == "handshake.refused")


# --- the table -------------------------------------------------------------------------


@pytest.mark.parametrize("name", INCIDENTS)
def test_a_line_of_the_table_is_whole(name: str) -> None:
    incident = INCIDENTS[name]
    assert logging.getLevelName(incident.level) in ("DEBUG", "INFO", "WARNING", "ERROR")
    assert incident.event in (*EVENTS, "")
    assert incident.page
    if incident.event == "limit":
        assert f"Limits.{LIMITS[name]}" in incident.text


@pytest.mark.parametrize("name", [name for name in INCIDENTS if INCIDENTS[name].code])
def test_what_the_page_sees_is_what_htmx_does_with_the_code(name: str) -> None:
    """1012 and 1013 have it come back; 1008, 1009 and 4xxx do not; it knows no others."""
    code, page = refuse(name), INCIDENTS[name].page
    if code in COMES_BACK:
        assert "come back" in page
        assert "stays away" not in page
    else:
        assert code in (1008, 1009) or 4000 <= code <= 4999
        assert "come back" not in page


def test_only_an_incident_with_a_code_closes_a_page() -> None:
    with pytest.raises(AssertionError):
        refuse("handler failed")


#: What is called with the name of an incident first.
CALLS = re.compile(r"(\w+\.)*_?report(_once)?|refuse|(\w+\.)*(_give_up|_turn_away)")


def named_in(path: Path) -> Iterator[str]:
    """The incidents that a module's calls name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and node.args and CALLS.fullmatch(ast.unparse(node.func)):
            if path.name == "presence.py" and ast.unparse(node.func) == "self._report":
                continue  # which takes the name of a hook
            first = node.args[0]
            for each in (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,):
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield each.value


ROOT = Path(htmx_ws.__file__ or "").parent


def test_every_incident_that_the_code_names_is_in_the_table() -> None:
    paths = [*ROOT.glob("*.py"), *(ROOT.parent / "adapters").rglob("*.py")]
    named = {name for path in paths for name in named_in(path)}
    assert named - set(INCIDENTS) == set()
    assert len(named) > len(INCIDENTS) / 2  # the search finds what it looks for


# --- report ----------------------------------------------------------------------------


def test_without_telemetry_the_log_alone_is_told(caplog: pytest.LogCaptureFixture) -> None:
    report("handler failed", "a page", "say", error=ZeroDivisionError("x"), route="/ws")
    (record,) = caplog.records
    assert record.getMessage() == "'a page': say failed"
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_an_incident_without_an_event_is_told_to_the_log_alone() -> None:
    events: list[Event] = []
    report("gone", "<Connection>", "reset", telemetry=events.append, route="/ws")
    assert events == []


def test_the_numbers_and_the_code_of_an_incident_go_with_its_event() -> None:
    events: list[Event] = []
    size = {"messages": 2.0, "bytes": 70.0}
    report(*("dropped", "<Connection>"), telemetry=events.append, measurements=size, route="/ws")
    report("turned away", "<Endpoint>", "no", telemetry=events.append, route="/ws", code=4401)
    report("bad origin", 1, 2, 3, telemetry=events.append, route="/ws")
    assert events == [
        Event("outbox", size, {"route": "/ws", "why": "dropped"}),
        Event("handshake.refused", {}, {"route": "/ws", "code": 4401, "why": "turned away"}),
        Event("handshake.refused", {}, {"route": "/ws", "code": 4403, "why": "bad origin"}),
    ]


def test_an_incident_that_is_none_is_an_error_of_ours() -> None:
    with pytest.raises(KeyError):
        report("something else")


async def test_the_cause_of_a_refused_origin_is_told_with_what_would_change_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage()
    await SCENES["bad origin"](stage)
    cause = check_origin(stage.page(origin="https://evil.test").scope)
    assert caplog.messages == [
        f"Refused a websocket on <Endpoint /ws>: {cause}. If its pages may connect, name their "
        "origin: HtmxWS(origins=['https://example.com'])"
    ]

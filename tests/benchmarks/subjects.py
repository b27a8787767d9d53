"""What is measured: each subject does one kind of work N times, in process, without sockets.

The frame and the answer are the same for all, so that what differs is the way between.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from htmx_ws import HtmxWS, Limits, app, append, html
from htmx_ws.types import ASGIApp, Message, Send

__all__ = ["SUBJECTS", "UNLIMITED", "answer_frames"]

# Seconds are minutes here: what happens once, at a time of its own, must not fall into a run.
app.LOOK_AFTER_SECONDS = 86_400.0

#: All the frames of a measurement come at once.
UNLIMITED = Limits(frames_burst=1_000_000)

FRAME = (
    '{"msg":"hello","HEADERS":{"HX-Request":"true","HX-Trigger":"form","HX-Trigger-Name":null,'
    '"HX-Target":"form","HX-Current-URL":"http://localhost:5001/"}}'
)
RECEIVERS = 1_000


def _scope() -> dict[str, Any]:
    return {
        "type": "websocket",
        "path": "/chat",
        "query_string": b"",
        "headers": [(b"host", b"localhost:5001"), (b"origin", b"http://localhost:5001")],
        "subprotocols": [],
    }


# --- one frame in, one fragment out ----------------------------------------------------


async def parses_nothing(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": "<p>hello</p>"})


async def by_hand(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        values = json.loads(event["text"])
        text = f'<div hx-swap-oob="beforeend:#log"><li>{values["msg"]}</li></div>'
        await send({"type": "websocket.send", "text": text})


async def by_starlette(scope: Any, receive: Any, send: Any) -> None:
    websocket = WebSocket(scope, receive, send)
    await websocket.accept()
    try:
        while True:
            values = await websocket.receive_json()
            await websocket.send_text(
                f'<div hx-swap-oob="beforeend:#log"><li>{values["msg"]}</li></div>'
            )
    except WebSocketDisconnect:
        pass


def by_htmx_ws() -> ASGIApp:
    live = HtmxWS(limits=UNLIMITED)

    @live.ws("/chat")
    async def say(msg: str) -> object:
        return append("#log", f"<li>{msg}</li>")

    return live


def by_htmx_ws_escaping() -> ASGIApp:
    live = HtmxWS(limits=UNLIMITED)

    @live.ws("/chat")
    async def say(msg: str) -> object:
        return append("#log", html("<li>{}</li>", msg))

    return live


def _keeping() -> Send:
    """A send that does the least a server does: it keeps what it is given."""
    sent: deque[Message] = deque(maxlen=1)

    async def send(event: Message) -> None:
        sent.append(event)

    return send


async def answer_frames(app: ASGIApp, times: int) -> None:
    events: asyncio.Queue[Message] = asyncio.Queue()
    events.put_nowait({"type": "websocket.connect"})
    for _ in range(times):
        events.put_nowait({"type": "websocket.receive", "text": FRAME})
    events.put_nowait({"type": "websocket.disconnect", "code": 1001})
    await app(_scope(), events.get, _keeping())


# --- one publication to a room of a thousand -------------------------------------------


async def _publish_by_loop(times: int) -> None:
    sends = [_keeping() for _ in range(RECEIVERS)]
    for _ in range(times):
        for send in sends:
            await send({"type": "websocket.send", "text": "<p>hello</p>"})


async def _stay(*receive_first: Message) -> Callable[[], Awaitable[Message]]:
    events = [*reversed(receive_first)]
    never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    async def receive() -> Message:
        return events.pop() if events else await never

    return receive


async def _publish_by_starlette(times: int) -> None:
    websockets: list[WebSocket] = []
    for _ in range(RECEIVERS):
        websocket = WebSocket(_scope(), await _stay({"type": "websocket.connect"}), _keeping())
        await websocket.accept()
        websockets.append(websocket)
    for _ in range(times):
        for websocket in websockets:
            await websocket.send_text("<p>hello</p>")


async def _publish_by_htmx_ws(times: int, resumes: bool = False) -> None:
    live = HtmxWS(limits=UNLIMITED)
    if resumes:
        live.room("room", history=100)
    everyone = asyncio.Event()
    endpoint = live.endpoint("/chat")

    @endpoint.on_connect
    async def join(conn: Any) -> None:
        await conn.join("room")
        if len(live.members("room")) == RECEIVERS:
            everyone.set()

    first: list[Message] = [{"type": "websocket.connect"}]
    query = b""
    if resumes:
        query = b"htmx-ws-resume=1"
        first.append({"type": "websocket.receive", "text": '{"htmx-ws":"hello"}'})
    pages = [
        asyncio.ensure_future(
            live({**_scope(), "query_string": query}, await _stay(*first), _keeping())
        )
        for _ in range(RECEIVERS)
    ]
    await everyone.wait()
    await live.publish("room", append("#log", "<p>hello</p>"))
    for _ in range(20):  # until those that resume have been brought up to date
        await asyncio.sleep(0)
    for _ in range(times):
        await live.publish("room", append("#log", "<p>hello</p>"))
    for page in pages:
        page.cancel()
    await asyncio.gather(*pages, return_exceptions=True)


SUBJECTS: dict[str, Callable[[int], Awaitable[None]]] = {
    "parses nothing": lambda times: answer_frames(parses_nothing, times),
    "by hand": lambda times: answer_frames(by_hand, times),
    "Starlette": lambda times: answer_frames(by_starlette, times),
    "htmx-ws": lambda times: answer_frames(by_htmx_ws(), times),
    "htmx-ws, escaping": lambda times: answer_frames(by_htmx_ws_escaping(), times),
    "publish by loop": _publish_by_loop,
    "publish by Starlette": _publish_by_starlette,
    "publish by htmx-ws": _publish_by_htmx_ws,
    "publish by htmx-ws, resuming": lambda times: _publish_by_htmx_ws(times, resumes=True),
}

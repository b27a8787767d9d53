"""A small site for the tests of pages: a chat, forms that go by HTTP, and things that go wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import parse_qsl

from htmx_ws import Connection, HtmxWS, Refused, append, html, redirect, replace, update
from htmx_ws.types import ASGIApp, Receive, Scope, Send

__all__ = ["make"]

FORM: Final = '<form id="say" {}><input name="msg" autofocus></form>'


def make(**settings: Any) -> tuple[HtmxWS, ASGIApp]:
    """Make the site; ``settings`` are those of ``HtmxWS``."""
    live = HtmxWS(**settings)
    form = html(FORM, live.send_attrs())
    page = html(
        '<title>Chat</title><div id="app" {}><ul id="log"></ul><p id="say-errors"></p>{}'
        '<a id="away" href="/away">away</a><a id="down" href="#log">down</a></div>',
        live.connect_attrs("/ws"),
        form,
    )
    chat = live.endpoint("/ws")

    @chat.on_connect
    async def joined(conn: Connection, refuse: str = "") -> None:
        if refuse:
            raise Refused("not today", code=4401)
        await conn.join("chat")

    @chat.on("say")
    async def say(msg: str, conn: Connection) -> Any:
        match msg:
            case "boom":
                raise LookupError("no such thing")
            case "away":
                return redirect("/away")
            case "lost":
                return update("#nowhere", "x")
            case "inject":
                return html("<p></p>")
            case "bye":
                conn.close(1012)
            case "never":
                conn.close(4401)
            case _:
                await live.publish("chat", append("#log", html("<li>{}</li>", msg)))
        return replace(form)

    @chat.on("raw")
    async def raw(msg: str) -> str:
        return f'<p id="say-errors">{msg}</p>'

    @chat.on("tick")
    async def tick() -> AsyncIterator[Any]:
        from asyncio import sleep

        for i in range(3):
            await sleep(10)
            yield append("#log", html("<li>{}</li>", i))

    pages: dict[str, Any] = {
        "/": page,
        "/raw": html(
            '<div id="app" {}><p id="say-errors"></p><form id="raw" {}><input name="msg"></form>'
            '<form id="other" {}><button>x</button></form></div>',
            *(live.connect_attrs("/ws"), live.send_attrs(), live.send_attrs()),
        ),
        "/away": html("<title>Away</title><p>gone</p>"),
        "/none": html("<p>nothing connects</p>"),
        "/refused": html("<div {}></div>", live.connect_attrs("/ws?refuse=1")),
        "/forms": html(
            '<form id="get" action="/echo"><input name="q" value="1"><button>x</button></form>'
            '<form id="post" action="/echo" method="post"><textarea name="t">a\nb</textarea></form>'
            '<form id="files" action="/echo" method="post" enctype="multipart/form-data">'
            '<input name="a" value="ü"><input type="file" name="f"></form>'
        ),
    }

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await live(scope, receive, send)
            return
        path, status, headers = scope["path"], 200, [(b"content-type", b"text/html; charset=utf-8")]
        body = pages.get(path, html("<p>not found</p>"))
        if path == "/echo":
            event = await receive()
            sent = event["body"] or scope["query_string"]
            body = html("<pre>{}</pre><i>{}</i>", sent.decode(), str(dict(scope["headers"])))
        elif path == "/cookies":
            headers += [
                (b"set-cookie", b"a=1; Path=/"),
                (b"set-cookie", b"b=2; Max-Age=100"),
                (b"set-cookie", b"c=3; expires=Thu, 01 Jan 1970 00:00:00 GMT"),
                (b"set-cookie", b"d=4; Max-Age=0"),
                (b"set-cookie", b"e=5; expires=nonsense"),
                (b"set-cookie", b"=;=broken"),
            ]
            given = dict(scope["headers"]).get(b"cookie", b"").decode()
            body = html("<p id='sent'>{}</p>", given)
        elif path in ("/hop", "/keep", "/loop"):
            target = dict(parse_qsl(scope["query_string"].decode())).get("to", path)
            status = 307 if path == "/keep" else 303
            headers.append((b"location", str(target).encode()))
        elif path == "/crash":
            raise ZeroDivisionError("in a view")
        elif path == "/silent":
            return
        elif path == "/reads-on":
            await receive()
        elif path == "/stuck":
            await receive()
            await receive()
        elif path not in pages:
            status = 404
        await send({"type": "http.response.start", "status": status, "headers": headers})
        text = str(body).encode()
        await send({"type": "http.response.body", "body": text[:10], "more_body": True})
        await send({"type": "http.response.body", "body": text[10:]})
        await send({"type": "http.response.trailers", "headers": []})
        if path == "/reads-on":
            assert (await receive())["type"] == "http.disconnect"

    return live, live.wrap(site)

"""The project's websockets."""

from __future__ import annotations

from htmx_ws import Connection, Fragment, Refused, append, html, update
from htmx_ws_channels import HtmxWS

from .models import Line

live = HtmxWS()


def line(text: object) -> Fragment:
    """One more line for the page's log."""
    return append("#log", html("<li>{}</li>", text))


async def joined(conn: Connection, room: str) -> None:
    """Let a page hear what is said in its room, if it is open."""
    if room == "closed":
        raise Refused("closed", code=4001)
    await conn.join(room)


@live.ws("ws/chat/<slug:room>/", conn=joined, name="chat")
def say(msg: str, user: object) -> Fragment:
    """Keep a line, and count those of everybody."""
    Line.objects.create(text=msg)
    return update("#status", html("{} {}", user, Line.objects.count()))

"""What happens on the socket: the fleet is shown to everybody, and operators steer it."""

from __future__ import annotations

import os
from asyncio import sleep
from pathlib import Path
from typing import Annotated, Final

from fastapi import HTTPException
from fastapi.templating import Jinja2Templates
from pydantic import AfterValidator, StringConstraints
from sqlalchemy.orm import Session

from htmx_ws import HTML, BindingError, Connection, Fragment, append, replace, update
from htmx_ws_fastapi import HtmxWS

from .auth import CurrentUser, Operator, User
from .fleet import Order, fleet
from .models import DbSession, Entry, latest_entries

__all__ = ["live", "templates", "watch"]

live = HtmxWS(backend=os.environ.get("HTMX_WS_BACKEND"))
templates = Jinja2Templates(Path(__file__).parent / "templates")
templates.env.globals.update(live.template_globals)
board = live.endpoint("/board", name="board")

FLEET: Final = "fleet"  # the room of all pages
NO_PROBLEM: Final = update("#problem", "")
seconds_per_tick = 1.0


def render(template: str, **context: object) -> HTML:
    return HTML(templates.get_template(template).render(context))


# --- what changes by itself ------------------------------------------------------------


def parts() -> dict[str, HTML]:
    """Where each part of the page stands that changes, and what it shows now."""
    shown = {"#totals": render("totals.html", fleet=fleet)}
    for server in fleet:
        shown[f"#{server.name} .state"] = render("state.html", server=server)
        shown[f"#{server.name} .metrics"] = render("metrics.html", server=server)
    return shown


async def watch() -> None:
    """Publish what has changed, every second: rendered once, however many are looking."""
    before: dict[str, HTML] = {}
    while True:
        fleet.tick()
        now = parts()
        changed = [update(at, shown) for at, shown in now.items() if before.get(at) != shown]
        await live.publish(FLEET, changed)
        before = now
        await sleep(seconds_per_tick)


@board.on_connect
def joined(conn: Connection, session: DbSession) -> list[Fragment]:
    """A page is here, or here again: show it what changed while it was not."""
    conn.join(FLEET)
    entries = [render("entry.html", entry=entry) for entry in latest_entries(session)]
    return [update("#entries", entries), *(update(at, shown) for at, shown in parts().items())]


# --- what people do: plain functions, which run in threads -----------------------------


def known(name: str) -> str:
    if name not in fleet:
        raise ValueError("there is no such server")
    return name


ServerName = Annotated[str, AfterValidator(known)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]


@board.on(action="drain")
@board.on(action="restore")
@board.on(action="restart")
def control(server: ServerName, action: Order, user: Operator, session: DbSession) -> Fragment:
    """Only an operator comes as far as this: for others `Operator` raises."""
    fleet[server].obey(action)
    live.publish(FLEET, update(f"#{server} .state", render("state.html", server=fleet[server])))
    record(session, user, f"{action} {server}")
    return NO_PROBLEM


@board.on("note-form")
def note(text: Note, user: CurrentUser, session: DbSession) -> list[Fragment]:
    record(session, user, f"“{text}”")
    return [NO_PROBLEM, replace(render("note.html"))]


def record(session: Session, user: User, what: str) -> None:
    """Write a line into the audit log, and onto every page."""
    entry = Entry(who=user.name, what=what)
    session.add(entry)
    session.commit()
    live.publish(FLEET, append("#entries", render("entry.html", entry=entry)))


@board.on(action="dismiss")
async def dismiss() -> Fragment:
    return NO_PROBLEM


@board.on_error
async def explain(error: Exception) -> Fragment:
    """Tell the page what it did wrong in full, and what we did wrong without details."""
    if isinstance(error, HTTPException):
        why = error.detail
    elif isinstance(error, BindingError):
        why = ". ".join(f"{field}: {what}" for field, what in error.fields.items())
    else:
        why = "That went wrong on our side, and is in our log."
    return update("#problem", render("problem.html", why=why))

"""What happens on the socket of a board: plain functions, which run in threads.

They save, and publish nothing of it: the signals do that, for these as for every other.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Literal

from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse

from htmx_ws import (
    BindingError,
    Connection,
    Fragment,
    Presence,
    Present,
    Refused,
    morph,
    redirect,
    update,
)
from htmx_ws_channels import HtmxWS

from .forms import CardForm
from .models import Card, Column, columns

BOARD = "board"  # the room of all pages

live = HtmxWS()
board = live.endpoint("ws/board/", name="board")


def room_of(session: SessionBase) -> str:
    """Name the room of all pages that one session has open."""
    return f"session:{session.session_key}"


# --- who comes and goes ----------------------------------------------------------------


@board.on_connect
def joined(conn: Connection, user: User, session: SessionBase) -> list[Fragment]:
    """A page is here, or here again: show it what changed while it was not."""
    if not user.is_authenticated:
        raise Refused("signed out", content=redirect(reverse("login")))
    conn.join(BOARD)  # before it reads: what is saved meanwhile comes after what it returns
    conn.join(room_of(session))
    return [
        update("#people", people()),
        *(
            morph(f"#{column}", render_to_string("cards/cards.html", {"cards": cards}))
            for column, cards in columns()
        ),
    ]


def about(page: Connection) -> dict[str, Any]:
    """Say of a page whose it is, to all processes."""
    user = page.scope["user"]
    return {"pk": user.pk, "username": user.username}


async def publish_people(room: str, who: Present) -> None:
    """Somebody is here now, or not any more."""
    # Rendered and published in one step, and so in order, however many come and go at once.
    await live.publish(room, update("#people", people()))


def people() -> str:
    """Render who is here, once each however many pages they have open."""
    those_here = sorted((each.about for each in live.presence(BOARD)), key=itemgetter("username"))
    return render_to_string("cards/people.html", {"people": those_here})


live.room(
    BOARD, presence=Presence(about=about, on_join=publish_people, on_leave=publish_people, grace=0)
)


# --- what people do --------------------------------------------------------------------


@board.on("new-card")
def write(
    data: dict[str, Any], user: User, action: Literal["", "add"] = ""
) -> CardForm | list[Fragment]:
    """Say what is wrong with a card while it is written; keep it when it is submitted."""
    form = CardForm(data, instance=Card(owner=user))
    if not action:
        return [update(f"#{field.auto_id}-errors", field.errors) for field in form]
    if not form.is_valid():
        return form
    form.save()
    return CardForm()


@board.on(action="todo")
@board.on(action="doing")
@board.on(action="done")
def move(card: int, action: Column) -> None:
    moved = get_object_or_404(Card, pk=card)
    moved.column = action
    moved.save()


@board.on(action="delete")
def delete(card: int, user: User) -> None:
    doomed = get_object_or_404(Card, pk=card)
    if doomed.owner != user:
        raise PermissionDenied(f"Only {doomed.owner.username} may delete this card.")
    doomed.delete()


@board.on_error
def explain(error: Exception) -> Fragment:
    """Tell the page what it may not do, and of what we did wrong no details."""
    if isinstance(error, PermissionDenied):
        problem = str(error)
    elif isinstance(error, Http404):
        problem = "This card is not there any more."
    elif isinstance(error, BindingError):
        problem = "This page sent something that makes no sense."
    else:
        problem = "That did not work. It is our fault, and we have been told."
    return update("#problem", render_to_string("cards/problem.html", {"problem": problem}))

"""Whoever saves or deletes a card, wherever in the code: every page hears of it here."""

from __future__ import annotations

from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse

from htmx_ws import append, redirect, remove, replace

from .live import BOARD, live, room_of
from .models import Card


@receiver(post_save, sender=Card)
def show(instance: Card, **kwargs: object) -> None:
    """Show a card where it belongs, once the transaction at work is committed."""
    selector = f"#card-{instance.pk}"
    card = render_to_string("cards/card.html", {"card": instance})
    if instance.came_from == instance.column:
        content = [replace(card)]
    else:
        # A page that has just come may have read the card already, and gets no second one.
        content = [append(f"main:not(:has({selector})) #{instance.column}", card)]
        if instance.came_from is not None:
            content.insert(0, remove(selector))
    live.publish_on_commit(BOARD, content, exclude=instance.saved_by)


@receiver(post_delete, sender=Card)
def take_away(instance: Card, **kwargs: object) -> None:
    live.publish_on_commit(BOARD, remove(f"#card-{instance.pk}"))


@receiver(user_logged_out)
def sign_out(request: HttpRequest, **kwargs: object) -> None:
    """A socket would outlive the session that it was opened with."""
    room = room_of(request.session)
    live.publish(room, redirect(reverse("login")))
    for page in live.members(room):
        page.close(4401, "signed out")

"""``python manage.py demo``: people and cards to look at, in a database that has none."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.core.management import BaseCommand
from django.utils import timezone

from ...models import Card, Colour, Column

CARDS = (
    (Column.TODO, Colour.SKY, "ann", "Ask the library about the reading room"),
    (Column.TODO, Colour.ROSE, "bob", "Find somebody who bakes"),
    (Column.TODO, Colour.SAND, "ann", "Print the programme"),
    (Column.DOING, Colour.MINT, "bob", "Write to the speakers of last year"),
    (Column.DOING, Colour.SKY, "ann", "Draw a poster"),
    (Column.DONE, Colour.SAND, "ann", "Agree on a date"),
    (Column.DONE, Colour.MINT, "bob", "Open a bank account for the society"),
)


class Command(BaseCommand):
    help = "Makes the users ann, bob and admin, each with the name as password, and some cards."

    def handle(self, *args: object, **options: object) -> None:
        if User.objects.exists():
            return
        users = {name: User.objects.create_user(name, password=name) for name in ("ann", "bob")}
        User.objects.create_superuser("admin", password="admin")
        now = timezone.now()
        # At once, and without signals: there is no page yet that could show them.
        Card.objects.bulk_create(
            Card(column=column, colour=colour, owner=users[owner], title=title, moved=now)
            for column, colour, owner, title in CARDS
        )

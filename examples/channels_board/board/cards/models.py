"""A card, and the columns in which it stands."""
# mypy: disable-error-code="var-annotated, no-any-return"
# The types of fields are known to the plugin of django-stubs alone.

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MinLengthValidator
from django.db import models
from django.utils import timezone


class Column(models.TextChoices):
    TODO = "todo", "To do"
    DOING = "doing", "Doing"
    DONE = "done", "Done"


class Colour(models.TextChoices):
    SAND = "sand", "Sand"
    SKY = "sky", "Sky"
    MINT = "mint", "Mint"
    ROSE = "rose", "Rose"


class Card(models.Model):
    title = models.CharField(
        max_length=80,
        unique=True,
        validators=[MinLengthValidator(3)],
        error_messages={"unique": "There is a card with this title already."},
    )
    colour = models.CharField(max_length=8, choices=Colour.choices, default=Colour.SAND)
    column = models.CharField(max_length=8, choices=Column.choices, default=Column.TODO)
    #: When it came into its column: a column grows at its end, on every page alike.
    moved = models.DateTimeField(editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="cards")

    #: The column that it stood in before it was saved; None for a new one.
    came_from: str | None = None
    #: The page that saves it by HTTP, and shows it by the answer to that.
    saved_by: str | None = None

    class Meta:
        ordering = ("moved", "pk")

    def __str__(self) -> str:
        return self.title

    def save(self, **kwargs: Any) -> None:
        # From the database: what was loaded may have been moved by somebody else meanwhile.
        stored = Card.objects.filter(pk=self.pk).values_list("column", flat=True)
        self.came_from = stored.first()
        if self.came_from != self.column:
            self.moved = timezone.now()
        if (only := kwargs.get("update_fields")) is not None:
            kwargs["update_fields"] = {*only, "moved"}
        super().save(**kwargs)

    @property
    def previous(self) -> Column | None:
        return self._step(-1)

    @property
    def next(self) -> Column | None:
        return self._step(1)

    def _step(self, by: int) -> Column | None:
        columns = list(Column)
        place = columns.index(Column(self.column)) + by
        return columns[place] if 0 <= place < len(columns) else None


def columns() -> list[tuple[Column, list[Card]]]:
    """Give each column with its cards, in order."""
    cards = list(Card.objects.select_related("owner"))
    return [(column, [card for card in cards if card.column == column]) for column in Column]

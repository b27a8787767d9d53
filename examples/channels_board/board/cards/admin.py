"""Cards in Django's admin: whatever is saved there reaches every page, as from anywhere."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from .models import Card, Column


@admin.register(Card)
class CardAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in stubs alone
    list_display = ("title", "column", "owner", "colour")
    list_filter = ("column", "owner")
    search_fields = ("title",)
    actions = ("move_to_done",)

    @admin.action(description="Move to done", permissions=["change"])
    def move_to_done(self, request: HttpRequest, queryset: QuerySet[Card]) -> None:
        for card in queryset:  # queryset.update() sends no signals: no page would hear of it
            card.column = Column.DONE
            card.save()

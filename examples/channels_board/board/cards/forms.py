"""The form of a card; it is its own HTML, on the page and over the websocket."""

from __future__ import annotations

from django import forms

from .models import Card


class CardForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in stubs alone
    template_name = "cards/new_card.html"
    use_required_attribute = False  # what is wrong is said by the server

    class Meta:
        model = Card
        fields = ("title", "colour")
        widgets = {
            "title": forms.TextInput({"autocomplete": "off", "autofocus": True}),
            "colour": forms.RadioSelect,
        }

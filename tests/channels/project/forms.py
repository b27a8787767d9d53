"""A form without a model, and one whose rendering asks the database for the rooms."""

from __future__ import annotations

from django import forms

from .models import Line


class SayForm(forms.Form):
    """What a page may say."""

    text = forms.CharField(max_length=5)


class LineForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A line, with the room that it is said in."""

    class Meta:
        model = Line
        fields = ("text", "room")

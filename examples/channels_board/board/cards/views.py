"""The page, and what it does by HTTP."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from htmx_ws_channels import page_of

from .forms import CardForm
from .models import Card, columns


@login_required
def board(request: HttpRequest) -> HttpResponse:
    return render(request, "cards/board.html", {"columns": columns(), "form": CardForm()})


@login_required
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the form of a card, or save it: then its page is left out of what is published."""
    card = get_object_or_404(Card, pk=pk)
    card.saved_by = page_of(request)
    form = CardForm(request.POST or None, instance=card, auto_id="edit_%s")
    if form.is_valid():
        form.save()
        return render(request, "cards/saved.html", {"card": card})
    return render(request, "cards/edit.html", {"card": card, "form": form})

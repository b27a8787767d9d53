"""Views that sign in, publish, and take a form that only a page's own token opens."""

from __future__ import annotations

from django.contrib.auth import get_user_model, login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from htmx_ws_channels import page_of

from .live import line, live


def page(request: HttpRequest) -> HttpResponse:
    """A page with a socket, and a form that posts by HTTP."""
    return render(request, "project/page.html")


def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign the visitor in as ann."""
    user, _ = get_user_model()._default_manager.get_or_create(username="ann")
    login(request, user)
    return HttpResponse("done")


def publish(request: HttpRequest) -> HttpResponse:
    """Publish a line from a plain view, to every page but the one that asked."""
    text = request.POST.get("text") or request.GET["text"]
    live.publish("lobby", line(text), exclude=page_of(request))
    return HttpResponse("done")


async def publish_async(request: HttpRequest) -> HttpResponse:
    """Publish a line from an async view."""
    await live.publish("lobby", line(request.GET["text"]))
    return HttpResponse("done")

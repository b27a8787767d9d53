"""Django without Channels: its ASGI application answers HTTP, and ``live`` is wrapped around it.

Django's settings are the whole process's. So they are put in place while a test runs, and the
application is made without ``django.setup()``, which works only once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

from django.conf import UserSettingsHolder, global_settings, settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import format_html

from htmx_ws import Connection, HtmxWS, append, html
from htmx_ws.types import ASGIApp

from .host import Cannot, Host

__all__ = ["DjangoHost"]

SETTINGS = {
    "SECRET_KEY": "a test's",
    "ALLOWED_HOSTS": ["testserver"],
    "MIDDLEWARE": ["django.contrib.sessions.middleware.SessionMiddleware"],
    "SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies",
    "USE_I18N": False,
}
ONLY_HTTP = "can only handle ASGI/HTTP connections"
NO_MOUNTS = "Django mounts no ASGI applications: write the prefix into the endpoint's path."
NO_LIFESPAN = (
    "Django has no lifespan: `live` starts at its first page, and servers close the sockets when "
    "they stop."
)
NO_SESSION = "Django's middleware runs for HTTP alone. Channels' `AuthMiddlewareStack` has both."


class DjangoHost(Host):
    name = "bare Django"
    cannot: ClassVar[dict[str, Cannot]] = {
        "a_path_that_nobody_has_is_accepted_and_closed": Cannot(
            "Django raises an error for a websocket, so the server refuses the handshake, and "
            "htmx tries again for ever. Give every websocket to `live`, as above, and it answers.",
            ONLY_HTTP,
        ),
        "the_session_of_the_visitor_is_at_hand": Cannot(NO_SESSION, "put a session middleware"),
        "the_user_is_at_hand": Cannot(NO_SESSION, "None"),
        "state_of_the_lifespan_reaches_the_page": Cannot(NO_LIFESPAN, "no db"),
        "it_starts_and_stops_with_the_application": Cannot(NO_LIFESPAN, "no lifespan"),
        "an_endpoint_has_an_address_by_its_name": Cannot(
            "Django's router does not know what is wrapped around it: write the address.",
            "Reverse for 'say' not found",
        ),
        "it_can_be_mounted_below_a_path": Cannot(NO_MOUNTS, ONLY_HTTP),
        "a_prefix_may_have_a_parameter": Cannot(NO_MOUNTS, ONLY_HTTP),
    }

    def build(self, live: HtmxWS) -> ASGIApp:
        return live.wrap(self.build_below(live, ""))

    def build_below(self, live: HtmxWS, prefix: str) -> ASGIApp:
        def publish(request: HttpRequest) -> HttpResponse:
            live.publish("lobby", append("#log", html("<li>{}</li>", request.GET["text"])))
            return HttpResponse("done")

        def sign_in(request: HttpRequest) -> HttpResponse:
            request.session["name"] = "ann"
            return HttpResponse("done")

        settings.ROOT_URLCONF = (path("publish", publish), path("sign-in", sign_in))
        return cast(ASGIApp, ASGIHandler())

    def reverse(self, app: Any, name: str, **params: Any) -> str:
        return str(reverse(name, kwargs=params))

    def render(self, conn: Connection, text: str) -> object:
        return format_html('<p id="line">{}</p>', text)

    @contextmanager
    def environment(self) -> Iterator[None]:
        ours, theirs = UserSettingsHolder(global_settings), settings._wrapped
        for name, value in SETTINGS.items():
            setattr(ours, name, value)
        settings._wrapped = ours
        try:
            yield
        finally:
            settings._wrapped = theirs

"""Django with Channels: ``live.application``, and a ``URLRouter`` of the project's own.

Django's settings are the whole process's, and so they are in place only while a host is used;
its apps are there from the first time on. Nobody asks a database: sessions are in cookies, and the
one user there is is made by the backend that looks him up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

from django.apps import apps
from django.conf import UserSettingsHolder, global_settings, settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path, register_converter
from django.urls.converters import get_converters

from htmx_ws import Connection, Dialect, HtmxWS, append, html
from htmx_ws.types import ASGIApp

from .host import Cannot, Host

__all__ = ["ChannelsHost", "URLRouterHost"]

SETTINGS = {
    "SECRET_KEY": "the secret of these tests",
    "ALLOWED_HOSTS": ["testserver"],
    "AUTHENTICATION_BACKENDS": [f"{__name__}.Backend"],
    "INSTALLED_APPS": ["django.contrib.auth", "django.contrib.contenttypes", "htmx_ws_channels"],
    "MIDDLEWARE": ["django.contrib.sessions.middleware.SessionMiddleware"],
    "SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies",
    "USE_I18N": False,
}
NO_LIFESPAN = "Django has no lifespan."


class Backend:
    """Knows ann, and nobody else."""

    def get_user(self, pk: int) -> Any:
        from django.contrib.auth.models import User

        return User(pk=pk, username="ann")


class Float:
    """Django has no converter for such numbers: a project has its own."""

    regex = r"-?\d+\.\d+"

    def to_python(self, text: str) -> float:
        return float(text)

    def to_url(self, value: float) -> str:
        return str(value)


def as_django(path: str) -> str:
    """Write a path of the suite as Django's users would."""
    return re.sub(r"{(\w+)(?::(\w+))?}", lambda it: f"<{it[2] or 'str'}:{it[1]}>", path)


class ChannelsHost(Host):
    name = "Channels"
    dialects: ClassVar[tuple[Dialect, ...]] = ("htmx4", "htmx2")
    cannot: ClassVar[dict[str, Cannot]] = {
        "state_of_the_lifespan_reaches_the_page": Cannot(NO_LIFESPAN, "no db"),
    }

    _live: Any

    def live(self, **options: Any) -> HtmxWS:
        with self.environment():
            import htmx_ws_channels

            class Live(htmx_ws_channels.HtmxWS):
                def endpoint(self, path: str, **options: Any) -> Any:
                    return super().endpoint(as_django(path), **options)

            return Live(**options)

    def build(self, live: Any) -> ASGIApp:
        self._live = live
        return cast(ASGIApp, live.application(http=views(live)))

    def build_below(self, live: Any, prefix: str) -> ASGIApp:
        from channels.routing import URLRouter

        below = URLRouter(live.urlpatterns)
        return routed(live, [path(as_django(prefix[1:]) + "/", cast(Any, below))])

    def reverse(self, app: Any, name: str, **params: Any) -> str:
        return str(self._live.reverse(name, **params))

    def render(self, conn: Connection, text: str) -> object:
        from django.template.backends.django import DjangoTemplates
        from django.template.response import TemplateResponse

        from htmx_ws_channels import request_of

        options = {"NAME": "django", "DIRS": [], "APP_DIRS": False, "OPTIONS": {}}
        template: Any = DjangoTemplates(options).from_string('<p id="line">{{ text }}</p>')
        return TemplateResponse(request_of(conn), template, {"text": text})

    @contextmanager
    def environment(self) -> Iterator[None]:
        ours, theirs = UserSettingsHolder(global_settings), settings._wrapped
        for name, value in SETTINGS.items():
            setattr(ours, name, value)
        settings._wrapped = ours
        try:
            apps.populate(settings.INSTALLED_APPS)
            if "float" not in get_converters():
                register_converter(Float, "float")
            yield
        finally:
            settings._wrapped = theirs


class URLRouterHost(ChannelsHost):
    name = "Channels' URLRouter"
    dialects: ClassVar[tuple[Dialect, ...]] = ("htmx4",)
    cannot: ClassVar[dict[str, Cannot]] = {
        **ChannelsHost.cannot,
        "a_path_that_nobody_has_is_accepted_and_closed": Cannot(
            "The router raises an error, so the server refuses the handshake, and htmx tries "
            'again for ever. Make `re_path("", live)` the last route, and `live` answers.',
            "No route found",
        ),
    }

    def build(self, live: Any) -> ASGIApp:
        self._live = live
        return routed(live, live.urlpatterns)


def routed(live: Any, routes: list[Any]) -> ASGIApp:
    """Compose an application as projects with consumers of their own do."""
    from channels.auth import AuthMiddlewareStack
    from channels.routing import ProtocolTypeRouter, URLRouter

    sockets = AuthMiddlewareStack(cast(Any, URLRouter(routes)))
    return cast(
        ASGIApp,
        ProtocolTypeRouter({"http": views(live), "websocket": sockets, "lifespan": live}),
    )


def views(live: HtmxWS) -> Any:
    """The project's views, behind Django's own application."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    def publish(request: HttpRequest) -> HttpResponse:
        live.publish("lobby", append("#log", html("<li>{}</li>", request.GET["text"])))
        return HttpResponse("done")

    def sign_in(request: HttpRequest) -> HttpResponse:
        user = Backend().get_user(1)
        request.session["name"] = "ann"
        request.session[SESSION_KEY] = str(user.pk)
        request.session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        request.session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        return HttpResponse("done")

    settings.ROOT_URLCONF = (path("publish", publish), path("sign-in", sign_in))
    return ASGIHandler()

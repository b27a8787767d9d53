"""What ``manage.py check`` says of a project that uses htmx-ws, each with what mends it.

Each check is a function that gives the messages it has; those that need Channels, or the
project's HtmxWS, say nothing where that is what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from importlib.util import find_spec
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

import htmx_ws
from htmx_ws import ALLOW_ALL, Endpoint, Limits, MemoryBackend, scripts
from htmx_ws.signing import MIN_SECRET

from .conf import DEFAULTS, check_names, setting

__all__ = ["check_deployment", "check_project"]

#: What HtmxWS takes as it stands in the settings, and judges.
_OF_THE_CORE: Final = (
    *("BACKEND", "DRAIN_SECONDS", "ORIGINS", "PAGE_TOKENS", "PROXIES", "REAUTH_SECONDS"),
    *("STRICT_HTML", "SUBPROTOCOLS"),
)

_APPLICATION: Final = (
    "In asgi.py: application = live.application(http=get_asgi_application()); in the settings: "
    'ASGI_APPLICATION = "project.asgi.application". For runserver, "daphne" first in '
    "INSTALLED_APPS too."
)


def check_project(app_configs: object = None, **kwargs: object) -> list[CheckMessage]:
    """Give what is wrong, or risky, in the project's settings and its ASGI application."""
    if find_spec("channels") is None:
        hint = 'pip install "htmx-ws[channels]"'
        return [Error("Channels is not installed.", hint=hint, id="htmx_ws.E001")]
    found = [*_settings()] or [*_live()]
    if found:
        return found
    live = import_string(setting("LIVE")) if setting("LIVE") else None
    about_live = (*_origins(live), *_backend(live), *_page_tokens(live))
    return [*_application(), *about_live, *_static(), *_extension()]


def check_deployment(app_configs: object = None, **kwargs: object) -> list[CheckMessage]:
    """Give what is right for one process, of a test or of who develops, and wrong for several."""
    if any(isinstance(each, Error) for each in check_project()) or not setting("LIVE"):
        return []
    return [*_processes(import_string(setting("LIVE")))]


def _settings() -> Iterator[CheckMessage]:
    try:
        check_names()
    except ImproperlyConfigured as error:
        yield Error(
            str(error), hint='As HTMX_WS = {"LIVE": "project.live.live"}.', id="htmx_ws.E002"
        )
        return
    for name in _OF_THE_CORE:
        value = setting(name)
        if name == "BACKEND" and str(value).startswith("channels://"):
            continue
        try:
            htmx_ws.HtmxWS(secret="s" * MIN_SECRET, **{name.lower(): value})
        except Exception as error:
            yield Error(
                f'HTMX_WS["{name}"]: {error}',
                hint=f"It is {DEFAULTS[name]!r} where it is left out.",
                id="htmx_ws.E013",
            )
    try:
        Limits(**setting("LIMITS"))
    except (TypeError, ValueError) as error:
        names = ", ".join(field.name for field in fields(Limits))
        yield Error(
            f'HTMX_WS["LIMITS"] is none: {error}',
            hint=f"Its entries are {names}.",
            id="htmx_ws.E009",
        )
    try:
        scripts(setting("HTMX"))
    except (TypeError, ValueError) as error:
        yield Error(
            f'HTMX_WS["HTMX"]: {error}', hint="4 is today's, 2 the one before.", id="htmx_ws.E010"
        )
    if setting("PAGE_TOKENS") and not setting("LIVE"):
        yield Error(
            'HTMX_WS["PAGE_TOKENS"] lets only pages in that your HtmxWS has signed, and the tags '
            "do not know where it is.",
            hint='Say so: HTMX_WS = {"LIVE": "project.live.live"}.',
            id="htmx_ws.E011",
        )


def _live() -> Iterator[CheckMessage]:
    if setting("LIVE"):
        from .live import HtmxWS

        try:
            live = import_string(setting("LIVE"))
        except Exception as error:
            yield Error(
                f'HTMX_WS["LIVE"] cannot be imported: {error}',
                hint='It is the dotted path of your HtmxWS, such as "project.live.live".',
                id="htmx_ws.E003",
            )
        else:
            if not isinstance(live, HtmxWS):
                yield Error(
                    f'HTMX_WS["LIVE"] is {live!r}, which is no htmx_ws_channels.HtmxWS.',
                    hint="Make it in the module that it names: live = HtmxWS().",
                    id="htmx_ws.E003",
                )


def _application() -> Iterator[CheckMessage]:
    if not getattr(settings, "ASGI_APPLICATION", None):
        yield Warning(
            "ASGI_APPLICATION is not set, so runserver does not serve websockets.",
            hint=_APPLICATION,
            id="htmx_ws.W004",
        )
        return
    try:
        application = import_string(settings.ASGI_APPLICATION)
    except Exception as error:
        yield Error(
            f"ASGI_APPLICATION cannot be imported: {error}", hint=_APPLICATION, id="htmx_ws.E005"
        )
        return
    if not _serves_ours(application):
        yield Warning(
            f"{settings.ASGI_APPLICATION} has no endpoint of htmx-ws.",
            hint=f"{_APPLICATION} Or give live.urlpatterns to a URLRouter.",
            id="htmx_ws.W005",
        )


def _serves_ours(application: Any, depth: int = 12) -> bool:
    """Whether an endpoint of ours is somewhere in an application, as Channels composes them."""
    from .live import HtmxWS

    if isinstance(application, (Endpoint, HtmxWS)) or hasattr(application, "htmx_ws"):
        return True
    if depth == 0:
        return False
    inner: list[Any] = [
        *getattr(application, "application_mapping", {}).values(),
        *(route.callback for route in getattr(application, "routes", ())),
        *(getattr(application, name, None) for name in ("inner", "application", "app")),
    ]
    return any(_serves_ours(each, depth - 1) for each in inner if each is not None)


def _origins(live: Any) -> Iterator[CheckMessage]:
    origins = setting("ORIGINS") if live is None else live._origins
    if ALLOW_ALL in origins and not (live is not None and live._page_tokens):
        yield Warning(
            "Pages of any site may open websockets here, with the cookies of who visits them.",
            hint='Name the sites in CSRF_TRUSTED_ORIGINS, and leave "*" out of '
            'HTMX_WS["ORIGINS"] and HtmxWS(origins=...), or turn on HTMX_WS["PAGE_TOKENS"].',
            id="htmx_ws.W006",
        )


def _backend(live: Any) -> Iterator[CheckMessage]:
    if live is None:
        return
    try:
        _carrier(live)
    except Exception as error:
        yield Error(
            f"The backend of htmx-ws cannot be used: {error}",
            hint="Add it, or take another backend: HTMX_WS = {'BACKEND': 'redis://...'}.",
            id="htmx_ws.E012",
        )


def _carrier(live: Any) -> object:
    """What carries publications: a backend, or a channel layer; raises where that is missing."""
    from .layer import ChannelLayerBackend

    backend = live._hub.backend
    return backend.layer() if isinstance(backend, ChannelLayerBackend) else backend


def _processes(live: Any) -> Iterator[CheckMessage]:
    from channels.layers import InMemoryChannelLayer

    if isinstance(_carrier(live), (MemoryBackend, InMemoryChannelLayer)):
        yield Warning(
            "Rooms are kept in the memory of each process, so pages of one process do not hear "
            "what is published in another: a second worker, a shell, a task queue.",
            hint="Share them: HTMX_WS = {'BACKEND': 'redis://...'}; serve with one process; or "
            'silence this check: SILENCED_SYSTEM_CHECKS = ["htmx_ws.W007"].',
            id="htmx_ws.W007",
        )


def _page_tokens(live: Any) -> Iterator[CheckMessage]:
    in_database = settings.SESSION_ENGINE.rpartition(".")[2] in ("db", "cached_db")
    has_sessions = apps.is_installed("django.contrib.sessions") or not in_database
    if live is not None and live._page_tokens is True and not has_sessions:
        yield Warning(
            "Page tokens are for the user of a page, and there are no sessions that say who he is.",
            hint='Add "django.contrib.sessions" to INSTALLED_APPS, and its middleware; or say of '
            "each page what its tokens are for: HtmxWS(page_tokens=...).",
            id="htmx_ws.W015",
        )


def _static() -> Iterator[CheckMessage]:
    folder = setting("STATIC")
    if folder is None or not apps.is_installed("django.contrib.staticfiles"):
        return
    folder = str(folder)
    if folder.startswith("/") or "://" in folder:  # it is no folder of theirs
        return
    from django.contrib.staticfiles.finders import find

    files = re.findall('src="/?([^"]+)"', scripts(setting("HTMX"), static=folder))
    missing = [file for file in files if find(file) is None]
    if missing:
        yield Warning(
            f'HTMX_WS["STATIC"] is {folder!r}, and there is no static file {", ".join(missing)}.',
            hint="Put htmx and its extension there, or leave the entry out for the CDN.",
            id="htmx_ws.W014",
        )


def _extension() -> Iterator[CheckMessage]:
    if not apps.is_installed("django_htmx") or not apps.is_installed("django.contrib.staticfiles"):
        return
    from django.contrib.staticfiles.finders import find

    path = find("django_htmx/ext/hx-ws-4.min.js")
    if path is None:
        return
    with open(path, encoding="utf-8") as file:
        is_beta = "reconnectCodes" not in file.read()  # the releases have a list of them
    if is_beta:
        yield Warning(
            "django-htmx has the websocket extension of a beta of htmx 4: its sockets drop what "
            "is sent while they are closed, and come back after every code.",
            hint="Load htmx by {% htmx_ws_scripts %} on pages with websockets.",
            id="htmx_ws.W008",
        )

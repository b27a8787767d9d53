"""What a project says in its settings, under ``HTMX_WS``; every entry may be left out.

    HTMX_WS = {
        "LIVE": "project.live.live",  # where your HtmxWS is: for checks, and addresses by name
        "HTMX": 4,                    # the htmx that {% htmx_ws_scripts %} loads
        "STATIC": "htmx/",            # a folder of static files that holds it; None: the CDN
        "ORIGINS": [],                # sites that may connect, beside CSRF_TRUSTED_ORIGINS
        "LIMITS": {},                 # the fields of htmx_ws.Limits
        "STRICT_HTML": False,
        "SUBPROTOCOLS": [],
        "PAGE_TOKENS": False,         # let only pages in that {% htmx_ws_connect %} wrote
        "REAUTH_SECONDS": 60.0,       # how often HtmxWS(reauth=...) is asked of each page
        "PROXIES": 0,                 # that append to X-Forwarded-For before the server
        "BACKEND": None,              # "redis://...", "nats://...", "channels://default"
        "DRAIN_SECONDS": 5.0,         # over which pages go when the process ends
    }

Read whenever it is needed, so that Django's ``override_settings`` holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

__all__ = ["DEFAULTS", "check_names", "setting"]

DEFAULTS: Final[Mapping[str, Any]] = {
    "LIVE": None,
    "HTMX": 4,
    "STATIC": None,
    "ORIGINS": (),
    "LIMITS": {},
    "STRICT_HTML": False,
    "SUBPROTOCOLS": (),
    "PAGE_TOKENS": False,
    "REAUTH_SECONDS": 60.0,
    "PROXIES": 0,
    "BACKEND": None,
    "DRAIN_SECONDS": 5.0,
}


def setting(name: str) -> Any:
    """Give an entry of ``HTMX_WS``, or its default."""
    return getattr(settings, "HTMX_WS", {}).get(name, DEFAULTS[name])


def check_names() -> None:
    """Refuse an ``HTMX_WS`` with entries that mean nothing; raises ``ImproperlyConfigured``."""
    given: object = getattr(settings, "HTMX_WS", {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"HTMX_WS is {given!r}, and has to be a dict.")
    unknown = sorted(str(name) for name in given if name not in DEFAULTS)
    if unknown:
        raise ImproperlyConfigured(
            f"HTMX_WS has entries that mean nothing: {', '.join(unknown)}. The entries are "
            f"{', '.join(DEFAULTS)}."
        )

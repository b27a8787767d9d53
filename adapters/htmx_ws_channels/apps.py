"""The Django app: ``INSTALLED_APPS = [..., "htmx_ws_channels"]``, for its tags and checks."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register

from .checks import check_deployment, check_project

__all__ = ["HtmxWSConfig"]


class HtmxWSConfig(AppConfig):
    """htmx's websockets: template tags, system checks."""

    name = "htmx_ws_channels"
    label = "htmx_ws"
    verbose_name = "htmx-ws"

    def ready(self) -> None:
        """Register the checks."""
        register(check_project, Tags.compatibility)
        register(check_deployment, Tags.compatibility, deploy=True)

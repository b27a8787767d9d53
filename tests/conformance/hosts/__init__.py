"""The hosts of the conformance suite, in the order of the docs. A new one is added here."""

from .channels import ChannelsHost, URLRouterHost
from .django import DjangoHost
from .fastapi import FastAPIHost
from .fasthtml import FastHTMLHost
from .host import Cannot, Host
from .litestar import LitestarHost
from .plain import Plain
from .quart import QuartHost
from .starlette import StarletteHost

__all__ = ["HOSTS", "Cannot", "Host"]

HOSTS: tuple[type[Host], ...] = (
    Plain,
    StarletteHost,
    FastAPIHost,
    FastHTMLHost,
    LitestarHost,
    QuartHost,
    DjangoHost,
    ChannelsHost,
    URLRouterHost,
)

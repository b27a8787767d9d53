"""What the template tags write, for Django's templates and for Jinja2 alike.

Each takes the template's context, for the request that the page is rendered for: the page's
token and the nonce of its content security policy are found there.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from django.templatetags.static import static
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString, mark_safe

from htmx_ws import connect_attrs, page_field, scripts, send_attrs

from .conf import setting
from .requests import token_of

__all__ = ["Context", "connect", "page", "script_tags", "send"]


class Context(Protocol):
    """The variables of a template, of either engine."""

    def get(self, key: str, /) -> Any: ...


def script_tags(
    context: Context, htmx: int | str | None = None, *, nonce: object = None
) -> SafeString:
    """Write the script tags of htmx and its websocket extension, for the page's head.

    ``htmx`` is a generation or version, else that of ``HTMX_WS["HTMX"]``. From the CDN, or from
    the static files of ``HTMX_WS["STATIC"]``. ``nonce`` is by default the one that Django's or
    django-csp's middleware gives the page.
    """
    if nonce is None:
        nonce = context.get("csp_nonce")
    if nonce is None:
        nonce = getattr(context.get("request"), "csp_nonce", None)
    folder = setting("STATIC")
    tags = scripts(
        setting("HTMX") if htmx is None else htmx,
        static=None if folder is None else static(folder),
        nonce=None if nonce is None else str(nonce),  # theirs are false until they are used
    )
    return mark_safe(tags)


def connect(context: Context, to: object, **params: Any) -> SafeString:
    """Write the attributes of the element that connects: to an address, or to an endpoint's name.

    ``params`` are the parameters of a named endpoint's path; names are those of the ``HtmxWS``
    at ``HTMX_WS["LIVE"]``.
    """
    url = str(to)
    if not url.startswith(("/", "ws:", "wss:")):
        place = setting("LIVE")
        if place is None:
            raise LookupError(
                f"{url!r} is no address. To connect to an endpoint by its name, say where your "
                'HtmxWS is: HTMX_WS = {"LIVE": "project.live.live"}.'
            )
        url = import_string(place).reverse(url, **params)
    request = context.get("request")
    if request is not None:
        token = _token(request)
    elif _wants_tokens():
        raise LookupError(_NO_REQUEST.format("{% htmx_ws_connect %}"))
    else:
        token = None
    return mark_safe(connect_attrs(url, page=token).__html__())


def send() -> SafeString:
    """Write the attributes of a form, button or input that sends."""
    return mark_safe(send_attrs().__html__())


def page(context: Context) -> SafeString:
    """Write the hidden field by which a form says which page it is of, as ``page_of`` reads it."""
    request = context.get("request")
    if request is None:
        raise LookupError(_NO_REQUEST.format("{% htmx_ws_page %}"))
    return mark_safe(page_field(_token(request)))


_NO_REQUEST: Final = (
    "{} needs the request in the template's context: render(request, ...) puts it there, with the "
    "context processor django.template.context_processors.request."
)


def _wants_tokens() -> bool:
    """Whether the project's HtmxWS lets in no page without one."""
    place = setting("LIVE")
    return place is not None and bool(import_string(place)._page_tokens)


def _token(request: Any) -> str:
    """The page's token, signed where the project's HtmxWS wants that."""
    place = setting("LIVE")
    token: str = token_of(request) if place is None else import_string(place).token_of(request)
    return token

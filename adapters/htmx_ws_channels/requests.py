"""A request for what Django does with requests: templates, addresses, CSRF tokens.

A websocket has no request, but its handshake has all that makes one. So templates rendered for
a page see what they see in a view: the user, the session, the language, and a CSRF token that
the page's forms may send.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import translation

from htmx_ws import Connection, new_page
from htmx_ws.markup import PAGE
from htmx_ws.types import Scope

__all__ = ["Reader", "keep_token", "page_of", "request_from", "request_of", "token_of"]

_REQUEST: Final = "htmx_ws.request"


#: Asked only for what it does before a view.
_csrf: Final = CsrfViewMiddleware(lambda request: HttpResponse())


def request_of(conn: Connection) -> HttpRequest:
    """Give the handshake of a page as a request: a GET of the socket's address by http(s)."""
    scope = conn.scope
    if _REQUEST not in scope:
        request = scope[_REQUEST] = request_from(scope)
        if "session" in scope or not settings.CSRF_USE_SESSIONS:
            # Else a form that is rendered for a page would get a token that fits no cookie.
            _csrf.process_request(request)
    return scope[_REQUEST]  # type: ignore[no-any-return]  # a scope holds anything


def request_from(scope: Scope) -> Any:
    """Make a request of a websocket's scope, with what Django's middleware adds to one."""
    scheme = "https" if scope.get("scheme") in ("wss", "https") else "http"
    query = scope.get("query_string", b"").decode(errors="replace")
    as_http = {"type": "http", "method": "GET", "scheme": scheme, "query_string": query}
    request: Any = ASGIRequest({**scope, **as_http}, BytesIO())
    user = request.user = scope.get("user") or AnonymousUser()

    async def auser() -> Any:
        return user

    request.auser = auser
    if "session" in scope:
        request.session = scope["session"]
    request.LANGUAGE_CODE = scope.get("htmx_ws.language") or translation.get_language()
    return request


def page_of(request: HttpRequest) -> str | None:
    """Give the token of the page that sent a request: ``publish(..., exclude=page_of(request))``.

    None when its form has no ``{% htmx_ws_page %}``. The client wrote it: it proves nothing.
    """
    return request.POST.get(PAGE) or request.GET.get(PAGE)


class Reader:
    """Who a page is rendered for, as its connection will know him: by ``user`` and ``session``."""

    def __init__(self, request: Any) -> None:
        self.scope: Scope = {
            name: getattr(request, name) for name in ("user", "session") if hasattr(request, name)
        }
        self.page: str = token_of(request)
        self.identity: Any = None


def token_of(request: Any) -> str:
    """Give the token of the page that is rendered for a request: one for all its templates."""
    token: str | None = getattr(request, "_htmx_ws_page", None) or page_of(request)
    return keep_token(request, new_page() if token is None else token)


def keep_token(request: Any, token: str) -> str:
    """Have a token be that of the page that is rendered for a request."""
    request._htmx_ws_page = token
    return token

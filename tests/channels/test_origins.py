"""Whose pages may connect: asked as Django asks it of a form, and answered without a refusal.

A websocket's handshake carries the visitor's cookies whatever site began it. What Django's
settings trust is trusted here; a Host that they do not allow is none that could be compared with.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from htmx_ws.testing import Socket
from htmx_ws_channels import HtmxWS

Table = list[tuple[dict[str, Any], str, str, bool]]


async def may_connect(live: HtmxWS, headers: dict[str, str], **how: Any) -> bool:
    live.ws("ws/chat/")(lambda: None)
    page = Socket(live.application(), "/ws/chat/", headers=headers.items(), **how)
    async with page:
        if page.code is None:
            return True
        assert page.code == 4403
        return False


SAME_HOST: Table = [
    # settings, host, origin, may it
    ({"ALLOWED_HOSTS": ["a.example"]}, "a.example", "http://a.example", True),
    ({"ALLOWED_HOSTS": ["a.example"]}, "a.example", "https://a.example", True),
    ({"ALLOWED_HOSTS": ["a.example"]}, "a.example:8000", "http://a.example:8000", True),
    ({"ALLOWED_HOSTS": ["a.example"]}, "a.example:8000", "http://a.example:9000", False),
    ({"ALLOWED_HOSTS": ["a.example"]}, "a.example", "null", False),
    ({"ALLOWED_HOSTS": [".a.example"]}, "b.a.example", "http://b.a.example", True),
    ({"ALLOWED_HOSTS": ["*"]}, "a.example", "http://a.example", True),
    ({"ALLOWED_HOSTS": ["[::1]"]}, "[::1]:8000", "http://[::1]:8000", True),
    # In debug mode, nothing allowed is the machine itself.
    ({"ALLOWED_HOSTS": [], "DEBUG": True}, "localhost:8000", "http://localhost:8000", True),
    ({"ALLOWED_HOSTS": [], "DEBUG": True}, "127.0.0.1:8000", "http://127.0.0.1:8000", True),
    ({"ALLOWED_HOSTS": [], "DEBUG": True}, "127.0.0.1:8000", "http://localhost:8000", False),
    ({"ALLOWED_HOSTS": [], "DEBUG": True}, "a.example", "http://a.example", False),
    ({"ALLOWED_HOSTS": []}, "localhost", "http://localhost", False),
    # DNS rebinding: the page's own name, made to point here.
    ({"ALLOWED_HOSTS": ["a.example"]}, "evil.example", "http://evil.example", False),
    ({"ALLOWED_HOSTS": ["a.example"]}, "evil.example", "https://a.example", False),
    ({"ALLOWED_HOSTS": ["a.example"]}, "a.example, evil.example", "http://evil.example", False),
]
OTHER_HOST: Table = [
    # What is served here is trusted, by https: it may be the same site under another name.
    ({"ALLOWED_HOSTS": ["a.example", "b.example"]}, "a.example", "https://b.example", True),
    ({"ALLOWED_HOSTS": ["a.example", "B.example"]}, "a.example", "https://b.example", True),
    ({"ALLOWED_HOSTS": ["a.example", "b.example"]}, "a.example", "http://b.example", False),
    ({"ALLOWED_HOSTS": [".a.example"]}, "a.example", "https://b.a.example", True),
    ({"ALLOWED_HOSTS": [".a.example"]}, "b.a.example", "https://a.example", True),
    ({"ALLOWED_HOSTS": [".a.example"]}, "a.example", "https://evila.example", False),
    ({"ALLOWED_HOSTS": ["*"]}, "a.example", "https://evil.example", False),
    # Sites that may send forms may open sockets.
    ({"CSRF_TRUSTED_ORIGINS": ["https://b.example"]}, "testserver", "https://b.example", True),
    ({"CSRF_TRUSTED_ORIGINS": ["https://b.example"]}, "testserver", "http://b.example", False),
    ({"CSRF_TRUSTED_ORIGINS": ["http://b.example:81"]}, "testserver", "http://b.example:81", True),
    ({"CSRF_TRUSTED_ORIGINS": ["https://*.b.example"]}, "testserver", "https://c.b.example", True),
    ({"CSRF_TRUSTED_ORIGINS": ["https://*.b.example"]}, "testserver", "https://b.example", True),
    ({"CSRF_TRUSTED_ORIGINS": ["https://*.b.example"]}, "testserver", "https://ab.example", False),
    ({"HTMX_WS": {"ORIGINS": ["https://b.example"]}}, "testserver", "https://b.example", True),
    ({"HTMX_WS": {"ORIGINS": ["https://b.example"]}}, "testserver", "https://c.example", False),
    ({"HTMX_WS": {"ORIGINS": ["*"]}}, "testserver", "https://evil.example", True),
    ({"HTMX_WS": {"ORIGINS": ["*"]}}, "evil.example", "https://evil.example", False),
]


@pytest.mark.parametrize(("settings", "host", "origin", "may"), [*SAME_HOST, *OTHER_HOST])
async def test_settings_say_whose_pages_may_connect(
    settings: dict[str, Any], host: str, origin: str, may: bool
) -> None:
    with override_settings(**settings):
        assert await may_connect(HtmxWS(), {"host": host, "origin": origin}) is may


FORWARDED = {"host": "inside:8000", "x-forwarded-host": "testserver"}


@pytest.mark.parametrize(
    ("settings", "headers", "may"),
    [
        ({"USE_X_FORWARDED_HOST": True}, FORWARDED, True),
        ({"USE_X_FORWARDED_HOST": True}, {"host": "testserver"}, True),
        ({"USE_X_FORWARDED_HOST": False}, FORWARDED, False),
        ({"USE_X_FORWARDED_HOST": True}, {**FORWARDED, "x-forwarded-host": "evil.example"}, False),
    ],
)
async def test_behind_a_proxy_the_host_is_what_django_takes_for_it(
    settings: dict[str, Any], headers: dict[str, str], may: bool
) -> None:
    headers = {**headers, "origin": "http://testserver"}
    with override_settings(ALLOWED_HOSTS=["testserver", "inside"], **settings):
        assert await may_connect(HtmxWS(), headers) is may


PROXY = {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}


@pytest.mark.parametrize(
    ("scheme", "settings", "headers", "http", "https"),
    [
        ("ws", {}, {}, True, True),  # a proxy may have ended TLS
        ("wss", {}, {}, False, True),
        ("ws", PROXY, {"x-forwarded-proto": "https"}, False, True),
        ("ws", PROXY, {"x-forwarded-proto": "http"}, True, True),
        ("ws", {}, {"x-forwarded-proto": "https"}, True, True),
    ],
)
async def test_a_page_that_came_by_http_opens_no_secure_socket(
    scheme: str, settings: dict[str, Any], headers: dict[str, str], http: bool, https: bool
) -> None:
    for origin, may in (("http://testserver", http), ("https://testserver", https)):
        with override_settings(**settings):
            headers = {**headers, "origin": origin}
            assert await may_connect(HtmxWS(), headers, scope={"scheme": scheme}) is may


async def test_clients_without_an_origin_connect_if_they_bring_no_cookie() -> None:
    """No browser is without one."""
    assert await may_connect(HtmxWS(), {}, origin=None)
    assert not await may_connect(HtmxWS(), {"cookie": "sessionid=x"}, origin=None)


@pytest.mark.parametrize(
    ("headers", "may"),
    [
        ([], True),
        ([(b"origin", b"http://testserver")], False),
        ([(b"origin", b"https://testserver")], True),
    ],
)
async def test_without_a_host_only_an_origin_that_is_named_may_connect(
    headers: list[tuple[bytes, bytes]], may: bool
) -> None:
    """Channels' WebsocketCommunicator sends no Host, and by default no Origin."""
    assert await may_connect(HtmxWS(), {}, scope={"headers": headers}) is may


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"testserver"), (b"host", b"evil.example"), (b"origin", b"http://testserver")],
        [(b"host", b"\xff\xfe"), (b"origin", b"http://testserver")],
        [(b"Host", b"evil.example"), (b"origin", b"http://evil.example")],
    ],
    ids=["two hosts", "no letters", "in capitals"],
)
async def test_a_host_that_is_none_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    assert not await may_connect(HtmxWS(), {}, scope={"headers": headers})


@pytest.mark.parametrize(
    "settings", [{"CSRF_USE_SESSIONS": True}, {"SESSION_COOKIE_NAME": "other"}], ids=str
)
async def test_who_may_connect_is_known_before_there_is_a_session(
    settings: dict[str, Any],
) -> None:
    with override_settings(**settings):
        assert await may_connect(HtmxWS(), {})
        assert not await may_connect(HtmxWS(), {"origin": "https://evil.example"})


async def test_any_query_may_come_with_a_handshake() -> None:
    assert await may_connect(HtmxWS(), {}, scope={"query_string": b"a=\xff"})


@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        ({"origin": "https://evil.example"}, "'https://evil.example' is not the host"),
        ({"host": "evil.example"}, "Invalid HTTP_HOST header: 'evil.example'"),
    ],
)
async def test_the_log_says_why_and_which_setting_would_change_it(
    headers: dict[str, str], cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not await may_connect(HtmxWS(), headers)
    assert cause in caplog.text
    assert "CSRF_TRUSTED_ORIGINS = ['https://example.com']" in caplog.text

"""Which handshakes may connect, from which address, and how large a frame may be."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from ipaddress import ip_address
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from htmx_ws.errors import FrameError, FrameTooBig
from htmx_ws.security import (
    ALLOW_ALL,
    Limits,
    SlowPages,
    address_of,
    check_allow_list,
    check_origin,
    check_size,
)

HOST = "example.test"


def handshake(
    origin: str | None = None,
    host: str | None = HOST,
    *,
    scheme: str | None = "ws",
    more: tuple[tuple[bytes, bytes], ...] = (),
) -> dict[str, Any]:
    headers = [*more]
    if host is not None:
        headers.append((b"host", host.encode()))
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    scope: dict[str, Any] = {"type": "websocket", "headers": headers}
    return scope if scheme is None else {**scope, "scheme": scheme}


# --- the host itself -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("http://example.test", "example.test", "ws"),
        ("https://example.test", "example.test", "wss"),
        ("https://example.test", "example.test", "ws"),  # a proxy ended TLS
        ("http://example.test", "example.test", None),  # the scheme's default is ws
        ("http://example.test", "example.test", "http"),
        ("https://example.test", "example.test", "https"),
        ("http://example.test:80", "example.test", "ws"),
        ("http://example.test", "example.test:80", "ws"),
        ("https://example.test:443", "example.test", "wss"),
        ("https://example.test", "example.test:443", "wss"),
        ("http://example.test:8000", "example.test:8000", "ws"),
        ("http://EXAMPLE.test", "example.TEST", "ws"),
        ("HTTP://example.test", "example.test", "ws"),
        ("http://localhost:8000", "localhost:8000", "ws"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", "ws"),
        ("http://[::1]", "[::1]", "ws"),
        ("http://[::1]:8000", "[::1]:8000", "ws"),
        ("http://[2001:DB8::1]:8000", "[2001:db8::1]:8000", "ws"),
        ("http://xn--bcher-kva.test", "xn--bcher-kva.test", "ws"),
        ("http://example.test.", "example.test.", "ws"),
        ("http://a_b.test", "a_b.test", "ws"),
    ],
)
def test_a_page_of_the_host_itself_may_connect(origin: str, host: str, scheme: str | None) -> None:
    assert check_origin(handshake(origin, host, scheme=scheme)) is None


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.test", "example.test"),
        ("http://example.test.evil.test", "example.test"),
        ("http://evilexample.test", "example.test"),
        ("http://sub.example.test", "example.test"),
        ("http://example.test", "sub.example.test"),
        ("http://example.test.", "example.test"),
        ("http://example.test", "example.test."),
        ("http://example.test:8000", "example.test"),
        ("http://example.test", "example.test:8000"),
        ("http://example.test:8000", "example.test:8001"),
        ("https://example.test", "example.test:80"),
        ("http://example.test", "example.test:443"),
        ("http://example.test:0", "example.test"),
        ("http://xn--bcher-kva.test", "bücher.test"),
        ("http://[::1]:8000", "[::1]"),
        ("http://[::1]", "[::2]"),
        ("http://127.0.0.1", "localhost"),
    ],
)
def test_a_page_of_another_host_or_port_is_refused(origin: str, host: str) -> None:
    cause = check_origin(handshake(origin, host))
    assert cause == f"its Origin {origin!r} is not the host it connects to"


HOSTILE_ORIGINS = [
    "null",
    "",
    " ",
    "*",
    "example.test",
    "//example.test",
    "http:example.test",
    "http:/example.test",
    "http:///example.test",
    "http://",
    "http://:80",
    "http://example.test/",
    "http://example.test/path",
    "http://example.test?",
    "http://example.test?query",
    "http://example.test#",
    "http://example.test#fragment",
    "http://example.test:port",
    "http://example.test:-80",
    "http://example.test:+80",
    "http://example.test:65536",
    "http://example.test:" + "9" * 5000,
    "http://example.test:80:80",
    "http://user@example.test",
    "http://user:pass@example.test",
    "http://@example.test",
    "http://evil.test@example.test",
    "http://example.test\\@evil.test",
    "http://example.test\\",
    "http://example.test%",
    "http://example.test%00",
    "http://example%2etest",
    "http://[fe80::1%25eth0]",
    " http://example.test",
    "http://example.test ",
    "http:// example.test",
    "http://example.test http://evil.test",
    "http://example.test, http://evil.test",
    "http://exam\tple.test",
    "http://example.test\n",
    "\thttp://example.test",
    "http://example.test\r\nCookie: a=b",
    "\x00http://example.test",
    "http://example.test\x00",
    "http://[::1",
    "http://::1]",
    "http://[",
    "http://[]",
    "http://bücher.test",
    "http://example\uff0etest",  # a full-width dot, which NFKC makes a dot
    "http://example.test\u2100",
    "ws://example.test",
    "ws://example.test:80",
    "wss://example.test",
    "ftp://example.test:80",
    "file://",
    "file://example.test",
    "javascript:alert(1)",
    "data:text/html,x",
    "chrome-extension://abcdefghijklmnop",
    "about:blank",
]


@pytest.mark.parametrize("origin", HOSTILE_ORIGINS)
def test_what_no_browser_writes_for_an_http_page_is_refused(origin: str) -> None:
    assert "is not an http(s) origin" in (check_origin(handshake(origin)) or "")


@pytest.mark.parametrize("origin", HOSTILE_ORIGINS)
def test_a_hostile_origin_is_refused_even_when_the_host_is_as_hostile(origin: str) -> None:
    host = origin.partition("://")[2]
    assert check_origin(handshake(origin, host)) is not None
    assert check_origin(handshake(origin), [origin]) is not None or origin == ALLOW_ALL


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "example.test/",
        "example.test/path",
        "example.test?",
        "example.test#",
        "user@example.test",
        "@example.test",
        "example.test ",
        " example.test",
        "exam\tple.test",
        "example.test\\",
        "example.test%",
        "example.test:port",
        "example.test:65536",
        "example.test,evil.test",
        "[::1",
        "bücher.test",
        None,
    ],
)
def test_a_host_header_that_is_no_host_matches_no_origin(host: str | None) -> None:
    cause = check_origin(handshake("http://example.test", host))
    assert cause == "its Origin 'http://example.test' is not the host it connects to"


def test_an_http_page_may_not_open_a_wss_socket() -> None:
    for scheme in ("wss", "https"):
        cause = check_origin(handshake("http://example.test", scheme=scheme))
        assert cause == "its Origin 'http://example.test' is http, and the socket is wss"


def test_an_http_page_on_the_port_of_https_is_an_http_page_all_the_same() -> None:
    cause = check_origin(handshake("http://example.test:443", "example.test:443", scheme="wss"))
    assert cause == "its Origin 'http://example.test:443' is http, and the socket is wss"


def test_two_origin_headers_are_refused() -> None:
    """Which of them another layer looked at is unknown."""
    more = ((b"origin", b"http://example.test"),)
    scope = handshake("http://example.test", more=more)
    assert check_origin(scope) == "it has two Origin headers"
    assert check_origin(scope, ["http://example.test"]) == "it has two Origin headers"


def test_two_host_headers_are_refused() -> None:
    """HTTP forbids them, and which of them a proxy routed by is unknown."""
    for first in (b"evil.test", b"example.test"):
        scope = handshake("http://example.test", more=((b"Host", first),))
        assert check_origin(scope) == "it has two Host headers"


def test_header_names_are_read_in_any_case() -> None:
    scope = {
        "type": "websocket",
        "headers": [(b"HOST", b"example.test"), (b"Origin", b"http://evil.test")],
    }
    assert check_origin(scope) == "its Origin 'http://evil.test' is not the host it connects to"


@pytest.mark.parametrize("scope", [{}, {"headers": None}, {"headers": []}, {"scheme": None}])
def test_missing_scope_keys_are_those_of_a_request_without_headers(scope: dict[str, Any]) -> None:
    assert check_origin(scope) is None


def test_a_very_long_origin_is_not_quoted_whole() -> None:
    for origin in ("http://" + "a" * 100_000, "x" * 100_000):
        cause = check_origin(handshake(origin))
        assert cause is not None
        assert len(cause) < 300


# --- no Origin -------------------------------------------------------------------------


def test_what_is_no_browser_may_connect_without_an_origin() -> None:
    assert check_origin(handshake(None)) is None
    assert check_origin(handshake(None, None)) is None
    assert check_origin(handshake(None), ["https://example.com"]) is None


@pytest.mark.parametrize("name", [b"cookie", b"Cookie", b"authorization", b"AUTHORIZATION"])
def test_credentials_without_an_origin_are_refused(name: bytes) -> None:
    cause = check_origin(handshake(None, more=((name, b"secret"),)))
    assert cause == "it has no Origin but brings a Cookie or Authorization header"


def test_credentials_are_no_matter_with_an_origin() -> None:
    scope = handshake("http://example.test", more=((b"cookie", b"a=b"),))
    assert check_origin(scope) is None


# --- the allow-list --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "entry"),
    [
        ("https://example.com", "https://example.com"),
        ("https://example.com", "https://example.com/"),
        ("https://example.com", "https://example.com:443"),
        ("https://example.com:443", "https://example.com"),
        ("https://example.com", "HTTPS://Example.COM"),
        ("https://example.com:8443", "https://example.com:8443"),
        ("http://example.com", "http://example.com"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://a.example.com", "https://*.example.com"),
        ("https://a.b.example.com", "https://*.example.com"),
        ("https://A.EXAMPLE.com", "https://*.Example.com"),
        ("https://a.example.com", "https://*.example.com/"),
        ("https://a.example.com", "https://*.example.com:443"),
        ("https://a.example.com:8443", "https://*.example.com:8443"),
    ],
)
def test_an_origin_on_the_list_may_connect(origin: str, entry: str) -> None:
    assert check_origin(handshake(origin), [entry]) is None
    assert check_origin(handshake(origin), entry) is None


@pytest.mark.parametrize(
    ("origin", "entry"),
    [
        ("https://example.org", "https://example.com"),
        ("http://example.com", "https://example.com"),
        ("https://example.com", "http://example.com"),
        ("https://example.com:8443", "https://example.com"),
        ("https://example.com", "https://example.com:8443"),
        ("https://a.example.com", "https://example.com"),
        ("https://example.com.evil.test", "https://example.com"),
        ("https://example.com", "https://*.example.com"),
        ("https://evilexample.com", "https://*.example.com"),
        ("https://a.example.com.evil.test", "https://*.example.com"),
        ("http://a.example.com", "https://*.example.com"),
        ("https://a.example.com:8443", "https://*.example.com"),
        ("https://a.example.com", "https://*.example.com:8443"),
        ("https://a.example.com", "https://*.com.evil.test"),
        ("https://example.com", "https://*."),
        ("https://example.com", "https://*"),
        ("https://example.com", "example.com"),
        ("https://a.example.com", "*.example.com"),
        ("https://example.com", "https://example.com/chat"),
        ("https://example.com", ""),
        ("https://example.com", "://*."),
        ("https://example.com", "https://[::1"),
        ("null", "null"),
    ],
)
def test_an_origin_that_the_list_does_not_name_is_refused(origin: str, entry: str) -> None:
    assert check_origin(handshake(origin), [entry]) is not None


def test_the_list_stands_beside_the_host_itself() -> None:
    assert check_origin(handshake("http://example.test"), ["https://example.com"]) is None


def test_a_listed_http_origin_may_open_a_wss_socket() -> None:
    """Whoever writes it down means it."""
    scope = handshake("http://example.com", scheme="wss")
    assert check_origin(scope, ["http://example.com"]) is None


@pytest.mark.parametrize("origin", [None, *HOSTILE_ORIGINS, "https://evil.test"])
def test_a_star_lets_everybody_connect(origin: str | None) -> None:
    scope = handshake(origin, more=((b"cookie", b"a=b"),))
    assert check_origin(scope, ALLOW_ALL) is None
    assert check_origin(scope, ["https://example.com", "*"]) is None


def test_any_iterable_of_origins_will_do() -> None:
    scope = handshake("https://b.test")
    assert check_origin(scope, iter(["https://a.test", "https://b.test"])) is None


def test_no_origins_is_the_same_as_an_empty_list() -> None:
    assert check_origin(handshake("http://evil.test"), None) is not None
    assert check_origin(handshake("http://evil.test"), []) is not None


# --- whatever comes --------------------------------------------------------------------

headers = st.lists(
    st.tuples(
        st.sampled_from([b"origin", b"Origin", b"host", b"cookie", b"x"]) | st.binary(max_size=8),
        st.binary(max_size=40)
        | st.builds(
            lambda start, rest: start + rest,
            st.sampled_from([b"http://", b"https://", b"http://[", b"http://a:", b"//"]),
            st.binary(max_size=20),
        ),
    ),
    max_size=5,
)


@given(headers, st.sampled_from(["ws", "wss", "", None]))
@example([(b"origin", b"http://[::1"), (b"host", b"[::1")], "ws")
@example([(b"origin", b"http://\xe2\x84\x80"), (b"host", b"\xff")], "ws")
def test_no_header_makes_it_raise(headers: list[tuple[bytes, bytes]], scheme: str | None) -> None:
    cause = check_origin({"headers": headers, "scheme": scheme}, ["https://*.example.com"])
    assert cause is None or isinstance(cause, str)


@given(
    st.binary(max_size=40)
    | st.tuples(st.binary(max_size=3), st.just(b"example.test"), st.binary(max_size=3)).map(
        b"".join
    )
)
@example(b"example.test:80")
@example(b"EXAMPLE.test:")
def test_nothing_but_the_hosts_own_name_is_the_host(host: bytes) -> None:
    scope = {"headers": [(b"host", b"example.test"), (b"origin", b"http://" + host)]}
    is_own = re.fullmatch(rb"(?i:example\.test)(:(0*80)?)?", host) is not None
    assert (check_origin(scope) is None) == is_own


@given(st.text().filter(lambda entry: entry != ALLOW_ALL), st.text())
def test_no_entry_of_the_list_lets_in_what_it_does_not_name(entry: str, host: str) -> None:
    origins = [entry, f"https://{entry}", f"https://*.{entry}", f"{entry}://*.{host}"]
    if "test" not in f"{entry} {host}".lower():
        assert check_origin(handshake("https://a.evil.test"), origins) is not None


# --- where it connects from ------------------------------------------------------------

SOCKETS = "10.0.0.1"


def forwarded(*lists: str | bytes, client: Any = (SOCKETS, 1)) -> dict[str, Any]:
    """A handshake with these X-Forwarded-For headers, from the socket of a proxy."""
    given = [each.encode("latin-1") if isinstance(each, str) else each for each in lists]
    return {"client": client, "headers": [(b"x-forwarded-for", each) for each in given]}


@pytest.mark.parametrize(
    ("scope", "address"),
    [
        ({"client": ("192.0.2.1", 5000)}, "192.0.2.1"),
        ({"client": ["192.0.2.1", 5000]}, "192.0.2.1"),
        ({"client": ("2001:db8::1", 5000)}, "2001:db8::1"),
        ({"client": None}, ""),
        ({}, ""),
        (forwarded("192.0.2.7"), SOCKETS),
        (forwarded("192.0.2.7", client=None), ""),
    ],
)
def test_without_proxies_the_address_is_the_sockets_whatever_a_client_writes(
    scope: dict[str, Any], address: str
) -> None:
    assert address_of(scope) == address


@pytest.mark.parametrize(
    ("proxies", "lists", "address"),
    [
        (1, ["192.0.2.7"], "192.0.2.7"),
        (2, ["192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        (3, ["192.0.2.7,10.0.0.3 ,\t10.0.0.2"], "192.0.2.7"),
        (1, ["2001:DB8:0::1"], "2001:db8::1"),  # one address, one name
        # Each proxy may append to the line, or write one of its own; the lines are in order.
        (2, ["192.0.2.7", "10.0.0.2"], "192.0.2.7"),
        (1, ["192.0.2.7", "10.0.0.2"], "10.0.0.2"),
        # What stands before what our proxies wrote, the client wrote.
        (1, ["198.51.100.9, 192.0.2.7"], "192.0.2.7"),
        (1, ["198.51.100.9", "192.0.2.7"], "192.0.2.7"),
        (2, ["127.0.0.1, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        (1, ["unknown, <script>, 192.0.2.7"], "192.0.2.7"),
        (1, [",,,,192.0.2.7"], "192.0.2.7"),
        (1, ["1.1.1.1," * 10_000 + "192.0.2.7"], "192.0.2.7"),
    ],
)
def test_behind_proxies_the_address_is_what_the_first_of_ours_was_called_from(
    proxies: int, lists: list[str], address: str
) -> None:
    assert address_of(forwarded(*lists), proxies) == address


@pytest.mark.parametrize(
    "lists",
    [
        [],
        [""],
        [" "],
        ["unknown"],
        ["_hidden"],
        ["localhost"],
        ["192.0.2.7, unknown"],
        ["192.0.2.7,"],
        ["192.0.2.7:8080"],
        ["[2001:db8::1]:8080"],
        ["192.0.2"],
        ["192.0.2.256"],
        ["192.0.2.07"],
        ["3221225991"],
        ["192.0.2.7 198.51.100.9"],
        ["192.0.2.\xb2"],
        ["192.0.2.7\x00"],
        ["for=192.0.2.7"],
        [b"\xff\xfe"],
        ["<script>alert(1)</script>"],
        ["9" * 100_000],
    ],
)
def test_an_entry_that_is_no_address_did_not_come_by_our_proxies(lists: list[str | bytes]) -> None:
    assert address_of(forwarded(*lists), 1) == SOCKETS
    assert address_of(forwarded(*lists, client=None), 1) == ""


@pytest.mark.parametrize("lists", [[], ["192.0.2.7"], ["192.0.2.7, 10.0.0.2"]])
def test_a_list_that_is_too_short_did_not_come_by_our_proxies(lists: list[str]) -> None:
    """A client that calls the server itself, past the proxies, may write what it likes."""
    assert address_of(forwarded(*lists), 3) == SOCKETS


@pytest.mark.parametrize("headers", [None, [], [(b"forwarded", b"for=192.0.2.7")]])
def test_without_the_header_the_address_is_the_sockets(headers: Any) -> None:
    assert address_of({"client": (SOCKETS, 1), "headers": headers}, 1) == SOCKETS


@given(st.lists(st.binary(max_size=60), max_size=3), st.integers(0, 4))
@example([b"::1%" + b"a" * 50], 1)
def test_whatever_is_forwarded_the_address_is_an_address(lists: list[bytes], proxies: int) -> None:
    address = address_of(forwarded(*lists), proxies)
    assert address == SOCKETS or ip_address(address)


@given(st.text("0123456789abcdef.:, ", max_size=60))
def test_whatever_a_client_writes_first_what_our_proxy_appended_counts(written: str) -> None:
    assert address_of(forwarded(f"{written},192.0.2.7"), 1) == "192.0.2.7"


# --- limits ----------------------------------------------------------------------------

LIMITS = Limits(frame_bytes=10, frame_bytes_hard=20)


@pytest.mark.parametrize("text", ["", "a" * 10, "é" * 5, "😀😀", "\ud800" * 3])
def test_a_frame_within_the_limits_passes(text: str) -> None:
    check_size(text, LIMITS)


@pytest.mark.parametrize("text", ["a" * 11, "a" * 20, "é" * 6, "\ud800" * 4])
def test_a_frame_over_the_limit_is_an_error_that_names_the_limit(text: str) -> None:
    with pytest.raises(FrameError, match=r"over the limit of 10 \(Limits.frame_bytes\)") as caught:
        check_size(text, LIMITS)
    assert caught.value.code is None


def test_a_frame_over_the_hard_limit_closes_the_socket() -> None:
    with pytest.raises(FrameTooBig, match=r"of 21 bytes .* \(Limits.frame_bytes_hard\)"):
        check_size("a" * 21, LIMITS)


def test_the_limits_are_those_that_the_documentation_names() -> None:
    limits = Limits()
    assert (limits.frame_bytes, limits.frame_bytes_hard) == (64 * 1024, 1024 * 1024)


NUMBERS = [field.name for field in fields(Limits) if field.name != "slow_pages"]


def test_what_becomes_of_slow_pages_is_one_of_three() -> None:
    assert Limits().slow_pages == "close"
    for fate in get_args(SlowPages):
        assert Limits(slow_pages=fate).slow_pages == fate
    with pytest.raises(ValueError, match=r"'wait': it is one of \('close', 'drop', 'hold'\)"):
        Limits(slow_pages="wait")  # type: ignore[arg-type]  # refused


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("value", [-1, -0.5, float("nan"), "64k"])
def test_a_limit_that_makes_no_sense_is_an_error_that_names_it(field: str, value: Any) -> None:
    with pytest.raises(
        ValueError, match=f"Limits.{field} is {value!r}: it must be a number of 0 or more"
    ):
        Limits(**{field: value})


def test_a_limit_may_be_nothing_at_all() -> None:
    limits = Limits(**dict.fromkeys(NUMBERS, 0))  # type: ignore[arg-type]  # names of numbers
    with pytest.raises(FrameTooBig):
        check_size("a", limits)
    assert replace(limits, frame_bytes_hard=1).frame_bytes_hard == 1


@pytest.mark.parametrize(
    "entry",
    ["example.com", "https://example.com/path", "ftp://example.com", "", "https://*", "null"],
)
def test_an_origin_that_no_page_can_have_is_refused_in_the_allow_list(entry: str) -> None:
    with pytest.raises(ValueError, match=r"https://example\.com"):
        check_allow_list(["https://example.com", entry])


def test_the_allow_list_takes_origins_subdomains_and_all() -> None:
    entries = ["https://example.com", "http://localhost:8000/", "https://*.example.com", "*"]
    assert check_allow_list(iter(entries)) == tuple(entries)

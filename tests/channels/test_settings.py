"""``HTMX_WS``: the defaults of what ``HtmxWS`` is given, read when it is made.

LIVE, HTMX and STATIC are those of the template tags, and ORIGINS is one of whose pages may connect:
they are tested there.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

import htmx_ws
from htmx_ws import BadSignature, Limits, append, html
from htmx_ws.testing import Socket
from htmx_ws_channels import HtmxWS
from htmx_ws_channels.conf import DEFAULTS


def test_every_entry_has_a_default_and_htmxws_needs_none() -> None:
    assert set(DEFAULTS) == {
        "LIVE", "HTMX", "STATIC", "ORIGINS", "LIMITS", "STRICT_HTML", "SUBPROTOCOLS",
        "PAGE_TOKENS", "REAUTH_SECONDS", "PROXIES", "BACKEND", "DRAIN_SECONDS",
    }  # fmt: skip
    with override_settings(HTMX_WS={}):
        HtmxWS()


@pytest.mark.parametrize(
    ("given", "over"),
    [({}, True), ({"limits": Limits()}, False), ({"limits": None}, True)],
    ids=str,
)
async def test_limits_are_those_of_the_settings_unless_given(
    given: dict[str, Any], over: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with override_settings(HTMX_WS={"LIMITS": {"frame_bytes": 10}}):
        live = HtmxWS(**given)
    live.ws("ws/chat/")(lambda: append("#log", html("<li></li>")))
    async with Socket(live.application(), "/ws/chat/") as page:
        await page.send_text('{"a": "too long"}')
        await page.send_text("{}")
        assert "<li>" in await page.receive()
    assert ("over the limit of 10" in caplog.text) is over


@pytest.mark.parametrize(
    ("given", "agreed"),
    [({}, "chat"), ({"subprotocols": []}, None), ({"subprotocols": None}, "chat")],
)
async def test_subprotocols_are_those_of_the_settings_unless_given(
    given: dict[str, Any], agreed: str | None
) -> None:
    with override_settings(HTMX_WS={"SUBPROTOCOLS": ["chat"]}):
        live = HtmxWS(**given)
    live.ws("ws/chat/")(lambda: None)
    async with Socket(live.application(), "/ws/chat/", subprotocols=["chat"]) as page:
        assert page.subprotocol == agreed


@pytest.mark.parametrize(
    ("entry", "given", "fails"),
    [(True, None, True), (True, False, False), (False, True, True), (False, None, False)],
)
async def test_strict_html_is_a_setting(
    entry: bool, given: bool | None, fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with override_settings(HTMX_WS={"STRICT_HTML": entry}):
        live = HtmxWS(strict_html=given)
    chat = live.endpoint("ws/chat/")
    chat.on_message(lambda: "<p id='a'></p>")
    chat.on_error(lambda error: append("#log", html("<li>{}</li>", error)))
    async with Socket(live.application(), "/ws/chat/") as page:
        await page.send()
        assert ("strict_html is on" in await page.receive()) is fails


def test_what_is_left_out_of_the_settings_is_as_anywhere() -> None:
    core = inspect.signature(htmx_ws.HtmxWS).parameters
    for name in ("page_tokens", "reauth_seconds", "proxies", "drain_seconds"):
        assert DEFAULTS[name.upper()] == core[name].default


def test_it_takes_what_the_core_takes() -> None:
    core, ours = (inspect.signature(each).parameters for each in (htmx_ws.HtmxWS, HtmxWS))
    assert list(ours) == list(core)


@pytest.mark.parametrize(
    ("entry", "given", "address"),
    [
        (1, {}, "192.0.2.1"),
        (1, {"proxies": 0}, "127.0.0.1"),
        (0, {"proxies": 2}, "198.51.100.9"),
        (0, {"proxies": None}, "127.0.0.1"),
    ],
)
async def test_proxies_are_those_of_the_settings_unless_given(
    entry: int, given: dict[str, Any], address: str
) -> None:
    with override_settings(HTMX_WS={"PROXIES": entry}):
        live = HtmxWS(**given)
    live.ws("ws/chat/")(lambda conn: append("#log", html("<li>{}</li>", conn.address)))
    headers = [("x-forwarded-for", "198.51.100.9, 192.0.2.1")]
    async with Socket(live.application(), "/ws/chat/", headers=headers) as page:
        await page.send()
        assert f"<li>{address}<" in await page.receive()


@pytest.mark.parametrize(
    ("entry", "given", "seconds"),
    [(7, {}, 7), (7, {"drain_seconds": 3}, 3), (7, {"drain_seconds": None}, 7)],
)
async def test_a_drain_takes_the_seconds_of_the_settings_unless_given(
    entry: float, given: dict[str, Any], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[float] = []

    async def drain(seconds: float, wait: float) -> None:
        said.append(seconds)

    with override_settings(HTMX_WS={"DRAIN_SECONDS": entry}):
        live = HtmxWS(**given)
    monkeypatch.setattr(live._hub, "drain", drain)
    await live.drain()
    assert said == [seconds]


async def test_a_telemetry_callable_is_told() -> None:
    told: list[str] = []
    live = HtmxWS(telemetry=lambda event: told.append(event.name))
    live.ws("ws/chat/")(lambda: None)
    async with Socket(live.application(), "/ws/chat/"):
        pass
    assert told == ["connection.start", "connection.stop"]


@pytest.mark.parametrize(
    "wrong",
    [{"LIMITS": {"frames": 1}}, {"ORIGINS": ["example.com"]}, {"PROXIES": -1}],
    ids=str,
)
def test_a_setting_that_cannot_be_is_an_error(wrong: dict[str, Any]) -> None:
    with override_settings(HTMX_WS=wrong), pytest.raises((TypeError, ValueError)):
        HtmxWS()


def test_what_is_signed_is_signed_by_the_projects_key_and_its_fallbacks() -> None:
    live, other = HtmxWS(), HtmxWS(secret="one of its own, long")
    with override_settings(SECRET_KEY="last year's"):
        signed = live.sign("lobby")
    with override_settings(SECRET_KEY_FALLBACKS=["last year's"]):
        assert live.unsign(signed) == "lobby"
    with pytest.raises(BadSignature):
        live.unsign(signed)
    with override_settings(SECRET_KEY=b"bytes are keys too"):
        assert live.unsign(live.sign("lobby")) == "lobby"
    with pytest.raises(BadSignature):
        live.unsign(other.sign("lobby"))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"ORIGIN": []}, "HTMX_WS has entries that mean nothing: ORIGIN. The entries are LIVE, "),
        ([], r"HTMX_WS is \[\], and has to be a dict"),
    ],
)
def test_settings_that_mean_nothing_are_refused_at_the_start(given: Any, why: str) -> None:
    """Whoever serves by uvicorn runs no checks."""
    with override_settings(HTMX_WS=given), pytest.raises(ImproperlyConfigured, match=why):
        HtmxWS()

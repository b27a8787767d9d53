"""What ``manage.py check`` says of a project.

Each project here is the healthy one with one thing wrong; each message has a test, and none is
given without its cause.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.finders import get_finder
from django.core.checks import CheckMessage, Error, Warning, run_checks
from django.test import override_settings
from django.urls import path

from htmx_ws import ALLOW_ALL
from htmx_ws_channels import HtmxWS, checks
from htmx_ws_channels.conf import DEFAULTS
from htmx_ws_channels.layer import ChannelLayerBackend

from .project.asgi import site

HERE = __name__
APPLICATION = "In asgi.py: application = live.application(http=get_asgi_application())"


class SharedBackend:
    """As a backend of another kind is: no MemoryBackend."""

    async def start(self, deliver: object) -> None: ...
    async def stop(self) -> None: ...
    def append(self, room: str, publication: object) -> Any: ...


def routed(*routes: Any) -> Any:
    return URLRouter(list(routes))


healthy = HtmxWS(backend=cast(Any, SharedBackend()))
healthy.ws("ws/chat/", name="chat")(lambda: None)
by_application = healthy.application(http=site)
by_wrapping = healthy.wrap(site)
by_hand = ProtocolTypeRouter({"websocket": routed(path("ws/", cast(Any, healthy)))})
by_router = ProtocolTypeRouter(
    {
        "http": site,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(routed(path("a/", routed(*healthy.urlpatterns))))
        ),
    }
)
nothing_of_ours = ProtocolTypeRouter({"http": site})
for_everybody = HtmxWS(origins=[ALLOW_ALL], backend=cast(Any, SharedBackend()))
for_its_pages = HtmxWS(origins=[ALLOW_ALL], page_tokens=True, backend=cast(Any, SharedBackend()))
for_pages_of_its_own = HtmxWS(
    page_tokens=lambda conn: conn.address, backend=cast(Any, SharedBackend())
)
in_memory = HtmxWS()
by_a_layer = HtmxWS(backend=ChannelLayerBackend())


class Endless:
    """A middleware around itself."""

    @property
    def app(self) -> Endless:
        return Endless()


endless = Endless()


def found(*, deploys: bool = False, **changed: Any) -> list[CheckMessage]:
    """What is said of the healthy project with some settings changed."""
    given = {"ASGI_APPLICATION": f"{HERE}.by_application", "HTMX_WS": {"LIVE": f"{HERE}.healthy"}}
    with override_settings(**{**given, **changed}):
        said = run_checks(app_configs=None, include_deployment_checks=deploys)
    return [each for each in said if str(each.id).startswith("htmx_ws")]


def ids(messages: list[CheckMessage]) -> list[str]:
    return [str(each.id) for each in messages]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"HTMX_WS": {}},
        {"ASGI_APPLICATION": f"{HERE}.by_router"},
        {"ASGI_APPLICATION": f"{HERE}.by_hand"},
        {"ASGI_APPLICATION": f"{HERE}.by_wrapping"},
        {"HTMX_WS": {"LIVE": f"{HERE}.in_memory"}},
        {"HTMX_WS": {"LIVE": f"{HERE}.healthy", "STATIC": "https://cdn.example.com/"}},
        {"HTMX_WS": {"LIVE": f"{HERE}.healthy", "BACKEND": "channels://default"}},
        {"HTMX_WS": {**DEFAULTS, "LIVE": f"{HERE}.healthy"}},
        {"HTMX_WS": {"LIVE": f"{HERE}.for_its_pages", "PAGE_TOKENS": True}},
    ],
    ids=str,
)
def test_of_a_healthy_project_nothing_is_said(changed: dict[str, Any]) -> None:
    assert found(**changed) == []


def test_nothing_is_said_of_a_project_without_settings() -> None:
    with override_settings(ASGI_APPLICATION=f"{HERE}.by_application"):
        del settings.HTMX_WS
        assert not any(str(each.id).startswith("htmx_ws") for each in run_checks())


def test_e001_channels_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "channels", None)
    (error,) = found()
    assert (error.id, error.hint) == ("htmx_ws.E001", 'pip install "htmx-ws[channels]"')
    assert isinstance(error, Error)


def test_e002_an_entry_means_nothing() -> None:
    (error,) = found(HTMX_WS={"live": "x", "ORIGIN": "y"})
    assert error.id == "htmx_ws.E002"
    assert error.msg.startswith("HTMX_WS has entries that mean nothing: ORIGIN, live. The entries")
    assert all(name in error.msg for name in DEFAULTS)


@pytest.mark.parametrize("given", [[], None, "project.live.live"])
def test_e002_the_settings_are_no_dict(given: Any) -> None:
    (error,) = found(HTMX_WS=given)
    assert error.id == "htmx_ws.E002"
    assert error.msg == f"HTMX_WS is {given!r}, and has to be a dict."


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"ORIGINS": ["a.example"]}, "No page has the origin 'a.example'"),
        ({"BACKEND": "redsi://x"}, "No backend has an address that begins with 'redsi://'"),
        ({"PROXIES": "1"}, "proxies is '1': it must be a number of 0 or more"),
        ({"REAUTH_SECONDS": 0}, "reauth_seconds is 0: it must be a number over 0"),
        ({"DRAIN_SECONDS": -1}, "drain_seconds is -1: it must be a number of 0 or more"),
        ({"STRICT_HTML": "no"}, "strict_html is 'no': it is True or False"),
        ({"PAGE_TOKENS": "no", "LIVE": f"{HERE}.healthy"}, "'no' is no function"),
        ({"SUBPROTOCOLS": 1}, "'int' object is not iterable"),
    ],
    ids=str,
)
def test_e013_an_entry_makes_no_sense(given: dict[str, Any], why: str) -> None:
    """It is named, and not the module of the HtmxWS that cannot be made with it."""
    (error,) = found(HTMX_WS={"LIVE": "tests.channels.project.broken.live", **given})
    assert error.id == "htmx_ws.E013"
    assert error.msg.startswith(f'HTMX_WS["{next(iter(given))}"]: ')
    assert why in error.msg


def test_e013_all_entries_that_make_no_sense_are_said_at_once() -> None:
    assert ids(found(HTMX_WS={"PROXIES": -1, "DRAIN_SECONDS": "5"})) == ["htmx_ws.E013"] * 2


@pytest.mark.parametrize("limits", [{"frame_byte": 3}, {"rooms": -1}])
def test_e009_a_limit_is_none(limits: dict[str, int]) -> None:
    (error,) = found(HTMX_WS={"LIMITS": limits, "LIVE": "no.module.live"})
    assert error.id == "htmx_ws.E009"
    assert next(iter(limits)) in error.msg
    assert "frame_bytes, frame_bytes_hard" in str(error.hint)


@pytest.mark.parametrize("htmx", [3, [4]])
def test_e010_an_htmx_is_not_known(htmx: Any) -> None:
    (error,) = found(HTMX_WS={"HTMX": htmx})
    assert error.id == "htmx_ws.E010"
    assert "HTMX" in error.msg


def test_e011_tokens_are_wanted_that_the_tags_cannot_sign() -> None:
    (error,) = found(HTMX_WS={"PAGE_TOKENS": True})
    assert error.id == "htmx_ws.E011"
    assert '"LIVE": "project.live.live"' in str(error.hint)


@pytest.mark.parametrize(
    ("live", "why"),
    [
        ("no.module.live", "cannot be imported: No module named 'no'"),
        (f"{HERE}.nobody", "cannot be imported"),
        ("live", "cannot be imported"),
        ("tests.channels.project.broken.live", "cannot be imported: it does not work"),
        (f"{HERE}.site", "which is no htmx_ws_channels.HtmxWS"),
        ("htmx_ws_channels.HtmxWS", "which is no htmx_ws_channels.HtmxWS"),
    ],
)
def test_e003_live_is_not_there(live: str, why: str) -> None:
    (error,) = found(HTMX_WS={"LIVE": live})
    assert error.id == "htmx_ws.E003"
    assert why in error.msg
    assert error.hint


@pytest.mark.parametrize("nothing", [None, ""])
def test_w004_there_is_no_application(nothing: str | None) -> None:
    (warning,) = found(ASGI_APPLICATION=nothing)
    assert warning.id == "htmx_ws.W004"
    assert isinstance(warning, Warning)
    assert APPLICATION in str(warning.hint)


@pytest.mark.parametrize(
    "application", ["no.module.app", f"{HERE}.nobody", "tests.channels.project.broken.app"]
)
def test_e005_the_application_cannot_be_imported(application: str) -> None:
    (error,) = found(ASGI_APPLICATION=application)
    assert error.id == "htmx_ws.E005"
    assert APPLICATION in str(error.hint)


@pytest.mark.parametrize("application", ["nothing_of_ours", "site", "endless"])
def test_w005_the_application_has_nothing_of_ours(application: str) -> None:
    (warning,) = found(ASGI_APPLICATION=f"{HERE}.{application}")
    assert warning.id == "htmx_ws.W005"
    assert APPLICATION in str(warning.hint)
    assert "live.urlpatterns" in str(warning.hint)


@pytest.mark.parametrize(
    "settings", [{"LIVE": f"{HERE}.for_everybody"}, {"ORIGINS": [ALLOW_ALL]}], ids=str
)
def test_w006_pages_of_any_site_may_connect(settings: dict[str, Any]) -> None:
    (warning,) = found(HTMX_WS=settings)
    assert warning.id == "htmx_ws.W006"
    assert "CSRF_TRUSTED_ORIGINS" in str(warning.hint)


def test_w007_rooms_are_kept_by_each_process() -> None:
    (warning,) = found(deploys=True, HTMX_WS={"LIVE": f"{HERE}.in_memory"})
    assert warning.id == "htmx_ws.W007"
    silenced = {"SILENCED_SYSTEM_CHECKS": ["htmx_ws.W007"]}
    (warning,) = found(deploys=True, HTMX_WS={"LIVE": f"{HERE}.in_memory"}, **silenced)
    with override_settings(**silenced):
        assert warning.is_silenced()


@pytest.mark.parametrize(
    "changed",
    [{}, {"HTMX_WS": {}}, {"HTMX_WS": []}, {"HTMX_WS": {"LIVE": "no.module.live"}}],
    ids=str,
)
def test_before_a_deploy_nothing_is_said_twice(changed: dict[str, Any]) -> None:
    assert ids(found(deploys=True, **changed)) == ids(found(**changed))


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ({"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}, ["htmx_ws.W007"]),
        ({"default": {"BACKEND": "channels.layers.BaseChannelLayer"}}, []),
        ({"default": {"BACKEND": "nowhere.Layer"}}, ["htmx_ws.E012"]),
        ({}, ["htmx_ws.E012"]),
    ],
    ids=str,
)
def test_e012_a_channel_layer_has_to_be_there_w007_and_shared(
    layers: dict[str, Any], expected: list[str]
) -> None:
    live = {"LIVE": f"{HERE}.by_a_layer"}
    said = found(deploys=True, HTMX_WS=live, CHANNEL_LAYERS=layers)
    assert [each.id for each in said] == expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [("reconnectDelay:500", ["htmx_ws.W008"]), ("reconnectCodes:[1012]", []), (None, [])],
)
def test_w008_django_htmx_has_the_extension_of_a_beta(
    file: str | None, expected: list[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "django_htmx" or real(name))
    if file is not None:
        extension = tmp_path / "django_htmx" / "ext" / "hx-ws-4.min.js"
        extension.parent.mkdir(parents=True)
        extension.write_text(file)
    finders = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    cast(Any, get_finder).cache_clear()
    said = found(STATICFILES_DIRS=[tmp_path], STATICFILES_FINDERS=finders)
    cast(Any, get_finder).cache_clear()
    assert ids(said) == expected


def test_the_extension_of_a_beta_does_no_harm_where_there_are_no_static_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "django_htmx")
    assert found() == []


@pytest.mark.parametrize("app", ["django.contrib.staticfiles", "nothing"])
def test_w014_htmx_is_not_among_the_static_files(app: str, tmp_path: Path) -> None:
    folder = tmp_path / "htmx"
    folder.mkdir()
    (folder / "htmx.min.js").touch()
    clear = cast(Any, get_finder).cache_clear
    clear()
    given: dict[str, Any] = {"STATICFILES_DIRS": [tmp_path], "HTMX_WS": {"STATIC": "htmx/"}}
    is_installed = apps.is_installed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apps, "is_installed", lambda name: name == app and is_installed(name))
        said = found(**given)
    clear()
    if app == "nothing":  # nobody knows
        assert said == []
        return
    (warning,) = said
    assert warning.id == "htmx_ws.W014"
    assert warning.msg == (
        "HTMX_WS[\"STATIC\"] is 'htmx/', and there is no static file htmx/hx-ws.min.js."
    )


def test_htmx_may_be_in_no_folder_of_the_static_files(tmp_path: Path) -> None:
    for file in ("htmx.min.js", "hx-ws.min.js"):
        (tmp_path / file).write_text("")
    clear = cast(Any, get_finder).cache_clear
    clear()
    assert found(STATICFILES_DIRS=[tmp_path], HTMX_WS={"STATIC": ""}) == []
    clear()


@pytest.mark.parametrize(
    ("engine", "live", "expected"),
    [
        ("db", "for_its_pages", ["htmx_ws.W015"]),
        ("cached_db", "for_its_pages", ["htmx_ws.W015"]),
        ("cache", "for_its_pages", []),
        ("db", "for_pages_of_its_own", []),
        ("db", "healthy", []),
    ],
)
def test_w015_there_are_no_sessions_for_page_tokens(
    engine: str, live: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = apps.is_installed
    monkeypatch.setattr(
        apps, "is_installed", lambda name: name != "django.contrib.sessions" and real(name)
    )
    said = found(
        HTMX_WS={"LIVE": f"{HERE}.{live}"},
        SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}",
    )
    assert [each for each in ids(said) if each != "htmx_ws.W006"] == expected


def test_every_message_has_its_test() -> None:
    given = set(re.findall(r'"htmx_ws\.(\w+)"', inspect.getsource(checks)))
    tested = {name.split("_")[1].upper() for name in globals() if re.match("test_[ew]0", name)}
    assert given == tested

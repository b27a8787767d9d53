"""The package itself, which Django imports before its models are there, and so is lazy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import htmx_ws_channels
from htmx_ws_channels import apps, live, requests


def test_it_exports_what_projects_import() -> None:
    assert htmx_ws_channels.HtmxWS is live.HtmxWS
    assert htmx_ws_channels.page_of is requests.page_of
    assert htmx_ws_channels.request_of is requests.request_of
    assert set(htmx_ws_channels.__all__) == {"HtmxWS", "page_of", "request_of"}


def test_what_it_does_not_have_is_an_error() -> None:
    with pytest.raises(AttributeError, match="'htmx_ws_channels' has no attribute 'Consumer'"):
        htmx_ws_channels.Consumer  # noqa: B018  # to look it up is the test


@pytest.mark.parametrize("missing", ["django", "channels"])
def test_without_the_extra_it_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r'pip install "htmx-ws\[channels\]"'):
        htmx_ws_channels.HtmxWS  # noqa: B018  # to look it up is the test


def test_importing_it_imports_no_django() -> None:
    script = "import sys, htmx_ws_channels; print(sorted({'django', 'channels'} & {*sys.modules}))"
    command = [sys.executable, "-W", "error", "-c", script]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "[]\n"


def test_the_app_has_a_name_for_people() -> None:
    assert apps.HtmxWSConfig.verbose_name == "htmx-ws"

"""docs/reliability.md says what is so, and has a figure of each measurement."""

from __future__ import annotations

import re
from dataclasses import fields

from htmx_ws import Limits

from .__main__ import PAGE, read_lines
from .dead import MORE_SETTINGS
from .figures import MEASUREMENTS

page = PAGE.read_text()
limits = Limits()


def test_the_settings_that_the_page_names_are_there_with_the_defaults_that_it_names() -> None:
    table = page.partition("## Measured")[0]
    names = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"\| ([^|]*) \|$", table, re.M))))
    assert names <= {field.name for field in fields(Limits)}
    assert len(names) >= 12
    for said in (
        f"{limits.connections:,} in a process",
        f"{limits.outbox_bytes // 1024 // 1024} MiB or {limits.outbox_messages:,} messages",
        f"after {limits.write_seconds:g} s",
        f"above {limits.frames_per_second:g} frames a second",
        f"after a burst of {limits.frames_burst}",
        f"{limits.frames_waiting} frames",
        f"{limits.frame_bytes // 1024} KiB; {limits.frame_bytes_hard // 1024 // 1024} MiB",
        f"{limits.handler_seconds:g} s for handlers, {limits.hook_seconds:g} s for the hook",
    ):
        assert said in table


def test_the_page_names_the_settings_by_which_servers_notice_dead_pages() -> None:
    for setting in MORE_SETTINGS.values():
        assert f"`{setting}`" in page


def test_every_measurement_has_its_figures() -> None:
    assert {name for name, *_ in read_lines(page)} == set(MEASUREMENTS)

"""The service under stress keeps what docs/reliability.md promises: the short forms, as gates.

A figure that depends on the machine is compared with the same without the strain, measured in the
same run. What is left of room in a limit is what other processes of the machine may take; as they
may take more at times, and can only make a time look worse, times are measured again if too long.
"""

from __future__ import annotations

import asyncio
import faulthandler
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from htmx_ws import Limits
from tests.services.servers import KINDS

from .dead import MORE_SETTINGS, measure_dead
from .draining import Drained, measure_drain
from .flood import measure_flood
from .idle import measure_idle
from .site import OUTBOX_BYTES
from .soak import measure_soak
from .stalled import STALLED, Stalled, measure_stalled
from .strained import Compared
from .vanish import STAY, measure_vanishing

pytestmark = pytest.mark.service

#: Those of the servers that notice a page whose network is cut in time.
NOTICING = [kind for kind in KINDS if kind.name not in ("granian", "daphne")]

SOAK_SECONDS = 120

Found = TypeVar("Found")


async def measure_undisturbed(
    measure: Callable[[], Awaitable[Found]], is_in_time: Callable[[Found], bool], times: int = 3
) -> Found:
    """Measure until it was in time, or so many times; give the last."""
    faulthandler.cancel_dump_traceback_later()  # to pytest two minutes are a hang
    async with asyncio.timeout(300):
        found = await measure()
        for _ in range(times - 1):
            if is_in_time(found):
                break
            found = await measure()
    return found


async def test_an_idle_page_costs_little_above_a_bare_one_and_a_publication_reaches_all() -> None:
    found = await measure_idle(5_000)
    assert found.reached == found.pages
    assert found.above_bare <= 4_000, found


async def test_pages_that_do_not_read_are_let_go_and_come_back_and_others_notice_little() -> None:
    # The deadline, and a moment to look at the clock and to try a close frame.
    most = Limits().write_seconds + 0.5

    def is_in_time(found: Stalled) -> bool:
        return found.p99.ratio <= 3 and max(found.let_go + found.let_go_when_full) <= most

    found = await measure_undisturbed(lambda: measure_stalled(runs=3, seconds=2), is_in_time)
    assert is_in_time(found), found
    assert found.memory <= OUTBOX_BYTES
    assert found.closed_with <= {1006, 1012}  # after which every htmx comes back
    assert found.came_back == STALLED


async def test_a_drain_sends_pages_away_evenly_and_each_hook_runs_once() -> None:
    def is_in_time(found: Drained) -> bool:
        return found.seconds < 6 and found.astray <= 0.15

    found = await measure_undisturbed(lambda: measure_drain(500, seconds=4), is_in_time)
    assert is_in_time(found), found
    assert found.codes == {1012}
    assert found.refused_with == 503
    assert found.hooks == {"entered": 500, "left": 500, "twice": 0}


async def test_a_page_that_floods_frames_is_hardly_noticed_by_others() -> None:
    def is_in_time(found: Compared) -> bool:
        return found.ratio <= 3

    found = await measure_undisturbed(
        lambda: measure_flood("frames", runs=3, seconds=1), is_in_time
    )
    assert is_in_time(found), found


async def test_nothing_is_left_of_pages_that_vanish() -> None:
    found = await measure_vanishing(1_000)
    assert found.after == found.before
    assert set(found.objects.values()) == {STAY}
    assert found.hooks["twice"] == 0
    assert found.hooks["left"] == found.hooks["entered"] - STAY
    assert found.hooks["left"] > 800  # which entered them, of all the ways to vanish


async def test_a_page_whose_network_is_cut_is_noticed() -> None:
    more = (MORE_SETTINGS.get(kind.name, "") for kind in NOTICING)
    measuring = (measure_dead(kind, its) for kind, its in zip(NOTICING, more, strict=True))
    noticed = await asyncio.gather(*measuring)
    assert all(seconds is not None and seconds < 41 for seconds in noticed), noticed


async def test_the_memory_stays_flat_under_a_mixed_load() -> None:
    faulthandler.cancel_dump_traceback_later()  # to pytest two minutes are a hang
    async with asyncio.timeout(SOAK_SECONDS + 60):
        found = await measure_soak(SOAK_SECONDS)
    assert found.growth < 0.02, found
    assert found.after == found.before
    assert len(set(found.objects.values())) == 1
    assert found.hooks["twice"] == 0

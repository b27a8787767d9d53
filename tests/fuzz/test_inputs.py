"""Ten thousand inputs, the same in each run: all are taken as promised or refused as documented."""

from __future__ import annotations

import pytest

from .__main__ import show
from .course import run, try_input
from .kinds import KINDS
from .mended import MENDED

TOTAL = 10_000
SEED = 1


def test_the_kinds_share_all_inputs() -> None:
    assert sum(kind.share for kind in KINDS.values()) == TOTAL


@pytest.mark.parametrize("kind", KINDS)
async def test_every_input_is_taken_or_refused_as_promised(kind: str) -> None:
    course = await run([KINDS[kind]], TOTAL, SEED)
    assert course.inputs == KINDS[kind].share
    assert not course.findings, "\n\n".join(map(show, course.findings))


@pytest.mark.parametrize(("kind", "why"), MENDED)
async def test_what_was_mended_is_found_no_more(kind: str, why: str) -> None:
    finding = await try_input(KINDS[kind], MENDED[kind, why])
    assert finding is None, show(finding)

"""What becomes of everybody when one of two workers is killed."""

from __future__ import annotations

import pytest

from .killed import play

pytestmark = pytest.mark.service


async def test_a_killed_workers_pages_are_gone_and_the_others_are_untouched() -> None:
    """With a shorter heartbeat; ``python -m tests.scaling`` has it as it is by default."""
    outcome = await play(most=15, BEAT_SECONDS="0.3", DEAD_SECONDS="1.2", GRACE="0.5")
    assert not outcome.faults, outcome
    assert outcome.seconds > 1.2, "who has just been heard is not yet taken for dead"

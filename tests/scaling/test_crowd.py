"""Pages of two workers that share a Redis are as pages of one."""

from __future__ import annotations

import pytest

from .crowd import play

pytestmark = pytest.mark.service


async def test_every_page_gets_exactly_its_rooms_messages_in_one_order() -> None:
    """While three publish at once: a script, a loop, and a worker; ``python -m tests.scaling``."""
    outcome = await play(pages_each=300, published=1_500)
    assert not outcome.faults, outcome
    assert outcome.delivered == 90_000  # each room has 60 pages

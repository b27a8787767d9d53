"""A page that is cut off again and again shows every message, once, in order."""

from __future__ import annotations

import asyncio

import pytest

from .__main__ import Run
from .run import play

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("htmx", [2, 4], ids="htmx {}".format)
def test_nothing_is_lost_doubled_or_out_of_order(htmx: int) -> None:
    outcome = asyncio.run(play(htmx, published=150, disconnections=10))
    assert sum(outcome.cuts.values()) == 10
    assert outcome.sockets > 10
    assert outcome.is_whole, outcome


def test_nor_between_two_servers_that_are_both_killed() -> None:
    """They share a Redis, and the page comes back to either, as the road takes turns."""
    outcome = Run("short", htmx=4, servers=2).play(published=100, disconnections=8)
    assert outcome.cuts["server killed"] == 2
    assert sum(outcome.cuts.values()) == 8
    assert outcome.is_whole, outcome


def test_without_it_messages_are_lost() -> None:
    """The run can fail: the same page, with the plain attributes."""
    outcome = asyncio.run(play(4, published=40, disconnections=3, resumes=False))
    assert len(outcome.lost) >= 3, outcome

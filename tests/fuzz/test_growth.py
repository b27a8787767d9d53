"""Nothing that pages send stays in the server: neither what it was read into, nor in caches."""

from __future__ import annotations

import pytest

from .growth import FLOODS, bytes_after, bytes_by_input, caches
from .kinds import KINDS
from .test_inputs import SEED

#: In bytes, for each input: less than the smallest object that holds something.
MOST = 100


@pytest.mark.parametrize("kind", ["frame", "session", "handshake", "fragment"])
async def test_an_input_leaves_nothing_behind(kind: str) -> None:
    assert await bytes_by_input(KINDS[kind], SEED, 60) < MOST


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_leaves_nothing_behind(name: str) -> None:
    assert await bytes_after(FLOODS[name]) < FLOODS[name].most


def test_every_cache_has_a_limit() -> None:
    limits = [cache.cache_info().maxsize for cache in caches()]
    assert len(limits) >= 3
    assert all(limit is not None and limit <= 4_096 for limit in limits)

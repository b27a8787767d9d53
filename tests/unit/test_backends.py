"""The memory backend gives every room its own order, and hands over within the call."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmx_ws.backends import Backend, MemoryBackend, memory

Delivered = list[tuple[str, str, int, Any]]


async def started() -> tuple[MemoryBackend, Delivered]:
    backend, delivered = MemoryBackend(), Delivered()
    await backend.start(lambda *publication: delivered.append(publication))
    return backend, delivered


async def test_a_publication_is_handed_over_within_the_call() -> None:
    backend, delivered = await started()
    publication = object()
    appended = backend.append("room", publication)
    [(room, _, offset, handed)] = delivered
    assert (room, offset) == ("room", 1)
    assert handed is publication
    assert await appended == 1
    assert len(delivered) == 1


@given(st.lists(st.sampled_from(["a", "b", "c"])))
async def test_each_room_counts_from_one_without_a_gap(rooms: list[str]) -> None:
    backend, delivered = await started()
    awaited = [await backend.append(room, number) for number, room in enumerate(rooms)]
    assert [offset for _, _, offset, _ in delivered] == awaited
    for room in set(rooms):
        offsets = [offset for its, _, offset, _ in delivered if its == room]
        assert offsets == list(range(1, len(offsets) + 1))
    assert [publication for *_, publication in delivered] == list(range(len(rooms)))


async def test_the_epoch_stays_the_same_and_is_each_backends_own() -> None:
    backend, delivered = await started()
    other, elsewhere = await started()
    for room in ("a", "b", "a"):
        backend.append(room, None)
        other.append(room, None)
    [epoch] = {epoch for _, epoch, _, _ in delivered}
    assert {epoch} != {epoch for _, epoch, _, _ in elsewhere}


@pytest.mark.parametrize("stopped", [False, True])
async def test_without_a_hub_it_counts_and_hands_over_nothing(stopped: bool) -> None:
    backend, delivered = await started() if stopped else (MemoryBackend(), [])
    if stopped:
        await backend.stop()
    assert await backend.append("room", None) == 1
    assert await backend.append("room", None) == 2
    assert delivered == []


async def test_after_a_new_start_the_order_goes_on() -> None:
    backend, first = await started()
    backend.append("room", "one")
    await backend.stop()
    second = Delivered()
    await backend.start(lambda *publication: second.append(publication))
    backend.append("room", "two")
    assert [(offset, publication) for _, _, offset, publication in first] == [(1, "one")]
    assert [(offset, publication) for _, _, offset, publication in second] == [(2, "two")]
    assert first[0][1] == second[0][1]


async def test_the_memory_for_rooms_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its counters begin again in a new epoch, by which pages see that offsets are not theirs."""
    monkeypatch.setattr(memory, "_MOST_ROOMS", 3)
    backend, delivered = await started()
    for room in ("a", "b", "c", "a", "c"):
        backend.append(room, None)
    assert len({epoch for _, epoch, _, _ in delivered}) == 1
    assert [offset for _, _, offset, _ in delivered] == [1, 1, 1, 2, 2]
    delivered.clear()
    for room in ("d", "a"):
        backend.append(room, None)
    assert [offset for _, _, offset, _ in delivered] == [1, 1]
    assert len({epoch for _, epoch, _, _ in delivered}) == 1


async def test_a_new_epoch_has_a_new_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MOST_ROOMS", 1)
    backend, delivered = await started()
    for room in ("a", "b", "c"):
        backend.append(room, None)
    assert len({epoch for _, epoch, _, _ in delivered}) == 3


def test_the_memory_backend_is_a_backend() -> None:
    backend: Backend = MemoryBackend()  # which mypy checks
    for name in ("start", "stop", "append"):
        assert callable(getattr(backend, name))
        assert getattr(Backend, name).__doc__

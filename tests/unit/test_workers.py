"""The processes that accept on one port are counted, and a reloader is none of them."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from htmx_ws import HtmxWS, app, workers
from htmx_ws.testing import Socket
from htmx_ws.workers import count_workers


def test_a_process_that_listens_on_nothing_is_one() -> None:
    assert count_workers() == 1


@pytest.fixture(params=[socket.AF_INET, socket.AF_UNIX])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """A socket that this process listens on, at a port or a path."""
    with socket.socket(request.param) as made:
        made.bind(str(tmp_path / "s") if request.param is socket.AF_UNIX else ("127.0.0.1", 0))
        made.listen()
        yield made


def test_a_process_that_listens_alone_is_one(listening: socket.socket) -> None:
    assert count_workers() == 1
    assert workers._ports_of(os.getpid(), workers._listening())


@pytest.mark.parametrize(("together", "count"), [(60, 2), (-1, 1)])
def test_siblings_that_hold_the_socket_are_counted(
    listening: socket.socket, together: float, count: int
) -> None:
    """The children are siblings of each other; a parent that holds it too is not counted.

    Nor is one that began at another time: it is about to be replaced, or has replaced another.
    """
    with listening:
        descriptor = listening.fileno()
        code = f"""
import socket, sys
from htmx_ws import workers
workers.TOGETHER_SECONDS = {together}
held = socket.socket(fileno={descriptor})
print("here", flush=True)
sys.stdin.readline()
print(workers.count_workers(), flush=True)
"""
        environment = {**os.environ, "PYTHONPATH": str(Path(workers.__file__).parents[1])}
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", code],
                pass_fds=[descriptor],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            for _ in range(2)
        ]
        try:
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == "here\n"
            said, _ = processes[0].communicate("count\n", timeout=20)
            assert said == f"{count}\n"
        finally:
            for process in processes:
                process.kill()
                process.wait()
                if process.stdout:
                    process.stdout.close()
                if process.stdin:
                    process.stdin.close()


def test_what_another_user_or_no_process_has_open_is_not_counted() -> None:
    assert workers._ports_of(2**22 + 1, {"1": "0050"}) == set()


def test_a_descriptor_that_is_closed_meanwhile_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(path: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(os, "readlink", gone)
    assert workers._ports_of(os.getpid(), {"1": "0050"}) == set()


@pytest.mark.parametrize("missing", ["net/tcp", "children"])
def test_where_nothing_can_be_seen_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)):
        monkeypatch.setattr(workers, "_PROC", tmp_path)
        if missing == "children":
            (tmp_path / "net").mkdir()
            for table in ("tcp", "tcp6", "unix"):
                (tmp_path / "net" / table).write_text(Path(f"/proc/net/{table}").read_text())
            (tmp_path / str(os.getpid())).symlink_to("/proc/self")
        assert count_workers() == 1


@pytest.mark.parametrize("count", [1, 3])
async def test_several_workers_with_rooms_of_one_process_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    monkeypatch.setattr(app, "LOOK_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(app, "count_workers", lambda: count)
    live = HtmxWS()
    async with live.lifespan():
        await asyncio.sleep(0.01)
    assert ("one of 3 processes" in caplog.text) is (count == 3)


async def test_it_is_not_looked_once_the_end_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(app, "LOOK_AFTER_SECONDS", 0.02)

    def count() -> int:
        asked.append(None)
        return 1

    monkeypatch.setattr(app, "count_workers", count)
    live = HtmxWS()
    live.ws("/ws")(lambda: None)
    async with live.lifespan(), Socket(live, "/ws"):
        pass
    told = len(asked)
    await asyncio.sleep(0.03)
    assert len(asked) == told

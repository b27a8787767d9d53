"""The memory backend under several workers is warned of, whichever server has them."""

from __future__ import annotations

import os
import signal

import pytest

from htmx_ws.testing import build_frame
from tests.services.servers import KINDS, Kind, serve_on

pytestmark = pytest.mark.service

_GUNICORN = Kind(
    name="gunicorn",
    packages=("gunicorn", "uvicorn-worker"),
    command="gunicorn --worker-class uvicorn_worker.UvicornWorker",
    advice="",
    listen="--bind 127.0.0.1:{}",
    ready=r"Listening at: .*127\.0\.0\.1\D+(\d+)",
)
SERVERS = [*(kind for kind in KINDS if kind.name in ("uvicorn-sansio", "hypercorn", "granian"))]
SERVERS.append(_GUNICORN)

WARNING = r"This is one of 2 processes that serve, and the memory backend is of one alone"


@pytest.mark.parametrize("kind", SERVERS, ids=str)
async def test_each_of_two_workers_warns_and_one_worker_does_not(kind: Kind) -> None:
    app = "tests.scaling.alone:app"
    async with (
        serve_on(kind, app, "--workers 2") as two,
        serve_on(kind, app, "--workers 1") as one,
    ):
        await two.prints(WARNING, count=2)
        await one.prints("found 1 of us")
        await one.stop()
        assert not [line for line in one.printed if "memory backend" in line]


async def test_a_worker_that_takes_over_from_one_that_still_works_does_not_warn() -> None:
    async with serve_on(
        _GUNICORN, "tests.scaling.alone:app", environment={"ALONE_TOGETHER": "1"}
    ) as server:
        await server.prints("found 1 of us")  # three seconds after its start
        async with await server.open("/work") as page:
            await page.send(build_frame({}))
            await server.prints("at work")
            os.kill(server.process.pid, signal.SIGHUP)
            await server.prints("found 1 of us", count=2)
            await page.wait_closed()
        assert not [line for line in server.printed if "memory backend" in line]

"""Tasks end although what they wait by loses a cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

from htmx_ws.backends.tasks import end


async def test_a_task_that_loses_its_cancellation_is_cancelled_again() -> None:
    lost = 0

    async def lose_two() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if lost == 2:
                    raise
                lost += 1

    task = asyncio.create_task(lose_two())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end([task])
    assert lost == 2
    assert task.cancelled()


async def test_what_a_task_raises_at_its_end_is_not_complained_of() -> None:
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))

    async def fail() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("the connection is gone")

    async def be_done() -> None:
        return

    tasks = [asyncio.create_task(work()) for work in (fail, be_done)]
    await asyncio.sleep(0)
    await end(tasks)
    assert [task.done() for task in tasks] == [True, True]
    tasks.clear()  # asyncio complains when such a task is collected
    assert complaints == []

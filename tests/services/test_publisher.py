"""Publishing from other processes, by a real Redis: from threads, after a fork, from a shell."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from htmx_ws import Publisher, append, html
from htmx_ws.backends import Keep, Position
from htmx_ws.backends.redis import RedisBackend
from htmx_ws.errors import BackendError
from htmx_ws.publication import Publication
from htmx_ws.testing.stage import Heard

from .brokers import RedisServer

pytestmark = pytest.mark.service

ROOM = "chat:lobby"
TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis") / "data") as server:
        yield server


@pytest.fixture
def url(server: RedisServer, request: pytest.FixtureRequest) -> str:
    return server.url(f"prefix={request.node.name}")


@pytest.fixture
async def serving(url: str) -> AsyncIterator[tuple[RedisBackend, Heard]]:
    """A process that serves, and whose chats have a history."""
    backend, heard = RedisBackend(url), Heard(10.0)
    await backend.start(heard, {"chat:*": Keep(100)})
    await backend.subscribe([ROOM])
    yield backend, heard
    await backend.stop()


async def read(heard: Heard, count: int) -> list[str]:
    handed = await heard.in_room(ROOM, count)
    return [Publication.read(each.payload).messages[0].text for each in handed]


Serving = tuple[RedisBackend, Heard]


async def test_a_thread_publishes_what_the_serving_processes_keep(
    url: str, serving: Serving
) -> None:
    backend, heard = serving

    def publish() -> None:
        with Publisher(url) as publisher:
            for number in (1, 2):
                item = html("<li>{}</li>", number)
                assert publisher.publish(ROOM, append("#log", item), exclude="p1") == number

    await asyncio.to_thread(publish)
    assert all("<li>" in text for text in await read(heard, 2))
    assert {Publication.read(each.payload).exclude for each in heard.rooms[ROOM]} == {
        frozenset({"p1"})
    }
    here = (await backend.history(ROOM, None)).last
    assert len((await backend.history(ROOM, Position(here.epoch, 0))).payloads) == 2


async def test_threads_share_a_publisher(url: str, serving: Serving) -> None:
    _, heard = serving
    with Publisher(url) as publisher:

        def publish(name: int) -> list[int]:
            texts = (f'<p id="p{name}">{number}</p>' for number in range(25))
            return [publisher.publish(ROOM, text) for text in texts]

        given = await asyncio.gather(*(asyncio.to_thread(publish, name) for name in range(8)))
    assert sorted(offset for offsets in given for offset in offsets) == list(range(1, 201))
    assert len(await read(heard, 200)) == 200


async def test_a_loop_publishes_without_being_held_up(server: RedisServer, url: str) -> None:
    publisher = Publisher(url)
    assert await publisher.apublish(ROOM, '<p id="p">1</p>') == 1
    server.pause()
    try:
        publishing = asyncio.create_task(publisher.apublish(ROOM, '<p id="p">2</p>'))
        for _ in range(20):  # others have their turns
            await asyncio.sleep(0)
        assert not publishing.done()
    finally:
        server.resume()
    assert await publishing == 2
    publisher.close()


async def test_a_process_that_was_forked_connects_by_itself(url: str, serving: Serving) -> None:
    """As the workers of Celery and of gunicorn are, from a process that has published already."""
    script = f"""
        import os
        from htmx_ws import Publisher

        publisher = Publisher({url!r})
        publisher.publish({ROOM!r}, '<p id="p">parent</p>')
        children = []
        for name in range(3):
            if not (child := os.fork()):
                for number in range(20):
                    publisher.publish({ROOM!r}, f'<p id="p">{{name}} {{number}}</p>')
                os._exit(0)
            children.append(child)
        for number in range(20):
            publisher.publish({ROOM!r}, f'<p id="p">parent {{number}}</p>')
        assert not any(os.waitpid(child, 0)[1] for child in children)
        publisher.publish({ROOM!r}, '<p id="p">the end</p>')
        publisher.close()
    """
    _, heard = serving
    await run([sys.executable, "-W", "error", "-c", textwrap.dedent(script)])
    texts = await read(heard, 82)
    assert "the end" in texts[-1]
    assert len(set(texts)) == 82


async def test_a_publisher_does_not_hold_a_process_that_ends(url: str, serving: Serving) -> None:
    """Nor one that nobody closed, as in a script of two lines."""
    publish = f"Publisher({url!r}).publish({ROOM!r}, '<p id=p>1</p>')"
    await run([sys.executable, "-c", f"from htmx_ws import Publisher; {publish}"])
    assert ">1</p>" in (await read(serving[1], 1))[0]


async def run(command: list[str], text: str = "", status: int = 0) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=TOP,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(20):
        said, _ = await process.communicate(text.encode())
    assert process.returncode == status, said.decode()
    return said.decode()


async def test_a_shell_publishes(url: str, serving: Serving) -> None:
    command = [sys.executable, "-m", "htmx_ws", "publish", "--backend", url, ROOM]
    assert await run([*command, '<p id="p">1</p>']) == "published to 'chat:lobby' as number 1\n"
    assert "as number 2" in await run([*command, "-"], '<p id="p">by stdin</p>')
    texts = await read(serving[1], 2)
    assert "by stdin" in texts[1]


async def test_without_redis_a_publisher_says_so(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "data") as server, Publisher(server.url()) as publisher:
        publisher.publish(ROOM, '<p id="p">1</p>')
        server.kill()
        with pytest.raises(BackendError, match="'chat:lobby' may have no place"):
            publisher.publish(ROOM, '<p id="p">2</p>')
        command = [sys.executable, "-m", "htmx_ws", "publish", "--backend", server.url(), ROOM]
        assert "may have no place" in await run([*command, '<p id="p">3</p>'], status=1)
        server.start()
        assert publisher.publish(ROOM, '<p id="p">4</p>') == 2

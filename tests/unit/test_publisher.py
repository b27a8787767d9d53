"""Publishing from processes that hold no pages."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from htmx_ws import (
    HtmxWS,
    HtmxWSError,
    MemoryBackend,
    Publisher,
    append,
    data_only,
    html,
    replace,
)
from htmx_ws.__main__ import main
from htmx_ws.backends import Keep, Position
from htmx_ws.errors import BackendError, FragmentError, LimitError
from htmx_ws.peers import ROOM as PROCESSES
from htmx_ws.publication import MOST_BYTES, Publication
from htmx_ws.testing import Socket

ROOM = "chat:lobby"


class Appender:
    """Notes what is appended."""

    def __init__(self) -> None:
        self.appended: list[tuple[str, Publication, Keep | None]] = []
        self.threads: list[int] = []
        self.error: Exception | None = None
        self.closed = 0

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> int:
        if self.error is not None:
            raise self.error
        self.threads.append(threading.get_ident())
        self.appended.append((room, Publication.read(payload), keep))
        return len(self.appended)

    def position(self, room: str) -> Position:
        raise AssertionError("nobody asks")

    def close(self) -> None:
        self.closed += 1


class Elsewhere(MemoryBackend):
    """A backend whose pages are in other processes."""

    is_shared = True

    def __init__(self) -> None:
        super().__init__()
        self.appender = Appender()

    def sync(self) -> Appender:
        return self.appender


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """What is at ``redis://elsewhere``."""
    backend = Elsewhere()

    def from_url(url: str) -> Elsewhere:
        assert url == "redis://elsewhere"
        return backend

    monkeypatch.setattr("htmx_ws.publisher.from_url", from_url)
    monkeypatch.delenv("HTMX_WS_BACKEND", raising=False)
    return backend


def texts(backend: Elsewhere) -> list[str]:
    return [message.text for _, each, _ in backend.appender.appended for message in each.messages]


# --- publishing ------------------------------------------------------------------------


def test_it_publishes_what_live_publishes(backend: Elsewhere) -> None:
    class Form:
        def __html__(self) -> str:
            return '<form id="f"></form>'

        def __call__(self) -> None:
            """Be callable, as some objects that are HTML are."""

    publisher = Publisher("redis://elsewhere")
    contents = [
        append("#log", html("<li>{}</li>", "<&")),
        '<p id="p">1</p>',
        Form(),
        [replace('<p id="p">2</p>'), '<p id="q">3</p>'],
    ]
    for number, content in enumerate(contents, 1):
        assert publisher.publish(ROOM, content) == number
    assert [(room, keep) for room, _, keep in backend.appender.appended] == [(ROOM, None)] * 4
    assert "&lt;&amp;" in texts(backend)[0]
    assert '<form hx-swap-oob="outerHTML" id="f">' in texts(backend)[2]


def test_pages_are_left_out_by_their_tokens(backend: Elsewhere) -> None:
    publisher = Publisher(backend)
    for exclude in (None, "a", ["a", "b"], ()):
        publisher.publish(ROOM, '<p id="p">1</p>', exclude=exclude)
    excluded = [sorted(each.exclude) for _, each, _ in backend.appender.appended]
    assert excluded == [[], ["a"], ["a", "b"], []]


async def test_on_a_loop_a_thread_does_it(backend: Elsewhere) -> None:
    publisher = Publisher(backend)
    assert await publisher.apublish(ROOM, '<p id="p">1</p>', exclude="a") == 1
    assert backend.appender.threads != [threading.get_ident()]
    [(_, publication, _)] = backend.appender.appended
    assert publication.exclude == {"a"}


def test_it_is_closed_by_its_block(backend: Elsewhere) -> None:
    with Publisher(backend) as publisher:
        publisher.publish(ROOM, '<p id="p">1</p>')
    assert backend.appender.closed == 1


async def test_in_the_process_that_serves_it_reaches_the_pages() -> None:
    """As in tests of an application, whose backend is the memory of one process."""
    backend = MemoryBackend()
    live = HtmxWS(backend=backend)

    async def joined(conn: Any) -> None:
        await conn.join(ROOM)

    @live.ws("/", conn=joined)
    async def say() -> None:
        """Take what a page says."""

    async with Socket(live, "/") as page:
        with Publisher(backend) as publisher:
            publisher.publish(ROOM, '<p id="p">here</p>')
            await asyncio.to_thread(publisher.publish, ROOM, '<p id="p">there</p>')
            await publisher.apublish(ROOM, '<p id="p">beside</p>')
        for said in ("here", "there", "beside"):
            assert said in await page.receive()


# --- what cannot be published ----------------------------------------------------------


@pytest.mark.parametrize("room", ["", None, 5, b"chat", PROCESSES])
async def test_a_room_has_a_name(backend: Elsewhere, room: Any) -> None:
    publisher = Publisher(backend)
    with pytest.raises(TypeError, match="A room is named by a str such as 'chat:lobby'"):
        publisher.publish(room, '<p id="p">1</p>')
    with pytest.raises(TypeError, match="A room is named by a str such as 'chat:lobby'"):
        await publisher.apublish(room, '<p id="p">1</p>')


@pytest.mark.parametrize("content", [lambda conn: "", print, Elsewhere])
def test_functions_of_a_page_are_refused(backend: Elsewhere, content: Any) -> None:
    with pytest.raises(TypeError, match="the processes that hold the pages cannot call it"):
        Publisher(backend).publish(ROOM, content)


def test_what_is_not_there_yet_is_refused(backend: Elsewhere) -> None:
    def pieces() -> Iterator[str]:
        yield '<p id="p">1</p>'

    async def more() -> AsyncIterator[str]:
        yield '<p id="p">1</p>'

    for content in (pieces(), more(), [pieces()]):
        with pytest.raises(
            TypeError, match=r"takes finished content, not (list|generator|async_gen)"
        ):
            Publisher(backend).publish(ROOM, content)


def test_what_has_no_place_is_refused(backend: Elsewhere) -> None:
    publisher = Publisher(backend)
    with pytest.raises(FragmentError):
        publisher.publish(ROOM, "<p>where to?</p>")
    with pytest.raises(TypeError):
        publisher.publish(ROOM, {"a": 1})
    with pytest.raises(LimitError):
        publisher.publish(ROOM, data_only("x" * MOST_BYTES))
    assert backend.appender.appended == []


def test_a_bare_str_may_be_refused(backend: Elsewhere) -> None:
    publisher = Publisher(backend, strict_html=True)
    with pytest.raises(TypeError, match="strict_html is on"):
        publisher.publish(ROOM, '<p id="p">1</p>')
    assert publisher.publish(ROOM, html('<p id="p">{}</p>', 1)) == 1


def test_an_address_at_which_nobody_listens_is_refused() -> None:
    with pytest.raises(ValueError, match="at memory:// reaches nobody"):
        Publisher("memory://")


# --- from a shell ----------------------------------------------------------------------


def test_a_shell_publishes(
    backend: Elsewhere, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["publish", ROOM, '<p id="p">1</p>', "--backend", "redis://elsewhere"]) == 0
    monkeypatch.setenv("HTMX_WS_BACKEND", "redis://elsewhere")
    monkeypatch.setattr("sys.stdin", io.StringIO('<p id="p">2</p>\n'))
    assert main(["publish", ROOM, "-", "--exclude", "a", "--exclude", "b"]) == 0
    for text, said in zip(texts(backend), "12", strict=True):
        assert f">{said}</p>" in text
    assert backend.appender.appended[1][1].exclude == {"a", "b"}
    assert backend.appender.closed == 2
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        f"published to {ROOM!r} as number {number}" for number in (1, 2)
    ]
    assert told.err == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([ROOM, '<p id="p">1</p>'], "give --backend, or set HTMX_WS_BACKEND"),
        ([ROOM, "<p>1</p>", "--backend", "redis://elsewhere"], "id"),
        (["", '<p id="p">1</p>', "--backend", "redis://elsewhere"], "A room is named by a str"),
    ],
)
def test_a_shell_is_told_what_is_wrong(
    backend: Elsewhere, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["publish", *arguments]) == 1
    assert said in capsys.readouterr().err


def test_a_shell_is_told_that_the_broker_is_away(
    backend: Elsewhere, capsys: pytest.CaptureFixture[str]
) -> None:
    backend.appender.error = BackendError("it is away")
    assert main(["publish", ROOM, '<p id="p">1</p>', "--backend", "redis://elsewhere"]) == 1
    assert "it is away" in capsys.readouterr().err
    assert backend.appender.closed == 1


@pytest.mark.parametrize("url", ["memory://", "http://host", "x"])
def test_a_shell_is_told_that_an_address_is_of_no_backend(
    capsys: pytest.CaptureFixture[str], url: str
) -> None:
    assert main(["publish", ROOM, '<p id="p">1</p>', "--backend", url]) == 1
    assert "memory://" in capsys.readouterr().err


def test_errors_have_one_root() -> None:
    assert issubclass(BackendError, HtmxWSError)

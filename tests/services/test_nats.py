"""The NATS backend on a real nats-server: what every backend does, and what becomes of outages.

The server keeps its store in a file, as a user's does, and is killed, stopped and emptied.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

import pytest

from htmx_ws import Connection, HtmxWS, append, html
from htmx_ws.backends import PROCESSES, History, Keep, Position
from htmx_ws.backends.nats import NatsBackend
from htmx_ws.backends.nats.jetstream import Place
from htmx_ws.backends.nats.stream import Consumer, Incoming
from htmx_ws.errors import BackendError
from htmx_ws.testing import BackendContract, Socket
from htmx_ws.testing.stage import KEEP_ALL, Heard

from .brokers import NatsServer, link_to

pytestmark = pytest.mark.service

#: How long an outage is that a deploy or a restart of a broker causes, in seconds.
OUTAGE_SECONDS = 3.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A server that goes on."""
    with NatsServer(tmp_path_factory.mktemp("nats") / "data") as server:
        yield server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A server of one test's, to do with as it likes."""
    with NatsServer(tmp_path / "data") as server:
        yield server


class TestContract(BackendContract):
    """What every backend must do."""

    counts_by_one: ClassVar[bool] = False
    url: str

    @pytest.fixture(autouse=True)
    def stream(self, server: NatsServer) -> None:
        self.url = server.url(f"prefix=contract-{secrets.token_hex(4)}")

    def make(self) -> NatsBackend:
        return NatsBackend(self.url)


@asynccontextmanager
async def running(url: str, *rooms: str, **given: Any) -> AsyncIterator[tuple[NatsBackend, Heard]]:
    """Run a backend, as of one process, that has subscribed to rooms."""
    backend, heard = NatsBackend(url, **given), Heard(10.0)
    async with asyncio.timeout(30):
        await backend.start(heard)
        try:
            await backend.subscribe(rooms)
            yield backend, heard
        finally:
            await backend.stop()


async def known_to_be_away(backend: NatsBackend) -> None:
    """Append until it fails at once, and not because an answer failed to come."""
    async with asyncio.timeout(10):
        while True:
            try:
                await backend.append("another room", b"")
            except BackendError as error:
                if "may have a place" not in str(error):
                    return


async def until_it_is_back(append: Callable[[], Awaitable[int]]) -> int:
    """Append until it works again."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await append()
            except BackendError:
                await asyncio.sleep(0.01)


def numbers(heard: Heard, room: str = "room") -> list[int]:
    """What came to a room, where payloads are numbers."""
    return [int(each.payload) for each in heard.rooms.get(room, ())]


# --- outages ---------------------------------------------------------------------------


async def test_a_server_that_is_killed_and_comes_back_has_lost_nothing(
    own_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither what was acknowledged, nor what waits, nor what was on its way when it died."""
    caplog.set_level(logging.INFO, "htmx_ws")
    async with (
        running(own_server.url("outage=queue"), "room") as (waits, own),
        running(own_server.url(), "room") as (raises, heard),
    ):
        for number in range(200):
            assert await waits.append("room", b"%d" % number, KEEP_ALL) == number + 1
        on_their_way = [waits.append("room", b"%d" % number) for number in range(200, 500)]
        await heard.in_room("room", 250)  # some have come, and others are on their way
        own_server.kill()
        died = monotonic()
        await known_to_be_away(raises)
        while_away = [waits.append("room", b"%d" % number) for number in range(500, 550)]
        with pytest.raises(BackendError, match="away, and cannot be asked"):
            await raises.history("room", None)
        await asyncio.sleep(died + OUTAGE_SECONDS - monotonic())  # the outage itself
        own_server.start()
        back = monotonic()
        for each in (heard, own):
            await each.in_room("room", 550)
        took = monotonic() - back
        offsets = [await each for each in (*on_their_way, *while_away)]
        for each in (heard, own):
            assert numbers(each) == list(range(550)), "not each once, in order"
            assert not each.gaps, each.gaps
            assert len({handed.epoch for handed in each.rooms["room"]}) == 1
        assert offsets == [each.offset for each in heard.rooms["room"]][200:]
        assert took < 2, f"it took {took} s until all was there"
        last = await until_it_is_back(lambda: raises.append("room", b"550", KEEP_ALL))
        assert (await heard.in_room("room", 551))[-1].offset == last
    said = [record.getMessage() for record in caplog.records if record.name == "htmx_ws"]
    assert len([line for line in said if " is away (" in line]) == 2, said
    assert len([line for line in said if re.search(r":\d+ is back$", line)]) == 2, said


async def test_a_server_that_comes_back_empty_is_a_gap_and_another_epoch(
    own_server: NatsServer,
) -> None:
    async with running(own_server.url("outage=queue"), "room") as (backend, heard):
        await backend.append("room", b"1", KEEP_ALL)
        [before] = await heard.in_room("room", 1)
        own_server.kill()
        own_server.forget()
        appending = backend.append("room", b"2", KEEP_ALL)
        own_server.start()
        assert await appending == 1, "the first of the new stream"
        after = (await heard.in_room("room", 2))[1]
        assert [room for room, why in heard.gaps if "another stream" in why] == [None], heard.gaps
        assert after.epoch != before.epoch
        history = await backend.history("room", Position(before.epoch, before.offset))
        assert history == History(Position(after.epoch, 1), is_whole=False)


async def test_a_server_that_stops_for_a_while_loses_and_repeats_nothing(
    own_server: NatsServer,
) -> None:
    """No connection is lost: answers fail to come, and come later."""
    async with (
        running(own_server.url("outage=queue&queue=3&timeout=1"), "room") as (waits, _),
        running(own_server.url("timeout=1"), "room") as (raises, heard),
    ):
        await waits.append("room", b"0")
        own_server.pause()
        stopped = monotonic()
        with pytest.raises(BackendError, match=r"gave no answer in 1\.0 s; it may have a place"):
            await raises.append("room", b"1")
        pending = [waits.append("room", b"%d" % number) for number in (2, 3, 4)]
        await asyncio.sleep(stopped + 5 - monotonic())  # as long as the server is stopped
        with pytest.raises(BackendError, match="away, and 3 wait for it already"):
            await waits.append("room", b"5")
        own_server.resume()
        back = monotonic()
        offsets = [await each for each in pending]
        handed = await heard.in_room("room", 5)
        assert monotonic() - back < 2
        assert offsets == [each.offset for each in handed if int(each.payload) in (2, 3, 4)]
        await waits.append("room", b"6")
        came = [int(each.payload) for each in await heard.in_room("room", 6)]
        assert [number for number in came if number != 1] == [0, 2, 3, 4, 6]
        assert came.count(1) == 1, "what failed has a place, as it said that it may"
        assert not heard.gaps, heard.gaps


async def test_it_starts_before_its_server_and_goes_on_when_that_is_there(
    own_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    own_server.kill()
    async with running(own_server.url("outage=queue&queue=2"), "room") as (backend, heard):
        appending = [backend.append("room", b"%d" % number) for number in range(2)]
        with pytest.raises(BackendError, match="away, and 2 wait for it already"):
            await backend.append("room", b"2")
        own_server.start()
        assert [await each for each in appending] == [1, 2]
        await heard.in_room("room", 2)
        assert not heard.gaps, heard.gaps
    assert len([each for each in caplog.messages if " is away (" in each]) == 1, caplog.messages


async def test_what_waits_when_a_process_ends_fails(own_server: NatsServer) -> None:
    own_server.kill()
    async with running(own_server.url("outage=queue")) as (backend, _):
        appending = backend.append("room", b"1")
    with pytest.raises(BackendError, match="this process ends"):
        await appending
    with pytest.raises(BackendError, match="not started"):
        await backend.append("room", b"1")
    with pytest.raises(BackendError, match="away"):
        await backend.history("room", None)


async def test_what_processes_say_to_each_other_waits_for_no_server(
    own_server: NatsServer,
) -> None:
    """A disconnect that is carried out when it is back would close pages that came since."""
    async with running(own_server.url("outage=queue"), "room", PROCESSES) as (backend, heard):
        own_server.kill()
        waits, said = backend.append("room", b"1"), ""
        async with asyncio.timeout(10):
            while "the broker is away" not in said:
                with pytest.raises(BackendError) as raised:
                    await backend.append(PROCESSES, b"one")
                said = str(raised.value)
                assert said.startswith("What was said to the other processes failed: ")
        own_server.start()
        await waits
        await backend.append(PROCESSES, b"two")
        await heard.in_room(PROCESSES, 1)
        assert [each.payload for each in heard.rooms[PROCESSES]] == [b"two"]


async def test_what_was_appended_before_stopping_is_sent(server: NatsServer) -> None:
    async with running(server.url(), "last words") as (_, heard):
        async with running(server.url()) as (backend, _):
            for _ in range(100):
                backend.append("last words", b"1")
        await heard.in_room("last words", 100)


async def test_a_process_that_was_cut_off_is_handed_what_it_missed(server: NatsServer) -> None:
    async with (
        link_to(server) as link,
        running(server.url()) as (elsewhere, _),
        running(link.url(), "cut") as (_, heard),
    ):
        await elsewhere.append("cut", b"0")
        await heard.in_room("cut", 1)
        await link.cut()
        for number in range(1, 100):
            await elsewhere.append("cut", b"%d" % number)
        await link.mend()
        await heard.in_room("cut", 100)
        assert numbers(heard, "cut") == list(range(100))
        assert not heard.gaps, heard.gaps


async def test_what_the_stream_has_dropped_meanwhile_is_a_gap(own_server: NatsServer) -> None:
    """Its limits drop the oldest messages of all rooms; what is behind them is whole."""
    async with (
        link_to(own_server) as link,
        running(own_server.url("max_bytes=100000")) as (elsewhere, _),
        running(link.url("max_bytes=100000"), "busy", "quiet") as (backend, heard),
    ):
        await elsewhere.append("quiet", b"0", KEEP_ALL)
        await heard.in_room("quiet", 1)
        await link.cut()
        for number in range(2, 152):
            offset = await elsewhere.append("busy", b"%d" % number + b" " * 1_000, Keep(1_000))
            assert offset == number
        await elsewhere.append("quiet", b"152", KEEP_ALL)
        await link.mend()
        await heard.in_room("quiet", 2)
        came = numbers(heard, "busy")
        first = came[0]
        assert 50 < first < 100
        assert came == list(range(first, 152))
        [(room, why)] = heard.gaps
        assert room is None
        assert why.startswith(f"{first - 2} messages were dropped by the stream's limits"), why
        epoch = heard.rooms["quiet"][0].epoch
        for since in (1, first - 2):
            assert not (await backend.history("quiet", Position(epoch, since))).is_whole
            assert not (await backend.history("busy", Position(epoch, since))).is_whole
        for since in (first - 1, first, 150):
            quiet = await backend.history("quiet", Position(epoch, since))
            assert [int(payload) for _, payload in quiet.payloads] == [152]
            busy = await backend.history("busy", Position(epoch, since))
            assert [offset for offset, _ in busy.payloads] == list(range(since + 1, 152))


async def test_a_stream_that_is_deleted_is_made_again(own_server: NatsServer) -> None:
    async with running(own_server.url(), "room") as (backend, heard):
        await backend.append("room", b"1")
        await heard.in_room("room", 1)
        assert backend._client is not None
        await backend._client.jetstream().delete_stream("htmx-ws")
        with pytest.raises(BackendError, match="no stream for it, or no JetStream"):
            await backend.append("room", b"2")
        await until_it_is_back(lambda: backend.append("room", b"3"))
        await heard.in_room("room", 2)
        assert [room for room, _ in heard.gaps] == [None]


# --- limits ----------------------------------------------------------------------------


async def test_a_payload_over_the_servers_limit_is_refused_and_nothing_else(
    server: NatsServer,
) -> None:
    async with running(server.url(), "large") as (backend, heard):
        with pytest.raises(BackendError, match=r"1048577 bytes.*1048576.*raise its max_payload"):
            await backend.append("large", b"x" * (1024 * 1024 + 1))
        largest = b"x" * (1024 * 1024 - 256)
        await backend.append("large", largest, Keep(10, 1e9, 10**15))
        assert [len(each.payload) for each in await heard.in_room("large", 1)] == [len(largest)]


async def test_the_limit_holds_also_for_what_waited(own_server: NatsServer) -> None:
    own_server.kill()
    async with running(own_server.url("outage=queue")) as (backend, _):
        too_large = backend.append("room", b"x" * (1024 * 1024 + 1))
        fits = backend.append("room", b"x")
        own_server.start()
        with pytest.raises(BackendError, match="max_payload"):
            await too_large
        assert await fits == 1


async def test_the_settings_of_an_address_become_those_of_the_stream(server: NatsServer) -> None:
    """Also where it is there already; what is set by hand besides stays."""
    for options, age, size in (("", 3_600, 256 * 1024**2), ("max_age=60&max_bytes=9", 60, 9)):
        backend = NatsBackend(server.url(f"prefix=settings&{options}"))
        await backend.start(Heard(10.0))
        assert backend._client is not None
        jetstream = backend._client.jetstream()
        config = (await jetstream.stream_info("settings")).config
        assert (config.max_age, config.max_bytes, config.duplicate_window) == (
            *(age, size),
            min(120, age),
        )
        assert config.description == ("by hand" if options else None)
        await jetstream.update_stream(config, description="by hand")
        await backend.stop()


async def test_a_stream_of_somebody_elses_is_left_alone(
    server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(server.url()) as (backend, _):
        assert backend._client is not None
        await backend._client.jetstream().add_stream(name="theirs", subjects=["theirs.>"])
        other = NatsBackend(server.url("prefix=theirs"))
        await other.start(Heard(10.0))
        with pytest.raises(BackendError, match="away"):
            await other.append("room", b"1")
        await other.stop()
    assert "is somebody else's: use another prefix" in caplog.text


async def test_a_long_history_is_read_in_order(server: NatsServer) -> None:
    """More, and larger, than is sent at once."""
    async with running(server.url()) as (backend, _):
        keep = Keep(900, 3_600, 100 * 1024 * 1024)
        start = (await backend.history("long", None)).last
        appending = [backend.append("long", b"%d" % n + b" " * 50_000, keep) for n in range(900)]
        offsets = [await each for each in appending]
        history = await backend.history("long", start)
        assert [int(payload) for _, payload in history.payloads] == list(range(900))
        assert [offset for offset, _ in history.payloads] == offsets


@pytest.mark.parametrize("times", [1, 2])
async def test_a_consumer_that_skips_a_message_is_not_believed_at_once(
    times: int, server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The servers that did so are not those that we have: here its messages are taken away."""
    offsets: list[int] = []
    skipped: list[int] = []
    take = Consumer._take

    async def skip(self: Consumer, message: Incoming) -> None:
        place = Place.read(message.reply) if message.reply.startswith("$JS.ACK") else None
        if place is not None and place.offset in offsets[2:3] and len(skipped) < times:
            skipped.append(place.offset)
            self._number = place.number  # as if it had never been sent
        else:
            await take(self, message)

    monkeypatch.setattr(Consumer, "_take", skip)
    room = f"skipped {times}"
    async with running(server.url(), room) as (backend, heard):
        before = (await backend.history(room, None)).last.offset
        offsets += range(before + 1, before + 6)
        for number in range(5):
            await backend.append(room, b"%d" % number)
        await heard.in_room(room, 6 - times)
        assert len(skipped) == times
        assert numbers(heard, room) == ([0, 1, 2, 3, 4] if times == 1 else [0, 1, 3, 4])
        assert len(heard.gaps) == times - 1, heard.gaps


# --- who may connect -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "who"),
    [(["--user", "ann", "--pass", "s3cret"], "ann:s3cret@"), (["--auth", "t0ken"], "t0ken@")],
    ids=["password", "token"],
)
async def test_a_password_or_token_stands_in_the_address(
    settings: list[str], who: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong one is an outage, which ends when the server takes it."""
    with NatsServer(tmp_path / "data", *settings) as server:
        async with running(server.url(user=who)) as (backend, _):
            assert await backend.append("room", b"1") == 1
        async with running(server.url("outage=queue", user="wr0ng:wr0ng@")) as (backend, _):
            assert "is away (nats: 'Authorization Violation')" in caplog.text
            appending = backend.append("room", b"2")
            server.kill()
            server.settings = ()
            server.start()
            assert await appending == 2
    assert "wr0ng" not in caplog.text


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1, and its key beside it."""
    path, key = tmp_path / "server.pem", tmp_path / "server.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(path)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    return path


async def test_tls_is_checked_and_not_done_without(
    tmp_path: Path, certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """nats-py itself tells the password to a server that has no TLS, also of ``tls://``."""
    login = ["--user", "ann", "--pass", "s3cret"]
    tls = ["--tlscert", str(certificate), "--tlskey", str(certificate.with_suffix(".key"))]
    trusted = ssl.create_default_context(cafile=str(certificate))
    with NatsServer(tmp_path / "data", *login, "--tls", *tls) as server:
        url = server.url("outage=queue", "ann:s3cret@", "tls")
        async with running(url, connect={"tls": trusted}) as (backend, _):
            assert await backend.append("room", b"1") == 1
        async with running(url) as (backend, _):
            assert "certificate verify failed" in caplog.text
            caplog.clear()
        server.kill()
        server.settings = ("-V", *login)
        server.start()
        for address, given in ((url, {}), (url.replace("tls:", "nats:"), {"tls": trusted})):
            async with running(address, connect=given) as (backend, _):
                assert "the server has no TLS, and the address asks for it" in caplog.text
                caplog.clear()
        assert not any("s3cret" in line or "CONNECT" in line for line in server.printed)


# --- who appends -----------------------------------------------------------------------


async def test_what_appends_alone_waits_for_no_server(own_server: NatsServer) -> None:
    own_server.kill()
    appender = NatsBackend(own_server.url("outage=queue")).sync()
    with pytest.raises(BackendError, match="the broker is away"):
        async with asyncio.timeout(10):
            await asyncio.to_thread(appender.append, "room", b"1")
    await asyncio.to_thread(appender.close)


async def test_what_appends_alone_reads_nothing(own_server: NatsServer) -> None:
    """A task queue's process does not pay for what pages read, and sets no limits for it."""
    async with running(own_server.url("max_age=7200"), "room") as (backend, heard):
        appender = NatsBackend(own_server.url()).sync()
        try:
            assert await asyncio.to_thread(appender.append, "room", b"1") == 1
            assert await asyncio.to_thread(appender.position, "room") == Position(
                (await heard.in_room("room", 1))[0].epoch, 1
            )
            assert backend._client is not None
            stream = await backend._client.jetstream().stream_info("htmx-ws")
            assert stream.state.consumer_count == 1
            assert stream.config.max_age == 7_200
        finally:
            await asyncio.to_thread(appender.close)


def site(backend: NatsBackend | str) -> HtmxWS:
    """A site with one room."""
    live = HtmxWS(backend=backend)

    async def joined(conn: Connection) -> None:
        await conn.join("lobby")

    @live.ws("/chat", conn=joined)
    async def say(msg: str) -> None:
        await live.publish("lobby", append("#log", html("<li>{}</li>", msg)))

    return live


async def test_pages_of_two_processes_share_a_room(server: NatsServer) -> None:
    url = server.url("prefix=site")
    sites = [site(url), site(NatsBackend(url))]
    async with (
        sites[0].lifespan(),
        sites[1].lifespan(),
        Socket(sites[0], "/chat") as ann,
        Socket(sites[1], "/chat") as bob,
    ):
        await ann.send(msg="hi")
        await bob.send(msg="hello")
        said = [[await page.receive() for _ in range(2)] for page in (ann, bob)]
    assert said[0] == said[1]
    for text in ("hi", "hello"):
        assert any(f"<li>{text}</li>" in each for each in said[0])

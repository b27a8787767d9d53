"""Brokers, started by the tests that use them, each on a port and with a directory of its own.

What a broker's users fear can be done to it: it is killed and started again on the same port,
with what it had written or without, stopped as a machine that hangs, and ended for good.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

__all__ = ["CEILING_SECONDS", "Broker", "Link", "NatsServer", "RedisServer", "free_port", "link_to"]

#: No broker takes as long to start or to end.
CEILING_SECONDS = 20.0


def free_port() -> int:
    """Give a port that nobody uses, below those from which the system takes ports for clients."""
    while True:
        port = random.randrange(15_000, 30_000)
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


class Broker:
    """A process that is started by a command, and says by a text that it serves."""

    program: str
    package: str
    ready: str

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.printed: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    def options(self) -> Sequence[str | Path]:
        """Give what its command has after the name of the program."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and return when it serves."""
        found = shutil.which(self.program)
        assert found, f"{self.program} is missing: .ci/setup installs it (Debian: {self.package})"
        self.directory.mkdir(parents=True, exist_ok=True)
        self._process = process = subprocess.Popen(
            [found, *map(str, self.options())], cwd=self.directory, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        serves = threading.Event()

        def read() -> None:
            assert process.stdout is not None
            with process.stdout as lines:
                for line in lines:
                    self.printed.append(line.rstrip())
                    if self.ready in line:
                        serves.set()

        threading.Thread(target=read, daemon=True).start()
        if not serves.wait(CEILING_SECONDS):
            self.kill()
            said = "\n".join(self.printed)
            raise AssertionError(f"{self.program} did not say {self.ready!r}:\n{said}")

    def kill(self) -> None:
        """End it as the kernel does, without a word to it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(CEILING_SECONDS)
            self._process = None

    def pause(self) -> None:
        """Have it do nothing: its machine hangs, and its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def forget(self) -> None:
        """Delete what it has written, as a new container has not."""
        assert self._process is None, "it runs"
        shutil.rmtree(self.directory)


class RedisServer(Broker):
    """A redis-server, which writes down what it is told before it says so (``appendonly``)."""

    program = "redis-server"
    package = "redis-server"
    ready = "Ready to accept connections"

    def __init__(self, directory: Path, *settings: str, scheme: str = "redis") -> None:
        super().__init__(directory)
        self.settings = settings
        self.scheme = scheme

    def options(self) -> Sequence[str | Path]:
        """Give a directory and a port, no TCP port where it is reached by TLS, and the settings."""
        ports = (
            ["--port", self.port]
            if self.scheme == "redis"
            else ["--port", 0, "--tls-port", self.port]
        )
        return [
            *map(str, ports), "--bind", "127.0.0.1", "--dir", self.directory, "--save", "",
            *("--appendonly", "yes", "--appendfsync", "always"), *self.settings,
        ]  # fmt: skip

    def url(self, query: str = "", user: str = "") -> str:
        """Give its address."""
        return f"{self.scheme}://{user}127.0.0.1:{self.port}/0{query and '?'}{query}"


class NatsServer(Broker):
    """A nats-server with JetStream, which keeps its streams in files."""

    program = "nats-server"
    package = "nats-server"
    ready = "Server is ready"

    def __init__(self, directory: Path, *settings: str) -> None:
        super().__init__(directory)
        self.settings = settings

    def options(self) -> Sequence[str | Path]:
        """Give a directory and a port, and the settings."""
        address = ["--addr", "127.0.0.1", "--port", str(self.port)]
        return [*address, "--jetstream", "--store_dir", self.directory, *self.settings]

    def url(self, query: str = "", user: str = "", scheme: str = "nats") -> str:
        """Give its address."""
        return f"{scheme}://{user}127.0.0.1:{self.port}/?{query}"


class Link:
    """A way to a broker that can be cut: connections end, and no others are taken."""

    def __init__(self, broker: NatsServer) -> None:
        self._broker = broker
        self.port = free_port()
        self._passing: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def url(self, query: str = "") -> str:
        """Give the broker's address by this way."""
        return self._broker.url(query).replace(str(self._broker.port), str(self.port))

    async def mend(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """End all connections."""
        if self._server is not None:
            self._server.close()
        passing = list(self._passing)
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", self._broker.port)
        except ConnectionError:
            writer.transport.abort()
            return
        for source, sink in ((reader, there[1]), (there[0], writer)):
            task = asyncio.create_task(_pass_on(source, sink))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, until nothing does; then end the other side too."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()


@asynccontextmanager
async def link_to(broker: NatsServer) -> AsyncIterator[Link]:
    """Open a way to a broker, until the end of the block."""
    link = Link(broker)
    await link.mend()
    try:
        yield link
    finally:
        await link.cut()

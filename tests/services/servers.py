"""The servers that htmx-ws runs on, each started as its users start it: by a command.

A row of ``KINDS`` is all that is known of a server before it runs: the command and settings
that docs/servers.md advises, how it is told where to listen, and the line by which it says that
it serves, which is awaited. All but one take port 0 and print the port that they got. granian
prints 0, and that it started just before it listens. So a port is kept for it by a socket
that is bound and does not listen, beside which granian binds its own, and it is knocked at.

hypercorn and granian serve from child processes, which outlive a parent that is killed. So
every server leads a process group of its own, and the end of a test kills that group.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import struct
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

TOP = Path(__file__).parents[2]

#: No server takes as long to start, to print what is waited for, or to end.
CEILING_SECONDS = 20


@dataclass(frozen=True)
class Kind:
    """A server, and how it is started and heard."""

    name: str
    packages: tuple[str, ...]
    command: str
    advice: str  # the settings of docs/servers.md
    listen: str  # {} is the port
    ready: str  # a pattern; its group is the port, unless it has to be told one
    listen_fd: str | None = None  # {} is the descriptor of a listening socket

    def __str__(self) -> str:
        return self.name


_HOST = r"127\.0\.0\.1\D+(\d+)"


def _uvicorn(ws: str) -> Kind:
    return Kind(
        name=f"uvicorn-{ws.removeprefix('websockets-')}",
        packages=("uvicorn", "websockets"),
        command=f"uvicorn --ws {ws}",
        advice="--ws-max-size 1048576 --timeout-graceful-shutdown 5",
        listen="--host 127.0.0.1 --port {}",
        ready=f"Uvicorn running on .*{_HOST}",
        listen_fd="--fd {}",
    )


KINDS = (
    _uvicorn("websockets-sansio"),
    _uvicorn("websockets"),
    Kind(
        name="hypercorn",
        packages=("Hypercorn", "wsproto"),
        command="hypercorn",
        advice="--websocket-ping-interval 20 --graceful-timeout 3",
        listen="--bind 127.0.0.1:{}",
        ready=f"Running on .*{_HOST}",
        listen_fd="--bind fd://{}",
    ),
    Kind(
        name="granian",
        packages=("granian",),
        command="granian --interface asgi",
        advice="--workers-kill-timeout 20",
        listen="--host 127.0.0.1 --port {}",
        ready="Started worker-1",
    ),
    Kind(
        name="daphne",
        packages=("daphne", "autobahn"),
        command="daphne",
        advice="--websocket_timeout -1 --application-close-timeout 30",
        listen="--bind 127.0.0.1 --port {}",
        ready=f"Listening on .*{_HOST}",
        listen_fd="--fd {}",
    ),
)


class Server:
    """A process that serves on ``url``, an http address without a slash at its end.

    ``printed`` are the lines that it and its children wrote so far, to either stream.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""
        self.printed: list[str] = []
        self._news = asyncio.Condition()
        self._is_over = False
        self._listening = asyncio.create_task(self._listen())

    @property
    def ws(self) -> str:
        """The address for websockets."""
        return self.url.replace("http", "ws", 1)

    def open(self, path: str, **options: Any) -> connect:
        """Open a page: a websocket that this site's own page would open."""
        return connect(self.ws + path, **{"origin": self.url, "proxy": None} | options)

    async def prints(self, pattern: str, count: int = 1) -> list[re.Match[str]]:
        """Wait until it has printed that many lines with the pattern; give all so far."""
        found: list[re.Match[str]] = []

        def is_over() -> bool:
            found[:] = [match for line in self.printed if (match := re.search(pattern, line))]
            return len(found) >= count or self._is_over

        with suppress(TimeoutError):
            async with asyncio.timeout(CEILING_SECONDS), self._news:
                await self._news.wait_for(is_over)
        if len(found) < count:
            said = "\n".join(self.printed)
            raise AssertionError(f"{len(found)} lines of {count} have {pattern!r} in:\n{said}")
        return found

    async def stop(self) -> int:
        """End it as a deploy does, and give its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(CEILING_SECONDS):
            status = await self.process.wait()
        await self.end()
        return status

    async def end(self) -> None:
        """Kill what is left of it, and take the last that it printed."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        async with asyncio.timeout(CEILING_SECONDS):
            await self.process.wait()
            await self._listening

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        while not self._is_over:
            line = await self.process.stdout.readline()
            async with self._news:
                self._is_over = not line
                self.printed += [line.decode(errors="replace").rstrip()] if line else []
                self._news.notify_all()


@asynccontextmanager
async def run(
    command: Sequence[str],
    ready: str,
    port: str = "",
    descriptors: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Server]:
    """Run a command until the end of the block, from when it says that it serves."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=TOP, env={"PORT": "0", "PYTHONPATH": str(TOP), **(environment or {})},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        start_new_session=True, pass_fds=descriptors, limit=1024 * 1024,
    )  # fmt: skip
    server = Server(process)
    try:
        says = (await server.prints(ready))[0]
        server.url = f"http://127.0.0.1:{port or says[1]}"
        if port:
            await knock(int(port))
        yield server
    finally:
        await server.end()


@asynccontextmanager
async def serve_on(
    kind: Kind,
    application: str,
    settings: str | None = None,
    send_buffer: int = 0,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Server]:
    """Serve an application, by default with the settings that we advise.

    ``send_buffer`` is the SO_SNDBUF of its sockets, where the server can be handed one.
    """
    options = f"{kind.command} {kind.advice if settings is None else settings}".split()
    program = str(Path(sys.executable).with_name(options[0]))
    port, descriptors = "", []
    with ExitStack() as held:
        if send_buffer and kind.listen_fd is not None:
            listening = held.enter_context(socket.create_server(("127.0.0.1", 0)))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            descriptors = [listening.fileno()]
            options += kind.listen_fd.format(*descriptors).split()
        else:
            if "(" not in kind.ready:
                port = held.enter_context(keep_port())
            options += kind.listen.format(port or 0).split()
        command = [program, *options[1:], application]
        async with run(command, kind.ready, port, descriptors, environment) as it:
            yield it


async def knock(port: int) -> None:
    """Connect to a port as soon as somebody listens there."""
    async with asyncio.timeout(CEILING_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return await writer.wait_closed()


@contextmanager
def keep_port() -> Iterator[str]:
    """Keep a port from everybody but servers that set SO_REUSEPORT, as granian does."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(("127.0.0.1", 0))
        yield str(kept.getsockname()[1])


def die(page: ClientConnection) -> None:
    """End a page by a TCP reset, without a word to its server."""
    its_socket = page.transport.get_extra_info("socket")
    its_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    page.transport.abort()

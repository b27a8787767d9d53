"""Pages for a load: a websocket client with nothing in it but what these measurements ask for.

Thousands of pages of an ordinary client cost more than the server that they are to strain, on
the same machine; what is measured would be the client. So this one knows the few frames that a
server sends to htmx, reads them where they arrive, and calls its owner, without a task or a
queue for each page. What it writes is masked, as the protocol wants, with a mask of zeros.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections.abc import Callable, Iterable
from typing import Final, cast

from htmx_ws.testing import build_frame

#: Longer than anything here takes that does not hang.
CEILING_SECONDS: Final = 30

#: How many handshakes are under way at once; a server's backlog takes more, its loop is slow.
AT_ONCE: Final = 100

_STAMP: Final = re.compile(rb"<li>([\d.]+)</li>")
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA


class Page(asyncio.Protocol):
    """One open page: ``on_text`` is called with each message, as it arrives.

    ``opened`` is done when the server has accepted or will not, ``closed`` when the connection
    is over, with the code that the server gave: 1006 where it gave none, or an HTTP status where
    it did not accept. ``ended_at`` is when the page was told, by the clock of ``time.monotonic``.
    ``is_deaf`` pages look at nothing more that reaches them.
    """

    __slots__ = (
        *("_accepts", "_buffer", "_code", "closed", "ended_at", "is_deaf", "may_write"),
        *("on_text", "opened", "wire"),
    )

    def __init__(self, on_text: Callable[[bytes], object] | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[bool] = loop.create_future()
        self.closed: asyncio.Future[int] = loop.create_future()
        self.on_text = on_text
        self.ended_at = 0.0
        self.is_deaf = False
        self.may_write = asyncio.Event()
        self.wire: asyncio.Transport
        self._buffer = b""
        self._accepts = False
        self._code = 1006

    # --- what the page does ------------------------------------------------------------

    def say(self, **values: object) -> None:
        """Send a frame, as htmx does of a form with these values."""
        self.write(_TEXT, build_frame(values).encode())

    def write(self, opcode: int, payload: bytes = b"") -> None:
        """Write one websocket frame."""
        self.wire.write(frame_of(opcode, payload))

    def leave(self, code: int = 1001) -> None:
        """Go as a browser does that leaves the page."""
        self.write(_CLOSE, struct.pack("!H", code))

    def reset(self) -> None:
        """Vanish by a TCP reset, without a word."""
        reset(self.wire)

    # --- what reaches it ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = cast("asyncio.Transport", transport)
        self.may_write.set()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_result(False)
        self.ended_at = self.ended_at or time.monotonic()
        self.may_write.set()
        if not self.closed.done():
            self.closed.set_result(self._code)

    def pause_writing(self) -> None:
        self.may_write.clear()

    def resume_writing(self) -> None:
        self.may_write.set()

    def data_received(self, data: bytes) -> None:
        if self.is_deaf:
            return
        self._buffer += data
        if not self._accepts and not self._read_head():
            return
        while (frame := self._take_frame()) is not None:
            opcode, payload = frame
            if opcode == _TEXT:
                if self.on_text is not None:
                    self.on_text(payload)
            elif opcode == _PING:
                self.write(_PONG, payload)
            elif opcode == _CLOSE:
                self._code = struct.unpack_from("!H", payload)[0] if payload else 1005
                self.ended_at = time.monotonic()
                self.write(_CLOSE, payload[:2])

    def _read_head(self) -> bool:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        status = int(head.split(b" ", 2)[1])
        if status != 101:
            self._code = status
            self.wire.abort()
            return False
        self._buffer, self._accepts = rest, True
        self.opened.set_result(True)
        return True

    def _take_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 127, 2
        if length == 126:
            length, start = int.from_bytes(buffer[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < start + length:
            return None
        self._buffer = buffer[start + length :]
        return buffer[0] & 15, buffer[start : start + length]


class Arrivals:
    """Counts what reaches pages, as their ``on_text``, and how long each message was on its way.

    The latter is known of those that carry the time at which they were asked for.
    """

    def __init__(self, wanted: int = 0) -> None:
        self.count = 0
        self.seconds: list[float] = []
        self._wanted = wanted
        self._last: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def __call__(self, payload: bytes) -> None:
        now = time.monotonic()
        self.count += 1
        if stamp := _STAMP.search(payload):
            self.seconds.append(now - float(stamp[1]))
        if self.count == self._wanted:
            self._last.set_result(now)

    async def of_all(self, most: float = CEILING_SECONDS) -> float:
        """Wait for the last one that is wanted; give when it came."""
        async with asyncio.timeout(most):
            return await self._last

    def percentile(self, percent: float) -> float:
        """The seconds that this share of messages did not take longer than."""
        return sorted(self.seconds)[int(len(self.seconds) * percent / 100)]


def frame_of(opcode: int, payload: bytes) -> bytes:
    """Make a frame as a client writes it, with a payload of up to 64 KiB."""
    length = len(payload)
    size = bytes([128 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return bytes([128 | opcode]) + size + b"\0\0\0\0" + payload


def handshake(url: str, path: str) -> bytes:
    """The request by which a page of that site opens a websocket."""
    host = url.removeprefix("http://")
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {url}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()


def address_of(url: str) -> tuple[str, int]:
    """The host and port of an http address."""
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


def reset(wire: asyncio.Transport) -> None:
    """End a connection by a TCP reset."""
    if wire.is_closing():
        return
    its_socket = wire.get_extra_info("socket")
    its_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.abort()


async def connect(
    url: str,
    path: str,
    on_text: Callable[[bytes], object] | None = None,
    receive_buffer: int = 0,
) -> Page:
    """Begin to open a page; ``opened`` says when it is open."""
    loop = asyncio.get_running_loop()
    its_socket = socket.socket()
    its_socket.setblocking(False)
    if receive_buffer:  # before it connects, as the window is agreed on then
        its_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        await loop.sock_connect(its_socket, address_of(url))
    except BaseException:
        its_socket.close()
        raise
    _, page = await loop.create_connection(lambda: Page(on_text), sock=its_socket)
    page.wire.write(handshake(url, path))
    return page


async def open_page(
    url: str,
    path: str,
    on_text: Callable[[bytes], object] | None = None,
    receive_buffer: int = 0,
) -> Page:
    """Open a page, and wait until it is."""
    async with asyncio.timeout(CEILING_SECONDS):
        page = await connect(url, path, on_text, receive_buffer)
        await page.opened
    assert page.opened.result(), f"{path} was refused with {page.closed.result()}"
    return page


async def open_pages(
    url: str,
    path: str,
    count: int,
    on_text: Callable[[bytes], object] | None = None,
    receive_buffer: int = 0,
) -> list[Page]:
    """Open many pages, some at a time."""
    pages: list[Page] = []
    while len(pages) < count:
        some = min(AT_ONCE, count - len(pages))
        opening = (open_page(url, path, on_text, receive_buffer) for _ in range(some))
        pages += await asyncio.gather(*opening)
    return pages


async def close_all(pages: Iterable[Page]) -> None:
    """Reset pages, so that no port is kept from the next ones, and wait until they are over."""
    pages = list(pages)
    for page in pages:
        page.reset()
    await asyncio.gather(*(page.closed for page in pages))

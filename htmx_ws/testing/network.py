"""The network between a page and the application: requests, cookies, the lifespan.

All in process: a request is a call of the application. ``Site`` is one application and what
its pages share; ``Browser`` is one visitor's, with the cookies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.cookies import SimpleCookie
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit
from uuid import uuid4

from ..types import ASGIApp, Message
from . import django
from .browser.forms import File
from .browser.gestures import Request
from .problems import Problem, Typed, Watch

__all__ = ["Browser", "Response", "Site"]

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MOST_REDIRECTS: Final = 20
#: What browsers leave as it is in an address.
_ADDRESS: Final = "%;,/?:@&=+$-_.!~*'()[]"


@dataclass(frozen=True)
class Response:
    """What the application answered; ``error`` is what its view raised, as far as that is known."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    error: BaseException | None = None

    @property
    def text(self) -> str:
        """The body, decoded by its charset."""
        kind = self.header("content-type")
        charset = kind.partition("charset=")[2].split(";")[0].strip("\"' ") or "utf-8"
        return self.body.decode(charset, errors="replace")

    def header(self, name: str) -> str:
        """Give the value of a header, empty when it is not there."""
        return next((value for key, value in self.headers if key == name), "")


class Site:
    """An application under test; its lifespan runs while any of its pages is open.

    ``stirs`` are called when something went wrong in it, for the pages that wait.
    """

    def __init__(self, app: ASGIApp, timeout: float) -> None:
        self.app: ASGIApp = app
        self.timeout: float = timeout
        self.state: dict[str, Any] = {}
        self.problems: list[Problem] = []
        self.typed: Typed = Typed()
        self.stirs: set[Callable[[], None]] = set()
        self._hubs: dict[Any, dict[str, int]] = {}
        self._loop = asyncio.get_running_loop()
        self._watch = Watch(self._take)
        self._pages: int = 0
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._lifespan: asyncio.Task[None]
        self._turn = asyncio.Lock()

    def _take(self, problem: Problem) -> None:
        self.problems.append(problem)
        self._loop.call_soon_threadsafe(self._stir)  # handlers have threads of their own

    def _stir(self) -> None:
        for stir in tuple(self.stirs):
            stir()

    async def enter(self) -> None:
        """Start the application for its first page; raises ``RuntimeError`` when it fails."""
        async with self._turn:
            self._pages += 1
            if self._pages == 1:
                try:
                    await self._start()
                except BaseException:
                    self._pages -= 1
                    await self._stop()
                    raise

    async def leave(self) -> None:
        """Stop the application after its last page."""
        async with self._turn:
            self._pages -= 1
            if not self._pages:
                try:
                    if not self._lifespan.done():
                        await self._say("shutdown")
                finally:
                    await self._stop()

    async def _start(self) -> None:
        self._watch.start()
        self._to_app, self._answers = asyncio.Queue(), asyncio.Queue()
        self._lifespan = asyncio.create_task(self._run())
        answer = await self._say("startup")
        if answer["type"] == "lifespan.startup.failed":
            raise RuntimeError(f"the application did not start: {answer.get('message', '')}")

    async def _stop(self) -> None:
        self._watch.stop()
        self._lifespan.cancel()
        await asyncio.wait([self._lifespan], timeout=self.timeout)

    def look_at(self, conn: Any) -> None:
        """Take note of where the rooms are, as a page comes of an application of htmx-ws."""
        if conn is not None and conn._hub not in self._hubs:
            self._hubs[conn._hub] = dict(_rooms(conn._hub))

    @property
    def unheard(self) -> list[str]:
        """The rooms that something was published to, and that no page is in."""
        return [
            room
            for hub, before in self._hubs.items()
            for room, offset in _rooms(hub).items()
            if offset > before.get(room, 0) and not hub.members(room)
        ]

    @property
    def is_open(self) -> bool:
        """Whether any of its pages is."""
        return self._pages > 0

    async def _say(self, phase: str) -> Message:
        self._to_app.put_nowait({"type": f"lifespan.{phase}"})
        try:
            return await asyncio.wait_for(self._answers.get(), self.timeout)
        except TimeoutError:
            raise TimeoutError(
                f"the application's {phase} did not end within {self.timeout} s"
            ) from None

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        try:
            await self.app(scope, self._to_app.get, self._answers.put)
        except Exception as error:  # it knows no lifespan, which it says by any exception
            self._answers.put_nowait({"type": "lifespan.unknown", "message": repr(error)})
        else:
            self._answers.put_nowait({"type": "lifespan.over"})


def _rooms(hub: Any) -> Mapping[str, int]:
    """Give how much was published to each room; nothing where that is a broker's to know."""
    return getattr(hub.backend, "_offsets", {})


class Browser:
    """One visitor: the cookies, and the headers that go with every request.

    ``headers`` are sent beside those of the page, or instead of them, as ``{"origin": ...}`` is;
    pairs, where a name comes twice. ``scope`` adds to the ASGI scope.
    """

    def __init__(
        self,
        cookies: dict[str, str] | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        scope: dict[str, Any] | None = None,
    ) -> None:
        self.cookies: dict[str, str] = {} if cookies is None else cookies
        pairs: Iterable[Any] = headers.items() if isinstance(headers, Mapping) else headers
        self.headers: list[tuple[str, str]] = list(pairs)
        self.scope: dict[str, Any] = {} if scope is None else scope

    def sent(self, own: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Give the headers of a request: the page's ``own``, those given, and the cookies."""
        given = [(name.lower(), value) for name, value in self.headers]
        names = {name for name, _ in given}
        given[:0] = [each for each in own if each[0] not in names]
        if not self.cookies:
            return given
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        before = [value for name, value in given if name == "cookie"]
        return [
            *((name, value) for name, value in given if name != "cookie"),
            ("cookie", "; ".join([*before, cookies])),
        ]

    async def ask(self, site: Site, request: Request) -> tuple[Response, str]:
        """Send a request, follow redirects, and give the answer with its address."""
        for _ in range(_MOST_REDIRECTS):
            response = await self._ask(site, request)
            self._keep_cookies(response)
            place = response.header("location")
            if response.status not in _REDIRECTS or not place:
                return response, request.url
            url = urljoin(request.url, place)
            if response.status in (307, 308):
                request = Request(request.method, url, request.fields, request.enctype)
            else:
                request = Request("GET", url)
        raise RuntimeError(f"the application redirects for ever, at last to {request.url}")

    async def _ask(self, site: Site, request: Request) -> Response:
        url, body, headers = _encoded(request)
        parts = urlsplit(url)
        scheme = parts.scheme
        port = parts.port or (443 if scheme == "https" else 80)
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": scheme,
            "path": unquote(parts.path) or "/",
            "raw_path": quote(parts.path or "/", safe=_ADDRESS).encode(),
            "query_string": quote(parts.query, safe=_ADDRESS).encode(),
            "root_path": "",
            "client": ("127.0.0.1", 50000),
            "server": (parts.hostname or "testserver", port),
            "state": dict(site.state),
            "extensions": {},
            **self.scope,
        }
        sent = self.sent([("host", parts.netloc), *headers])
        scope["headers"] = [(name.encode(), value.encode()) for name, value in sent]
        return await _call(site, scope, body)

    def _keep_cookies(self, response: Response) -> None:
        for name, value in response.headers:
            if name != "set-cookie":
                continue
            for key, morsel in SimpleCookie(value).items():
                if _is_over(morsel):
                    self.cookies.pop(key, None)
                else:
                    self.cookies[key] = morsel.coded_value


def _is_over(morsel: Mapping[str, Any]) -> bool:
    if (age := str(morsel["max-age"])).lstrip("-").isdigit():
        return int(age) <= 0
    try:
        return parsedate_to_datetime(str(morsel["expires"])).timestamp() < 86400 * 365
    except ValueError:
        return False


async def _call(site: Site, scope: dict[str, Any], body: bytes) -> Response:
    started: dict[str, Any] = {}
    chunks: list[bytes] = []
    asked = [{"type": "http.request", "body": body, "more_body": False}]
    done = asyncio.Event()

    async def receive() -> Message:
        if asked:
            return asked.pop()
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(event: Message) -> None:
        if event["type"] == "http.response.start":
            started.update(event)
        elif event["type"] == "http.response.body":
            chunks.append(event.get("body", b""))
            if not event.get("more_body", False):
                done.set()

    try:
        async with asyncio.timeout(site.timeout):
            with django.asking() as raised:
                await site.app(scope, receive, send)
    except TimeoutError:
        raise TimeoutError(
            f"{scope['method']} {scope['path']} was not answered within {site.timeout} s"
        ) from None
    if not started:
        raise RuntimeError(f"the application did not answer {scope['method']} {scope['path']}")
    headers = [(n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in started["headers"]]
    error = raised[-1] if raised else None
    return Response(started["status"], headers, b"".join(chunks), error)


def _encoded(request: Request) -> tuple[str, bytes, list[tuple[str, str]]]:
    """Write a form's fields as its method and enctype say."""
    if request.method != "POST":
        if not request.fields:
            return request.url, b"", []
        query = urlencode(request.fields)
        return urlsplit(request.url)._replace(query=query, fragment="").geturl(), b"", []
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(request.url))
    if request.enctype == "multipart/form-data":
        kind, body = _multipart(request.fields)
    else:
        kind = "application/x-www-form-urlencoded"
        lines = [(name, value.replace("\n", "\r\n")) for name, value in request.fields]
        body = urlencode(lines).encode()
    headers = [("content-type", kind), ("content-length", str(len(body)))]
    return request.url, body, [*headers, ("origin", origin), ("referer", request.url)]


def _multipart(fields: Iterable[tuple[str, str]]) -> tuple[str, bytes]:
    boundary = uuid4().hex
    parts: list[str] = []
    for name, value in fields:
        lines = [f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"']
        if isinstance(value, File):
            lines = [f'{lines[0]}; filename="{value}"', "content-type: application/octet-stream"]
            value = File("")
        parts.append("\r\n".join([*lines, "", value, ""]))
    body = "".join([*parts, f"--{boundary}--\r\n"])
    return f"multipart/form-data; boundary={boundary}", body.encode()

"""``Page``: a page of the application, as a visitor has it with the htmx of his choice.

What a visitor does is done at once; what the application answers comes when it comes, and is
waited for by ``expect``. On an event loop that is awaited, in a test without one the same
call blocks.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urljoin, urlsplit

from ..dual import Done
from ..types import ASGIApp
from . import clients, problems, report, time
from .browser import gestures
from .browser.controls import value_of
from .browser.dom import Element
from .browser.gestures import Request
from .browser.tab import Event, Tab
from .link import Wire
from .network import Browser, Response, Site
from .portal import Portal
from .problems import KINDS, Kind, Problem

__all__ = ["Page"]

T = TypeVar("T")
_BASE: Final = "http://testserver/"
_sites: Final[dict[tuple[int, int], Site]] = {}


class Page:
    """A page: ``async with Page(app, "/chat") as page:``, or ``with`` where no event loop runs.

    ``path`` is got from the application; or ``html`` is the page. ``htmx`` is the version that
    it runs, one of ``VERSIONS`` or of a generation (1, 2 or 4) the newest of them, whatever the
    page loads. ``browser`` is whose cookies it has, by default a visitor of
    its own. ``timeout``, in seconds, is for everything that waits. ``strict`` are the problems
    for which it fails when it closes: True for all, or some of ``KINDS``.

    ``frames`` are the texts that it sent, ``messages`` those that it got; ``led_to`` is where a
    message sent it at last; ``errors`` is what the browser's console said, each with ``error:``,
    ``warning:`` or ``pageerror:`` before it.
    """

    def __init__(
        self,
        app: ASGIApp,
        path: str = "/",
        *,
        html: str | None = None,
        htmx: str | int = clients.VERSIONS[0],
        browser: Browser | None = None,
        timeout: float = 5.0,
        strict: bool | tuple[Kind, ...] = True,
    ) -> None:
        self.app: ASGIApp = app
        self.htmx: str = clients.find_version(htmx)
        self.browser: Browser = Browser() if browser is None else browser
        self.timeout: float = timeout
        self.strict: tuple[Kind, ...] = KINDS if strict is True else strict or ()
        self.frames: list[str] = []
        self.messages: list[str] = []
        self.wires: list[Wire] = []
        self.status: int = 200
        self.is_hidden: bool = False
        self.problems: list[Problem] = []
        self.led_to: str | None = None
        self.site: Site
        self._first = html if html is not None else Request("GET", urljoin(_BASE, path))
        self._changed = asyncio.Event()
        self._going: set[asyncio.Task[None]] = set()
        self._portal: Portal | None = None
        self._has_begun = False
        self._is_open = False
        self._asked: list[tuple[str, Coroutine[Any, Any, Any]]] = []
        self.tab: Tab = Tab(html or "", urljoin(_BASE, path))
        self.client: clients.Client = clients.start(self.htmx, self.tab)

    # --- opening and closing -------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._has_begun = True
        key = (id(self.app), id(asyncio.get_running_loop()))
        self.site = _sites.setdefault(key, Site(self.app, self.timeout))
        try:
            await self.site.enter()
        except BaseException:
            self._forget_site()
            raise
        self.site.stirs.add(self.stir)
        self._is_open = True
        try:
            if isinstance(self._first, str):
                self._load(self._first, self.tab.url)
            else:
                await self._go(self._first)
            await self._until(self._has_connected, "Its sockets did not open")
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        was_open = self._is_open
        if was_open:
            if error is None:  # what is on its way may be what fails the test
                await time.settle()
            await self._leave()
        elif not self._has_begun and error is None:
            raise AssertionError(report.NOT_OPENED)
        forgotten = self._forgotten()
        for _, work in filter(_is_forgotten, self._asked):
            work.close()  # asyncio has no need to warn of it, too
        if error is not None:
            for said in forgotten:
                error.add_note(said)
        elif forgotten:
            raise AssertionError("\n".join(forgotten))
        elif was_open:
            self.check()

    def close(self) -> Awaitable[None]:
        """Leave for good, as a visitor who closes the tab, once the application knows of it.

        Raises ``AssertionError`` for what went wrong until then. The end of the test, or of the
        ``with``, does so for every page that is still open.
        """
        return self._run("close()", self.__aexit__(None, None, None))

    async def _leave(self) -> None:
        self._is_open = False
        if self._going:  # a request that is cut short would be the application's to clean up
            await asyncio.wait(self._going, timeout=self.timeout)
        await self._hang_up()
        self.site.stirs.discard(self.stir)
        await self.site.leave()
        self._forget_site()

    def _forget_site(self) -> None:
        if not self.site.is_open:
            _sites.pop((id(self.app), id(asyncio.get_running_loop())), None)

    def __await__(self) -> Generator[Any, None, Self]:
        return self.__aenter__().__await__()

    def __enter__(self) -> Self:
        self._portal = Portal.enter()
        try:
            return self._portal.run(self.__aenter__())
        except BaseException:
            self._portal.leave()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._portal is not None
        try:
            self._portal.run(self.__aexit__(kind, error, traceback))
        finally:
            self._portal.leave()

    def _run(self, call: str, work: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """Do it now where no event loop runs, else give it to be awaited, and see that it is."""
        if self._portal is not None:
            return Done(self._portal.run(work))
        try:
            self._check_begun()
        except RuntimeError:
            work.close()
            raise
        self._asked = [*filter(_is_forgotten, self._asked), (call, work)]
        return work

    def _forgotten(self) -> list[str]:
        """Say which calls were not awaited."""
        return [report.not_awaited(call) for call, _ in filter(_is_forgotten, self._asked)]

    def _check_begun(self) -> None:
        if not self._has_begun:
            raise RuntimeError(report.NOT_OPENED)

    def _act(self, act: Callable[[], None]) -> None:
        """Do it on the page's event loop."""
        if self._portal is None:
            act()
        else:

            async def acting() -> None:
                act()

            self._portal.run(acting())

    # --- the page ------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Its address."""
        return self.tab.url

    @property
    def origin(self) -> str:
        """The origin of its address."""
        parts = urlsplit(self.tab.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def html(self) -> str:
        """The page as it is now, as a browser would write it."""
        return self.tab.document.html

    @property
    def title(self) -> str:
        """Its title."""
        return self.tab.document.title

    @property
    def errors(self) -> list[str]:
        """What the browser's console said."""
        return self.tab.errors

    @property
    def events(self) -> list[Event]:
        """The events in the page, those of users and scripts and htmx alike."""
        return self.tab.events

    @property
    def focused(self) -> Element | None:
        """The element that has the focus; None for the body."""
        return self.tab.focused

    def find(self, selector: str) -> Element:
        """Give the first element that matches; raises ``LookupError`` when there is none."""
        self._check_begun()
        found = self.tab.document.select_one(selector)
        if found is None:
            raise LookupError(report.no_element(self.tab, selector))
        return found

    def find_all(self, selector: str) -> list[Element]:
        """Give all elements that match."""
        self._check_begun()
        return self.tab.document.select(selector)

    # --- what a visitor does ---------------------------------------------------------------

    def submit(
        self,
        selector: str,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        by: str | None = None,
        **fields: Any,
    ) -> None:
        """Fill in a form and submit it: ``page.submit("#say", msg="hi")``.

        ``selector`` names the form, or an element in it. ``by`` is the button to click, else it
        is as if Enter was pressed. A field named ``by`` goes in ``values``. Text is typed; a
        box takes True or False, several of one name a list; a choice its value or its text.
        Raises ``LookupError`` for what the page has not.
        """
        element = self.find(selector)
        form = element.closest("form")
        if form is None:
            raise LookupError(f"{element.name} is in no form: use click() or change()")
        button = None if by is None else self.find(by)
        given = {**(values or {}), **fields}
        self._do(lambda: gestures.submit(self.tab, form, given, button))

    def click(self, selector: str) -> None:
        """Click an element."""
        element = self.find(selector)
        self._do(lambda: gestures.click(self.tab, element))

    def change(self, selector: str, value: Any) -> None:
        """Give a field another value, and leave it."""
        element = self.find(selector)
        self._do(lambda: gestures.change(self.tab, element, value))

    def fill(self, selector: str, text: str) -> None:
        """Type a text into a field, in the place of what is there, and stay in it."""
        element = self.find(selector)
        self._do(lambda: gestures.fill(self.tab, element, text))

    def press(self, selector: str, key: str) -> None:
        """Press a key in an element: ``Enter``, ``Escape``, ``a``."""
        element = self.find(selector)
        self._do(lambda: gestures.press(self.tab, element, key))

    def goto(self, path: str) -> Awaitable[None]:
        """Go to another address in the same tab."""
        return self._run("goto()", self._goto(Request("GET", urljoin(self.tab.url, path))))

    def _do(self, gesture: Callable[[], Request | None]) -> None:
        def act() -> None:
            going = gesture()
            self._follow()
            if going is not None:
                self._set_out(going)

        self._act(act)

    # --- its sockets -----------------------------------------------------------------------

    @property
    def closed_with(self) -> int | None:
        """The code with which its last socket was closed; None while it is open."""
        return self.wires[-1].code if self.wires else None

    def drop(self) -> None:
        """Lose the network: its sockets end without a word, and htmx will try again."""

        def act() -> None:
            for wire in self.wires:
                wire.drop()

        self._act(act)

    def reconnect(self) -> Awaitable[None]:
        """Open what was lost, as htmx does when its delay is over, if it has not done so already.

        Raises ``AssertionError`` when it stays away, as after a close with 1008.
        """
        return self._run("reconnect()", self._reconnect())

    async def _reconnect(self) -> None:
        lost = [wire for wire in self.wires if wire.was_lost]
        if not lost:
            raise AssertionError(report.stays_away(self.htmx, self.wires))
        for wire in lost:
            wire.was_lost = False
            if wire.state == "waiting":
                wire.open()
        await self._until(self._has_connected, "Its sockets did not open again")

    def hide(self) -> None:
        """Go to another tab: htmx 4 closes the sockets of a hidden page."""

        def act() -> None:
            self.is_hidden = True
            if self.client.HIDES:
                for wire in self.wires:
                    if wire.state == "open":
                        wire.drop(1005)

        self._act(act)

    def show(self) -> Awaitable[None]:
        """Come back to the page, and wait for its sockets."""
        return self._run("show()", self._show())

    async def _show(self) -> None:
        self.is_hidden = False
        for wire in self.wires:
            if wire.state == "hidden":
                wire.attempt = 0
                wire.open()
        await self._until(self._has_connected, "Its sockets did not open again")

    def advance(self, seconds: float) -> Awaitable[None]:
        """Let time pass on the event loop, for the application and the page, without waiting."""
        return self._run("advance()", time.advance(seconds))

    # --- what is expected --------------------------------------------------------------------

    def expect(
        self,
        selector: str,
        *,
        text: str | re.Pattern[str] | None = None,
        value: str | None = None,
        count: int | None = None,
        timeout: float | None = None,
    ) -> Awaitable[None]:
        """Wait until an element is there: ``await page.expect("#log li:last-child", text="hi")``.

        ``text`` is all the text in it, white space collapsed, or a pattern to be found there;
        ``value`` what a field holds; ``count`` how many there are, 0 for none. Raises
        ``AssertionError`` that shows the page, its frames and its log.
        """
        report.check_wanted(text, value)

        def is_there() -> bool:
            found = self.tab.document.select(selector)
            fits = [each for each in found if report.fits(each, text, value)]
            return len(fits) == count if count is not None else bool(fits)

        wanted = f"{report.wanted(selector, text, value, count)} did not come"
        waiting = self._until(is_there, wanted, timeout, selector)
        return self._run(f"expect({selector!r})", waiting)

    def expect_close(
        self, code: int | None = None, *, timeout: float | None = None
    ) -> Awaitable[None]:
        """Wait until the application has closed its socket, with ``code`` where it is given."""

        def is_closed() -> bool:
            return any(w.code is not None and code in (None, w.code) for w in self.wires)

        async def close() -> None:
            await self._until(is_closed, lambda: report.not_closed(self, code), timeout)
            said = f" with {code}"
            self.problems = [
                each
                for each in self.problems
                if each.kind != "closed" or (code is not None and said not in each.text)
            ]

        return self._run("expect_close()", close())

    def until(
        self, condition: Callable[[], bool], what: str = "it", *, timeout: float | None = None
    ) -> Awaitable[None]:
        """Wait until a condition holds, looked at whenever something has changed in the page.

        ``what`` is what is waited for, in words.
        """
        return self._run("until()", self._until(condition, f"{what} did not come", timeout))

    def check(self) -> None:
        """Raise ``AssertionError`` for what went wrong so far, of the kinds in ``strict``."""
        found = [p for p in self.take_problems() if p.kind in self.strict]
        if found:
            raise AssertionError("\n\n".join(map(str, found))) from found[0].error

    def take_problems(self) -> list[Problem]:
        """Give what went wrong so far, and forget it: for a test that means it to."""
        found = [*self.site.problems, *self.problems]
        self.site.problems.clear()
        self.problems.clear()
        return found

    async def _until(
        self,
        condition: Callable[[], bool],
        what: str | Callable[[], str],
        timeout: float | None = None,
        selector: str | None = None,
    ) -> None:
        seconds = self.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    if any(p.kind in self.strict for p in [*self.site.problems, *self.problems]):
                        await time.settle()
                        if condition():
                            return
                        self._give_up(what, ".", selector)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self._give_up(what, f" within {seconds} s.", selector)

    def _give_up(self, what: str | Callable[[], str], when: str, selector: str | None) -> None:
        found = self.take_problems()
        said = what if isinstance(what, str) else what()
        notes = [*map(str, found), *self._forgotten()]
        text = report.failure(self, f"{said}{when}", selector, notes)
        raise AssertionError(text) from (found[0].error if found else None)

    # --- what happens to it ------------------------------------------------------------------

    def stir(self) -> None:
        """Have those look again who wait."""
        self._changed.set()

    def sent(self, wire: Wire, text: str) -> None:
        """Take note of a frame."""
        self.frames.append(text)
        self.tab.note(f"sent: {text}")
        self.site.typed.take(json.loads(text).items())

    def received(self, wire: Wire, text: str) -> None:
        """Apply a message."""
        self.messages.append(text)
        self.tab.note(f"got: {text}")
        ids = [id for each in self.tab.document.descendants() if (id := each.attrs.get("id"))]
        missing, wiped = len(self.tab.missing), len(self.tab.wiped)
        unreadable = len(self.tab.unreadable)
        self.client.receive(wire.element, text)
        for selector in self.tab.unreadable[unreadable:]:
            self.problems.append(problems.unreadable(selector, text))
        for selector in self.tab.missing[missing:]:
            base, unless, _ = selector.strip().partition(":not(:has(")
            if unless and self.tab.document.select_one(base) is not None:
                continue  # "append this unless it is there already", and it is
            self.problems.append(problems.missing(selector, text, ids))
        for element in self.tab.wiped[wiped:]:
            self.problems.append(problems.wiped(element.name, element.inner_html, text))
        if (unescaped := self.site.typed.look(text)) is not None:
            self.problems.append(unescaped)
        self._follow()
        self.stir()

    def was_closed(self, wire: Wire, code: int, reason: str) -> None:
        """Take note that the application closed a socket."""
        path = wire.path.partition("?")[0]
        if (problem := problems.closed(path, code, reason)) is not None:
            self.problems.append(problem)

    def failed(self, what: str, error: Exception) -> None:
        """Take note of what the application raised."""
        self.tab.note(f"{what}: {error!r}")
        self.problems.append(Problem("exception", f"{what}:", error))
        self.stir()

    def _follow(self) -> None:
        if self.tab.goes_to is not None:
            self.led_to, self.tab.goes_to = self.tab.goes_to, None
            self._set_out(Request("GET", self.led_to))

    def _set_out(self, request: Request) -> None:
        async def go() -> None:
            try:
                await self._goto(request)
            except Exception as error:
                self.failed(f"{request.method} {urlsplit(request.url).path} failed", error)

        task = asyncio.get_running_loop().create_task(go())
        self._going.add(task)
        task.add_done_callback(self._going.discard)

    async def _goto(self, request: Request) -> None:
        here = urlsplit(self.tab.url)._replace(fragment="").geturl()
        there, _, fragment = request.url.partition("#")
        if fragment and request.method == "GET" and there == here:
            self.tab.url = request.url
            self.stir()
            return
        await self._hang_up()
        await self._go(request)
        await self._until(self._has_connected, "Its sockets did not open")

    async def _go(self, request: Request) -> None:
        response, url = await self.browser.ask(self.site, request)
        self.response: Response = response
        self.status = response.status
        self._load(response.text, url)
        said = f"{request.method} {urlsplit(url).path} was answered with {response.status}"
        if response.status >= 400:
            self.tab.note(said)
        if response.status >= 500:
            error = response.error
            self.problems.append(Problem("exception", f"{said}:" if error else said, error))

    def _load(self, html: str, url: str) -> None:
        log, events = self.tab.log, self.tab.events
        tab = self.tab = Tab(html, url, self._connect)
        tab.log[:0], tab.events[:0] = log, events
        tab.later, tab.repeat = self._later, self._repeat
        self.client = clients.start(self.htmx, tab)
        self.client.start()
        self.stir()

    def _connect(self, element: Element, url: str) -> Wire:
        wire = Wire(self, element, url)
        self.wires.append(wire)
        return wire

    def _later(self, seconds: float, act: Callable[[], object]) -> Callable[[], None]:
        loop = asyncio.get_running_loop()
        return loop.call_later(seconds, act).cancel

    def _repeat(self, seconds: float, act: Callable[[], object]) -> Callable[[], None]:
        loop, tab = asyncio.get_running_loop(), self.tab
        handle: list[asyncio.TimerHandle] = []

        def again() -> None:
            if tab is self.tab:
                act()
                handle[:] = [loop.call_later(seconds, again)]

        handle[:] = [loop.call_later(seconds, again)]
        return lambda: handle[0].cancel()

    def _has_connected(self) -> bool:
        return all(wire.state != "connecting" for wire in self.wires)

    async def _hang_up(self) -> None:
        wires, self.wires = self.wires, []
        for wire in wires:
            wire.close(self.client.GONE)
        for wire in wires:
            await wire.ended()

    def value(self, selector: str) -> str:
        """Give what a field holds."""
        return value_of(self.find(selector))


def _is_forgotten(asked: tuple[str, Coroutine[Any, Any, Any]]) -> bool:
    return inspect.getcoroutinestate(asked[1]) == inspect.CORO_CREATED

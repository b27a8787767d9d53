"""The pytest plugin: pages by a fixture, closed and checked when the test is over.

pytest loads it in every project that has this package, so it imports nothing until a test
asks for a page. It knows no event loop plugin: an async test is wrapped, so that its pages
close on its own loop, whichever runs it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..types import ASGIApp
    from .network import Browser
    from .page import Page
    from .problems import Kind

__all__ = ["OpenPage"]

_VERSIONS = "4.0.1 2.0.11"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what a project may set."""
    parser.addini("htmx_app", "the application under test, as package.module:name", default="")
    parser.addini("htmx_versions", "the htmx that tests of pages run with", default=_VERSIONS)
    parser.addini("htmx_timeout", "how long a page waits, in seconds", default="5")
    parser.addini(
        "htmx_strict",
        "what fails a test though it asserts something else: yes, no, or some of exception "
        "missing wiped unescaped unhandled closed",
        default="yes",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test of pages with each htmx, unless it names its own."""
    if "htmx" not in metafunc.fixturenames or "open_page" not in metafunc.fixturenames:
        return
    named = [
        name for mark in metafunc.definition.iter_markers("parametrize") for name in _names(mark)
    ]
    if "htmx" not in named:
        versions = metafunc.config.getini("htmx_versions").split()
        metafunc.parametrize("htmx", versions, ids=[f"htmx {version}" for version in versions])


def _names(mark: pytest.Mark) -> list[str]:
    names = mark.args[0] if mark.args else mark.kwargs["argnames"]
    return [each.strip() for each in names.split(",")] if isinstance(names, str) else list(names)


class OpenPage:
    """Opens pages: ``page = await open_page("/chat")``, or without ``await`` in a plain test.

    The arguments are those of ``Page``, which has what the project's settings say by default.
    """

    def __init__(
        self,
        find_app: Callable[[], ASGIApp],
        htmx: str | int,
        timeout: float,
        strict: bool | tuple[Kind, ...],
    ) -> None:
        self._find_app = find_app
        self._htmx = htmx
        self._timeout = timeout
        self._strict = strict
        self._pages: list[Page] = []
        self.is_async: bool = False

    def __call__(
        self,
        path: str = "/",
        *,
        app: ASGIApp | None = None,
        html: str | None = None,
        htmx: str | int | None = None,
        browser: Browser | None = None,
        timeout: float | None = None,
        strict: bool | tuple[Kind, ...] | None = None,
    ) -> Page:
        from .page import Page

        page = Page(
            self._find_app() if app is None else app,
            path,
            html=html,
            htmx=self._htmx if htmx is None else htmx,
            browser=browser,
            timeout=self._timeout if timeout is None else timeout,
            strict=self._strict if strict is None else strict,
        )
        self._pages.append(page)
        if not self.is_async:
            page.__enter__()
        return page

    async def close(self, error: BaseException | None) -> None:
        """Close the pages of an async test, and fail it for what went wrong unseen."""
        first: BaseException | None = None
        for page in reversed(self._pages):
            try:
                await page.__aexit__(type(error) if error else None, error, None)
            except BaseException as failed:  # the others are closed all the same
                error = first = first or failed
        if first is not None:
            raise first

    def close_now(self) -> None:
        """Close those of a plain test."""
        first: BaseException | None = None
        for page in reversed(self._pages):
            try:
                page.__exit__(type(first) if first else None, first, None)
            except BaseException as failed:
                first = first or failed
        if first is not None:
            raise first


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Have the pages of an async test closed on its own event loop."""
    yield
    open_page = getattr(item, "funcargs", {}).get("open_page")
    test: Any = getattr(item, "obj", None)
    if not isinstance(open_page, OpenPage) or not inspect.iscoroutinefunction(test):
        return

    @functools.wraps(test)
    async def with_pages(*args: Any, **kwargs: Any) -> None:
        try:
            await test(*args, **kwargs)
        except BaseException as error:
            await open_page.close(error)
            raise
        await open_page.close(None)

    item.obj = with_pages  # type: ignore[attr-defined]


@pytest.fixture
def htmx_app(request: pytest.FixtureRequest) -> ASGIApp:
    """The application under test: what ``htmx_app`` names in the settings, or your own fixture."""
    from importlib import import_module

    named = request.config.getini("htmx_app")
    module, colon, name = named.partition(":")
    if not colon:
        raise pytest.UsageError(
            'Which application? Set htmx_app = "package.module:app" in pytest\'s settings, or '
            "write a fixture htmx_app that gives it."
        )
    try:
        app: ASGIApp = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # of what the module imports itself
        raise pytest.UsageError(
            f"htmx_app = {named}: Python finds no module {error.name!r}. Where it stands beside "
            "pytest's settings and the tests in a folder, add to the settings: pythonpath = ."
        ) from error
    return app


@pytest.fixture
def htmx() -> str:
    """The version of htmx that the test's pages run."""
    from .clients import VERSIONS

    return VERSIONS[0]


@pytest.fixture
def open_page(request: pytest.FixtureRequest, htmx: str) -> Iterator[OpenPage]:
    """Open pages of the application: ``page = await open_page("/chat")``."""
    from .problems import KINDS

    strict: Any = request.config.getini("htmx_strict").split()
    if strict in (["yes"], ["no"]):
        strict = strict == ["yes"]
    elif unknown := set(strict) - set(KINDS):
        raise pytest.UsageError(f"htmx_strict: {unknown} is none of {', '.join(KINDS)}, yes, no")
    pages = OpenPage(
        lambda: request.getfixturevalue("htmx_app"),
        htmx,
        float(request.config.getini("htmx_timeout")),
        strict if isinstance(strict, bool) else tuple(strict),
    )
    pages.is_async = inspect.iscoroutinefunction(getattr(request.node, "obj", None))
    yield pages
    if not pages.is_async:
        pages.close_now()

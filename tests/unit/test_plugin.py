"""The pytest plugin, in test runs of its own."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import pytest
import selectolax.lexbor

from htmx_ws.testing import Page
from tests.unit import live_site

pytest_plugins = ["pytester"]

#: A test run within forgets what it imported first, so what is shared is imported before it.
SHARED: Final = (Page, selectolax.lexbor, live_site)
#: Where this package is not installed anew since it has the plugin, it is named.
PLUGIN: Final = (
    () if "htmx_ws" in entry_points(group="pytest11").names else ("-p", "htmx_ws.testing.plugin")
)
SITE: Final = """
import pytest
from tests.unit import live_site

live, app = live_site.make()

@pytest.fixture
def htmx_app():
    return app
"""


@pytest.fixture(autouse=True)
def project(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest(SITE)


def run(pytester: pytest.Pytester, test: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(test)
    return pytester.runpytest_inprocess(*PLUGIN, "-p", "no:django", *options)


def test_async_tests_have_pages_with_each_htmx(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
async def test_it(open_page, htmx):
    ann, bob = await open_page("/"), await open_page("/")
    ann.submit("#say", msg="hi")
    await bob.expect("#log li", text="hi")
    assert ann.htmx == htmx
""",
        "-v",
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*htmx 4.0.1*PASSED*", "*htmx 2.0.11*PASSED*"])


def test_plain_tests_and_tests_that_name_their_htmx(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
import pytest

@pytest.mark.parametrize("htmx", ["1.9.12"])
def test_it(open_page):
    page = open_page("/")
    page.submit("#say", msg="hi")
    page.expect("#log li", text="hi")
    assert page.htmx == "1.9.12"

@pytest.mark.parametrize(("htmx", "n"), [("2.0.4", 1)])
def test_more(open_page, n):
    assert open_page("/none", strict=False, timeout=1, htmx="4.0.1").htmx == "4.0.1"

@pytest.mark.parametrize(argnames="other", argvalues=[1])
def test_other(open_page, other):
    open_page("/none").find("p")

def test_none(htmx):
    assert htmx == "4.0.1"
""",
    ).assert_outcomes(passed=5)


def test_what_goes_wrong_unseen_fails_the_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
async def test_async(open_page):
    page = await open_page("/")
    page.submit("#say", msg="lost")
    await page.until(lambda: page.problems)

def test_plain(open_page):
    page = open_page("/")
    page.submit("#say", msg="lost")
    page.until(lambda: page.problems)

async def test_its_own_failure_comes_first(open_page):
    page = await open_page("/")
    page.submit("#say", msg="lost")
    await page.until(lambda: page.problems)
    assert page.title == "Other"
""",
        "-o",
        "htmx_versions=4.0.1",
    )
    result.assert_outcomes(failed=2, passed=1, errors=1)
    result.stdout.fnmatch_lines(["*A message was for '#nowhere'*"])


def test_what_is_not_awaited_fails_the_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
async def test_of_a_page(open_page):
    page = await open_page("/")
    page.expect("#log li", text="never comes")

async def test_to_open_it(open_page):
    open_page("/")

async def test_to_open_what_is_used(open_page):
    page = open_page("/")
    page.submit("#say", msg="hi")
""",
        "-o",
        "htmx_versions=4.0.1",
    )
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "*expect('#log li') was not awaited*",
            "*AssertionError: The page was not opened: write `page = await open_page*",
            "*RuntimeError: The page was not opened: write `page = await open_page*",
        ]
    )


def test_every_page_is_closed_though_one_of_them_fails(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
import logging

async def test_async(open_page):
    for page in (await open_page("/"), await open_page("/")):
        page.submit("#say", msg="lost")
        await page.until(lambda: page.problems)

def test_plain(open_page):
    for page in (open_page("/"), open_page("/")):
        page.submit("#say", msg="lost")
        page.until(lambda: page.problems)

def test_nothing_listens_any_more():
    watching = [each for each in logging.getLogger("htmx_ws").handlers]
    assert not watching
""",
        "-o",
        "htmx_versions=4.0.1",
    )
    result.assert_outcomes(passed=2, failed=1, errors=1)


@pytest.mark.parametrize("strict", ["no", "exception unhandled"])
def test_a_project_says_what_it_is_strict_about(pytester: pytest.Pytester, strict: str) -> None:
    run(
        pytester,
        """
async def test_it(open_page):
    page = await open_page("/")
    page.submit("#say", msg="lost")
    await page.until(lambda: page.problems)
""",
        "-o",
        f"htmx_strict={strict}",
    ).assert_outcomes(passed=2)


def test_a_word_that_is_no_kind_of_problem_is_named(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_it(open_page): pass", "-o", "htmx_strict=everything")
    result.stdout.fnmatch_lines(["*'everything'* is none of exception, missing*"])


def test_the_application_is_named_by_the_settings(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("")
    pytester.makepyfile(its_site=SITE)
    test = 'def test_it(open_page): open_page("/none").expect("p")'
    run(pytester, test, "-o", "htmx_app=its_site:app").assert_outcomes(passed=2)
    result = run(pytester, test)
    result.stdout.fnmatch_lines(["*Which application?*"])


def test_an_application_that_is_not_found_says_where_it_is_sought(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest("")
    pytester.makepyfile(broken="import broken_too", its_site="")
    test = 'def test_it(open_page): open_page("/")'
    said = "*htmx_app = {}: Python finds no module '{}'*add to the settings: pythonpath = .*"
    for app, name in (("no_app:app", "no_app"), ("no_app.site:app", "no_app")):
        result = run(pytester, test, "-o", f"htmx_app={app}")
        result.stdout.fnmatch_lines([said.format(app, name)])
    result = run(pytester, test, "-o", "htmx_app=broken:app")
    result.stdout.fnmatch_lines(["*ModuleNotFoundError: No module named 'broken_too'"])
    result.stdout.no_fnmatch_line("*pythonpath*")


def test_it_imports_nothing_heavy() -> None:
    """Every test run of a project that has this package loads it."""
    heavy = "{'pydantic', 'selectolax', 'asyncio', 'htmx_ws.app', 'htmx_ws.testing.page'}"
    code = (
        f"import pytest, sys; before = set(sys.modules); import htmx_ws.testing.plugin; "
        f"print((set(sys.modules) - before) & {heavy})"
    )
    root = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert said.stdout.strip() == "set()", said.stdout + said.stderr

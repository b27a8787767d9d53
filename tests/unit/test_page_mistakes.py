"""What a test of pages does wrong itself, and is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from htmx_ws import HtmxWS, Refused, append, html, redirect, scripts
from htmx_ws.testing import VERSIONS, Page, assert_joined
from htmx_ws.types import Receive, Scope, Send
from tests.unit import live_site

CALLS: dict[str, Callable[[Page], Awaitable[None]]] = {
    "expect('#log li')": lambda page: page.expect("#log li", text="never comes"),
    "expect_close()": lambda page: page.expect_close(),
    "until()": lambda page: page.until(lambda: False),
    "reconnect()": lambda page: page.reconnect(),
    "show()": lambda page: page.show(),
    "goto()": lambda page: page.goto("/away"),
    "advance()": lambda page: page.advance(1),
    "close()": lambda page: page.close(),
}

# --- a forgotten await -------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_that_nobody_awaited_fails_the_test(call: str) -> None:
    """Strict or not: it did nothing, so the test has not tested what it says."""
    _, app = live_site.make()
    with pytest.raises(AssertionError) as failed:
        async with Page(app, strict=False) as page:
            CALLS[call](page)
    name = call.partition("(")[0]
    assert str(failed.value) == (
        f"{call} was not awaited, so it did nothing: write `await page.{name}(...)`."
    )


async def test_a_call_that_is_awaited_later_is_not_forgotten() -> None:
    _, app = live_site.make()
    async with Page(app) as ann, Page(app) as bob:
        waiting = ann.expect("#log li", count=2), bob.expect("#log li", count=2)
        ann.check()
        ann.submit("#say", msg="hi")
        bob.submit("#say", msg="hi")
        await asyncio.gather(*waiting)


async def test_a_test_that_fails_anyhow_has_a_note_of_it() -> None:
    _, app = live_site.make()

    async def fail() -> None:
        async with Page(app) as page:
            page.show()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as failed:
        await fail()
    assert failed.value.__notes__ == [
        "show() was not awaited, so it did nothing: write `await page.show(...)`."
    ]


async def test_what_was_waited_for_in_vain_may_be_missing_for_that() -> None:
    _, app = live_site.make()
    async with Page(app) as page:
        page.goto("/away")
        with pytest.raises(AssertionError, match=r"did not come(.|\n)*goto\(\) was not awaited"):
            await page.expect("p", text="gone", timeout=0.01)
        with pytest.raises(AssertionError, match=r"^goto\(\) was not awaited"):
            await page.close()


async def test_a_page_that_is_not_open_says_how_to_open_it() -> None:
    _, app = live_site.make()
    page = Page(app)
    acts: list[Callable[[], object]] = [
        lambda: page.submit("#say", msg="hi"),
        lambda: page.find_all("li"),
        lambda: page.expect("#log li"),
    ]
    for act in acts:
        with pytest.raises(RuntimeError, match=r"not opened: write `page = await open_page\("):
            act()
    with pytest.raises(AssertionError, match=r"not opened: write `page = await open_page\("):
        await page.__aexit__(None, None, None)


# --- what cannot come --------------------------------------------------------------------


async def test_what_is_no_text_is_in_no_page() -> None:
    _, app = live_site.make()
    wrong: Any = 5
    async with Page(app) as page:
        with pytest.raises(TypeError, match=r"text=5 is compared with what is in the page: use a"):
            page.expect("#log", text=wrong)
        with pytest.raises(TypeError, match=r"value=5 is compared"):
            page.expect("#log", value=wrong)


@pytest.mark.parametrize("htmx", VERSIONS)
async def test_a_page_that_is_led_away_does_not_see_its_close(htmx: str) -> None:
    live = HtmxWS()

    async def refuse() -> None:
        raise Refused("not yours", code=4403, content=redirect("/login"))

    @live.ws("/ws", conn=refuse)
    async def say(msg: str) -> None: ...

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        page = html("<div {}></div>", live.connect_attrs("/ws"))
        body = page if scope["path"] == "/" else "<p>Log in</p>"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body.encode()})

    async with Page(live.wrap(site), htmx=htmx) as page:
        await page.expect("p", text="Log in")
        assert (page.url, page.led_to) == ("http://testserver/login",) * 2
        said = (
            "^The page was led to http://testserver/login, which ended its socket: see page.url, "
            "and not whether the application closed it with 4403. That did not come within"
        )
        with pytest.raises(AssertionError, match=said):
            await page.expect_close(4403, timeout=0.01)


# --- another htmx ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("htmx", "version"),
    [("4", "4.0.1"), (4, "4.0.1"), ("2", "2.0.11"), (2, "2.0.11"), (1, "1.9.12")],
)
def test_a_generation_is_its_newest_version(htmx: str | int, version: str) -> None:
    assert Page(live_site.make()[1], htmx=htmx).htmx == version


@pytest.mark.parametrize("htmx", ["3", 3, "2.0", "", "4.0.99"])
def test_what_is_not_known_is_refused_with_what_is(htmx: str | int) -> None:
    with pytest.raises(ValueError, match=r"use 1, 2 or 4, or one of 4\.0\.1, 2\.0\.11"):
        Page(live_site.make()[1], htmx=htmx)


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (scripts(2), "The page itself loads htmx 2, and in this test it runs htmx 4.0.1"),
        ('<script src="/static/htmx-2.0.4.min.js"></script>', "loads htmx 2, and"),
        ('<script src="//cdn.example/htmx/1.9.12/htmx.js"></script>', "loads htmx 1, and"),
        (scripts(4), ""),
        (f"{scripts(2)}{scripts(4)}", ""),
        ('<script src="/htmx.min.js"></script><script src="/htmx-ext-ws@2.0.4"></script>', ""),
    ],
)
async def test_a_page_that_loads_another_htmx_is_told_of_when_a_test_fails(
    tags: str, said: str
) -> None:
    """And not before: to run a page with each htmx is what many tests are for."""
    _, app = live_site.make()
    async with Page(app, html=tags) as page:
        with pytest.raises(AssertionError) as failed:
            await page.expect("#x", timeout=0)
    assert said in str(failed.value)
    assert bool(said) == ("The page itself loads" in str(failed.value))


# --- rooms -------------------------------------------------------------------------------


async def test_what_nobody_hears_is_told_of_when_a_test_fails() -> None:
    live, app = live_site.make()
    await live.publish("before", append("#log", "<li>0</li>"))
    async with Page(app) as page:
        await live.publish("chat", append("#log", "<li>1</li>"))
        with pytest.raises(AssertionError) as failed:
            await page.expect("#log li", count=2, timeout=0)
        assert "published" not in str(failed.value)
        await live.publish("caht", append("#log", "<li>2</li>"))
        said = r"Something was published to 'caht', and no page is in there. This page is in 'chat'"
        with pytest.raises(AssertionError, match=said):
            await page.expect("#log li", count=2, timeout=0)
        page.drop()
        await assert_joined(live, "chat", pages=0)
        said = r"Something was published to 'chat', 'caht', and .* This page is in no room\."
        with pytest.raises(AssertionError, match=said):
            await page.expect("#log li", count=2, timeout=0)

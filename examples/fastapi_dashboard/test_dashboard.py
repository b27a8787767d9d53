"""The dashboard, tested by its pages: who may do what, and that all see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.fastapi_dashboard.dashboard.app import app
from examples.fastapi_dashboard.dashboard.live import live
from htmx_ws.testing import Page, assert_joined, assert_published
from htmx_ws.testing.plugin import OpenPage
from htmx_ws.types import ASGIApp


@pytest.fixture
def htmx_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ASGIApp:
    """The application under test, with a database that its lifespan opens for the first page."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/fleet.db")
    return app


async def sign_in(open_page: OpenPage, name: str) -> Page:
    page = await open_page("/")
    page.submit("form", by=f"[value={name}]")
    await page.expect("header b", text=name)
    await page.expect("#totals *")
    return page


async def test_whoever_is_not_signed_in_gets_the_login(open_page: OpenPage) -> None:
    page = await open_page("/")
    assert page.url == "http://testserver/login"


async def test_an_operator_drains_a_server_and_all_see_it(open_page: OpenPage) -> None:
    olga, vera = await sign_in(open_page, "Olga"), await sign_in(open_page, "Vera")
    await assert_joined(live, "fleet", pages=2)
    state = olga.find("article form.state button[value=drain]").closest("article")
    assert state is not None
    with assert_published(live, "fleet", contains=f"drain {state.id}"):
        olga.click(f"#{state.id} [value=drain]")
        await vera.expect("#entries tr:last-child td:last-child", text=f"drain {state.id}")
    await vera.expect(f"#{state.id} [value=restore]")
    olga.click(f"#{state.id} [value=restore]")
    await vera.expect(f"#{state.id} [value=drain]")


async def test_a_viewer_is_told_that_he_may_not(open_page: OpenPage) -> None:
    vera = await sign_in(open_page, "Vera")
    vera.click("[value=restart]")
    await vera.expect("#problem p", text="Vera, a viewer may not do that: ask an operator.")
    vera.click("#problem button")
    await vera.expect("#problem *", count=0)


async def test_notes_are_text(open_page: OpenPage) -> None:
    otto = await sign_in(open_page, "Otto")
    otto.submit("#note-form", text="<i>look</i>")
    await otto.expect("#entries tr:last-child td:last-child", text="“<i>look</i>”")
    await otto.expect("#note-form [name=text]", value="")


async def test_the_numbers_change_every_second(open_page: OpenPage) -> None:
    otto = await sign_in(open_page, "Otto")
    before = [each.text for each in otto.find_all(".metrics")]
    await otto.advance(3)
    await otto.until(lambda: [e.text for e in otto.find_all(".metrics")] != before, "new numbers")

"""The dashboard of ``examples/fastapi_dashboard``, before the eyes of several people."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import delete

from examples.fastapi_dashboard.dashboard import live as sockets
from examples.fastapi_dashboard.dashboard.app import app
from examples.fastapi_dashboard.dashboard.fleet import Fleet, fleet
from examples.fastapi_dashboard.dashboard.models import Entry, sessions
from htmx_ws.types import ASGIApp
from tests.browser.guests import Guests
from tests.browser.test_chat import EVIL

pytestmark = pytest.mark.browser

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def url(serve: Callable[[ASGIApp], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sockets, "seconds_per_tick", 0.25)
        patch.setenv("DATABASE_URL", f"sqlite:///{tmp_path_factory.mktemp('fleet')}/fleet.db")
        yield serve(app)


@pytest.fixture(autouse=True)
def another_day(url: str) -> Iterator[None]:
    yield
    for server in fleet:
        server.state = "serving"
    with sessions() as session:
        session.execute(delete(Entry))
        session.commit()


class SignIn(Protocol):
    def __call__(self, name: str) -> Page: ...


@pytest.fixture(params=[2, 4], ids="htmx {}".format)
def sign_in(request: pytest.FixtureRequest, guests: Guests, url: str) -> SignIn:
    def sign_in(name: str) -> Page:
        page = guests.come(f"{url}/login")
        page.get_by_role("button", name=name).click()
        if request.param != 4:
            page.goto(f"{url}/?htmx={request.param}")
        expect(page.locator("header b")).to_have_text(name)
        return page

    return sign_in


def card(page: Page, server: str) -> Locator:
    return page.get_by_role("article", name=re.compile(f"^{server}"))


def entries(page: Page) -> Locator:
    """The audit log without its times."""
    return page.locator("#entries > tr > td:not(:first-child)")


def test_what_an_operator_does_is_on_every_page(sign_in: SignIn, guests: Guests) -> None:
    olga, vera = sign_in("Olga"), sign_in("Vera")
    numbers = [page.locator("#web-1 .requests") for page in (olga, vera)]
    for number in numbers:  # they move by themselves
        expect(number).not_to_have_text(number.inner_text())
    card(olga, "api-2").get_by_role("button", name="Drain").click()
    for page in (olga, vera):
        expect(card(page, "api-2").locator(".chip")).to_have_text(re.compile("draining|drained"))
        expect(card(page, "api-2").get_by_role("button", name="Restore")).to_be_visible()
        expect(page.locator("#totals")).to_contain_text("5 of 6")
        expect(entries(page)).to_have_text(["Olga", "drain api-2"])
    card(olga, "api-2").get_by_role("button", name="Restore").click()
    expect(entries(vera)).to_have_text(["Olga", "drain api-2", "Olga", "restore api-2"])
    expect(card(vera, "api-2").get_by_role("button", name="Drain")).to_be_visible()
    for page in (olga, vera):  # the login led to a page of htmx 4 before
        htmx = page.locator("header .chip").first.inner_text().removeprefix("htmx ")
        urls = [socket.url for socket in guests.sockets[page]]
        assert [url.endswith(f"hx={htmx}") for url in urls].count(True) == 1


def test_a_viewer_is_told_that_only_operators_may(sign_in: SignIn) -> None:
    olga, vera = sign_in("Olga"), sign_in("Vera")
    problem = vera.get_by_role("alert")
    card(vera, "web-1").get_by_role("button", name="Restart").click()
    expect(problem).to_contain_text("Vera, a viewer may not do that: ask an operator.")
    expect(card(olga, "web-1").locator(".chip")).not_to_have_text("restarting")
    vera.get_by_role("button", name="Dismiss").click()
    expect(problem).to_be_empty()
    vera.get_by_role("button", name="Note").click()
    expect(problem).to_contain_text("at least 1 character")
    vera.get_by_label("Note", exact=True).fill(EVIL)
    vera.keyboard.press("Enter")
    for page in (vera, olga):  # nothing but this was done
        expect(entries(page)).to_have_text(["Vera", f"“{EVIL}”"])
        expect(page.locator("img")).to_have_count(0)
    expect(problem).to_be_empty()
    expect(olga.get_by_role("alert")).to_be_empty()
    expect(vera.get_by_label("Note", exact=True)).to_have_value("")


@pytest.mark.parametrize("sign_in", [4], indirect=True, ids=["htmx 4"])
def test_whoever_is_not_signed_in_has_no_socket(sign_in: SignIn, guests: Guests, url: str) -> None:
    stranger = guests.come(f"{url}/")
    expect(stranger).to_have_url(f"{url}/login")
    olga = sign_in("Olga")
    number = olga.locator("#totals .requests")
    expect(number).not_to_have_text(number.inner_text())
    olga.context.clear_cookies()
    sockets.live.disconnect(room="fleet", code=1012)  # as when the server is restarted
    expect(olga).to_have_url(f"{url}/login")
    assert sockets.live.members("fleet") == []


@pytest.mark.parametrize("sign_in", [4], indirect=True, ids=["htmx 4"])
def test_a_morning_for_the_picture(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The README's picture: UPDATE_SCREENSHOTS=1 writes it, every run shows that it can."""
    monkeypatch.setattr(fleet, "_servers", Fleet()._servers)
    olga, vera = sign_in("Olga"), sign_in("Vera")
    olga.set_viewport_size({"width": 1240, "height": 740})
    for page, note in ((vera, "web-3: its memory is creeping up again"), (olga, "I see <b>it</b>")):
        page.get_by_label("Note", exact=True).fill(note)
        page.keyboard.press("Enter")
        expect(entries(olga).last).to_have_text(f"“{note}”")
    card(olga, "api-2").get_by_role("button", name="Drain").click()
    expect(card(olga, "api-2").locator(".chip")).to_have_text("draining")
    expect(card(olga, "api-2").locator(".requests")).to_have_text(re.compile("^[1-5]?.$"))
    card(olga, "web-1").get_by_role("button", name="Restart").click()
    expect(olga.locator("#totals")).to_contain_text("4 of 6")
    olga.mouse.move(0, 0)
    picture = olga.screenshot(path=tmp_path / "board.png", animations="disabled")
    assert 20_000 < len(picture) < 250_000
    if os.environ.get("UPDATE_SCREENSHOTS"):
        (ROOT / "docs" / "images" / "fastapi_dashboard.png").write_bytes(picture)

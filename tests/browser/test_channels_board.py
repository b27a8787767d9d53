"""The board of ``examples/channels_board``: whoever saves a card, every page has it.

Django's settings are the whole process's, so the project runs in a process of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.guests import Guests
from tests.browser.test_chat import EVIL

pytestmark = pytest.mark.browser

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = ROOT / "examples" / "channels_board"
ALREADY: Final = "There is a card with this title already."


@contextmanager
def project(home: Path, htmx: int) -> Iterator[str]:
    """Start the project as its README says, on an empty database; gives its address."""
    log = home / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, PROJECT / "run.py"],
            env={"PORT": "0", "HTMX": str(htmx), "DATABASE": str(home / "board.sqlite3")},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            says = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+/", says)
            assert found, says + log.read_text()
            yield found[0]
        finally:
            process.terminate()
            process.wait(10)
    # No warning, and no error; but some browsers ask for the icon that the admin does not have.
    assert set(log.read_text().splitlines()) <= {"Not Found: /favicon.ico"}


@pytest.fixture(scope="module", params=[2, 4], ids="htmx {}".format)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with project(tmp_path_factory.mktemp("board"), request.param) as url:
        yield url


SignIn = Callable[[str], Page]


@pytest.fixture(scope="module")
def sessions(url: str) -> dict[str, str]:
    """The session's cookie of each who has signed in; hashing passwords takes its time."""
    return {}


@pytest.fixture
def sign_in(guests: Guests, url: str, sessions: dict[str, str]) -> SignIn:
    """Come in by a name: by the form the first time, then by the session of that time."""

    def sign_in(name: str) -> Page:
        if name not in sessions:
            page = sign_in_by_form(guests, url, name)
            sessions[name] = session_of(page)
            return page
        page = guests.come(f"{url}static/cards/board.css")
        page.context.add_cookies([{"name": "sessionid", "value": sessions[name], "url": url}])
        page.goto(url)
        expect(people(page).filter(has_text=name)).to_be_visible()
        return page

    return sign_in


def sign_in_by_form(guests: Guests, url: str, name: str) -> Page:
    page = guests.come(url)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(name)
    page.get_by_role("button", name="Sign in").click()
    expect(people(page).filter(has_text=name)).to_be_visible()
    return page


def session_of(page: Page) -> str:
    (session,) = (each for each in page.context.cookies() if each.get("name") == "sessionid")
    return session.get("value", "")


def people(page: Page) -> Locator:
    return page.locator("#people li > span:last-child")


def cards(page: Page, column: str) -> Locator:
    return page.get_by_role("region", name=column).get_by_role("listitem")


def titles(page: Page, column: str) -> Locator:
    return cards(page, column).locator("p")


def card(page: Page, title: str) -> Locator:
    """Every card with a title, in whatever column: there has to be one."""
    return page.locator("li.card").filter(has=page.get_by_text(title, exact=True))


def add(page: Page, title: str) -> None:
    """Type a title and press Enter; the field is empty again when the card has been added."""
    page.get_by_label("Title").fill(title)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Title")).to_have_value("")
    expect(card(page, title)).to_have_count(1)


def test_a_card_is_written_with_its_errors_beside_it_and_is_on_both_pages(
    sign_in: SignIn, guests: Guests
) -> None:
    ann, bob = sign_in("ann"), sign_in("bob")
    for page in (ann, bob):
        expect(people(page)).to_have_text(["ann", "bob"])
    title, errors = ann.get_by_label("Title"), ann.locator("#id_title-errors")
    title.press_sequentially("Te")
    expect(errors).to_contain_text("at least 3 characters")
    title.press_sequentially("a")  # what is typed is not touched by what is said of it
    expect(errors).to_be_empty()
    expect(title).to_have_value("Tea")
    title.fill("Draw a poster")
    expect(errors).to_have_text(ALREADY)
    ann.get_by_label("Rose").check()
    title.press("Enter")
    expect(ann.locator("#new-card input[aria-invalid]")).to_be_focused()
    expect(title).to_have_value("Draw a poster")
    expect(ann.get_by_label("Rose")).to_be_checked()
    expect(errors).to_have_text(ALREADY)
    expect(card(ann, "Draw a poster")).to_have_count(1)
    title.fill("Draw another poster")
    expect(errors).to_be_empty()  # it was looked at, and not yet added
    expect(card(ann, "Draw another poster")).to_have_count(0)
    title.press("Enter")
    for page in (ann, bob):
        expect(titles(page, "To do").last).to_have_text("Draw another poster")
        expect(card(page, "Draw another poster")).to_have_count(1)
        expect(card(page, "Draw another poster")).to_have_class(re.compile("rose"))
    expect(title).to_have_value("")
    expect(title).to_be_focused()
    expect(errors).to_be_empty()
    add(bob, EVIL)
    for page in (ann, bob):
        expect(titles(page, "To do").last).to_have_text(EVIL)
        expect(page.locator("img")).to_have_count(0)
        expect(page).to_have_title("Board")
    assert [len(guests.sockets[page]) for page in (ann, bob)] == [1, 1]


def test_cards_move_to_the_end_of_their_columns_on_every_page(sign_in: SignIn) -> None:
    ann, bob = sign_in("ann"), sign_in("bob")
    for title in ("First", "Second", "Third"):
        add(ann, title)
    for title in ("Second", "First"):
        card(bob, title).get_by_role("button", name="Move to Doing").click()
        for page in (ann, bob):
            expect(titles(page, "Doing").last).to_have_text(title)
            expect(card(page, title)).to_have_count(1)
    card(ann, "First").get_by_role("button", name="Move to Done").click()
    card(ann, "Third").get_by_role("button", name="Move to Doing").click()
    card(ann, "First").get_by_role("button", name="Move to Doing").click()
    for page in (ann, bob):
        expect(titles(page, "Doing").last).to_have_text("First")
    order = titles(bob, "Doing").all_inner_texts()
    assert order[-3:] == ["Second", "Third", "First"]
    ann.reload()  # a page that comes later has them in the same order
    expect(titles(ann, "Doing")).to_have_text(order)


def test_only_its_owner_may_delete_a_card(sign_in: SignIn) -> None:
    ann, bob = sign_in("ann"), sign_in("bob")
    add(ann, "Mine alone")
    card(bob, "Mine alone").get_by_role("button", name="Delete").click()
    problem = bob.get_by_role("alert").get_by_text("Only ann may delete this card.")
    expect(problem).to_be_visible()
    bob.get_by_role("button", name="OK").click()
    expect(problem).to_be_hidden()
    expect(ann.locator("#problem")).to_be_empty()
    expect(card(ann, "Mine alone")).to_have_count(1)
    card(ann, "Mine alone").get_by_role("button", name="Delete").click()
    for page in (ann, bob):
        expect(card(page, "Mine alone")).to_have_count(0)


def test_what_a_page_saves_by_http_is_published_to_all_but_itself(
    sign_in: SignIn, guests: Guests
) -> None:
    ann, bob = sign_in("ann"), sign_in("bob")
    add(ann, "Befor")
    heard: dict[Page, str] = {ann: "", bob: ""}

    def listen(page: Page) -> None:
        def hear(message: str | bytes) -> None:
            heard[page] += str(message)

        guests.sockets[page][0].on("framereceived", hear)

    listen(ann)
    listen(bob)
    card(ann, "Befor").get_by_role("button", name="Edit").click()
    editor = ann.get_by_role("dialog", name="Edit card")
    expect(editor.get_by_label("Title")).to_be_focused()
    editor.get_by_label("Title").fill("")
    editor.get_by_role("button", name="Save").click()
    expect(editor.get_by_role("alert").first).to_have_text("This field is required.")
    editor.get_by_label("Title").fill("After")
    editor.get_by_label("Mint").check()
    # What others do meanwhile does not take away what is being written.
    card(bob, "Befor").get_by_role("button", name="Move to Doing").click()
    expect(titles(ann, "Doing").last).to_have_text("Befor")
    editor.get_by_role("button", name="Save").click()
    for page in (ann, bob):
        expect(titles(page, "Doing").last).to_have_text("After")
        expect(card(page, "After")).to_have_class(re.compile("mint"))
    expect(editor).to_have_count(0)
    add(bob, "A later one")
    expect(card(ann, "A later one")).to_have_count(1)
    assert "After" in heard[bob]
    assert "After" not in heard[ann]
    card(bob, "After").get_by_role("button", name="Edit").click()
    bob.get_by_role("button", name="Cancel").click()
    expect(bob.get_by_role("dialog")).to_have_count(0)


def test_what_the_admin_saves_moves_and_deletes_reaches_both_pages(
    sign_in: SignIn, url: str
) -> None:
    ann, bob, admin = sign_in("ann"), sign_in("bob"), sign_in("admin")
    admin.get_by_role("link", name="Admin").click()
    expect(people(ann)).to_have_text(["ann", "bob"])
    add(ann, "Written by ann")
    admin.goto(f"{url}admin/cards/card/add/")
    admin.get_by_label("Title").fill("From the admin")
    admin.get_by_label("Owner:", exact=True).select_option("bob")
    admin.get_by_role("button", name="Save", exact=True).click()
    for page in (ann, bob):
        expect(titles(page, "To do").last).to_have_text("From the admin")
        expect(card(page, "From the admin")).to_contain_text("bob")
    admin.get_by_role("link", name="From the admin", exact=True).first.click()
    admin.get_by_label("Title").fill("Changed in the admin")
    admin.get_by_label("Column").select_option("doing")
    admin.get_by_role("button", name="Save", exact=True).click()
    for page in (ann, bob):
        expect(titles(page, "Doing").last).to_have_text("Changed in the admin")
        expect(card(page, "From the admin")).to_have_count(0)
    ours = ["Changed in the admin", "Written by ann"]
    act(admin, "Move to done", ours)
    for page in (ann, bob):
        expect(titles(page, "Done").filter(has_text=re.compile("|".join(ours)))).to_have_count(2)
        for title in ours:
            expect(card(page, title)).to_have_count(1)
    act(admin, "Delete selected cards", ours)
    admin.get_by_role("button", name="Yes").click()
    for page in (ann, bob):
        for title in ours:
            expect(card(page, title)).to_have_count(0)


def act(admin: Page, action: str, on: list[str]) -> None:
    """Run an action of Django's admin on the cards of these titles."""
    for title in on:
        admin.get_by_role("row").filter(has_text=title).get_by_role("checkbox").check()
    admin.get_by_label("Action:").select_option(action)
    admin.get_by_role("button", name="Go").click()


def test_whoever_signs_out_has_no_page_left(sign_in: SignIn, guests: Guests, url: str) -> None:
    ann, bob = sign_in_by_form(guests, url, "ann"), sign_in("bob")
    second = ann.context.new_page()
    second.goto(url)
    expect(people(second)).to_have_text(["ann", "bob"])  # once, however many pages
    second.get_by_role("button", name="Sign out").click()
    for page in (second, ann):
        page.bring_to_front()  # a hidden page of htmx 4 has no socket, and learns of it now
        expect(page.get_by_label("Username")).to_be_visible()
    expect(people(bob)).to_have_text(["bob"])


def test_an_afternoon_for_the_picture(guests: Guests, tmp_path: Path) -> None:
    """The README's picture: UPDATE_SCREENSHOTS=1 writes it, every run shows that it can."""
    with project(tmp_path, 4) as url:
        ann, bob = (sign_in_by_form(guests, url, name) for name in ("ann", "bob"))
        ann.set_viewport_size({"width": 1240, "height": 590})
        card(bob, "Find somebody who bakes").get_by_role("button", name="Move to Doing").click()
        add(bob, "Ask <b>everybody</b> to bring a chair")
        expect(people(ann)).to_have_text(["ann", "bob"])
        expect(cards(ann, "To do")).to_have_count(3)
        ann.get_by_label("Title").press_sequentially("Print the programme")
        ann.get_by_label("Sky").check()
        expect(ann.locator("#id_title-errors")).to_have_text(ALREADY)
        ann.get_by_label("Title").focus()
        picture = ann.screenshot(path=tmp_path / "board.png", animations="disabled")
        guests.leave()
    assert 20_000 < len(picture) < 250_000
    if os.environ.get("UPDATE_SCREENSHOTS"):
        (ROOT / "docs" / "images" / "channels_board.png").write_bytes(picture)


def test_its_migrations_are_complete_and_its_checks_have_nothing_to_say(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, PROJECT / "manage.py", "makemigrations", "--check", "--dry-run"],
        env={"DEBUG": "1", "DATABASE": str(tmp_path / "board.sqlite3")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "No changes detected\n", "")

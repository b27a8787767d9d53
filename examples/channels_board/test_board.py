"""The board, tested by its pages, in the database of Django's own test case.

Django runs these by ``manage.py test`` as well as pytest does; nothing of pytest is used.
"""

from __future__ import annotations

from asgiref.sync import sync_to_async
from board.asgi import application
from board.cards.models import Card
from django.contrib.auth.models import User
from django.test import TestCase, TransactionTestCase

from htmx_ws.testing import VERSIONS, Browser, Page


class BoardTest(TransactionTestCase):
    """Cards are published when they are committed, so these tests commit."""

    def setUp(self) -> None:
        self.ann = User.objects.create_user("ann", password="a")
        self.bob = User.objects.create_user("bob", password="b")

    def visitor(self, user: User) -> Browser:
        self.client.force_login(user)
        return Browser(cookies={"sessionid": self.client.cookies["sessionid"].value})

    async def open(self, user: User, htmx: str = VERSIONS[0]) -> Page:
        browser = await sync_to_async(self.visitor)(user)
        return Page(application, "/", browser=browser, htmx=htmx)

    async def test_a_card_is_seen_by_all_and_moves(self) -> None:
        async with (
            await self.open(self.ann) as ann,
            await self.open(self.bob, "2.0.11") as bob,
        ):
            await ann.expect("#people li", count=2)
            ann.submit("#new-card", title="Write <b>tests</b>", colour="mint")
            await bob.expect("#todo .card p", text="Write <b>tests</b>")
            bob.click("#todo .card [value=doing]")
            await ann.expect("#doing .card .owner", text="ann")
            await ann.expect("#todo .card", count=0)
        assert await Card.objects.aget(column="doing")

    async def test_what_is_wrong_is_said_while_it_is_written(self) -> None:
        async with await self.open(self.ann) as ann:
            ann.fill("#id_title", "")
            await ann.advance(0.4)
            await ann.expect("#id_title-errors li")

    async def test_only_its_owner_deletes_a_card(self) -> None:
        card = await Card.objects.acreate(title="Mine", owner=self.ann)
        async with await self.open(self.bob) as bob, await self.open(self.ann) as ann:
            bob.click(f"#card-{card.pk} [value=delete]")
            await bob.expect("#problem p", text="Only ann may delete this card.")
            ann.click(f"#card-{card.pk} [value=delete]")
            await bob.expect(f"#card-{card.pk}", count=0)

    async def test_signing_out_reaches_the_other_tabs(self) -> None:
        browser = await sync_to_async(self.visitor)(self.ann)
        async with (
            Page(application, "/", browser=browser) as one,
            Page(application, "/", browser=browser) as other,
        ):
            one.submit("header form")
            await other.until(lambda: "login" in other.url, "the login")

    def test_a_plain_test_has_pages_too(self) -> None:
        with Page(application, "/", browser=self.visitor(self.ann)) as ann:
            ann.submit("#new-card", title="Plain", colour="mint")
            ann.expect("#todo .card p", text="Plain")
        assert Card.objects.count() == 1


class EditTest(TestCase):
    def test_an_edited_card_is_shown_to_all(self) -> None:
        ann = User.objects.create_user("ann", password="a")
        card = Card.objects.create(title="Write tests", owner=ann)
        self.client.force_login(ann)
        browser = Browser(cookies={"sessionid": self.client.cookies["sessionid"].value})
        with Page(application, "/", browser=browser) as page:
            page.expect("#people li", count=1)
            with self.captureOnCommitCallbacks(execute=True):
                self.client.post(f"/cards/{card.pk}/edit/", {"title": "Run them", "colour": "mint"})
            page.expect(f"#card-{card.pk} p", text="Run them")

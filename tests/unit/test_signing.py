"""Names that pages carry: as the server signed them, or not at all."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmx_ws import BadSignature, Connection, HtmxWS, HtmxWSError, connect_attrs, html, new_page
from htmx_ws.testing import Closed, Socket

OLD, NEW = "an old secret of 24 bytes", "a new secret of 24 bytes!"


@pytest.mark.parametrize("value", ["invoice:7", "", "a.b.c", "caf\u00e9 \U0001f600", "x" * 1000])
@pytest.mark.parametrize("to", ["", "ann", 7])
def test_a_value_comes_back_as_it_was_signed(value: str, to: object) -> None:
    live = HtmxWS(secret=NEW)
    token = live.sign(value, to=to)
    assert live.unsign(token, to=to) == value
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_another_visitor_or_another_secret_cannot_use_it() -> None:
    live = HtmxWS(secret=NEW)
    token = live.sign("invoice:7", to="ann")
    for other in ("", "bob", "ann "):
        with pytest.raises(BadSignature, match="not signed here"):
            live.unsign(token, to=other)
    with pytest.raises(BadSignature):
        HtmxWS(secret=OLD).unsign(token, to="ann")


def test_what_is_signed_and_whom_it_is_for_are_told_apart() -> None:
    live = HtmxWS(secret=NEW)
    body, _, signature = live.sign("a", to="bc", seconds=None).rpartition(".")
    with pytest.raises(BadSignature):
        live.unsign(f"{body}b.{signature}", to="c")


def test_secrets_can_be_changed_while_pages_are_open() -> None:
    token = HtmxWS(secret=OLD).sign("room")
    both = HtmxWS(secret=[NEW, OLD.encode()])
    assert both.unsign(token) == "room"
    assert HtmxWS(secret=NEW).unsign(both.sign("room")) == "room"


def test_a_token_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    live = HtmxWS(secret=NEW)
    day, hour, ever = live.sign("a"), live.sign("a", seconds=3600), live.sign("a", seconds=None)
    now = time.time()
    for later, left in [(3500, [day, hour, ever]), (3700, [day, ever]), (90_000, [ever])]:
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        for token in (day, hour, ever):
            if token in left:
                assert live.unsign(token) == "a"
            else:
                with pytest.raises(BadSignature, match="its time is over"):
                    live.unsign(token)


LIVE = HtmxWS(secret=NEW)
TOKEN = LIVE.sign("invoice:7")


@given(st.one_of(st.text(max_size=80), st.builds(lambda a, b: a + "." + b, st.text(), st.text())))
def test_whatever_else_a_page_says_is_refused(token: str) -> None:
    with pytest.raises(BadSignature):
        LIVE.unsign(token)


@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_a_token_with_one_letter_changed_is_refused(at: int, letter: str) -> None:
    changed = TOKEN[:at] + letter + TOKEN[at + 1 :]
    if changed != TOKEN:
        with pytest.raises(BadSignature):
            LIVE.unsign(changed)


@pytest.mark.parametrize("secret", ["short", [NEW, b"short"], ""])
def test_a_secret_that_can_be_guessed_is_refused(secret: Any) -> None:
    with pytest.raises(ValueError, match="fewer than 16 bytes"):
        HtmxWS(secret=secret)


@pytest.mark.parametrize("secret", [None, []])
def test_without_a_secret_it_says_what_to_give(secret: Any) -> None:
    live = HtmxWS(secret=secret)
    with pytest.raises(HtmxWSError, match=r"HtmxWS\(secret="):
        live.sign("a")
    with pytest.raises(HtmxWSError, match=r"HtmxWS\(secret="):
        live.unsign("a")


async def test_a_page_whose_token_is_forged_is_turned_away_for_good() -> None:
    live = HtmxWS(secret=NEW)

    async def joined(conn: Connection, room: str) -> Any:
        name = live.unsign(room, to="ann")
        await conn.join(name)
        return html('<p id="x">{}</p>', name)

    live.ws("/ws", conn=joined)(lambda: None)
    async with Socket(live, f"/ws?room={live.sign('invoice:7', to='ann')}") as page:
        assert "invoice:7" in await page.receive()
    async with Socket(live, "/ws?room=invoice:7") as page:
        with pytest.raises(Closed) as closed:
            await page.receive()
        assert closed.value.code == 4403


# --- tokens of pages -------------------------------------------------------------------


def guarded(**how: Any) -> HtmxWS:
    """An application that lets in pages with a token; visitors are who their query says."""
    how = {"secret": NEW, "identify": lambda conn: conn.query.get("user"), **how}
    live = HtmxWS(page_tokens=how.pop("page_tokens", True), **how)

    async def joined(conn: Connection) -> Any:
        await conn.join("room")
        return html('<p id="x">in</p>')

    live.ws("/ws", conn=joined)(lambda: None)
    return live


def address(live: HtmxWS, page: str, user: str | None = None) -> str:
    """Where a page connects that carries a token, of a visitor."""
    url = connect_attrs("/ws" if user is None else f"/ws?user={user}", page=page)
    return url["hx-ws:connect"]


async def gets_in(live: HtmxWS, url: str, **how: Any) -> bool:
    """Whether a page is let in; one that is not is told nothing, and stays away."""
    async with Socket(live, url, **how) as page:
        with suppress(Closed):
            return "in" in await page.receive()
    assert page.code == 4403
    assert live.members("room") == []
    return False


@pytest.mark.parametrize("user", [None, "ann"])
async def test_a_page_comes_in_by_its_token_as_often_as_it_connects(user: str | None) -> None:
    live = guarded()
    page = live.new_page(to=user)
    for _ in range(3):
        assert await gets_in(live, address(live, page, user))


@pytest.mark.parametrize(
    "token",
    [
        lambda live: "",
        lambda live: "x",
        lambda live: new_page(),
        lambda live: live.new_page(),
        lambda live: live.new_page(to="bob"),
        lambda live: live.new_page(to="ann "),
        lambda live: live.new_page(to="ann", seconds=-1),
        lambda live: live.new_page(to="ann")[:-1],
        lambda live: live.new_page(to="ann").swapcase(),
        lambda live: HtmxWS(secret=OLD).new_page(to="ann"),
        # What is signed for another purpose is no page's token, nor is a page's anything else.
        lambda live: live.sign("invoice:7", to="ann"),
        lambda live: live.sign(live.new_page(to="ann"), to="ann"),
    ],
)
async def test_a_page_without_its_visitors_token_is_turned_away_for_good(token: Any) -> None:
    live = guarded()
    assert not await gets_in(live, address(live, token(live), "ann"))
    assert await gets_in(live, address(live, live.new_page(to="ann"), "ann"))


async def test_a_page_without_any_token_or_with_two_is_turned_away() -> None:
    live = guarded()
    assert not await gets_in(live, "/ws")
    twice = address(live, live.new_page()) + f"&htmx-ws-page={live.new_page()}"
    assert not await gets_in(live, twice)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("", "it has no page token, which live.page()"),
        ("x", "its page token does not hold: it was not signed here, or for somebody else"),
    ],
)
async def test_the_log_says_what_is_wrong_with_a_pages_token(
    page: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    live = guarded()
    assert not await gets_in(live, address(live, page))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert said in record.getMessage()
    assert "to=" in record.getMessage()


@pytest.mark.parametrize("token", [None, "", "x", new_page()])
def test_the_markup_of_a_page_that_would_be_turned_away_is_not_written(token: Any) -> None:
    live = guarded()
    with pytest.raises(ValueError, match=r"page=live\.new_page\(to="):
        live.connect_attrs("/ws", page=token)
    if token is not None:
        with pytest.raises(ValueError, match="turned away"):
            live.page("/ws", page=token)
    assert HtmxWS().connect_attrs("/ws", page=token) == connect_attrs("/ws", page=token)


@given(st.text(max_size=60))
def test_whatever_a_page_says_it_is_no_token(token: str) -> None:
    live = guarded()

    async def comes() -> bool:
        return await gets_in(live, address(live, token))

    assert not asyncio.run(comes())


def test_a_pages_token_is_nothing_that_unsign_takes() -> None:
    live = guarded()
    with pytest.raises(BadSignature):
        live.unsign(live.new_page(to="ann"), to="ann")


async def test_a_pages_token_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    live = guarded()
    week, hour, ever = live.new_page(), live.new_page(seconds=3600), live.new_page(seconds=None)
    now = time.time()
    for later, left in [(3500, [week, hour, ever]), (86_400 * 6, [week, ever]), (1e6, [ever])]:
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        for page in (week, hour, ever):
            assert await gets_in(live, address(live, page)) == (page in left)


async def test_pages_are_let_in_while_the_secret_is_changed() -> None:
    before, during, after = guarded(secret=OLD), guarded(secret=[NEW, OLD]), guarded(secret=NEW)
    old, new = before.new_page(), during.new_page()
    assert await gets_in(during, address(during, old))
    assert await gets_in(during, address(during, new))
    assert await gets_in(after, address(after, new))
    assert not await gets_in(after, address(after, old))


async def test_a_function_says_whom_the_token_is_for() -> None:
    """The key of the session, say, which visitors have who have not signed in."""
    live = guarded(page_tokens=lambda conn: conn.scope["session"].get("key"))
    for key, to, may in [("a", "a", True), ("a", "b", False), (None, "", True), ("a", "", False)]:
        scope = {"session": {} if key is None else {"key": key}}
        url = address(live, live.new_page(to=to), "ann")
        assert await gets_in(live, url, scope=scope) == may


async def test_each_rendering_has_a_token_of_its_own_by_which_it_is_left_out() -> None:
    live = guarded()
    first, second = live.new_page(), live.new_page()
    assert first != second
    async with (
        Socket(live, address(live, first)) as a,
        Socket(live, address(live, second)) as b,
    ):
        await a.receive()
        await b.receive()
        await live.publish("room", html('<p id="x">news</p>'), exclude=first)
        assert "news" in await b.receive()
        assert a.pending == []


async def test_pages_of_every_site_may_come_by_a_token_and_nothing_is_said_of_that(
    caplog: pytest.LogCaptureFixture,
) -> None:
    live = guarded(origins="*")
    elsewhere: Any = {"origin": "https://elsewhere.test"}
    assert await gets_in(live, address(live, live.new_page()), **elsewhere)
    assert caplog.records == []
    assert not await gets_in(live, "/ws", **elsewhere)


@pytest.mark.parametrize("page_tokens", [True, lambda conn: "a"])
def test_tokens_of_pages_need_a_secret(page_tokens: Any) -> None:
    with pytest.raises(ValueError, match=r"HtmxWS\(secret=\.\.\.\)"):
        HtmxWS(page_tokens=page_tokens)
    with pytest.raises(HtmxWSError, match=r"HtmxWS\(secret="):
        HtmxWS().new_page()

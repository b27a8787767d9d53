"""Names that pages carry: as the server signed them, or not at all."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmx_ws import BadSignature, Connection, HtmxWS, HtmxWSError, html
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

"""What is called by position is refused where it was not written for that."""

from __future__ import annotations

from functools import partial, wraps
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest

from htmx_ws import HtmxWS, Presence, RegistrationError
from htmx_ws.hooks import check_hook


def of(parameters: str) -> Any:
    """A function of these."""
    return eval(f"lambda {parameters}: True")


class Door:
    """May be called, and has a method that may be."""

    def __call__(self, conn: object, room: str) -> bool:
        return True

    async def later(self, conn: object, room: str) -> bool:
        return True


class Opaque:
    """As a function written in C: it has no signature."""

    __signature__ = "none"

    def __call__(self, *args: object) -> bool:
        return True


def with_database(conn: object, room: str, database: object = None) -> bool:
    return True


def of_a_database(database: object, conn: object, room: str) -> bool:
    return True


@wraps(of_a_database)
def adds_a_database(*args: Any) -> bool:
    return of_a_database(None, *args)


def asks(user: object, room: str) -> bool:
    return bool(user)


@wraps(asks)
def asks_the_user(conn: Any, room: str) -> bool:
    return asks(conn.scope["user"], room)


@wraps(asks)
def asks_the_user_and_passes_on(conn: Any, *rest: Any) -> bool:
    return asks(conn.scope["user"], *rest)


@wraps(asks)
def asks_whatever(*args: Any) -> bool:
    return asks(*args)


@pytest.mark.parametrize(
    "hook",
    [
        *(of("conn, room"), of("c, r"), of("ws, room_name")),
        *(of("*args"), of("conn, room, /, *, strict=False")),
        *(Door(), Door().later, Opaque(), Mock(), AsyncMock(), max),
        *(with_database, partial(of_a_database, None)),
        *(adds_a_database, asks_the_user, asks_the_user_and_passes_on),
    ],
    ids=str,
)
def test_what_can_be_called_so_passes(hook: Any) -> None:
    check_hook("may_join", hook, "conn", "room")


@pytest.mark.parametrize(
    ("hook", "why"),
    [
        (asks, "the parameter `user` of asks would be the conn"),
        (asks_whatever, "the parameter `user` of asks would be the conn"),
        (of("room, conn"), "the parameter `room` of <lambda> would be the conn"),
        (of("session, room"), "the parameter `session` .* would be the conn"),
        (of("conn, user"), "the parameter `user` .* would be the room"),
        (of("conn"), "cannot be: too many positional arguments"),
        (of(""), "cannot be: too many positional arguments"),
        (of("conn, room, level"), "cannot be: missing a required argument: 'level'"),
        (of("conn, *, room"), "cannot be: too many positional arguments"),
    ],
)
def test_what_was_written_for_other_places_is_refused(hook: Any, why: str) -> None:
    with pytest.raises(RegistrationError) as caught:
        check_hook("may_join", hook, "conn", "room")
    assert str(caught.value).startswith("may_join is called by position, as may_join(conn, room)")
    assert caught.match(why)


@pytest.mark.parametrize("name", ["identify", "page_tokens", "reauth"])
@pytest.mark.parametrize("given", [of(""), of("user"), of("conn, room"), "yes"])
def test_what_an_application_asks_of_a_connection_takes_one(name: str, given: Any) -> None:
    make: Any = partial(HtmxWS, secret="s" * 20)
    with pytest.raises(TypeError, match=name):
        make(**{name: given})
    make(**{name: of("conn")})


def test_a_login_that_nobody_can_ask_for_is_refused() -> None:
    """Else a bool would be asked of each page, and every login hold for ever."""
    with pytest.raises(TypeError, match=r"reauth is called, as reauth\(conn\), and True is no"):
        HtmxWS(reauth=cast(Any, True))


@pytest.mark.parametrize("name", ["may_join", "snapshot"])
def test_what_is_asked_of_a_room_takes_a_connection_and_its_name(name: str) -> None:
    room: Any = HtmxWS().room
    with pytest.raises(RegistrationError, match=rf"as {name}\(conn, room\)"):
        room("chat:*", **{name: of("room, conn")})
    room("chat:*", **{name: of("conn, room")})


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("about", of("conn"), of("user")),
        ("on_join", of("room, who"), of("who, room")),
        ("on_leave", of("room, user"), of("conn, room")),
    ],
)
def test_what_presence_calls_takes_what_it_is_called_with(
    name: str, right: Any, wrong: Any
) -> None:
    make: Any = Presence
    make(**{name: right})
    with pytest.raises(RegistrationError, match=rf"{name} is called by position, as {name}\("):
        make(**{name: wrong})
    with pytest.raises(TypeError, match=f"{name} is called"):
        make(**{name: "yes"})


def test_a_grace_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="grace is -1: it must be a number of 0 or more"):
        Presence(grace=-1)

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import EmailStr, Field, SecretStr

from htmx_ws.binding import compile_handler
from htmx_ws.connection import Connection
from htmx_ws.errors import HtmxWSError
from htmx_ws.wire.frame import Frame, HtmxHeaders
from tests.unit.binding.samples import (
    MISSING,
    Color,
    Other,
    Person,
    Sender,
    Slug,
    Special,
    bind,
    connection,
    frame,
    refused,
    taking,
)


async def every_name(
    send: Any,
    conn: Any,
    ws: Any,
    data: Any,
    frame: Any,
    htmx: Any,
    scope: Any,
    app: Any,
    session: Any,
    user: Any,
    auth: Any,
    state: Any,
) -> None: ...


def test_reserved_names_get_what_the_server_has() -> None:
    scope = {"session": {"a": 1}, "user": "ann", "auth": ["x"]}
    conn = connection(scope=scope)
    sent = frame({"msg": "hi"}, {"HX-Trigger": "say"})
    arguments = compile_handler(every_name, ())(conn, sent)
    htmx = arguments.pop("htmx")
    assert isinstance(htmx, HtmxHeaders)
    assert htmx.trigger == "say"
    assert arguments == {
        "send": conn.send,
        "conn": conn,
        "ws": conn,
        "data": {"msg": "hi"},
        "frame": sent,
        "scope": scope,
        "app": conn.app,
        "session": {"a": 1},
        "user": "ann",
        "auth": ["x"],
        "state": conn.state,
    }


def test_nothing_that_a_client_writes_overrides_a_server_value() -> None:
    names = [*inspect.signature(every_name).parameters, "room", "__class__", "self", "error", "kw"]
    evil = dict.fromkeys(names, "evil")
    kinder = functools.partial(every_name, state="pinned")

    async def in_room(room: str, conn: Connection, me: Connection) -> None: ...

    conn = connection(scope={"session": {}}, path_params={"room": "lobby"})
    plain = bind(every_name, evil, scope={"session": {}})
    assert plain.pop("data") == evil
    assert "evil" not in plain.values()
    assert set(plain) == set(inspect.signature(every_name).parameters) - {"data"}
    assert "state" not in bind(kinder, evil, scope={"session": {}})
    arguments = compile_handler(in_room, ("room",))(conn, frame(evil))
    assert arguments == {"room": "lobby", "conn": conn, "me": conn}


def test_user_and_auth_are_none_where_nobody_set_them() -> None:
    async def handler(user: Any, auth: Any) -> None: ...

    assert bind(handler, {}) == {"user": None, "auth": None}


def test_a_session_that_is_missing_names_the_middleware() -> None:
    with pytest.raises(HtmxWSError, match="put a session middleware around"):
        bind(taking(name="session"), {})


@pytest.mark.parametrize(
    "annotation",
    [
        Connection,
        Connection | None,
        Annotated[Connection, "a note"],
        "Connection",
        "Connection | None",
        Special,
    ],
)
def test_our_types_are_injected_by_type_whatever_the_name(annotation: Any) -> None:
    conn = connection()
    assert compile_handler(taking(annotation), ())(conn, frame({})) == {"value": conn}


def test_a_frame_and_its_headers_are_injected_by_type() -> None:
    async def handler(one: Frame, two: HtmxHeaders | None) -> None: ...

    sent = frame({}, {"HX-Source": "form#say"})
    arguments = compile_handler(handler, ())(connection(), sent)
    assert arguments["one"] is sent
    assert arguments["two"].trigger == "say"


@pytest.mark.parametrize("name", ["send", "conn", "ws", "data", "frame", "htmx", "scope", "user"])
@pytest.mark.parametrize(
    "annotation",
    [
        *(str, int, float, bool, bytes, date, datetime, time, timedelta, Decimal, UUID),
        *(Color, Literal["a"], list[str], set[int], tuple[int, ...], EmailStr, SecretStr),
        *(str | None, Annotated[Any, Field(alias="user")], Slug),
    ],
)
def test_a_reserved_name_cannot_be_a_form_value(name: str, annotation: Any) -> None:
    message = refused(taking(annotation, name=name))
    assert f"the parameter `{name}` is the server's" in message
    assert f'`author: Annotated[str, Field(alias="{name}")]`' in message


@pytest.mark.parametrize(
    ("name", "annotation"),
    [
        ("send", Other()),
        ("send", Other),
        ("conn", Other),
        ("conn", Frame),
        ("ws", Person),
        ("frame", Connection),
        ("frame", dict[str, str]),
        ("htmx", Other),
        ("data", Frame),
        ("user", Frame),
        ("app", Connection),
    ],
)
def test_a_reserved_name_cannot_be_of_another_type(name: str, annotation: Any) -> None:
    assert "is the server's, and cannot be" in refused(taking(annotation, name=name))


@pytest.mark.parametrize("annotation", [Person, Annotated[Person, Field()]])
def test_data_that_is_a_model_is_the_values_read_as_it(annotation: Any) -> None:
    arguments = bind(taking(annotation, name="data"), {"name": "Ann", "age": "3", "tags": "x"})
    assert arguments == {"data": Person(name="Ann", age=3, tags=["x"], member=False)}


def test_a_reserved_name_cannot_have_a_field_as_its_default() -> None:
    assert "is the server's" in refused(taking(default=Field(alias="user"), name="user"))


@pytest.mark.parametrize(
    ("name", "annotation"),
    [
        ("send", Any),
        ("send", object),
        ("send", Sender),
        ("send", Callable[[Any], Any]),
        ("conn", Special),
        ("conn", "Connection"),
        ("ws", Connection | None),
        ("frame", Frame),
        ("htmx", HtmxHeaders),
        ("data", dict),
        ("data", dict[str, Any]),
        ("data", Mapping[str, Any]),
        ("data", Any),
        ("user", Other),
        ("user", Person | None),
        ("session", dict[str, Any]),
        ("state", SimpleNamespace),
    ],
)
def test_a_reserved_name_may_say_what_it_is(name: str, annotation: Any) -> None:
    arguments = bind(taking(annotation, name=name), {"data": 1}, scope={"session": {}})
    assert list(arguments) == [name]


def test_a_path_parameter_cannot_have_a_reserved_name() -> None:
    assert "give the path's parameter another name" in refused(taking(name="user"), "user")


@pytest.mark.parametrize("annotation", [str, MISSING])
def test_a_form_field_with_a_reserved_name_is_taken_by_an_alias(annotation: Any) -> None:
    async def handler(user: Any, author: Annotated[str, Field(alias="user")]) -> None: ...

    assert bind(handler, {"user": "ann"}) == {"user": None, "author": "ann"}
    assert bind(taking(annotation, Field(alias="user")), {"user": "ann"}) == {"value": "ann"}

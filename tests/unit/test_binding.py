from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import SimpleNamespace
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Protocol,
    Required,
    TypeVar,
)
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    Json,
    PlainValidator,
    RootModel,
    SecretStr,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypeAliasType, TypedDict

from htmx_ws.binding import compile_error_hook, compile_handler, compile_hook
from htmx_ws.connection import Connection
from htmx_ws.errors import BindingError, FrameError, HtmxWSError, RegistrationError
from htmx_ws.wire.frame import Frame, HtmxHeaders

if TYPE_CHECKING:
    from nowhere import Absent  # type: ignore[import-not-found]  # absent at run time: the point

HERE = __name__
MISSING = inspect.Parameter.empty

ONE = UUID("00000000-0000-0000-0000-000000000001")
T = TypeVar("T")
UserId = NewType("UserId", int)
Tags = TypeAliasType("Tags", list[str])
Many = TypeAliasType("Many", list[T], type_params=(T,))


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(Enum):
    LOW = 1
    HIGH = 2


class Size(IntEnum):
    SMALL = 1


class Side(StrEnum):
    LEFT = "left"


class Choice(Enum):
    NONE = ""
    SOME = "some"


class Sender(Protocol):
    def __call__(self, content: object) -> Any: ...


class Slug(str):
    __slots__ = ()


class Other:
    """No part of this package, and nothing that a form holds."""


class Special(Connection):
    """What an adapter gives instead of a plain connection."""


class Address(BaseModel):
    city: str
    plots: list[int]


class Person(BaseModel):
    name: str = Field(min_length=2)
    age: int | None
    tags: list[str]
    member: bool
    pets: int = 0
    address: Address | None = None


class Page(BaseModel):
    size: int
    start: int = Field(default=0, alias="from")


@dataclass
class Point:
    x: int
    shown: bool
    tags: list[str]
    y: int = 7
    marks: list[int] = field(default_factory=lambda: [1])
    cached: bool = field(default=True, init=False)


@pydantic_dataclass
class Spot:
    x: int
    tags: list[str] = Field(alias="tag")


class Movie(TypedDict):
    title: str
    seen: bool
    tags: NotRequired[list[str]]


class Partial(TypedDict, total=False):
    seen: bool
    tags: Required[list[str]]


class Pair(NamedTuple):
    x: int
    flags: list[str]
    y: int = 2


class Strings(RootModel[list[str]]):
    pass


def connection(**changes: Any) -> Any:
    """What binding reads of a connection."""
    parts: dict[str, Any] = {
        "send": object(),
        "app": object(),
        "state": SimpleNamespace(),
        "scope": {"type": "websocket"},
        "path_params": {},
        "query": {},
    }
    return SimpleNamespace(**{**parts, **changes})


def frame(values: dict[str, Any], headers: dict[str, Any] | None = None) -> Frame:
    return Frame(values, headers or {}, "htmx4")


def taking(annotation: Any = MISSING, default: Any = MISSING, name: str = "value") -> Any:
    """A handler of one parameter."""

    def handler(**arguments: Any) -> None: ...

    kind = inspect.Parameter.KEYWORD_ONLY
    parameter = inspect.Parameter(name, kind, annotation=annotation, default=default)
    handler.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]
    return handler


def bind(handler: Callable[..., Any], values: dict[str, Any], **conn: Any) -> dict[str, Any]:
    given = connection(**conn)
    return compile_handler(handler, given.path_params)(given, frame(values))


def bound(annotation: Any, sent: Any = MISSING, default: Any = MISSING) -> Any:
    """What a handler's one parameter gets when this was sent; nothing was by default."""
    values = {} if sent is MISSING else {"value": sent}
    return bind(taking(annotation, default), values)["value"]


def wrong(handler: Callable[..., Any], values: dict[str, Any], **conn: Any) -> dict[str, str]:
    with pytest.raises(BindingError) as caught:
        bind(handler, values, **conn)
    return caught.value.fields


def refused(handler: Any, *path: str, compile: Callable[..., Any] = compile_handler) -> str:
    with pytest.raises(RegistrationError) as caught:
        compile(handler, path)
    return str(caught.value)


# --- server values ---------------------------------------------------------------------


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
        ("data", Person),
        ("data", Movie),
        ("data", Frame),
        ("user", Frame),
        ("app", Connection),
    ],
)
def test_a_reserved_name_cannot_be_of_another_type(name: str, annotation: Any) -> None:
    assert "is the server's, and cannot be" in refused(taking(annotation, name=name))


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


# --- path parameters -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (MISSING, 3, 3),
        (int, 3, 3),
        (int, "3", 3),
        (str, 3, "3"),
        (UUID, ONE, ONE),
        (UUID, str(ONE), ONE),
        (Annotated[int, Field(gt=2)], "3", 3),
    ],
)
def test_a_path_parameter_is_converted_where_its_annotation_differs(
    annotation: Any, value: Any, expected: Any
) -> None:
    arguments = bind(taking(annotation), {"value": "evil"}, path_params={"value": value})
    assert arguments == {"value": expected}


def test_a_path_parameter_that_does_not_fit_is_a_binding_error() -> None:
    assert wrong(taking(Annotated[int, Field(gt=3)]), {}, path_params={"value": "3"}) == {
        "value": "Input should be greater than 3"
    }


def test_a_path_parameter_has_no_habits_of_forms() -> None:
    assert list(wrong(taking(list[str]), {}, path_params={"value": "a"})) == ["value"]


# --- form values -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "sent", "expected"),
    [
        (str, "hi", "hi"),
        (str, "", ""),
        (int, "3", 3),
        (int, 3, 3),
        (float, "1.5", 1.5),
        (float, 2, 2.0),
        (bool, "on", True),
        (bool, "off", False),
        (bool, "true", True),
        (bytes, "é", "é".encode()),
        (Decimal, "1.10", Decimal("1.10")),
        (date, "2026-01-02", date(2026, 1, 2)),
        (datetime, "2026-01-02T03:04", datetime(2026, 1, 2, 3, 4)),
        (datetime, "2026-01-02T03:04:05.678", datetime(2026, 1, 2, 3, 4, 5, 678000)),
        (time, "09:30", time(9, 30)),
        (timedelta, "P1D", timedelta(days=1)),
        (UUID, str(ONE), ONE),
        (Color, "red", Color.RED),
        (Level, "1", Level.LOW),
        (Level, 2, Level.HIGH),
        (Level | None, "2", Level.HIGH),
        (Size, "1", Size.SMALL),
        (Side, "left", Side.LEFT),
        (Literal["a", "b"], "b", "b"),
        (Literal[1, 2], "2", 2),
        (Literal[1, "1"], "1", "1"),
        (Literal["a", 1] | None, "1", 1),
        (UserId, "7", 7),
        (Annotated[str, Field(min_length=2)], "ab", "ab"),
        (SecretStr, "x", SecretStr("x")),
        (dict[str, int], {"a": "1"}, {"a": 1}),
        (Any, {"a": ["b"]}, {"a": ["b"]}),
        (object, [1], [1]),
        (MISSING, [1, None], [1, None]),
        (MISSING, None, None),
        ("int", "3", 3),
    ],
)
def test_a_form_value_becomes_what_the_annotation_says(
    annotation: Any, sent: Any, expected: Any
) -> None:
    value = bound(annotation, sent)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "sent", "expected"),
    [
        (str, 3, "3"),
        (str, 1.5, "1.5"),
        (str | None, 3, "3"),
        (list[str], [1, "a"], ["1", "a"]),
        (dict[str, str], {"a": 1}, {"a": "1"}),
    ],
)
def test_a_number_of_hx_vals_given_to_text_becomes_text(
    annotation: Any, sent: Any, expected: Any
) -> None:
    assert bound(annotation, sent) == expected


def test_truth_of_hx_vals_is_no_text() -> None:
    assert wrong(taking(str), {"value": True}) == {"value": "Input should be a valid string"}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (list[str], ["a"]),
        (list, ["a"]),
        (set[str], {"a"}),
        (frozenset[str], frozenset({"a"})),
        (tuple[str, ...], ("a",)),
        (Sequence[str], ["a"]),
        (list[str] | None, ["a"]),
        (Annotated[list[str], Field(max_length=3)], ["a"]),
        (Annotated[list[str], Field(max_length=3)] | None, ["a"]),
        (list[Annotated[str, Field(max_length=3)]], ["a"]),
        (Tags, ["a"]),
        (Tags | None, ["a"]),
        (Many[str], ["a"]),
    ],
)
def test_one_value_for_a_list_becomes_a_list(annotation: Any, expected: Any) -> None:
    for sent in ("a", ["a"]):
        value = bound(annotation, sent)
        assert value == expected
        assert type(value) is type(expected)


def test_one_object_for_a_list_becomes_a_list() -> None:
    assert bound(list[Any], {}) == [{}]


@pytest.mark.parametrize(
    ("annotation", "default", "expected"),
    [
        (list[str], MISSING, []),
        (set[str], MISSING, set()),
        (tuple[str, ...], MISSING, ()),
        (bool, MISSING, False),
        (Annotated[bool, "a note"], MISSING, False),
        (Tags, MISSING, []),
        (list[str], ["x"], ["x"]),
        (bool, True, True),
    ],
)
def test_no_ticked_box_is_an_empty_list_or_false_unless_there_is_a_default(
    annotation: Any, default: Any, expected: Any
) -> None:
    assert bound(annotation, MISSING, default) == expected
    assert bound(annotation, None, default) == expected


@pytest.mark.parametrize(("annotation", "absent"), [(list[str] | None, []), (bool | None, False)])
def test_null_stays_none_where_none_is_allowed(annotation: Any, absent: Any) -> None:
    assert bound(annotation, None) is None
    assert bound(annotation) == absent
    assert bound(annotation, MISSING, None) is None


@pytest.mark.parametrize(
    ("annotation", "sent", "expected"),
    [
        (bool, ["", "on"], True),
        (bool, ["false", "on"], True),
        (str, ["a", "b"], "b"),
        (int | None, ["1", ""], None),
        (Literal["a", "b"], ["a", "b"], "b"),
        (int | float, ["1", "2"], 2),
        (bool, [], False),
        (SecretStr, ["a", "b"], SecretStr("b")),
    ],
)
def test_the_last_of_several_values_wins_for_a_single_one(
    annotation: Any, sent: Any, expected: Any
) -> None:
    assert bound(annotation, sent) == expected


@pytest.mark.parametrize(
    "annotation",
    [
        *(int | None, float | None, date | None, datetime | None, time | None, Decimal | None),
        *(UUID | None, Color | None, Side | None, Literal["a"] | None, bool | None),
        *(Annotated[int | None, Field(gt=0)], Annotated[int, Field(gt=0)] | None),
        *(int | date | None, dict[str, Any] | None, list[int] | None, Size | None),
    ],
)
def test_the_empty_string_is_none_for_an_optional_value_that_is_not_text(annotation: Any) -> None:
    assert bound(annotation, "") is None
    assert bound(annotation, "", 3) is None


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str | None, ""),
        (int | str | None, ""),
        (bytes | None, b""),
        (Choice | None, Choice.NONE),
        (Literal["", "a"] | None, ""),
        (Any, ""),
        (MISSING, ""),
    ],
)
def test_the_empty_string_stays_where_it_is_a_value(annotation: Any, expected: Any) -> None:
    assert bound(annotation, "", None) == expected
    assert bound(annotation, "") == expected


@pytest.mark.parametrize(
    ("annotation", "default"), [(int, 5), (date, date(2026, 1, 2)), (Color, Color.BLUE)]
)
def test_the_empty_string_is_the_default_of_a_value_that_is_not_text(
    annotation: Any, default: Any
) -> None:
    assert bound(annotation, "", default) == default
    assert bound(annotation, [], default) == default


def test_the_empty_string_is_no_number() -> None:
    assert wrong(taking(int), {"value": ""}) == {
        "value": "Input should be a valid integer, unable to parse string as an integer"
    }


def test_the_shapes_of_file_inputs_need_nothing_special() -> None:
    shapes: list[Any] = [({}, [{}]), ([{}], [{}]), ([{}, {}], [{}, {}]), ([], [])]
    for sent, expected in shapes:
        assert bound(list[dict[str, Any]], sent) == expected
    assert bound(MISSING, {}) == {}


@pytest.mark.parametrize("default", ["a", None, 3])
def test_a_missing_value_is_its_default(default: Any) -> None:
    assert bound(str, MISSING, default) == default
    assert bound(MISSING, MISSING, default) == default


def test_a_default_of_a_field_is_a_default() -> None:
    assert bound(int, MISSING, Field(3, gt=2)) == 3
    assert bound(list[int], MISSING, Field(default_factory=lambda: [1])) == [1]
    assert bound(Annotated[int, Field(default=4)]) == 4
    for sent in ("1", 1):
        assert wrong(taking(int, Field(3, gt=2)), {"value": sent}) == {
            "value": "Input should be greater than 2"
        }
    assert wrong(taking(default=Field(min_length=2)), {"value": "a"}) == {
        "value": "Value should have at least 2 items after validation, not 1"
    }


def test_a_default_that_can_change_is_not_shared() -> None:
    handler = compile_handler(taking(list[int], [1]), ())
    handler(connection(), frame({}))["value"].append(2)
    assert handler(connection(), frame({})) == {"value": [1]}


@pytest.mark.parametrize("annotation", [str, int, date, Color, MISSING, Any, int | None])
def test_a_missing_value_without_a_default_is_required(annotation: Any) -> None:
    assert wrong(taking(annotation), {}) == {"value": "Field required"}


def test_fields_that_nobody_takes_are_ignored() -> None:
    assert bind(taking(str), {"value": "a", "other": "b"}) == {"value": "a"}


def test_a_handler_may_take_nothing() -> None:
    async def handler() -> None: ...

    assert bind(handler, {"a": "b"}) == {}


def test_all_fields_at_fault_are_told_at_once_by_their_names_in_the_form() -> None:
    async def handler(
        name: str,
        age: Annotated[int, Field(alias="years")],
        tags: list[int],
        room: int,
        both: int | date,
        scores: dict[str, int],
        point: tuple[int, int],
        ok: str = "",
    ) -> None: ...

    sent = {"years": "old", "tags": ["1", "x"], "both": "never", "scores": {"a": "b"}, "point": "1"}
    number = "Input should be a valid integer, unable to parse string as an integer"
    assert wrong(handler, sent, path_params={"room": "x"}) == {
        "name": "Field required",
        "years": number,
        "tags.1": number,
        "room": number,
        "both": number,
        "scores.a": number,
        "point.1": "Field required",
    }


def test_the_messages_of_validators_are_for_people() -> None:
    def even(value: int) -> int:
        if value % 2:
            raise ValueError("An even number, please.")
        if value > 10:
            raise AssertionError("A small number, please.")
        return value

    handler = taking(Annotated[int, AfterValidator(even)])
    assert bind(handler, {"value": ["8"]}) == {"value": 8}
    assert wrong(handler, {"value": "3"}) == {"value": "An even number, please."}
    assert wrong(handler, {"value": "12"}) == {"value": "A small number, please."}


def _split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else ["nothing"]


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[list[str], BeforeValidator(_split)],
        Annotated[list[str], WrapValidator(lambda value, inner: inner(_split(value)))],
        Annotated[list[str], PlainValidator(_split)],
        Annotated[list[str], BeforeValidator(_split)] | None,
        Annotated[list[str], BeforeValidator(_split), Field(max_length=9)],
    ],
)
def test_a_validator_of_ones_own_sees_what_was_sent(annotation: Any) -> None:
    assert bound(annotation, "a,b") == ["a", "b"]
    assert wrong(taking(annotation), {}) == {"value": "Field required"}


@pytest.mark.parametrize("annotation", [Json[list[int]], Annotated[list[int], Json]])
def test_json_in_a_field_is_read_as_text(annotation: Any) -> None:
    assert bound(annotation, "[1, 2]") == [1, 2]


# --- models ----------------------------------------------------------------------------


def test_one_model_takes_the_whole_form() -> None:
    async def handler(room: str, person: Person, send: Any, name: str) -> None: ...

    sent = {"name": "Ann", "age": "", "tags": "a", "pets": "", "room": "evil"}
    arguments = bind(handler, sent, path_params={"room": "lobby"})
    assert arguments["person"] == Person(name="Ann", age=None, tags=["a"], member=False)
    assert (arguments["name"], arguments["room"]) == ("Ann", "lobby")


def test_the_habits_of_forms_reach_nested_models() -> None:
    sent = {"name": "Ann", "age": ["1", "2"], "address": {"city": 7, "plots": "3"}}
    person = bind(taking(Person), sent)["value"]
    address = Address(city="7", plots=[3])
    assert person == Person(name="Ann", age=2, tags=[], member=False, address=address)
    assert sent["address"] == {"city": 7, "plots": "3"}, "the frame was changed"


def test_errors_of_a_whole_form_are_keyed_by_its_fields() -> None:
    sent = {"name": "A", "tags": [{}], "address": {"plots": ["x"]}}
    assert wrong(taking(Person), sent) == {
        "name": "String should have at least 2 characters",
        "age": "Field required",
        "tags.0": "Input should be a valid string",
        "address.city": "Field required",
        "address.plots.0": (
            "Input should be a valid integer, unable to parse string as an integer"
        ),
    }


def test_several_models_take_each_the_field_of_its_name() -> None:
    async def handler(person: Address, page: Page) -> None: ...

    sent: dict[str, Any] = {"person": {"city": "Rome", "plots": "1"}, "page": {"size": "3"}}
    assert bind(handler, sent) == {
        "person": Address(city="Rome", plots=[1]),
        "page": Page.model_validate({"size": 3}),
    }
    assert wrong(handler, {"person": {}, "page": {"size": "x"}}) == {
        "person.city": "Field required",
        "page.size": "Input should be a valid integer, unable to parse string as an integer",
    }
    assert wrong(handler, {"page": {"size": 1}}) == {"person": "Field required"}


def test_a_model_with_an_alias_takes_that_field() -> None:
    handler = taking(Annotated[Address, Field(alias="home")])
    assert bind(handler, {"home": {"city": "Rome"}}) == {"value": Address(city="Rome", plots=[])}


@pytest.mark.parametrize("annotation", [Page | None, Annotated[Page | None, "a note"]])
def test_a_model_with_a_default_is_that_if_the_form_has_none_of_its_fields(annotation: Any) -> None:
    handler = taking(annotation, None)
    assert bind(handler, {"q": "x"}) == {"value": None}
    made = taking(annotation, Field(default_factory=lambda: "made"))
    assert bind(made, {"q": "x"}) == {"value": "made"}
    assert bind(handler, {"size": "1"})["value"].size == 1
    assert wrong(handler, {"from": "1"}) == {"size": "Field required"}


def test_what_is_wrong_with_a_form_as_a_whole_is_keyed_by_the_parameter() -> None:
    class Passwords(BaseModel):
        one: str
        two: str

        @model_validator(mode="after")
        def equal(self) -> Passwords:
            if self.one != self.two:
                raise ValueError("The passwords differ.")
            return self

    assert wrong(taking(Passwords), {"one": "a", "two": "b"}) == {"value": "The passwords differ."}


@pytest.mark.parametrize(
    ("annotation", "sent", "expected"),
    [
        (Point, {"x": "1", "y": "", "tags": "a"}, Point(1, False, ["a"])),
        (Point, {"x": "1", "marks": "3"}, Point(1, False, [], marks=[3])),
        (Spot, {"x": "1", "tag": "a"}, Spot(1, tag=["a"])),
        (Movie, {"title": "Up"}, {"title": "Up", "seen": False}),
        (Movie, {"title": 3, "tags": "a"}, {"title": "3", "seen": False, "tags": ["a"]}),
        (Partial, {}, {"tags": []}),
        (Partial, {"seen": "on"}, {"tags": [], "seen": True}),
        (Pair, {"x": "1", "y": ""}, Pair(1, [])),
        (Pair, {"x": "1", "flags": "a"}, Pair(1, ["a"])),
    ],
)
def test_dataclasses_typed_dicts_and_named_tuples_are_models(
    annotation: Any, sent: dict[str, Any], expected: Any
) -> None:
    assert bind(taking(annotation), sent) == {"value": expected}


def test_a_model_without_any_habit_is_bound_as_it_came() -> None:
    class Plain(BaseModel):
        at: Any

    assert bind(taking(Plain), {"at": ["1"]})["value"] == Plain(at=["1"])


def test_a_root_model_is_a_value_like_any_other() -> None:
    assert bound(Strings, ["a"]) == Strings(["a"])


def test_a_model_may_hold_itself() -> None:
    node = bind(taking(Node), {"flag": "on", "next": {"flag": "off", "next": None}})["value"]
    assert node == Node(flag=True, next=Node(flag=False))


class Node(BaseModel):
    flag: bool
    next: Node | None = None


def test_either_of_two_models_may_be_told_by_a_field() -> None:
    class Cat(BaseModel):
        kind: Literal["cat"]
        lives: int

    class Dog(BaseModel):
        kind: Literal["dog"]
        bark: bool

    handler = taking(Annotated[Cat | Dog, Field(discriminator="kind")])
    assert bind(handler, {"kind": "cat", "lives": "9"}) == {"value": Cat(kind="cat", lives=9)}
    assert wrong(handler, {"kind": "dog"}) == {"bark": "Field required"}


def test_field_validators_that_look_first_see_what_was_sent() -> None:
    class Labels(BaseModel):
        first: list[str]
        second: list[str]

        @field_validator("first", mode="before")
        @classmethod
        def split(cls, value: Any) -> Any:
            return value.split(",")

        @field_validator("second")
        @classmethod
        def upper(cls, value: list[str]) -> list[str]:
            return [each.upper() for each in value]

    class Any_(BaseModel):
        only: list[str]

        @field_validator("*", mode="wrap")
        @classmethod
        def split(cls, value: Any, inner: Any) -> Any:
            return inner(value.split(","))

    labels = bind(taking(Labels), {"first": "a,b", "second": "c"})["value"]
    assert labels == Labels.model_construct(first=["a", "b"], second=["C"])
    assert bind(taking(Any_), {"only": "a,b"})["value"].only == ["a", "b"]


def test_a_field_read_by_its_name_too_is_put_right_under_either() -> None:
    class Either(BaseModel):
        model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)
        tags: list[str] = Field(alias="tag")

    both = {"tag": "a", "tags": "b"}
    for sent, tags in [({"tags": "a"}, ["a"]), ({"tag": "a"}, ["a"]), (both, ["a"]), ({}, [])]:
        assert bind(taking(Either), sent)["value"].tags == tags


def test_a_field_with_a_path_for_an_alias_is_left_to_pydantic() -> None:
    class Deep(BaseModel):
        first: bool = Field(default=False, validation_alias=AliasPath("flags", 0))

    assert bind(taking(Deep, None), {"flags": ["on"], "first": ""})["value"].first is True
    assert bind(taking(Deep, None), {}) == {"value": None}


# --- hooks -----------------------------------------------------------------------------


def test_a_hook_takes_server_values_the_path_and_the_query() -> None:
    async def joined(
        conn: Connection, room: str, tag: list[str], page: int | None, size: int = 3
    ) -> None: ...

    conn = connection(path_params={"room": "lobby"}, query={"tag": "a", "page": ""})
    assert compile_hook(joined, ("room",))(conn) == {
        "conn": conn,
        "room": "lobby",
        "tag": ["a"],
        "page": None,
        "size": 3,
    }


def test_a_model_of_a_hook_takes_the_whole_query() -> None:
    query = {"size": ["1", "2"]}
    assert compile_hook(taking(Page), ())(connection(query=query))["value"].size == 2


def test_a_query_that_does_not_fit_is_a_binding_error() -> None:
    with pytest.raises(BindingError) as caught:
        compile_hook(taking(int), ())(connection())
    assert caught.value.fields == {"value": "Field required"}


@pytest.mark.parametrize("name", ["data", "frame", "htmx"])
def test_a_hook_has_no_frame(name: str) -> None:
    message = refused(taking(name=name), compile=compile_hook)
    assert f"`{name}` comes with a frame, and there is none" in message


@pytest.mark.parametrize("annotation", [Frame, HtmxHeaders])
def test_a_hook_has_no_frame_by_type_either(annotation: Any) -> None:
    message = refused(taking(annotation), compile=compile_hook)
    assert "comes with a frame" in message
    assert "send, conn, ws, scope, app, session, user, auth, state." in message


def test_an_error_is_a_form_value_outside_error_hooks() -> None:
    async def handler(error: str) -> None: ...

    assert bind(handler, {"error": "x"}) == {"error": "x"}
    assert compile_hook(handler, ())(connection(query={"error": "x"})) == {"error": "x"}
    assert "cannot be read from a form" in refused(taking(ValueError))


def test_an_error_hook_takes_the_error_by_name_or_type() -> None:
    async def failed(
        error: Any,
        problem: BindingError | FrameError,
        conn: Any,
        room: str,
        data: dict[str, Any],
        level: int = 3,
    ) -> None: ...

    conn, error = connection(path_params={"room": "lobby"}), BindingError({"a": "b"})
    sent = frame({"level": "4", "error": "evil", "room": "evil"})
    assert compile_error_hook(failed, ("room",))(conn, sent, error) == {
        "error": error,
        "problem": error,
        "conn": conn,
        "room": "lobby",
        "data": sent.values,
    }


def test_an_error_hook_without_a_frame_gets_none_and_empty_values() -> None:
    async def failed(error: FrameError, frame: Frame | None, data: Any, htmx: Any) -> None: ...

    error = FrameError("no")
    arguments = compile_error_hook(failed, ())(connection(), None, error)
    assert arguments.pop("htmx").trigger is None
    assert arguments == {"error": error, "frame": None, "data": {}}


def test_an_error_hook_takes_nothing_else() -> None:
    message = refused(taking(str, name="msg"), compile=compile_error_hook)
    assert "`msg` is nothing that an error hook gets" in message
    assert "error" in message


@pytest.mark.parametrize("annotation", [str, Frame, Other])
def test_the_error_of_an_error_hook_is_an_exception(annotation: Any) -> None:
    assert "is the server's" in refused(
        taking(annotation, name="error"), compile=compile_error_hook
    )


# --- what may be a handler -------------------------------------------------------------


class Room:
    async def say(self, msg: str, tags: list[int]) -> None: ...

    async def __call__(self, msg: str, *, tags: list[int]) -> None: ...

    @staticmethod
    def plain(msg: str, tags: list[int]) -> None: ...

    @classmethod
    def of_class(cls, msg: str, tags: list[int]) -> None: ...


async def say(msg: str, tags: list[int]) -> None: ...


def transparent(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


@dataclass
class Filled:
    msg: str
    tags: list[int]


class Loud(Room):
    @transparent
    async def say(self, msg: str, tags: list[int]) -> None: ...


@pytest.mark.parametrize(
    "handler",
    [
        say,
        Room().say,
        Room(),
        Room.plain,
        Room.of_class,
        functools.partial(say),
        functools.partial(functools.partial(Room().say)),
        functools.partial(Room()),
        transparent(say),
        transparent(transparent(say)),
        Loud().say,
        functools.partial(transparent(say)),
        Filled,
    ],
)
def test_whatever_can_be_called_by_name_is_a_handler(handler: Any) -> None:
    assert bind(handler, {"msg": "a", "tags": "1"}) == {"msg": "a", "tags": [1]}


def test_what_a_partial_fills_no_frame_can() -> None:
    sent = {"msg": "evil", "tags": "1"}
    assert bind(functools.partial(say, "mine"), sent) == {"tags": [1]}
    assert bind(functools.partial(functools.partial(say, msg="mine")), sent) == {"tags": [1]}


def test_a_wrapper_with_parameters_of_its_own_has_those() -> None:
    @functools.wraps(say)
    async def wrapper(conn: Any, words: Any) -> None: ...

    conn = connection()
    assert compile_handler(wrapper, ())(conn, frame({"words": "a"})) == {"conn": conn, "words": "a"}


def test_a_wrapper_that_passes_the_rest_on_has_both() -> None:
    @functools.wraps(say)
    async def wrapper(conn: Any, **rest: Any) -> None: ...

    conn = connection()
    assert compile_handler(wrapper, ())(conn, frame({"msg": "a", "tags": "1"})) == {
        "conn": conn,
        "msg": "a",
        "tags": [1],
    }


def _positional(msg: str, /) -> None: ...


def _args(*msgs: str) -> None: ...


def _kwargs(msg: str, **rest: str) -> None: ...


@pytest.mark.parametrize(
    ("handler", "parameter"), [(_positional, "msg"), (_args, "*msgs"), (_kwargs, "**rest")]
)
def test_every_parameter_must_have_a_name_to_fill_it_by(handler: Any, parameter: str) -> None:
    message = refused(handler)
    assert message.startswith(f"{HERE}.{handler.__name__}: the parameter `{parameter}")
    assert "cannot be filled by name" in message


@pytest.mark.parametrize("handler", [3, None, "say"])
def test_a_handler_can_be_called(handler: Any) -> None:
    assert "its signature cannot be read" in refused(handler)


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (Room().say, "Room.say"),
        (functools.partial(say), "say"),
        (transparent(say), "say"),
    ],
)
def test_a_refusal_names_the_handler_and_the_parameter(handler: Any, name: str) -> None:
    message = refused(handler, compile=compile_error_hook)
    assert message.startswith(f"{HERE}.{name}: the parameter `msg` ")


def test_a_type_that_is_not_there_at_run_time_is_refused() -> None:
    async def handler(found: str, lost: list[Absent]) -> None: ...

    message = refused(handler)
    assert "the parameter `lost` is annotated list[Absent]" in message
    assert "name 'Absent' is not defined" in message
    assert "TYPE_CHECKING" in message


def test_what_a_handler_returns_need_not_be_there_at_run_time() -> None:
    async def handler(msg: str) -> Absent: ...

    assert bind(handler, {"msg": "a"}) == {"msg": "a"}


def test_our_types_may_be_imported_for_type_checkers_alone() -> None:
    scope: dict[str, Any] = {}
    exec("async def handler(me: 'Connection', it: 'Frame', of: 'HtmxHeaders'): ...", scope)
    assert set(bind(scope["handler"], {})) == {"me", "it", "of"}


@pytest.mark.parametrize("annotation", [Other, list[Other], TypedDict])
def test_a_type_that_pydantic_cannot_read_is_refused(annotation: Any) -> None:
    message = refused(taking(annotation))
    assert "the parameter `value` is " in message
    assert "cannot be read from a form" in message


def test_a_model_that_is_not_complete_is_refused() -> None:
    class Hollow(BaseModel):
        inside: Absent

    assert "cannot be read from a form" in refused(taking(Hollow))


def test_an_alias_of_several_names_is_refused() -> None:
    handler = taking(str, Field(validation_alias=AliasChoices("a", "b")))
    assert "give it a plain one" in refused(handler)


# --- whatever comes --------------------------------------------------------------------


async def everything(
    raw: Any,
    text: str,
    number: int,
    real: float,
    flag: bool,
    octets: bytes,
    price: Decimal,
    day: date,
    moment: datetime,
    hour: time,
    span: timedelta,
    key: UUID,
    color: Color,
    level: Level,
    one_of: Literal["a", 1],
    maybe: int | None,
    either: int | date | list[str],
    texts: list[str],
    numbers: set[int],
    pair: tuple[int, str],
    table: dict[int, float],
    movie: Movie,
    spot: Spot,
    deep: list[Person],
    some: int = 3,
) -> None: ...


async def a_form(person: Person, text: str = "") -> None: ...


NAMES = (
    *inspect.signature(everything).parameters,
    *Person.model_fields,
    *("x", "tag", "title", "seen", "city", "plots", "", "__class__"),
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["", "on", "1", "1e999", "2026-01-02", "09:30", "red", str(ONE), "NaN"])
)
OBJECTS = st.dictionaries(
    st.sampled_from(NAMES),
    st.recursive(
        LEAVES,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=4)
        ),
        max_leaves=6,
    ),
)
BIND_EVERYTHING = [compile_handler(handler, ()) for handler in (everything, a_form)]


def binds(bind_it: Callable[..., dict[str, Any]], values: dict[str, Any]) -> bool:
    try:
        return bool(bind_it(connection(), frame(values)))
    except BindingError as error:
        return bool(error.fields) and all(map(str.strip, error.fields.values()))


@given(OBJECTS)
def test_any_json_object_binds_or_is_a_binding_error(values: dict[str, Any]) -> None:
    """And what binds or fails leaves the frame as it was."""
    before = json.dumps(values)
    assert all(binds(bind_it, values) for bind_it in BIND_EVERYTHING)
    assert json.dumps(values) == before

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import AliasChoices, BaseModel, Field
from typing_extensions import TypedDict

from htmx_ws.binding import compile_error_hook, compile_handler
from tests.unit.binding.samples import Other, bind, connection, frame, refused, taking

if TYPE_CHECKING:
    from nowhere import Absent  # type: ignore[import-not-found]  # absent at run time: the point

HERE = __name__


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

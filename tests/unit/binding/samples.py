"""The types that the tests bind to, and the few words in which they ask for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum
from types import SimpleNamespace
from typing import Any, NamedTuple, NewType, NotRequired, Protocol, Required, TypeVar
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, RootModel
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypeAliasType, TypedDict

from htmx_ws.binding import compile_handler
from htmx_ws.connection import Connection
from htmx_ws.errors import BindingError, RegistrationError
from htmx_ws.wire.frame import Frame

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
    handler.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]  # PEP 362
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

"""The application that fuzzed pages talk to: every type a form can have, and every way to answer.

Its handlers look at what they get. A value that is not of the type that was asked for raises
``Broken`` in the handler, which ends up in the log as the handler's failure, and there is found.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Final, Literal, NotRequired
from uuid import UUID

from pydantic import AnyUrl, BaseModel, ConfigDict, Field, Json, SecretStr
from typing_extensions import TypedDict

from htmx_ws import Connection, Frame, HtmxHeaders, HtmxWS, Limits, append, clean, html, replace

from .frames import is_json
from .kind import Broken

__all__ = ["PATHS", "SECRET", "SMALL", "TAKEN", "application"]

SECRET: Final = "a secret of the fuzzer's own"
#: So that a page can be over them with little text.
SMALL: Final = Limits(frame_bytes=2_000, frame_bytes_hard=8_000)


class Colour(Enum):
    """Text choices, one of which is empty."""

    RED = "red"
    NONE = ""


class Level(IntEnum):
    """Numbers, which a form sends as text."""

    LOW = 1
    HIGH = 10


class Person(BaseModel):
    """A whole form that takes nothing else."""

    model_config = ConfigDict(extra="forbid")

    name: str
    age: int = 0
    tags: list[str] = []
    born: date | None = None
    friend: Person | None = None


class Named(BaseModel):
    """A form whose fields have other names on the page."""

    model_config = ConfigDict(populate_by_name=True)

    name: str = Field(alias="full-name", max_length=20)
    scores: dict[str, int] = {}
    people: list[Person] = []


@dataclass
class Point:
    """A form that is no model of pydantic's."""

    x: int
    y: float = 0.0
    room: str = ""


class Options(TypedDict):
    """A form that is a dict."""

    a: NotRequired[int]
    b: NotRequired[list[bool]]


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in kinds


def _each(holder: type[Any], *kinds: type) -> Callable[[Any], bool]:
    return lambda value: type(value) is holder and all(type(one) in kinds for one in value)


#: By the name of a field: the type that a handler asks for, and what then must be true.
TAKEN: Final[dict[str, tuple[Any, Callable[[Any], bool]]]] = {
    "n": (int, _is(int)),
    "positive": (Annotated[int, Field(gt=0)], lambda value: type(value) is int and value > 0),
    "ratio": (float, _is(float)),
    "price": (Decimal, _is(Decimal)),
    "ok": (bool, _is(bool)),
    "msg": (str, _is(str)),
    "short": (Annotated[str, Field(max_length=5, pattern="^[a-z]*$")], _is(str)),
    "raw": (bytes, _is(bytes)),
    "day": (date, _is(date)),
    "at": (datetime, _is(datetime)),
    "hour": (time, _is(time)),
    "span": (timedelta, _is(timedelta)),
    "key": (UUID, _is(UUID)),
    "colour": (Colour, _is(Colour)),
    "level": (Level, _is(Level)),
    "side": (Literal["left", "right", 7], lambda value: value in ("left", "right", 7)),
    "tags": (list[str], _each(list, str)),
    "numbers": (list[int], _each(list, int)),
    "unique": (set[str], _each(set, str)),
    "pair": (tuple[int, str], lambda value: [type(one) for one in value] == [int, str]),
    "maybe": (int | None, _is(int, type(None))),
    "either": (int | str, _is(int, str)),
    "scores": (dict[str, int], _is(dict)),
    "person": (Person | None, _is(Person, type(None))),
    "people": (list[Person], _each(list, Person)),
    "point": (Point | None, _is(Point, type(None))),
    "parsed": (Json, lambda value: True),
    "hidden": (SecretStr, _is(SecretStr)),
    "link": (AnyUrl, _is(AnyUrl)),
    "anything": (Any, is_json),
}


def _taking(name: str, default: bool) -> Callable[..., Awaitable[Any]]:
    annotation, is_right = TAKEN[name]

    async def take(value: Any) -> Any:
        if not is_right(value):
            raise Broken("a handler gets what it did not ask for", name, value)
        return append("#log", html("<li title='{}'>{}</li>", value, [value]))

    async def take_or_not(value: Any = None) -> Any:
        return None if value is None else await take(value)

    chosen: Any = take_or_not if default else take
    field = Field(alias=name)
    chosen.__annotations__["value"] = Annotated[annotation | None if default else annotation, field]
    return chosen  # type: ignore[no-any-return]


async def _alive(conn: Connection, nonce: str = "") -> Any:
    return append("#alive", html("<li>{} {}</li>", nonce, len(conn.rooms)))


async def _any(frame: Frame, data: dict[str, Any], htmx: HtmxHeaders) -> Any:
    if not is_json(data) or not is_json(dict(frame.headers)) or data is not frame.values:
        raise Broken("a handler gets what is no JSON", frame)
    said = [htmx.trigger, htmx.tag, htmx.target, htmx.current_url, htmx.trigger_name]
    return [append("#log", html("<li>{}</li>", [*data.values(), *said])), append("#n", "<i></i>")]


async def _said(msg: str = "") -> Any:
    return replace(html('<p id="said">{}</p>', msg))


async def _cleaned(msg: str = "") -> Any:
    return append("#cleaned", clean(msg))


async def _signed(conn: Connection, data: dict[str, Any]) -> Any:
    return append("#log", html("<li>{}</li>", conn.app.unsign(data.get("token"))))


async def _tells(conn: Connection, msg: str = "") -> None:
    await conn.app.publish("everybody", append("#log", html("<li id='{}'>{}</li>", msg, msg)))


async def _snapshot(conn: Connection, room: str) -> Any:
    return replace("#log", html("<ul id='log'><li>{}</li></ul>", room))


async def _counts(n: int = 0) -> Any:
    for at in range(min(max(n, 0), 3)):
        yield append("#log", html("<li>{}</li>", at))


async def _joined(conn: Connection, n: int = 0, room: str = "", tags: tuple[str, ...] = ()) -> None:
    await conn.join("everybody")


async def _with_token(conn: Connection, token: str) -> None:
    await conn.join(conn.app.unsign(token))


async def _wrong(error: Exception) -> Any:
    return append("#errors", html("<li>{}</li>", error))


#: Where pages connect; those that show their errors themselves begin with /errors.
PATHS: Final = ["/form", "/errors", "/person", "/named", "/point", "/options"]


async def _on_a_day(day: date) -> None:
    if type(day) is not date:
        raise Broken("a hook gets what it did not ask for", day)


#: And where their hooks take something of the address.
HOOKS: Final[dict[str, Callable[..., Awaitable[None]]]] = {
    "/numbers/{n:int}/{x:float}/{key:uuid}/{rest:path}": _joined,
    "/typed/{day}": _on_a_day,
    "/signed": _with_token,
}


def application(limits: Limits | None = None, *, origins: list[str] | None = None) -> HtmxWS:
    """Make the application, with pages for every kind of form."""
    live = HtmxWS(limits=limits, origins=origins, secret=SECRET)
    live.room("everybody", history=5, snapshot=_snapshot)
    endpoints = [live.endpoint(path + "/{room}") for path in PATHS]
    for endpoint in endpoints[:2]:
        endpoint.on_connect(_joined)
        for name in TAKEN:
            endpoint.on(f"one-{name}")(_taking(name, False))
            endpoint.on(f"opt-{name}")(_taking(name, True))
        for function in (_said, _cleaned, _signed, _counts, _tells):
            endpoint.on(function.__name__.removeprefix("_"))(function)
        endpoint.on("beside", concurrent=True)(_said)
        endpoint.on("thread")(lambda msg="": replace(html('<p id="said">{}</p>', msg)))
        endpoint.on(action="go")(_any)
        endpoint.on_message(_any)
    endpoints[1].on_error(_wrong)
    for endpoint, model in zip(endpoints[2:], (Person, Named, Point, Options), strict=True):
        endpoint.on_message(_a_form(model))
    for path, hook in HOOKS.items():
        endpoints.append(live.endpoint(path))
        endpoints[-1].on_connect(hook)
        endpoints[-1].on_message(_any)
    for endpoint in endpoints:
        endpoint.on("alive")(_alive)
    return live


def _a_form(model: Any) -> Callable[..., Awaitable[Any]]:
    async def take(form: Any) -> Any:
        if model is not Options and type(form) is not model:
            raise Broken("a handler gets another form", form)
        return append("#log", html("<li>{}</li>", form))

    take.__annotations__["form"] = model
    return take

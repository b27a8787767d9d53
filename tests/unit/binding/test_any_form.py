from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from htmx_ws.binding import compile_handler
from htmx_ws.errors import BindingError
from tests.unit.binding.samples import ONE, Color, Level, Movie, Person, Spot, connection, frame


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

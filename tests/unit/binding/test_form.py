from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, Field, SecretStr

from htmx_ws.binding import compile_handler
from tests.unit.binding.samples import (
    MISSING,
    ONE,
    Color,
    Level,
    Side,
    Size,
    UserId,
    bind,
    bound,
    connection,
    frame,
    taking,
    wrong,
)


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

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import (
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    PlainValidator,
    SecretStr,
    WrapValidator,
    field_validator,
)

from tests.unit.binding.samples import (
    MISSING,
    Address,
    Choice,
    Color,
    Many,
    Person,
    Side,
    Size,
    Tags,
    bind,
    bound,
    taking,
    wrong,
)


def test_a_path_parameter_has_no_habits_of_forms() -> None:
    assert list(wrong(taking(list[str]), {}, path_params={"value": "a"})) == ["value"]


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


def test_the_habits_of_forms_reach_nested_models() -> None:
    sent = {"name": "Ann", "age": ["1", "2"], "address": {"city": 7, "plots": "3"}}
    person = bind(taking(Person), sent)["value"]
    address = Address(city="7", plots=[3])
    assert person == Person(name="Ann", age=2, tags=[], member=False, address=address)
    assert sent["address"] == {"city": 7, "plots": "3"}, "the frame was changed"


def test_a_model_without_any_habit_is_bound_as_it_came() -> None:
    class Plain(BaseModel):
        at: Any

    assert bind(taking(Plain), {"at": ["1"]})["value"] == Plain(at=["1"])


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

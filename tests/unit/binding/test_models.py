from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, model_validator

from tests.unit.binding.samples import (
    Address,
    Movie,
    Page,
    Pair,
    Partial,
    Person,
    Point,
    Spot,
    Strings,
    bind,
    bound,
    taking,
    wrong,
)


def test_one_model_takes_the_whole_form() -> None:
    async def handler(room: str, person: Person, send: Any, name: str) -> None: ...

    sent = {"name": "Ann", "age": "", "tags": "a", "pets": "", "room": "evil"}
    arguments = bind(handler, sent, path_params={"room": "lobby"})
    assert arguments["person"] == Person(name="Ann", age=None, tags=["a"], member=False)
    assert (arguments["name"], arguments["room"]) == ("Ann", "lobby")


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

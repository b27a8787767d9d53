"""A cursor is read back as it was written, and whatever else a page writes is none."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmx_ws.cursor import AT, cursor_field, id_of, read_cursors

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


def value_of(field: str) -> str:
    (value,) = re.findall('value="([^"]*)"', field)
    return unescape(value)


@given(_TEXT, _TEXT, st.integers(0, 10**15))
def test_a_cursor_is_read_as_it_was_written(room: str, epoch: str, offset: int) -> None:
    field = cursor_field(room, epoch, offset)
    assert read_cursors({AT: value_of(field)}, 10) == {room: (epoch, offset)}
    assert f'id="{id_of(room)}"' in field
    assert "hx-swap-oob" not in field


def test_in_a_message_it_says_where_it_goes() -> None:
    field = cursor_field("chat:1", "e", 3, "outerHTML")
    assert field.endswith(' hx-swap-oob="outerHTML">')
    assert re.fullmatch(r"htmx-ws-at-[0-9a-f]{12}", id_of("chat:1"))
    assert id_of("chat:1") != id_of("chat:2")


@pytest.mark.parametrize(
    "said",
    [
        None,
        5,
        {},
        "",
        "5",
        "5:e",
        "5:e:",
        "-1:e:room",
        "+1:e:room",
        "1_0:e:room",
        "1.5:e:room",
        "٣:e:room",
        "9" * 19 + ":e:room",
        "x:e:room",
        f"1:e:{'r' * 3000}",
    ],
)
def test_what_a_page_writes_that_is_none_is_left_out(said: Any) -> None:
    assert read_cursors({AT: said}, 10) == {}
    assert read_cursors({AT: [said, "1:e:room"]}, 10) == {"room": ("e", 1)}


def test_without_the_field_there_are_none() -> None:
    assert read_cursors({}, 10) == {}


def test_no_more_are_looked_at_than_a_page_may_have_rooms() -> None:
    said = [f"1:e:room{n}" for n in range(10_000)]
    assert len(read_cursors({AT: said}, 7)) == 7


def test_the_last_of_a_room_counts() -> None:
    assert read_cursors({AT: ["1:e:a", "2:f:a"]}, 10) == {"a": ("f", 2)}

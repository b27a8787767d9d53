"""What waits for a slow page: bounded, in order, and without what nobody will see."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmx_ws import Limits, append, html, morph, remove, replace, serialise, update
from htmx_ws.outbox import Outbox
from htmx_ws.wire.serialise import Message


def message(content: object) -> Message:
    (made,) = serialise(content)
    return made


def filled(*contents: object, **limits: Any) -> list[str]:
    """What is left of messages for which there is one place too few."""
    outbox = Outbox(Limits(**({"outbox_messages": len(contents) - 1} | limits)))
    for content in contents:
        outbox.put(message(content), None)
    texts = [outbox.take() for _ in range(len(outbox))]
    assert outbox.bytes == 0
    return texts


def up(target: str, text: object) -> object:
    return update(target, html("{}", text))


def re(name: str, text: object) -> object:
    return replace(html('<p id="{}">{}</p>', name, text))


def li(text: object) -> object:
    return append("#log", html("<li>{}</li>", text))


def texts(*contents: object) -> list[str]:
    return [message(content).text for content in contents]


def test_messages_come_out_in_the_order_in_which_they_went_in() -> None:
    outbox = Outbox(Limits())
    for content in (li(1), up("#x", 1), li(2)):
        assert outbox.put(message(content), None)
    assert (len(outbox), outbox.bytes) == (3, sum(map(len, texts(li(1), up("#x", 1), li(2)))))
    assert [outbox.take() for _ in range(3)] == texts(li(1), up("#x", 1), li(2))
    assert (len(outbox), outbox.bytes) == (0, 0)


def test_as_long_as_there_is_room_nothing_is_left_out() -> None:
    assert filled(up("#x", 1), up("#x", 2), outbox_messages=2) == texts(up("#x", 1), up("#x", 2))


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        ([up("#x", 1), up("#x", 2)], [up("#x", 2)]),
        ([re("x", 1), re("x", 2)], [re("x", 2)]),
        ([up("#x", 1), re("x", 2)], [re("x", 2)]),
        ([re("x", 1), up("#x", 2)], [re("x", 1), up("#x", 2)]),  # its attributes are kept
        ([up("#x", 1), up("#y", 1), up("#x", 2)], [up("#y", 1), up("#x", 2)]),
        ([up("#x", 1), li(1), up("#x", 2)], [up("#x", 1), li(1), up("#x", 2)]),
        ([up("#x", 1), up("#x", 2), li(1)], [up("#x", 2), li(1)]),
        ([up("#x", 1), remove("#y"), up("#x", 2)], [up("#x", 1), remove("#y"), up("#x", 2)]),
        ([up(".x", 1), up(".x", 2)], [up(".x", 1), up(".x", 2)]),  # more than one element
        ([li(1), li(1)], [li(1), li(1)]),
        ([morph("#x", "1"), up("#x", 2), morph("#x", "3")], [morph("#x", "3")]),
    ],
)
def test_a_full_swap_that_a_later_one_makes_needless_is_left_out(
    sent: list[object], left: list[object]
) -> None:
    assert filled(*sent) == texts(*left)


def test_there_is_no_room_where_leaving_out_makes_none() -> None:
    outbox = Outbox(Limits(outbox_messages=2))
    assert [outbox.put(message(li(n)), None) for n in range(3)] == [True, True, False]
    size = len(message(li("é")).text.encode())
    outbox = Outbox(Limits(outbox_bytes=2 * size))
    assert [outbox.put(message(li("é")), None) for _ in range(3)] == [True, True, False]


def test_the_oldest_is_dropped_where_old_news_is_no_loss() -> None:
    limits = Limits(outbox_messages=2, slow_pages="drop")
    outbox = Outbox(limits)
    assert all(outbox.put(message(li(n)), None) for n in range(5))
    assert [outbox.take() for _ in range(2)] == texts(li(3), li(4))
    assert outbox.dropped == 3


def test_what_is_too_big_for_the_whole_outbox_is_dropped_too() -> None:
    outbox = Outbox(Limits(outbox_bytes=10, slow_pages="drop"))
    assert outbox.put(message(li("x" * 10)), None)
    assert (len(outbox), outbox.bytes, outbox.dropped) == (0, 0, 1)


def test_a_page_gets_the_variant_of_its_dialect() -> None:
    outbox = Outbox(Limits())
    made = message(morph(html('<p id="x"></p>')))
    outbox.put(made, "htmx4")
    assert outbox.take() == made.text_for("htmx4") != made.text


def test_it_forgets_all_at_once() -> None:
    outbox = Outbox(Limits())
    outbox.put(message(li(1)), None)
    outbox.clear()
    assert (len(outbox), outbox.bytes) == (0, 0)


CONTENTS = st.one_of(
    st.builds(up, st.sampled_from(["#x", "#y"]), st.integers(0, 9)),
    st.builds(re, st.sampled_from(["x", "y"]), st.integers(0, 9)),
    st.builds(li, st.integers(0, 9)),
)


class Page:
    """A page with two elements and a log, as far as these messages change it."""

    def __init__(self) -> None:
        self.shown: dict[str, tuple[int, str]] = {"x": (0, ""), "y": (0, "")}
        self.log: list[tuple[str, dict[str, tuple[int, str]]]] = []

    def swap(self, content: Any, count: int) -> None:
        if content.style == "beforeend":
            self.log.append((content.html, dict(self.shown)))
            return
        name = (content.target or "#" + content.html[7]).removeprefix("#")
        marks, _ = self.shown[name]
        # An element that is replaced is another one, which an update of what is in it is not.
        self.shown[name] = (count if content.style == "outerHTML" else marks, content.html)


@given(st.lists(CONTENTS, min_size=2, max_size=12))
def test_the_page_shows_the_same_whether_or_not_anything_was_left_out(contents: list[Any]) -> None:
    by_text: dict[str, tuple[Any, int]] = {}
    for count, content in enumerate(contents):
        by_text.setdefault(message(content).text, (content, count))
    every, some = Page(), Page()
    for content in contents:
        every.swap(*by_text[message(content).text])
    for text in filled(*contents, outbox_bytes=1_000_000):
        some.swap(*by_text[text])
    assert some.shown == every.shown
    assert some.log == every.log

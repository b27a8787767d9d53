"""What a page typed and gets back as HTML is reported, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from htmx_ws import clean
from htmx_ws.reflection import forget_cleaned, handling, report_reflection, was_cleaned
from htmx_ws.wire.content import html
from htmx_ws.wire.fragment import append
from htmx_ws.wire.frame import Frame
from htmx_ws.wire.serialise import serialise


@pytest.fixture
def reported(caplog: pytest.LogCaptureFixture) -> Any:
    """Report on content that a handler sends for a frame of some values."""

    def report(values: dict[str, Any], *contents: object) -> list[str]:
        token = handling.set((Frame(values, {}, "htmx4"), "chat.say"))
        try:
            for content in contents:
                report_reflection(serialise(content))
        finally:
            handling.reset(token)
        return [record.getMessage() for record in caplog.records]

    return report


def test_a_value_that_comes_back_unescaped_is_a_warning_that_shows_the_cure(reported: Any) -> None:
    msg = "<b>hi</b>"
    assert reported({"msg": msg}, append("#log", f"<li>{msg}</li>")) == [
        "chat.say sends the value of the field 'msg' back unescaped: whoever types HTML there "
        "puts it into the page. Use html('<p>{}</p>', msg) or a template."
    ]


@pytest.mark.parametrize("value", ["<i>a</i>", 'a" onclick="b', "it's me", "a & b", "a > b"])
def test_each_metacharacter_counts(reported: Any, value: str) -> None:
    assert len(reported({"msg": value}, append("#log", f"<li>{value}</li>"))) == 1
    assert len(reported({"msg": value}, append("#log", html("<li>{}</li>", value)))) == 1


@pytest.mark.parametrize("value", ["plain", "", "grüße 😀", "a=b;c"])
def test_a_value_without_metacharacters_needs_no_escaping(reported: Any, value: str) -> None:
    assert reported({"msg": value}, append("#log", f"<li>{value}</li>")) == []


@pytest.mark.parametrize("value", ["<", ">", "&", '"', "'", '">', "><"])
def test_a_character_or_two_stand_in_every_message(reported: Any, value: str) -> None:
    """A choice of operators, escaped properly, is no injection."""
    assert reported({"op": value}, append("#log", html("<li>{}</li>", value))) == []


def test_what_visitors_may_write_is_clean(reported: Any) -> None:
    """For the frame at work, that is: what another frame cleaned says nothing of this one."""
    msg = "<b>hi</b>"
    frame = Frame({"msg": msg}, {}, "htmx4")
    token = handling.set((frame, "chat.say"))
    try:
        assert clean(f"<p>{msg}<script>x</script></p>") == f"<p>{msg}</p>"
        report_reflection(serialise(append("#log", html("<li>{}</li>", clean(msg)))))
    finally:
        handling.reset(token)
    assert was_cleaned(msg)
    assert reported({"msg": "<i>no</i>"}) == []
    assert len(reported({"msg": "<i>x</i>"}, append("#log", "<li><i>x</i></li>"))) == 1
    forget_cleaned("<i>")
    assert was_cleaned(msg)
    forget_cleaned(msg)
    assert not was_cleaned(msg)


def test_outside_of_debug_and_tests_nothing_cleaned_is_kept() -> None:
    clean("<b>seldom</b>")
    assert not was_cleaned("<b>seldom</b>")


def test_every_text_of_a_list_is_looked_for(reported: Any) -> None:
    values = {"tags": ["<i>a</i>", 3, None, "<i>b</i>"]}
    assert len(reported(values, append("#log", "<li><i>b</i></li>"))) == 1


@pytest.mark.parametrize("value", [3, None, True, {"a": "<i>a</i>"}, []])
def test_what_is_no_text_is_not_looked_for(reported: Any, value: object) -> None:
    assert reported({"n": value}, append("#log", "<li><i>a</i></li>")) == []


def test_every_message_is_looked_at(reported: Any) -> None:
    safe, unsafe = append("#log", "<li>x</li>"), append("#log", "<li><i>a</i></li>")
    assert len(reported({"msg": "<i>a</i>"}, [safe, unsafe], safe, unsafe)) == 2


def test_outside_of_debug_and_tests_nothing_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    assert handling.get() is None
    report_reflection(serialise(append("#log", "<li><b>hi</b></li>")))
    assert caplog.records == []

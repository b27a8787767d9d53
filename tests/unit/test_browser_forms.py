"""Forms: what a visitor may enter, what keeps one from being sent, what a click does."""

from __future__ import annotations

from typing import Any

import pytest

from htmx_ws.testing.browser import controls, gestures, times
from htmx_ws.testing.browser.dom import Element
from htmx_ws.testing.browser.forms import enter, entries
from htmx_ws.testing.browser.tab import Event, Tab


def tab_of(html: str) -> Tab:
    return Tab(f"<!doctype html><body>{html}", "http://app.test/x")


def form_of(html: str) -> Element:
    form = tab_of(f"<form id=f>{html}</form>").document.by_id("f")
    assert form is not None
    return form


@pytest.mark.parametrize(
    ("html", "fields", "held"),
    [
        ("<input name=a>", {"a": "x"}, [("a", "x")]),
        ("<input name=a>", {"a": None}, [("a", "")]),
        ("<input name=a maxlength=2>", {"a": "xyz"}, [("a", "xy")]),
        ("<input name=a><input name=a>", {"a": ["1", "2"]}, [("a", "1"), ("a", "2")]),
        ("<textarea name=a></textarea>", {"a": "1\n2"}, [("a", "1\n2")]),
        ("<input type=checkbox name=a>", {"a": True}, [("a", "on")]),
        ("<input type=checkbox name=a checked>", {"a": False}, []),
        (
            "<input type=checkbox name=a value=1 checked><input type=checkbox name=a value=2>",
            {"a": ["2"]},
            [("a", "2")],
        ),
        (
            "<input type=checkbox name=a value=1 checked><input type=checkbox name=a value=2>",
            {"a": ["1"]},
            [("a", "1")],
        ),
        ("<input type=checkbox name=a value=1>", {"a": "1"}, [("a", "1")]),
        (
            "<input type=radio name=a value=1 checked><input type=radio name=a value=2>",
            {"a": 2},
            [("a", "2")],
        ),
        ("<input type=radio value=1 checked>", {}, []),
        ("<select name=a><option>x<option value=y>Why</select>", {"a": "Why"}, [("a", "y")]),
        (
            "<select name=a multiple><option>x<option>y</select>",
            {"a": ["x", "y"]},
            [("a", "x"), ("a", "y")],
        ),
        ("<input type=file name=a>", {"a": "f.txt"}, [("a", "f.txt")]),
        ("<input type=file name=a multiple>", {"a": ["f", "g"]}, [("a", "f"), ("a", "g")]),
        ("<input type=color name=a>", {"a": "#ABCDEF"}, [("a", "#abcdef")]),
        ("<input type=url name=a>", {"a": " u "}, [("a", "u")]),
        ("<input type=hidden name=a>", {"a": "\n"}, [("a", "\n")]),
        ("<button name=a>x</button><fieldset name=b></fieldset>", {}, []),
    ],
)
def test_what_is_entered_is_what_the_form_holds(
    html: str, fields: dict[str, Any], held: list[tuple[str, str]]
) -> None:
    form = form_of(html)
    enter(form, fields)
    assert entries(form) == held


@pytest.mark.parametrize(
    ("html", "fields", "said"),
    [
        ("<input name=a>", {"b": 1}, "has no field 'b': there are a"),
        ("", {"b": 1}, "there are none"),
        ("<input name=a readonly>", {"a": 1}, "cannot change the field 'a'"),
        ("<input name=a disabled>", {"a": 1}, "cannot change the field 'a'"),
        ("<input name=a>", {"a": ["1", "2"]}, "only 1 fields 'a'"),
        ("<input type=checkbox name=a value=1>", {"a": "2"}, "no box 'a' has the value '2'"),
        ("<input type=radio name=a value=1>", {"a": "2"}, "no radio button 'a'"),
        ("<select name=a><option>1</select>", {"a": "2"}, "has no '2': there are 1"),
    ],
)
def test_what_a_visitor_cannot_enter_is_said(html: str, fields: dict[str, Any], said: str) -> None:
    with pytest.raises((LookupError, ValueError), match=said):
        enter(form_of(html), fields)


@pytest.mark.parametrize(
    ("html", "why"),
    [
        ("<input required>", "it is required"),
        ("<input required value=x>", None),
        ("<input required disabled>", None),
        ("<input type=hidden required>", None),
        ("<p>", None),
        ("<input type=radio name=r required>", "it is required"),
        ("<input type=radio required>", "it is required"),
        ("<input pattern='[' value=x>", None),
        ("<input type=url value=x>", "it is not a URL"),
        ("<input type=url value='http://x'>", None),
        ("<input type=email multiple value='a@b, c'>", "it is not an email address"),
        ("<input type=email value=a@b>", None),
        ("<input type=date min=2026-02-01 value=2026-01-01>", "it is before 2026-02-01"),
        ("<input type=date max=2026-01-01 value=2026-02-01>", "it is after 2026-01-01"),
        ("<input type=date max=2026-03-01 value=2026-02-01>", None),
        ("<input type=number max=1 value=2>", "it is more than 1"),
        ("<input type=number step=any value=1.5>", None),
        ("<input type=number min=1 step=2 value=4>", "it is no step of 2"),
        ("<select required><option value=''>-</select>", "it is required"),
    ],
)
def test_validity(html: str, why: str | None) -> None:
    element = form_of(html).elements[0]
    assert controls.problem(element) == why


def test_lengths_count_for_what_was_typed() -> None:
    field = form_of("<input minlength=3 maxlength=4>").elements[0]
    field.value = "ab"
    assert controls.problem(field) == "it is shorter than 3 characters"
    field.value = "abcde"
    assert controls.problem(field) == "it is longer than 4 characters"
    field.value = "abcd"
    assert controls.problem(field) is None


def test_a_choice_without_choices_is_empty() -> None:
    assert controls.value_of(form_of("<select></select>").elements[0]) == ""


def test_a_file_field_reads_as_browsers_have_it() -> None:
    field = form_of("<input type=file name=a>").elements[0]
    assert controls.value_of(field) == ""
    field.files = ["a.txt"]
    assert controls.value_of(field) == "C:\\fakepath\\a.txt"


def test_an_option_of_a_disabled_group_is_disabled() -> None:
    form = form_of("<select name=s><optgroup disabled><option id=o>1</optgroup></select>")
    option = form.by_id("o")
    assert option is not None
    assert controls.is_disabled(option)


def test_clicks_do_what_the_browser_does_by_itself() -> None:
    tab = tab_of(
        "<form id=f action=/go><input name=a value=1><button type=reset id=r>r</button>"
        "<label id=l>x<input type=checkbox id=c name=c></label><label for=d id=l2>y</label>"
        "<input type=checkbox id=d><button type=button id=b>b</button>"
        "<button id=s disabled>s</button>"
        "<label id=l3>none</label></form><button id=alone>x</button><p id=p>p</p>"
        "<form method=dialog id=g><button id=h>x</button></form>"
        "<dialog open><form method=dialog><button id=i>x</button></form></dialog>"
    )
    q = tab.document.by_id

    def click(id: str) -> gestures.Request | None:
        element = q(id)
        assert element is not None
        return gestures.click(tab, element)

    for id in ("s", "b", "alone", "p", "l3", "h"):
        assert click(id) is None
    click("l")
    click("l2")
    c, d, f = q("c"), q("d"), q("f")
    assert c is not None
    assert d is not None
    assert f is not None
    assert controls.is_checked(c)
    assert controls.is_checked(d)
    f.elements[0].value = "typed"
    click("r")
    assert controls.value_of(f.elements[0]) == "1"
    end = tab.listen(f, "reset", lambda event: setattr(event, "is_prevented", True))
    f.elements[0].value = "typed"
    click("r")
    assert controls.value_of(f.elements[0]) == "typed"
    end()
    end()
    tab.listen(d, "click", lambda event: setattr(event, "is_prevented", True))
    before = controls.is_checked(d)
    click("d")
    assert controls.is_checked(d) == before
    click("i")
    assert "open" not in tab.document.select("dialog")[0].attrs
    assert gestures.request_submit(tab, f) == gestures.Request(
        "GET", "http://app.test/go", [("a", "typed")]
    )


def test_keys_and_changes() -> None:
    tab = tab_of(
        "<form id=f><input id=a name=a><input id=b type=checkbox></form>"
        "<input id=c type=radio name=r>"
    )
    a, b, c = (tab.document.by_id(id) for id in "abc")
    assert a is not None
    assert b is not None
    assert c is not None
    end = tab.listen(a, "keydown", lambda event: setattr(event, "is_prevented", True))
    assert gestures.press(tab, a, "x") is None
    end()
    gestures.fill(tab, a, "x")
    assert gestures.press(tab, a, "Enter") is not None
    assert [event.type for event in tab.events].count("change") == 1
    gestures.press(tab, a, "Tab")
    assert tab.focused is None
    gestures.press(tab, a, "Escape")
    gestures.change(tab, b, True)
    gestures.change(tab, b, True)
    assert controls.is_checked(b)
    gestures.change(tab, c, True)
    assert controls.is_checked(c)
    tab.changed = a
    a.detach()
    tab.blur()


def test_a_stopped_event_goes_no_further() -> None:
    tab = tab_of("<p id=p><b id=b></b></p>")
    p, b = tab.document.by_id("p"), tab.document.by_id("b")
    assert p is not None
    assert b is not None
    seen: list[str] = []
    tab.listen(p, "x", lambda event: seen.append("p"))
    end = tab.listen(b, "x", lambda event: setattr(event, "is_stopped", True))
    tab.dispatch(Event("x", b))
    assert seen == []
    end()
    tab.dispatch(Event("x", b))
    assert seen == ["p"]


@pytest.mark.parametrize(
    ("html", "to"),
    [
        ('<meta http-equiv="refresh" content="0;url=/p">', "http://app.test/p"),
        ('<meta http-equiv="refresh" content="0">', "http://app.test/x"),
        ('<meta http-equiv="refresh" content="soon">', None),
        ('<meta name="x">', None),
        ("<script>location.assign('/p')</script>", "http://app.test/p"),
        ("<script>location.reload()</script>", "http://app.test/x"),
        ("<script type='text/plain'>location.reload()</script>", None),
    ],
)
def test_what_arrives_may_lead_elsewhere(html: str, to: str | None) -> None:
    tab = tab_of("")
    for element in tab_of(html).document.body.elements or tab_of(html).document.select(
        "meta,script"
    ):
        tab.document.body.insert(element)
        element.life.clear()
        tab.arrived(element)
    assert tab.goes_to == to


def test_events_that_scripts_fire_are_heard_with_their_detail() -> None:
    tab = tab_of("")
    for code, detail in (
        (
            'document.body.dispatchEvent(new CustomEvent("e",{detail:{"a":1},bubbles:true}))',
            {"a": 1},
        ),
        ("document.body.dispatchEvent(new CustomEvent('e', {detail: f()}))", None),
        ("document.body.dispatchEvent(new CustomEvent('e'))", None),
    ):
        script = Element("script")
        from htmx_ws.testing.browser.dom import Text

        script.insert(Text(code))
        tab.document.body.insert(script)
        tab.arrived(script, Text("no element"))
        tab.arrived(script)  # runs but once
        assert (tab.events[-1].type, tab.events[-1].detail) == ("e", detail)


@pytest.mark.parametrize(
    ("html", "takes"),
    [
        ("<input>", True),
        ("<input type=hidden>", False),
        ("<button disabled>", False),
        ("<a href=x>", True),
        ("<a>", False),
        ("<p tabindex=-1>", True),
        ("<p tabindex=x>", False),
        ("<summary>", False),
        ("<details><summary id=it>", True),
        ("<p contenteditable>", True),
        ("<iframe></iframe>", True),
    ],
)
def test_only_some_elements_take_the_focus(html: str, takes: bool) -> None:
    tab = tab_of(html)
    element = tab.document.select_one("#it,body > *")
    assert element is not None
    found = tab.document.by_id("it") or element
    tab.focus_if_it_can(found)
    assert (tab.focused is found) is takes


@pytest.mark.parametrize(
    ("html", "value"),
    [
        ("<input type=range min=2 max=9>", "6"),
        ("<input type=range min=2 max=9 step=any>", "5.5"),
        ("<input type=range min=0 max=10 step=4 value=11>", "8"),
        ("<input type=range step=-1 value=3.7>", "3.7"),
        ("<input type=datetime-local value='2026-01-02 10:00:05.120'>", "2026-01-02T10:00:05.12"),
        ("<input type=datetime-local value=2026-01-02T10:00:00>", "2026-01-02T10:00"),
        ("<input type=date value=2026-02-30>", ""),
        ("<input type=week value=2026-W54>", ""),
        ("<input type=color value=' #ABCD '>", "#aabbcc"),
        ("<input type=color value=#12345678>", "#123456"),
        ("<input type=color value=Teal>", "#008080"),
    ],
)
def test_fields_hold_what_they_can(html: str, value: str) -> None:
    assert controls.value_of(tab_of(html).document.select("input")[0]) == value


def test_dates_and_times_are_measured() -> None:
    assert times.measure("date", "1970-01-02") == 86400
    assert times.measure("date", "123456-01-02") is not None
    assert times.measure("month", "1971-02") == 13
    assert times.measure("week", "1970-W01") == -259200
    assert times.measure("time", "01:00:05.5") == 3605.5
    assert times.measure("datetime-local", "1970-01-02T00:01") == 86460
    assert times.measure("time", "1:00") is None


def test_a_time_may_be_from_the_evening_to_the_morning() -> None:
    html = "<form><input type=time name=t min=22:00 max=06:00 value={}></form>"
    field = tab_of(html.format("23:00")).document.select("input")[0]
    assert controls.problem(field) is None
    field = tab_of(html.format("12:00")).document.select("input")[0]
    assert controls.problem(field) == "it is not from 22:00 to 06:00"
    assert field.matches(":out-of-range")
    assert not field.matches(":in-range")
    assert not tab_of("<input>").document.select(":in-range,:out-of-range")


def test_what_is_chosen_stays_chosen_while_options_come_and_go() -> None:
    tab = tab_of("<select><option>a<option>b</select><select multiple><option>m</select>")
    select, multiple = tab.document.select("select")
    new = Element("option", {"value": "new"})
    select.insert(new, select.children[0])
    assert controls.value_of(select) == "a"
    new.detach()
    new.attrs["selected"] = ""
    new.selected = None
    select.insert(new)
    assert controls.value_of(select) == "new"
    assert controls.value_of(select.clone()) == "new"
    new.detach()
    assert controls.value_of(select) == "a"
    group = Element("optgroup")
    select.insert(group)
    group.insert(new)
    assert controls.value_of(select) == "new"
    multiple.insert(Element("option"))
    assert controls.value_of(multiple) == ""
    tab.document.body.insert(Element("option"))  # which is nobody's


def test_a_checked_radio_button_that_arrives_is_the_one_of_its_group() -> None:
    tab = tab_of("<input type=radio name=r id=old checked>")
    old = tab.document.by_id("old")
    assert old is not None
    body = tab.document.body
    body.insert(Element("input", {"type": "radio", "name": "r"}))
    assert controls.is_checked(old)
    body.insert(Element("input", {"type": "RADIO", "name": "r", "checked": ""}))
    assert not controls.is_checked(old)

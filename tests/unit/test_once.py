"""Additions are written so that twice leaves one, and a cursor is added where it does no harm."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest

from htmx_ws import (
    HTML,
    after,
    append,
    before,
    data_only,
    html,
    morph,
    prepend,
    remove,
    replace,
    serialise,
    update,
)
from htmx_ws.wire.once import make_once, takes_cursor
from htmx_ws.wire.serialise import Message


def message_of(content: Any) -> Message:
    (message,) = serialise(content)
    return message


@pytest.mark.parametrize(
    ("content", "opening"),
    [
        (append("#log", html('<li id="m1">a</li>')), "beforeend:\t#log:not(:has(#m1))"),
        (prepend("#log", html("<p>\n</p><p id=x></p>")), None),
        (append("#log", html(" <!-- --> <li id=a></li><li id=b></li>")), "#log:not(:has(#a))"),
        (append("#tb", html("<tr id=r><td>1</td></tr>")), "beforeend:\t#tb:not(:has(#r))"),
        (append("#s", html("<circle id='c.1'/>")), r"#s:not(:has(#c\00002E1))"),
        (append("#app .log", html("<li id=a>")), "beforeend:\t#app\t.log:not(:has(#a))"),
        (append("#log > ul:first-child", html("<li id=a>")), "#log>ul:first-child:not(:has(#a))"),
        (before("#z", html("<li id=a></li>")), "beforebegin:\t#z:not(:has(#a)\t*)"),
        (after("#app .b", html("<li id=a></li>")), "afterend:\t#app\t.b:not(:has(#a)\t*)"),
    ],
)
def test_what_adds_says_that_it_must_not_be_there_yet(content: Any, opening: str | None) -> None:
    once = message_of(content)
    made = make_once(once)
    if opening is None:
        assert made == once
    else:
        assert opening in unescape(made.text)
        assert made.text.partition(">")[2] == once.text.partition(">")[2]
        assert made.cursor == once.cursor


@pytest.mark.parametrize(
    "content",
    [
        append("#log", "text"),
        append("#log", html("<li>no id</li>")),
        append("#a, #b", html("<li id=x></li>")),
        append("#log", HTML("<li id=x><p")),
        update("#log", html("<li id=x></li>")),
        replace(html("<p id=x></p>")),
        remove("#x"),
        append("#log:not(:has(#x))", html("<li id=x></li>")),
        before("#z", html("<li>no id</li>")),
        data_only("app", {"id": "x"}),
    ],
)
def test_all_else_stays_as_it_is(content: Any) -> None:
    try:
        message = message_of(content)
    except ValueError:  # not to be sent at all
        message = Message('<div hx-swap-oob="beforeend:#log"><li id=x><p</div>')
    assert make_once(message) == message


@pytest.mark.parametrize(
    ("content", "takes"),
    [
        (append("#log", html("<li id=a>a</li>")), True),
        (update("#x", "text"), True),
        (append("#tb", html("<tr><td>1</td></tr>")), True),
        (replace("#x", html("<p id=x></p>")), True),
        (morph("#x", html("<p></p>")), True),
        (append("#log", HTML("<li><b>a</li>")), False),
        (append("#log", HTML("<i>")), False),
        (data_only("app", {}), False),
    ],
)
def test_a_cursor_goes_where_nothing_is_left_open(content: Any, takes: bool) -> None:
    assert takes_cursor(message_of(content)) is takes


def test_what_no_browser_would_leave_as_it_is_takes_none() -> None:
    assert not takes_cursor(Message("<p"))
    assert not takes_cursor(Message(""))

"""HTML that users wrote: nothing in it acts on a page with htmx."""

from __future__ import annotations

import sys
from html import escape
from typing import Any

import nh3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from htmx_ws import append, clean, serialise

#: All that nh3 lets through when it is told to.
EVERYTHING: dict[str, Any] = {
    "attributes": {"*": {"id", "class", "title"}},
    "generic_attribute_prefixes": {"data-", "hx-", "ws-", "sse-", "on"},
}


@pytest.mark.parametrize(
    "attribute",
    [
        *("hx-get", "data-hx-get", "hx-on:click", "hx-swap-oob", "data-hx-swap-oob", "hx-ws:send"),
        *("ws-send", "ws-connect", "data-ws-connect", "sse-connect", "data-sse-connect"),
        *("onclick", "ONCLICK", "HX-GET", "Data-Hx-Get", "hx-vals"),
    ],
)
@pytest.mark.parametrize("options", [{}, EVERYTHING])
def test_what_acts_is_dropped_whatever_is_allowed(attribute: str, options: dict[str, Any]) -> None:
    dirty = f'<p {attribute}="/x" title="t">hi <b {attribute}>you</b></p>'
    made = clean(dirty, **options)
    assert attribute.lower() not in made.lower()
    assert "hi <b>you</b>" in made


def test_common_markup_and_links_are_kept() -> None:
    dirty = '<p>a <em>b</em> <a href="https://example.com">c</a></p><ul><li>d</li></ul>'
    assert clean(dirty) == dirty.replace(".com", '.com" rel="noopener noreferrer')


def test_scripts_their_addresses_and_by_default_ids_and_classes_go() -> None:
    assert clean('<script>alert(1)</script><p id="log" class="x">a</p>') == "<p>a</p>"
    assert "javascript" not in clean('<a href="javascript:alert(1)">a</a>')


def test_other_data_attributes_and_ids_can_be_allowed() -> None:
    dirty = '<p id="x" class="y" data-hx-get="/" data-name="z">a</p>'
    made = clean(dirty, **EVERYTHING)
    assert made == '<p id="x" class="y" data-name="z">a</p>'


def test_ones_own_filter_is_asked_for_what_is_left() -> None:
    asked: list[str] = []

    def keep(tag: str, name: str, value: str) -> str | None:
        asked.append(name)
        return value.upper()

    dirty = '<a title="t" href="/x" onclick="x">a</a>'
    assert 'title="T"' in clean(
        dirty, attribute_filter=keep, attributes={"a": {"title", "onclick"}}
    )
    assert "onclick" not in asked


def test_what_is_clean_is_html_and_can_be_sent() -> None:
    (message,) = serialise(append("#log", clean("<b>a</b>")))
    assert message.text == '<div hx-swap-oob="beforeend:#log"><b>a</b></div>'


def test_without_nh3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nh3", None)
    with pytest.raises(ImportError, match=r'pip install "htmx-ws\[clean\]"'):
        clean("a")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What nh3 is asked to clean."""
    asked: list[str] = []
    original = nh3.clean

    def counted(text: str, **options: Any) -> str:
        asked.append(text)
        return original(text, **options)

    monkeypatch.setattr(nh3, "clean", counted)
    return asked


MANY = 600


@pytest.mark.parametrize(
    "dirty",
    [
        "<div>" * MANY,
        "<div>" * MANY + "</div>" * MANY,
        "<i><div></i>" * MANY,
        "<div><table></div></table>" * MANY,
        "<b><p>" * MANY,
        "<ul><li>" * MANY,
        "".join(f"<b title={i}>" for i in range(MANY)) + "</p>" * MANY,
        "<svg><g>" * MANY,
        "<x-y/>" * MANY,
        f"<p {' '.join(f'attribute-{i}=' + 'x' * 80 for i in range(MANY))}>a",
        f"<p {' '.join(f'attribute-{i}=' + 'x' * 80 for i in range(MANY))}",
    ],
)
def test_what_a_parser_would_take_long_for_is_not_parsed_but_shown(
    dirty: str, asked: list[str]
) -> None:
    made = clean(dirty)
    assert made == escape(dirty)
    assert asked == []


@pytest.mark.parametrize(
    "dirty",
    [
        "<div>" * 500 + "</div>" * 500,
        "<p>a <b>b</b> <br>" * MANY,
        "<li>a" * MANY,
        "<tr><td>a<td>b" * MANY,
        "<p>a</i> <em>b</em> <img src=/x></p>" * MANY,
        "<p>a<a><a></a></a>" + "<b>b</b>" * MANY,  # what no browser would leave as it is
        "<svg><path/></svg>" * MANY,
        "<p>a<table></table>" + "<svg><g>" + "<path/>" * MANY + "</g></svg>",
        "x" * 60_000,
        f"<p>{'<b>b</b>' * 10_000}</p>",
        f"<p title='{'a b ' * 20_000}'>a</p>",
        f"<!-- {'a ' * 40_000} -->",
    ],
)
def test_what_is_only_long_is_cleaned(dirty: str, asked: list[str]) -> None:
    made = clean(dirty)
    assert asked == [dirty]
    assert "&lt;" not in made


NAMES = st.sampled_from(
    ["hx-get", "data-hx-get", "onload", "ws-send", "id", "title", "x", "data-x"]
)
TAGS = st.sampled_from(["p", "b", "svg", "template", "table", "td", "math", "style", "hx-partial"])
PIECES = st.one_of(
    st.text(max_size=5),
    st.builds(lambda tag, name, text: f"<{tag} {name}='{text}'>", TAGS, NAMES, st.text(max_size=5)),
    st.builds("</{}>".format, TAGS),
)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_whatever_was_written_no_attribute_that_acts_is_left(dirty: str) -> None:
    parsed = LexborHTMLParser(clean(dirty, **EVERYTHING))
    for node in parsed.css("*"):
        for name in node.attributes:
            assert not name.lower().removeprefix("data-").startswith(("hx-", "ws-", "sse-", "on"))


@pytest.mark.parametrize(
    "part", ["<tr><td>a<td>b", "<dt>a<dd>b", "<tbody><tr><th>a", "<thead><tr><th>a<tfoot>"]
)
def test_what_has_no_end_tags_as_old_pages_and_minifiers_leave_them_out_is_not_deep(
    part: str,
) -> None:
    assert clean("<b><p>x</b></p><table>" + part * 300).startswith("<b>")

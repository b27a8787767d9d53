"""Messages against lexbor, which stands in for a browser, and against what was measured.

htmx 4 swaps whatever is left at the top level of a message into the connection element, and so
wipes the page. Hence the question asked of each text here: what is at its top level?

Against the standard lexbor closes a <colgroup> at a doctype: the strategies have none.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from selectolax.lexbor import LexborHTMLParser, LexborNode

from htmx_ws.errors import FragmentError
from htmx_ws.wire.content import html
from htmx_ws.wire.fragment import (
    Fragment,
    after,
    append,
    before,
    data_only,
    morph,
    prepend,
    redirect,
    refresh,
    remove,
    replace,
    title,
    trigger,
    update,
)
from htmx_ws.wire.rewrite import pieces
from htmx_ws.wire.scan import scan
from htmx_ws.wire.serialise import SWAPS, Message, quick_text, serialise

RECIPES: Final = {
    recipe["intent"]: recipe["frames"]
    for recipe in json.loads(
        (Path(__file__).parents[1] / "data" / "recipes.json").read_text(encoding="utf-8")
    )["recipes"]
}


class Top(NamedTuple):
    """One node at the top level of a text; ``oob`` is None where it has none."""

    tag: str
    oob: str | None
    attributes: Mapping[str, str | None]
    inside: str


def top_level(text: str) -> list[Top]:
    """What a browser finds in a message's text, comments and white space aside."""
    tops: list[Top] = []
    node: LexborNode | None = LexborHTMLParser(text, is_fragment=True, fragment_tag="template").root
    while node is not None:
        if node.tag == "-text":
            if (node.text_content or "").strip():
                tops.append(Top("#text", None, {}, node.text_content or ""))
        elif node.tag is not None and node.tag != "-comment":
            attributes = dict(node.attributes)
            tops.append(
                Top(
                    node.tag, attributes.pop("hx-swap-oob", None), attributes, node.inner_html or ""
                )
            )
        node = node.next
    return tops


def texts(content: object, target: str | None = None, swap: str = "innerHTML") -> list[str]:
    return [message.text for message in serialise(content, target, swap)]


def text_of(content: object, target: str | None = None, swap: str = "innerHTML") -> str:
    (text,) = texts(content, target, swap)
    return text


# What was measured

#: How our words say each intent. The wrapper of a recipe may be another: no page ever gets it.
WAYS: Final[dict[str, tuple[object, ...]]] = {
    "replace by id": (
        replace('<div id="x">NEW</div>'),
        replace("#x", '<div id="x">NEW</div>'),
        '<div id="x">NEW</div>',
        '<!-- note --> <div id="x" hx-swap-oob="true">NEW</div>\n',
    ),
    "replace odd id (6-digit hex escapes)": (
        replace('<div id="a.b:c">NEW</div>'),
        replace(r"#a\.b\:c", '<div id="a.b:c">NEW</div>'),
        '<div id="a.b:c">NEW</div>',
    ),
    "replace li": ('<li id="l1">NEW</li>',),
    "replace tr (alone in its message)": ('<tr id="r1"><td>NEW</td></tr>',),
    "replace td": ('<td id="c1">NEW</td>',),
    "replace option": ('<option id="o1">NEW</option>',),
    "replace several (.m)": (replace(".m", '<p class="m">N</p>'),),
    "inner #x": (update("#x", "NEW <b>b</b>"),),
    "inner clear #x": (update("#x", ""), update("#x", [])),
    "inner several .m": (update(".m", "N"),),
    "inner tbody": (update("#tb", '<tr id="r9"><td>9</td></tr>'),),
    "inner tr": (update("#r1", "<td>9</td>"),),
    "inner select": (update("#sel", "<option>n</option>"),),
    "inner svg": (update("#svg", "<rect></rect>"),),
    "inner with descendant selector (TAB)": (update("#log li", "NEW"),),
    "inner with pseudo-class (leading TAB)": (update("li:first-child", "NEW"),),
    "append li": (append("#log", '<li id="l2">2</li>'),),
    "append li (div wrapper)": (append("#log", '<li id="l2">2</li>'),),
    "prepend li": (prepend("#log", '<li id="l0">0</li>'),),
    "append text": (append("#x", "more"),),
    "before": (before("#l1", "<li>b</li>"),),
    "after": (after("#l1", "<li>a</li>"),),
    "row append": (append("#tb", '<tr id="r2"><td>2</td></tr>'),),
    "row prepend": (prepend("#tb", '<tr id="r0"><td>0</td></tr>'),),
    "row before": (before("#r1", '<tr id="r0"><td>0</td></tr>'),),
    "row after": (after("#r1", '<tr id="r2"><td>2</td></tr>'),),
    "cell append": (append("#r1", "<td>2</td>"),),
    "option append": (append("#sel", "<option>n</option>"),),
    "svg child append": (append("#svg", "<rect></rect>"),),
    "delete #x": (remove("#x"),),
    "delete row": (remove("#r1"),),
    "delete odd id": (remove(r"#a\.b\:c"),),
    "delete several": (remove(".m"),),
    "morph inner (degrades to innerHTML)": (morph("#x", "NEW <b>b</b>"),),
    "several independent updates": (
        [replace('<div id="x">N</div>'), append("#log", "<li>2</li>"), remove(".m")],
        '<div id="x">N</div><ul hx-swap-oob="beforeend:#log"><li>2</li></ul>'
        '<div hx-swap-oob="delete:.m"></div>',
    ),
    "dependent updates as separate frames": (
        ['<div id="x"><i id="in"></i></div>', append("#in", "1"), '<div id="x">LAST</div>'],
        '<div id="x"><i id="in"></i></div><div hx-swap-oob="beforeend:#in">1</div>'
        '<div id="x">LAST</div>',
    ),
    "div then row as separate frames": (
        ['<div id="x">N</div>', append("#tb", '<tr id="r2"><td>2</td></tr>')],
    ),
    "title": (title("T2"),),
    "focus by autofocus": (update("#x", '<input id="af" autofocus>'),),
    "event, CSP-safe: hx-get load + HX-Trigger, removes itself": (
        append(
            "body",
            '<i hx-get="/hdr?HX-Trigger=my:event" hx-trigger="load" hx-swap="delete" hidden></i>',
        ),
    ),
    "redirect: meta refresh": (redirect("/moved"),),
    "redirect: hx-get load + HX-Redirect": (
        append(
            "body",
            '<i hx-get="/hdr?HX-Redirect=/moved" hx-trigger="load" hx-swap="none"></i>',
        ),
    ),
    "refresh: meta refresh": (refresh(),),
}
#: What has tests of its own below, or is in words that only htmx 4 has.
OTHERWISE: Final = {
    "keepalive empty string",
    "keepalive comment",
    "data only JSON {channel,..} with < escaped",
    "event: self-removing script",
    "V4 envelope swap:none: marked + stray text + idless + script",
    "V4 envelope swap:none: div + row partials",
    "V4 hx-partial inner",
    "V4 outerMorph",
    "V4 data-only JSON",
}


def effects(frames: list[str]) -> list[tuple[object, ...]]:
    """What frames do, one by one: the wrapper of an insertion does nothing."""
    return [
        (top.oob, top.tag, top.attributes, top.inside)
        if (top.oob or "").startswith("outerHTML")
        else (top.oob, top.inside)
        for frame in frames
        for top in top_level(frame)
    ]


def test_every_intent_that_was_measured_is_here() -> None:
    assert set(WAYS) | OTHERWISE == set(RECIPES)
    assert not set(WAYS) & OTHERWISE


@pytest.mark.parametrize(
    ("intent", "content"),
    [
        pytest.param(intent, content, id=f"{intent}, way {number}")
        for intent, ways in WAYS.items()
        for number, content in enumerate(ways, 1)
    ],
)
def test_an_intent_becomes_what_was_measured(intent: str, content: object) -> None:
    sent = texts(content)
    assert effects(sent) == effects(RECIPES[intent])
    if intent in ("dependent updates as separate frames", "div then row as separate frames"):
        assert len(sent) == len(RECIPES[intent])


def test_an_event_is_the_script_that_was_measured() -> None:
    (measured,) = RECIPES["event: self-removing script"]
    assert text_of(trigger("my:event", {"a": 1})) == (
        measured.replace("'my:event'", '"my:event"').replace("{a:1}", '{"a":1}')
    )


def test_htmx_4_morphs_by_the_word_that_was_measured() -> None:
    (message,) = serialise(morph('<div id="x" class="d">NEW</div>'))
    assert message.variants is not None
    assert top_level(message.variants["htmx4"]) == top_level(RECIPES["V4 outerMorph"][0])


# Fragments


@pytest.mark.parametrize(
    ("content", "wrapper"),
    [
        ("", "div"),
        ("a", "div"),
        ("<li>a</li>", "div"),
        ("<code>a</code>", "div"),
        ("<p>a</p><tr>", "div"),
        ("<div>a</div>", "section"),
        ("<p>a</p><DIV>a</DIV>", "section"),
        (" \n<div>a</div>", "section"),
        ("<div>a</div><section>b</section>", "htmx-ws"),
        ("</divx>", "section"),
        *[(f"<{tag}><td>a</td></{tag}>", "tbody") for tag in ("tr", "TR", "Tr", "tR")],
        ("<tr id=a><td><div>x</div></td></tr>\n<tr></tr>", "tbody"),
        ("\n  <tr><td>a</td></tr>\n", "tbody"),
        ("<!-- a --> <!-- <td> --><tr><td>a</td></tr>", "tbody"),
        ("<!--><tr><td>a</td></tr>", "tbody"),
        ("<!---> <tr><td>a</td></tr>", "tbody"),
        ("<!-- a --!><tr><td>a</td></tr>", "tbody"),
        ("<tr\tid=a>", "tbody"),
        ("<td>a</td><th>b</th>", "tr"),
        ("<TH>b</TH>", "tr"),
        ("<th\n>b", "tr"),
        *[(f"<{tag}></{tag}>", "table") for tag in ("tbody", "thead", "tfoot", "colgroup")],
        ("<caption>a</caption>", "table"),
        ("<tBody><tr></tr></tBody>", "table"),
        ("<col><col>", "colgroup"),
        ("<col/>", "colgroup"),
        ("<option>a<option>b", "select"),
        ("<OPTION selected>a</OPTION>", "select"),
        ("<optgroup label=a><option>b</optgroup>", "select"),
        ("<circle r=1 />", "svg"),
        ("<g><path d='M0'/></g>", "svg"),
        ("<g id=a></g>", "svg"),
        ("<g/>", "svg"),
        ("\n<G></G>", "svg"),
        ("<text>a</text><rect/>", "svg"),
        ("<feBlend/>", "svg"),
        ("<feFuncR/>", "svg"),
        ("<linearGradient id=a></linearGradient>", "svg"),
        ("<clipPath></clipPath>", "svg"),
        ("<foreignObject><div>a</div></foreignObject>", "svg"),
        ("<svg><circle/></svg>", "div"),
    ],
)
def test_what_stands_around_content_keeps_its_tags(content: str, wrapper: str) -> None:
    for word, style in ((append, "beforeend"), (update, "innerHTML"), (before, "beforebegin")):
        (top,) = top_level(text_of(word("#x", content)))
        assert (top.tag, top.oob) == (wrapper, f"{style}:#x")
        assert text_of(word("#x", content)) == (
            f'<{wrapper} hx-swap-oob="{style}:#x">{content}</{wrapper}>'
        )
        if wrapper not in ("div", "section", "htmx-ws"):
            assert all(tag in top.inside.lower() for tag in re.findall(r"<\w+", content.lower()))


@pytest.mark.parametrize(
    "content",
    [
        # End tags that end what is around the content.
        "a</div></section></htmx-ws>b",
        "<tr></tr></tbody><tr></tr>",
        "<tr></tr></table><tr></tr>",
        "<td>a</td></tr><td>b</td>",
        "<option>a</select>b",
        "<circle/></svg><p>a</p>",
        "<circle/></p>",
        # Content that no wrapper can hold together.
        "<tr></tr>text",
        "<tr></tr><p>a</p>",
        "<tr></tr><tbody></tbody>",
        "<td>a</td><tr></tr>",
        "<tbody></tbody><div></div>",
        "<col><tr></tr>",
        "<option>a</option><input>",
        "<option>a</option><select></select>",
        "<circle/><p>a</p>",
        "<circle/><div></div>",
    ],
)
def test_content_that_would_leave_its_place_is_refused(content: str) -> None:
    for word in (append, update, before, after, prepend):
        with pytest.raises(FragmentError) as raised:
            serialise(word("#x", content))
        said = str(raised.value)
        assert "does not stay in the <" in said or "Browsers would not keep this HTML" in said


def test_a_refusal_says_what_would_not_stay() -> None:
    with pytest.raises(
        FragmentError,
        match=r"^The content for '#x' does not stay in the <svg> .* send what does not belong in a "
        r"<svg> as a fragment of its own, .* See '<circle/><p>a</p>'\.$",
    ):
        serialise(append("#x", "<circle/><p>a</p>"))
    with pytest.raises(FragmentError, match=rf"See '<circle/><p>{'a' * 68}\.\.\.'\."):
        serialise(append("#x", f"<circle/><p>{'a' * 200}"))


def test_a_stray_end_tag_ends_nothing_in_another_wrapper() -> None:
    assert text_of(append("#x", "a</div>b")) == (
        '<section hx-swap-oob="beforeend:#x">a</div>b</section>'
    )
    assert text_of(append("#x", "</div></section>")).startswith("<htmx-ws ")
    balanced = "<div></div><section></section><htmx-ws></htmx-ws>"
    assert text_of(append("#x", balanced)).startswith("<htmx-ws ")


def test_the_beginning_of_content_is_read_in_linear_time() -> None:
    """Ten thousand comments take a moment: tried in all ways, they would take for ever."""
    start = time.process_time()
    for piece in ("<!---->", "<!--", "<!-->", " ", "<!-- - -->\n"):
        text = piece * 10_000
        assert text_of(append("#x", text)) == f'<div hx-swap-oob="beforeend:#x">{text}</div>'
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("#x", "#x"),
        ("#log > li", "#log>li"),
        ("#log li", "#log\tli"),
        ("li:last-child", "\tli:last-child"),
        ('[data-a="b c\'d"]', r"""[data-a="b\000020c'd"]"""),
        (r"#a\.b", r"#a\00002Eb"),
        ("#é b", "#\\0000E9\t\tb"),
        ("#1", r"#\000031"),
    ],
)
def test_a_target_is_written_as_every_htmx_reads_it(target: str, value: str) -> None:
    for fragment in (
        append(target, "a"),
        append(target, "<tr>"),
        remove(target),
        morph(target, "a"),
    ):
        (top,) = top_level(text_of(fragment))
        assert (top.oob or "").partition(":")[2] == value
    (top,) = top_level(text_of(replace(target, "<p>a")))
    assert top.oob == f"outerHTML:{value}"


@pytest.mark.parametrize("target", ["", "log", "#a[", 5])
def test_what_is_no_target_is_refused(target: Any) -> None:
    inserted = (append(target, "a"), append(target, "<tr>"), morph(target, "a"))
    for fragment in (*inserted, remove(target), replace(target, "<p>")):
        with pytest.raises(FragmentError, match="target"):
            serialise(fragment)
    with pytest.raises(FragmentError, match="target"):
        serialise("a", target)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "takes one element, and here are 0 in ''"),
        ("<!-- a -->", "here are 0"),
        ("<p>a</p><p>b</p>", "here are 2 in '<p>a</p><p>b</p>': wrap them in one, or use update"),
        ("a<p>b</p>", "The text 'a' stands outside every element"),
        ("<circle/>", "An svg's <circle> cannot travel alone: .* Replace the whole <svg>"),
    ],
)
def test_only_one_element_takes_the_place_of_another(content: str, why: str) -> None:
    with pytest.raises(FragmentError, match=why):
        serialise(replace("#x", content))


def test_elements_take_the_places_of_those_with_their_ids() -> None:
    content = '<li id=a>1<li id="b">2</li> <!-- --> <li id="c.d">3</li>'
    assert texts(replace(content)) == [
        '<li hx-swap-oob="outerHTML" id=a>1',
        '<li hx-swap-oob="outerHTML" id="b">2</li>',
        '<li hx-swap-oob="outerHTML:#c\\00002Ed" id="c.d">3</li>',
    ]
    with pytest.raises(FragmentError, match="The element '<li>2</li>' has no id"):
        serialise(replace("<li id=a>1</li><li>2</li>"))
    with pytest.raises(FragmentError, match="An svg's <g> cannot travel alone"):
        serialise(replace("<g id=a></g>"))
    assert texts(replace("")) == []


def test_a_fragment_takes_only_the_styles_of_every_htmx() -> None:
    for target in (None, "#x"):
        with pytest.raises(FragmentError, match="'append' is not a swap style of every htmx: use "):
            serialise(Fragment("append", target, '<p id="a">'))
    assert (
        text_of(Fragment("delete", None, '<p id="a"></p>')) == '<p hx-swap-oob="delete" id="a"></p>'
    )


def test_an_element_keeps_its_own_mark_from_no_one() -> None:
    """A fragment says where it goes; what the element itself says does not count."""
    for own in ("hx-swap-oob=beforeend:#y", "data-hx-swap-oob='delete'", "HX-SWAP-OOB"):
        assert text_of(replace("#x", f"<p {own} class=a>b</p>")) == (
            '<p hx-swap-oob="outerHTML:#x" class=a>b</p>'
        )
        assert text_of(replace(f"<p {own} id=x>b</p>")) == '<p hx-swap-oob="outerHTML" id=x>b</p>'


# Morph


MORPHED = '<div hx-swap-oob="outerMorph" id="x">a</div>'


@pytest.mark.parametrize(
    "fragment",
    [
        morph('<div id="x">a</div>'),
        morph("#x", '<div id="x">a</div>'),
        morph("#x", '\n <!-- note --> <div id="x">a</div>\n'),
        morph('<div id="x" hx-swap-oob="true">a</div>'),
        '<div id="x" hx-swap-oob="morph">a</div>',
        '<div id="x" hx-swap-oob="outerMorph:#x">a</div>',
    ],
)
def test_morph_replaces_where_htmx_cannot_morph(fragment: object) -> None:
    (message,) = serialise(fragment)
    assert message.text == '<div hx-swap-oob="outerHTML" id="x">a</div>'
    assert message.text_for(None) == message.text_for("htmx2") == message.text_for("raw")
    assert message.text_for("htmx2") == message.text
    for dialect in ("htmx4", "htmx4beta", "htmx4alpha"):
        assert message.text_for(dialect) == MORPHED
    assert message.supersedes == "outerHTML:#x"
    assert message.cursor


def test_morph_of_an_odd_id_names_it() -> None:
    (message,) = serialise(morph('<p id="a.b">c</p>'))
    assert message.text == '<p hx-swap-oob="outerHTML:#a\\00002Eb" id="a.b">c</p>'
    assert message.text_for("htmx4") == '<p hx-swap-oob="outerMorph:#a\\00002Eb" id="a.b">c</p>'


@pytest.mark.parametrize(
    ("content", "tag"),
    [
        ("", "div"),
        ("a", "div"),
        ('<p id="y">a</p>', "div"),
        ('<p id="x">a</p>b', "div"),
        ('<p id="x">a</p><p>b</p>', "div"),
        ("<div>a</div>", "section"),
        ("<tr><td>a</td></tr>", "tbody"),
    ],
)
def test_morph_fills_where_the_content_is_not_the_target_itself(content: str, tag: str) -> None:
    (message,) = serialise(morph("#x", content))
    assert message.text == f'<{tag} hx-swap-oob="innerMorph:#x">{content}</{tag}>'
    assert message.variants is None
    assert message.text_for("htmx4") == message.text
    assert message.supersedes == "innerHTML:#x"


# What a message says of itself


@pytest.mark.parametrize(
    ("content", "supersedes"),
    [
        (update("#x", "a"), "innerHTML:#x"),
        (update("#x", "<tr>"), "innerHTML:#x"),
        (update(" #x ", "<div></div>"), "innerHTML:#x"),
        (update("#é", "a"), r"innerHTML:#\0000E9"),
        (update(".x", "a"), None),
        (update("#x b", "a"), None),
        (update("#x.y", "a"), None),
        (update("#x,#y", "a"), None),
        (update("#x:empty", "a"), None),
        (morph("#x", "a"), "innerHTML:#x"),
        (replace("#x", "<p>a"), "outerHTML:#x"),
        (replace('<p id="x">a'), "outerHTML:#x"),
        (replace('<p id="a.b">c'), r"outerHTML:#a\00002Eb"),
        (replace(".x", "<p>a"), None),
        ('<p id="x">a</p>', "outerHTML:#x"),
        ('<p hx-swap-oob="innerHTML:#x">a</p>', "innerHTML:#x"),
        ('<p hx-swap-oob="beforeend:#x">a</p>', None),
        ('<p id="x" hx-swap-oob="delete"></p>', None),
        *[(word("#x", "a"), None) for word in (append, prepend, before, after)],
        (append("#x", "<tr>"), None),
        (remove("#x"), None),
        (title("a"), None),
        (refresh(), None),
        (data_only("a"), None),
    ],
)
def test_only_a_full_swap_of_one_id_supersedes(content: object, supersedes: str | None) -> None:
    (message,) = serialise(content)
    assert message.supersedes == supersedes


CURSOR: Final = '<input type="hidden" id="cursor" hx-swap-oob="outerHTML">'


@pytest.mark.parametrize(
    ("content", "cursor"),
    [
        ('<p id="x">a</p>', True),
        ('<p id="x">a', False),
        ('<br id="x">', True),
        ('<tr id="x"></tr>', True),
        ('<tr id="x">', False),
        ('<col id="x">', False),
        ('<b id="x">a', False),
        ('<p id="x"><b>a</p>', False),
        ('<textarea id="x">a', False),
        (replace("#x", "<p>a</p>"), True),
        (replace("#x", "<p>a"), False),
        (morph('<p id="x">a'), False),
        (append("#x", "<tr><td>a</td></tr>"), True),
        (append("#x", "<tr><td><b>a</td></tr>"), True),
        (append("#x", "<td><textarea>a"), False),
        (append("#x", "<circle>"), True),
        (append("#x", "<p>a</p>"), True),
        (remove("#x"), True),
        (title("a"), True),
        (trigger("a"), True),
        (data_only("a"), False),
    ],
)
def test_a_cursor_rides_only_where_it_arrives(content: object, cursor: bool) -> None:
    (message,) = serialise(content)
    assert message.cursor is cursor
    if cursor:
        tops = top_level(message.text + CURSOR)
        assert len(tops) == 2
        assert tops[-1].attributes["id"] == "cursor"


# Plain HTML


@pytest.mark.parametrize("content", [None, "", " \n", "<!-- -->", [], (), [None, [""]], Markup("")])
def test_nothing_becomes_no_message(content: object) -> None:
    assert serialise(content) == ()
    assert serialise(content, "#log") == ()


def test_a_list_is_one_message_after_another() -> None:
    content = ['<p id="a">1</p>', (append("#log", "2"), None, [Markup('<p id="b">3</p>')])]
    assert texts(content) == [
        '<p hx-swap-oob="outerHTML" id="a">1</p>',
        '<div hx-swap-oob="beforeend:#log">2</div>',
        '<p hx-swap-oob="outerHTML" id="b">3</p>',
    ]
    assert texts(["1", "2"], "#log", "beforeend") == [
        '<div hx-swap-oob="beforeend:#log">1</div>',
        '<div hx-swap-oob="beforeend:#log">2</div>',
    ]


class Both(list[str]):
    """A list that is HTML itself."""

    def __html__(self) -> str:
        return f'<p id="both">{len(self)}</p>'


def test_a_list_that_is_html_is_no_list() -> None:
    assert text_of(Both(["a", "b"])) == '<p hx-swap-oob="outerHTML" id="both">2</p>'


@pytest.mark.parametrize("content", [5, b"<p>", {"a": 1}, object(), True, iter(["a"]), [5]])
def test_what_is_no_html_is_refused(content: object) -> None:
    with pytest.raises(TypeError, match="is not HTML"):
        serialise(content)
    with pytest.raises(TypeError, match="is not HTML"):
        serialise(content, "#log")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("hello", "The text 'hello' stands outside every element, .* as update.* does"),
        ('<p id="x">a</p> & more', "The text '& more' stands outside every element"),
        ("&nbsp;", "The text '&nbsp;'"),
        ("<p>a</p>", "'<p>a</p>' has no id and no hx-swap-oob, .* as append.* default target"),
        ('<p id="">a</p>', "has no id"),
        ("<script>a()</script>", "'<script>a..</script>' has no id"),
        ("<style>a{}</style>", "'<style>a{}</style>' has no id"),
        ("<br>", "'<br>' has no id"),
        ('<p id="x">a</p><hr>', "'<hr>' has no id"),
        ("<p>" + "a" * 100, r"'<p>a{77}\.\.\.' has no id"),
        ('<p hx-swap-oob="true">a</p>', "has no id"),
        ('<p hx-swap-oob="beforeend: ">a</p>', "has no id"),
        ('<circle id="c"/>', "An svg's <circle> cannot travel alone"),
        ('<G id="c"></G>', "An svg's <g> cannot travel alone"),
        ('<p id="x" hx-swap-oob="none">a</p>', "'none' is not a swap style of every htmx: use one"),
        ('<p id="x" hx-swap-oob>a</p>', "'' is not a swap style"),
        ('<p id="x" hx-swap-oob="textContent:#x">a</p>', "'textContent' is not a swap style"),
        ('<p id="x" hx-swap-oob="outerhtml">a</p>', "'outerhtml' is not a swap style"),
        ('<p hx-swap-oob="beforeend:log">a</p>', "The target 'log' means an element <log>"),
        ('<b id="x"><p></b></p>', "Browsers would not keep this HTML as it is"),
        ("<p", "a tag is not finished"),
    ],
)
def test_what_has_no_place_is_refused_with_a_way_to_place_it(content: str, why: str) -> None:
    with pytest.raises(FragmentError, match=why) as raised:
        serialise(content)
    assert raised.value.code is None


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('<p id="x">a</p>', '<p hx-swap-oob="outerHTML" id="x">a</p>'),
        ("<P CLASS=a ID=x>a</P>", '<P hx-swap-oob="outerHTML" CLASS=a ID=x>a</P>'),
        ('<br id="x"/>', '<br hx-swap-oob="outerHTML" id="x"/>'),
        ('<p id="a b">c</p>', '<p hx-swap-oob="outerHTML:#a\\000020b" id="a b">c</p>'),
        ('<p id="1">c</p>', '<p hx-swap-oob="outerHTML:#\\000031" id="1">c</p>'),
        ('<p id="a&amp;b">c</p>', '<p hx-swap-oob="outerHTML:#a\\000026b" id="a&amp;b">c</p>'),
        ("<p id=é>c</p>", '<p hx-swap-oob="outerHTML:#\\0000E9" id=é>c</p>'),
        ('<script id="x">a<b</script>', '<script hx-swap-oob="outerHTML" id="x">a<b</script>'),
        ('<svg id="x"><g/></svg>', '<svg hx-swap-oob="outerHTML" id="x"><g/></svg>'),
        # hx-swap-oob of its own
        ('<p id="x" hx-swap-oob="true">a</p>', '<p hx-swap-oob="outerHTML" id="x">a</p>'),
        ('<p hx-swap-oob=true id="x">a</p>', '<p hx-swap-oob="outerHTML" id="x">a</p>'),
        ('<p id=x data-hx-swap-oob="true">a</p>', '<p hx-swap-oob="outerHTML" id=x>a</p>'),
        ('<p id="x" hx-swap-oob=" outerHTML ">a</p>', '<p hx-swap-oob="outerHTML" id="x">a</p>'),
        ('<p id="x" hx-swap-oob="outerHTML:#x">a</p>', '<p hx-swap-oob="outerHTML" id="x">a</p>'),
        ('<p id="x" hx-swap-oob="outerHTML:">a</p>', '<p hx-swap-oob="outerHTML" id="x">a</p>'),
        ('<p id="x" hx-swap-oob="beforeend">a</p>', '<p hx-swap-oob="beforeend" id="x">a</p>'),
        ('<p id="x" hx-swap-oob="delete"></p>', '<p hx-swap-oob="delete" id="x"></p>'),
        ('<p id="x" hx-swap-oob="innerMorph">a</p>', '<p hx-swap-oob="innerMorph" id="x">a</p>'),
        ('<p hx-swap-oob="innerHTML:#y">a</p>', '<p hx-swap-oob="innerHTML:#y">a</p>'),
        ('<p id="x" hx-swap-oob="append:#y">a</p>', '<p hx-swap-oob="beforeend:#y" id="x">a</p>'),
        ('<p hx-swap-oob="beforeend:#a &gt; b">a</p>', '<p hx-swap-oob="beforeend:#a&gt;b">a</p>'),
        ('<p hx-swap-oob="beforeend: #a b">a</p>', '<p hx-swap-oob="beforeend:#a\tb">a</p>'),
        ('<p hx-swap-oob="after:b:first-child">', '<p hx-swap-oob="afterend:\tb:first-child">'),
        ('<tbody hx-swap-oob="beforeend:#tb"><tr></tr></tbody>',) * 2,
    ],
)
def test_an_element_is_marked_with_its_swap(content: str, text: str) -> None:
    assert text_of(content) == text
    (top,) = top_level(text)
    assert top.oob is not None
    assert text_of(text) == text  # once and for all


def test_of_several_marks_on_an_element_the_first_counts() -> None:
    for others in ("hx-swap-oob=x", "data-hx-swap-oob=x"):
        (top,) = top_level(text_of(f'<p hx-swap-oob="delete:.m" {others}></p>'))
        assert top.oob == "delete:.m"


@pytest.mark.parametrize("name", SWAPS)
def test_every_swap_style_may_be_written_on_an_element(name: str) -> None:
    (message,) = serialise(f'<p id="x" hx-swap-oob="{name}">a</p>')
    (top,) = top_level(message.text_for("htmx4"))
    style = {"morph": "outerMorph"}.get(SWAPS[name], SWAPS[name])
    assert (top.tag, top.oob, top.inside) == ("p", style, "a")
    (top,) = top_level(message.text)
    assert top.oob == {"outerMorph": "outerHTML"}.get(style, style)


# Together or apart


@pytest.mark.parametrize(
    "content",
    [
        '<p id="one">a</p><p id="two">b</p>',
        ' <p id="one">a</p> <!-- note -->\n<ul id="two"><li>b</li></ul> ',
        '<p id="one">a</p><p hx-swap-oob="innerHTML:#two">b</p>',
        '<script id="one">a()</script><p id="two">b</p>',
        '<option id="one">a</option><option id="two">b</option>',
    ],
)
def test_elements_that_are_independent_travel_together(content: str) -> None:
    (message,) = serialise(content)
    assert [bool(top.oob) for top in top_level(message.text + CURSOR)] == [True, True, True]
    assert (message.supersedes, message.cursor, message.variants) == (None, True, None)


def test_a_morph_travels_alone() -> None:
    """What it keeps of the page is known to the browser alone."""
    marked = '<br id="i"><p hx-swap-oob="innerHTML:#other">b</p>'
    morphing, other = serialise(marked, target="#log", swap="morph")
    assert 'hx-swap-oob="innerMorph:#log"' in morphing.text
    assert 'hx-swap-oob="innerHTML:#other"' in other.text


@pytest.mark.parametrize(
    "content",
    [
        '<p id="one">a</p><p id="one">b</p>',  # the same element twice
        '<p id="&#111;ne">a</p><p id="&#111;ne">b</p>',
        '<p id="one"><i id="two"></i></p><p id="two">b</p>',  # the second is in the first
        '<p id="two">b</p><p id="one"><i id="two"></i></p>',
        '<p id="one"></p><p hx-swap-oob="innerHTML:#one">b</p>',
        '<p id="one">a</p><p hx-swap-oob="beforeend:#two">b</p>',  # structure
        '<p id="one">a</p><p hx-swap-oob="delete:.m"></p>',
        '<p id="one">a</p><p hx-swap-oob="outerHTML:.m">b</p>',
        '<p id="one">a</p><p id="t.wo">b</p>',  # an id that cannot be looked for
        '<tr id="one"></tr><tr id="two"></tr>',
        '<td id="one">a</td><td id="two">b</td>',
        '<p id="one">a<p id="two">b</p>',  # what follows would be inside
        '<p id="one">a</p><p id="two">b',
        '<p id="one" hx-swap-oob="morph">a</p><p id="two">b</p>',  # has a text for each htmx
    ],
)
def test_elements_that_may_depend_on_each_other_travel_apart(content: str) -> None:
    first, second = serialise(content)
    assert len(top_level(first.text)) == len(top_level(second.text)) == 1
    for message in (first, second):
        assert all(top.oob for top in top_level(message.text))


def test_an_id_that_is_in_a_word_of_another_is_not_that_id() -> None:
    (message,) = serialise('<p id="one">a</p><p id="one-more" class="ones">b</p>')
    assert message.text.count("hx-swap-oob") == 2


def steps(function: Callable[[], object]) -> int:
    """Count the instructions of Python that a call takes."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def test_many_elements_are_compared_in_linear_work() -> None:
    def content(elements: int) -> str:
        return "".join(f'<p id="x{i}y">a</p>' for i in range(elements))

    assert len(serialise(content(400))) == 1
    assert steps(lambda: serialise(content(400))) < 2.2 * steps(lambda: serialise(content(200)))


def test_what_morphs_beside_others_still_morphs() -> None:
    first, _ = serialise('<p id="one" hx-swap-oob="morph">a</p><p id="two">b</p>')
    assert first.text_for("htmx4") == '<p hx-swap-oob="outerMorph" id="one">a</p>'


# What htmx makes of the text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            append("#log", '<p title="<hx-x y>">a</p>'),
            '<div hx-swap-oob="beforeend:#log"><p title="&lt;hx-x y>">a</p></div>',
        ),
        (
            append("#log", '<td title="<hx-x y>">a'),
            '<tr hx-swap-oob="beforeend:#log"><td title="&lt;hx-x y>">a</tr>',
        ),
        (
            replace('<p id="x" title="</hx-x>">a</p>'),
            '<p hx-swap-oob="outerHTML" id="x" title="&lt;/hx-x>">a</p>',
        ),
        ('<p id="&lt;hx-x>" a="<hx-x>">', '<p hx-swap-oob="outerHTML:#\\00003Chx-x\\00003E" id='),
        (
            morph("#x", '<p title="<head>">'),
            '<div hx-swap-oob="innerMorph:#x"><p title="&lt;head>"></div>',
        ),
    ],
)
def test_what_htmx_would_take_for_a_tag_is_written_as_text(content: object, expected: str) -> None:
    text = text_of(content)
    assert text.startswith(expected)
    assert "<hx-" not in text


@pytest.mark.parametrize(
    "name", ["template", "TEMPLATE", "Template", "tEmplate", "hx-x", "HX-X", "Hx-X"]
)
def test_an_end_that_would_end_the_template_around_a_message_is_refused(name: str) -> None:
    for content in (
        append("#log", f"a</{name}><b>c</b>"),
        append("#log", f"</{name}>"),
        append("#log", f"<td>a</{name}>"),
        replace(f'<p id="x">a</{name}><b>c</b></p>'),
    ):
        with pytest.raises(FragmentError, match=r"leave (it|the end tag) out|begin and end each"):
            serialise(content)


@pytest.mark.parametrize(
    "html",
    [
        "<template><p>a</template>",
        "<b><p></b><template><tr><td>a</td></tr></template>",
        "<my-box><template shadowrootmode=open><slot></slot></template><i>a</i></my-box>",
        "<p>a<table><tr><td><template></template></table>",
        "<hx-partial hx-target=#rows><tr><td>a</td></tr></hx-partial>",
        "<script>let a = '</template>'</script>",
        "<h1>a</h1><header></header><table><thead><tr><th>b</table>",
        "<H1>a</H1>",
    ],
)
def test_templates_that_are_ended_in_place_are_taken_as_they_are(html: str) -> None:
    (message,) = serialise(update("#x", html))
    assert message == Message(f'<div hx-swap-oob="innerHTML:#x">{html}</div>', "innerHTML:#x")


@pytest.mark.parametrize("html", ["<template>a", "<hx-x>a", "<hx-x></hx-x><hx-x>"])
def test_behind_a_template_that_is_not_ended_stands_no_position(html: str) -> None:
    (message,) = serialise(update("#x", html))
    assert not message.cursor


def test_elements_that_htmx_rewrites_are_taken_where_they_stay_whole() -> None:
    assert len(serialise('<p id="x"><hx-x>a</hx-x></p><p id="y"></p>')) == 1
    for content in (
        '<div id="x"><hx-x>a</div><div id="y"></hx-x></div>',
        '<p id="x"><hx-x>a</p><p id="y"></hx-x></p>',
    ):
        with pytest.raises(FragmentError, match="begin and end each of them within one element"):
            serialise(content)


@pytest.mark.parametrize(
    ("html", "wrapper"),
    [
        ("<script></script><tr><td>a</td></tr>", "tbody"),
        ("<STYLE>i{}</STYLE> <!-- --><td>a</td>", "tr"),
        ("<template><p></template><tbody></tbody>", "table"),
        ("<script>'<tr>'</script><p>a</p>", "div"),
        ("<link><meta><style></style>", "div"),
        ("<script></script><p><tr></p>", "div"),
    ],
)
def test_rows_behind_a_script_keep_their_tags(html: str, wrapper: str) -> None:
    text = text_of(append("#x", html))
    assert text == f'<{wrapper} hx-swap-oob="beforeend:#x">{html}</{wrapper}>'


@pytest.mark.parametrize("html", ["<link><tr></tr>", "<title>a</title><td>", "<meta> a<tr></tr>"])
def test_rows_behind_what_no_table_may_hold_are_refused(html: str) -> None:
    with pytest.raises(FragmentError, match="stands straight inside"):
        serialise(append("#x", html))


@pytest.mark.parametrize(
    "html",
    [
        *("<td>a</tbody>b</td>", "<td>a</tr>b</td>", "<td>a</table>b</td>", "<th><svg></tbody>"),
        *("<tr><td>a</tbody>b</td></tr>", "<tr><td>a</table></td></tr>"),
    ],
)
def test_an_end_that_would_end_what_htmx_1_puts_around_rows_is_refused(html: str) -> None:
    with pytest.raises(FragmentError, match=r"has no <\w+> to end|leave out end tags that end"):
        serialise(append("#x", html))


@pytest.mark.parametrize(
    "html", ["<td><table><tr><td>a</tbody></table></td>", "<td><template></tbody></template></td>"]
)
def test_but_not_where_something_holds_it_off(html: str) -> None:
    assert text_of(append("#x", html)) == f'<tr hx-swap-oob="beforeend:#x">{html}</tr>'


def test_what_is_not_one_plain_message_does_not_go_the_short_way() -> None:
    assert quick_text(replace("<p id=x>")) is None
    assert quick_text(append("#x", "<tr>")) is None
    long = f"#{'x' * 300}"
    assert quick_text(append(long, "a")) == f'<div hx-swap-oob="beforeend:{long}">a</div>'


@given(st.text("<>/\"' abdhtxHTx-=!", max_size=30))
@settings(max_examples=500)
def test_what_goes_the_short_way_would_be_the_same_by_the_long_one(html: str) -> None:
    text = quick_text(append("#x", html))
    if text is not None and not any(piece.kind == "rest" for piece in pieces(html)):
        (message,) = serialise(append("#x", f"<!-- -->{html}"))
        assert message.text.replace("<!-- -->", "") == text


# A default target


@pytest.mark.parametrize(
    ("content", "swap", "expected"),
    [
        ("a <b>b</b>", "innerHTML", ['<div hx-swap-oob="innerHTML:#log">a <b>b</b></div>']),
        ("<li>a</li>", "beforeend", ['<div hx-swap-oob="beforeend:#log"><li>a</li></div>']),
        ("<li>a</li>", "append", ['<div hx-swap-oob="beforeend:#log"><li>a</li></div>']),
        ("<p id=x>a</p>", "prepend", ['<div hx-swap-oob="afterbegin:#log"><p id=x>a</p></div>']),
        ("\n<tr></tr>\n", "append", ['<tbody hx-swap-oob="beforeend:#log"><tr></tr></tbody>']),
        ("<p>a</p>", "outerHTML", ['<p hx-swap-oob="outerHTML:#log">a</p>']),
        ("a", "innerMorph", ['<div hx-swap-oob="innerMorph:#log">a</div>']),
        ("a", "morph", ['<div hx-swap-oob="innerMorph:#log">a</div>']),
        ("a", "delete", ['<div hx-swap-oob="delete:#log"></div>']),
        (
            "<!-- 1 -->a <p hx-swap-oob='beforeend:#y'>b</p> <b>c</b>, d<!-- 2 --> ",
            "beforeend",
            [
                '<div hx-swap-oob="beforeend:#log">a </div>',
                '<p hx-swap-oob="beforeend:#y">b</p>',
                '<div hx-swap-oob="beforeend:#log"><b>c</b>, d</div>',
            ],
        ),
        (
            "a<p id=one hx-swap-oob=true>b</p><!-- --><p id=two hx-swap-oob=true>b</p>",
            "innerHTML",
            [
                '<div hx-swap-oob="innerHTML:#log">a</div>'
                '<p hx-swap-oob="outerHTML" id=one>b</p><p hx-swap-oob="outerHTML" id=two>b</p>'
            ],
        ),
    ],
)
def test_what_does_not_say_where_it_goes_goes_to_the_default(
    content: str, swap: str, expected: list[str]
) -> None:
    assert texts(content, "#log", swap) == expected
    assert texts(content, " #log ", swap) == expected


def test_a_fragment_goes_where_it_says_whatever_the_default_is() -> None:
    assert text_of(append("#x", "a"), "#log") == '<div hx-swap-oob="beforeend:#x">a</div>'
    assert texts([replace("<p id=x>"), "a"], "#log") == [
        '<p hx-swap-oob="outerHTML" id=x>',
        '<div hx-swap-oob="innerHTML:#log">a</div>',
    ]


def test_a_default_target_is_normalised_and_filled_inside() -> None:
    assert text_of("a", "#log li") == '<div hx-swap-oob="innerHTML:#log\tli">a</div>'
    assert text_of("a", "#é li") == '<div hx-swap-oob="innerHTML:#\\0000E9\t\tli">a</div>'


@pytest.mark.parametrize(
    ("content", "swap", "why"),
    [
        ("a", "none", "'none' is not a swap style"),
        ("<p>a</p><p>b</p>", "outerHTML", "takes one element, and here are 2"),
        ("a", "outerHTML", "The text 'a' stands outside every element"),
        ("<tr></tr>a", "beforeend", "text stands straight inside a table"),
        ("<b><p></b>", "beforeend", "Browsers would not keep"),
    ],
)
def test_a_default_does_not_place_everything(content: str, swap: str, why: str) -> None:
    with pytest.raises(FragmentError, match=why):
        serialise(content, "#log", swap)


@pytest.mark.parametrize(
    ("content", "cursor"),
    [("a", True), ("<p>a", False), ("<b>a", False), ("a<!-- b", True), ("<p>a</p><br>", True)],
)
def test_a_cursor_rides_on_what_goes_to_the_default_if_it_arrives(
    content: str, cursor: bool
) -> None:
    (message,) = serialise(content, "#log")
    assert message.cursor is cursor
    if cursor:
        assert [top.oob for top in top_level(message.text + CURSOR)] == [
            "innerHTML:#log",
            "outerHTML",
        ]


def test_a_message_is_complete_by_default() -> None:
    assert Message("a") == ("a", None, True, None)


# Properties

_TAGS = st.sampled_from(
    """a b i font p div section htmx-ws span ul li dl dt h1 form button table tbody thead tr td th
    caption col colgroup select option optgroup input br hr template script style textarea title
    svg g circle foreignObject feBlend math mi html body frameset iframe noscript DIV Section TR
    Option image ruby rt object""".split()
)
_ATTRIBUTES = st.sampled_from(
    [
        *("", "", "", " id=a", ' id="b.c"', " id='d'", " class=e", " hidden", " title='>'", ' a="'),
        *(' hx-swap-oob="true"', " hx-swap-oob=beforeend:#f id=g", " data-hx-swap-oob='delete:.h'"),
    ]
)
_BITS = st.sampled_from(
    [
        *("x", " ", "\n", "<", "</", "<p", "<!-- c -->", "<!--", "-->", "<!-->"),
        *("]]>", "&amp;", "<?pi>", "<![CDATA[", "\0", "é", "</ div>", "<3", "</div", "<div id='"),
    ]
)
_PIECES = st.one_of(
    st.builds("<{}{}>".format, _TAGS, _ATTRIBUTES),
    st.builds("<{}>".format, _TAGS),
    st.builds("</{}>".format, _TAGS),
    _BITS,
)
_MESS = st.lists(_PIECES, max_size=10).map("".join)
_WORDS = {
    append: "beforeend",
    prepend: "afterbegin",
    before: "beforebegin",
    after: "afterend",
    update: "innerHTML",
}


@given(_MESS, st.sampled_from(list(_WORDS)), st.sampled_from(["#log", "#é b", "li:first-child"]))
@settings(max_examples=1000)
@example("<circle/><p>", append, "#log")
@example("<option><input>", append, "#log")
@example("<tr></tr></table><tr>", append, "#log")
@example("</div></section></htmx-ws><p>", append, "#log")
def test_content_never_leaves_what_stands_around_it(mess: str, word: Any, target: str) -> None:
    try:
        (message,) = serialise(word(target, mess))
    except FragmentError:
        return
    (top,) = top_level(message.text)
    assert top.oob is not None
    assert top.oob.startswith(f"{_WORDS[word]}:")
    assert not top.attributes


def _closed(tags: str, inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("<{0}{1}>{2}</{0}>".format, st.sampled_from(tags.split()), _MARKS, inner)


_MARKS = st.sampled_from(
    [
        *("", " id=a", ' id="bb"', " id='c.d'", " id=é class=x", " id=ee", ' id="ff"'),
        *(" hx-swap-oob=true id=a", ' hx-swap-oob="beforeend:#bb"', " hx-swap-oob='delete:.m'"),
        *(
            ' id="gg" hx-swap-oob="morph"',
            " data-hx-swap-oob=innerHTML:#a",
            " hx-swap-oob=morph:#a",
        ),
        *(' hx-swap-oob="outerHTML:.m > b"', " id=hh hx-swap-oob=afterend"),
    ]
)
_INSIDE = st.sampled_from(
    ["", "x", "<b>x</b>", "<b>x", '<i id="bb"></i>', "<p>a<p>b", "<br>", "a < b"]
)
_PLAIN = st.one_of(
    st.lists(
        st.one_of(
            _closed("p div section ul span x-y svg textarea option button", _INSIDE),
            _closed("p div", _INSIDE).map(lambda element: element.partition("</")[0]),
            st.sampled_from(
                ["\n", " ", "<!-- c -->", "<br id=ii>", "<input id=jj>", "text", "<hr>"]
            ),
        ),
        max_size=4,
    ).map("".join),
    st.lists(_closed("tr", st.just("<td>x</td>")), max_size=3).map("".join),
    st.lists(_closed("td th", _INSIDE), max_size=3).map("".join),
    st.lists(_closed("tbody", st.just("<tr></tr>")), max_size=3).map("".join),
    st.lists(st.builds("<col{}>".format, _MARKS), max_size=3).map("".join),
)


def check(messages: tuple[Message, ...]) -> None:
    """Whatever is at the top level of any text of a message says where it goes."""
    for message in messages:
        for text in (message.text, *(message.variants or {}).values()):
            assert all(top.oob for top in top_level(text)), text
            if message.cursor:
                *_, last = top_level(text + CURSOR)
                assert last.attributes.get("id") == "cursor"
                assert all(top.oob for top in top_level(text + CURSOR)), text
        oobs = [(top.oob or "").partition(":")[0] for top in top_level(message.text)]
        assert set(oobs) <= {*SWAPS.values()} - {"morph"}
        assert len(oobs) == 1 or set(oobs) <= {"outerHTML", "innerHTML"}


@given(st.one_of(_PLAIN, _PLAIN, _MESS))
@settings(max_examples=700)
def test_no_message_of_plain_html_has_an_unmarked_node(content: str) -> None:
    try:
        messages = serialise(content)
    except FragmentError:
        return
    check(messages)
    sent = [top.tag for message in messages for top in top_level(message.text)]
    assert sent == [node.name for node in scan(content) if not node.name.startswith("#")]


@given(
    st.one_of(_PLAIN, _PLAIN, _MESS), st.sampled_from(["innerHTML", "append", "outerHTML", "morph"])
)
@settings(max_examples=500)
def test_nor_has_one_that_goes_to_a_default_target(content: str, swap: str) -> None:
    try:
        messages = serialise(content, "#log", swap)
    except FragmentError:
        return
    check(messages)


@given(st.lists(st.sampled_from(["a", "bb", "c.d", "é", "1", "x y"]), min_size=1, max_size=4))
def test_elements_with_ids_arrive_once_each_and_in_order(ids: list[str]) -> None:
    content = "".join(str(html('<p id="{}">{}</p>', id_, id_)) for id_ in ids)
    tops = [top for text in texts(content) for top in top_level(text)]
    assert [(top.attributes["id"], top.inside) for top in tops] == [(i, escape(i)) for i in ids]


@pytest.mark.parametrize(
    "inside",
    [
        "<p>Name <input name=x><ul><li>no</li></ul></p>",  # Django's usual row of a form
        "<p><div>a</div></p>",
        "a</br>b",
        "a</table></tbody>b",
        "<button></p></button>",
    ],
)
def test_an_end_tag_without_its_element_is_harmless_within_another(inside: str) -> None:
    (message,) = serialise(f'<form id="a">{inside}</form>')
    assert message.text == f'<form hx-swap-oob="outerHTML" id="a">{inside}</form>'


@pytest.mark.parametrize("html", ['<p id="a"><ul></ul></p>', "</p>", '<p id="a"></p></br>'])
def test_but_between_elements_it_would_be_one_more_element(html: str) -> None:
    with pytest.raises(FragmentError):
        serialise(html)


def test_a_header_is_no_head_and_the_word_template_is_no_tag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cards and articles have the one, and style sheets and prose the other: both are common."""

    def read(html: str) -> Any:
        raise AssertionError(html)

    monkeypatch.setattr("htmx_ws.wire.rewrite.pieces", read)
    card = '<article id="a"><header title="<header>">x</header></article>'
    assert quick_text(append("#log", card)) is not None
    assert serialise(card)
    assert serialise(update("#log", '<p class="template"></p><textarea></textarea>'))

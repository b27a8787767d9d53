"""Selectors against lexbor's: what is written for htmx selects what was meant."""

from __future__ import annotations

from html import escape
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from htmx_ws.errors import FragmentError
from htmx_ws.wire.selector import id_selector, normalise


@pytest.mark.parametrize(
    ("identifier", "selector"),
    [
        ("log", "#log"),
        ("a-b_c", "#a-b_c"),
        ("-a", "#-a"),
        ("--", "#--"),
        ("_", "#_"),
        ("a1", "#a1"),
        ("1a", r"#\000031a"),
        ("-1", r"#\00002D1"),
        ("-", r"#\00002D"),
        ("a.b:c", r"#a\00002Eb\00003Ac"),
        ("a b", r"#a\000020b"),
        ("a#b", r"#a\000023b"),
        ("a\\b", r"#a\00005Cb"),
        ("arr[]", r"#arr\00005B\00005D"),
        ("é", r"#\0000E9"),
        ("😀1", r"#\01F6001"),
        ("\xa0", r"#\0000A0"),
        ("a\n", r"#a\00000A"),
        ('"', r"#\000022"),
    ],
)
def test_an_id_becomes_a_selector(identifier: str, selector: str) -> None:
    assert id_selector(identifier) == selector
    assert normalise(selector) == selector


@pytest.mark.parametrize(
    ("selector", "written"),
    [
        ("#log", "#log"),
        ("  #log\n", "#log"),
        (".m", ".m"),
        ("li", "li"),
        ("H1", "H1"),
        ("*", "*"),
        ("my-element", "my-element"),
        ("ul#log.a.b", "ul#log.a.b"),
        # Combinators
        ("#log li", "#log\tli"),
        ("#log \n\t li", "#log\tli"),
        ("head > title", "head>title"),
        ("#a +b~  i", "#a+b~i"),
        ("#a , #b", "#a,#b"),
        # A colon anywhere
        ("li:first-child", "\tli:first-child"),
        ("#log li:last-child > b", "\t#log\tli:last-child>b"),
        ("li:not( .a , .b )", "\tli:not(.a,.b)"),
        ("li:nth-child( 2n + 1 )", "\tli:nth-child(2n+1)"),
        (":is(#a .b)", "\t:is(#a\t.b)"),
        # Attributes
        ("[data-id]", "[data-id]"),
        ("[ data-id = '1' ]", "[data-id='1']"),
        ('[a="x y"]', r'[a="x\000020y"]'),
        ('[a="b:c"]', r'[a="b\00003Ac"]'),
        ('[a="(]"]', r'[a="\000028\00005D"]'),
        (r'[a="x\"y\41 z"]', r'[a="x\000022y\000041z"]'),
        ("[a='é']", r"[a='\0000E9']"),
        ("[a ~= 'b' i]", "[a~='b'\ti]"),
        ("li [a]", "li\t[a]"),
        # Odd characters
        (r"#a\.b\:c", r"#a\00002Eb\00003Ac"),
        (r"#\31 a", r"#\000031a"),
        (r"#\31 23", r"#\00003123"),
        (r"#\000031a", r"#\000031a"),
        ("#1a", r"#\000031a"),
        ("#é", r"#\0000E9"),
        ("li#é.è", r"li#\0000E9.\0000E8"),
        # An escape takes the white space after it, so a descendant needs another.
        (r"#a\: li", "#a\\00003A\t\tli"),
        (r"#a\3a  li", "#a\\00003A\t\tli"),
        ("#é li", "#\\0000E9\t\tli"),
        ("#é  .è  i", "#\\0000E9\t\t.\\0000E8\t\ti"),
        ("#é > li", r"#\0000E9>li"),
        ("#é , li", r"#\0000E9,li"),
        ("li:is( #é )", "\tli:is(#\\0000E9)"),
    ],
)
def test_a_selector_is_written_as_every_htmx_reads_it(selector: str, written: str) -> None:
    assert normalise(selector) == written
    assert normalise(written) == written


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        ("", r"The target is empty: name one, such as '#log'\."),
        (" \n", "The target is empty"),
        ("log", r"means an element <log>, which HTML does not have: .* write '#log'\."),
        (" say_form ", "write '#say_form'"),
        ("#a[b", "a bracket is left open"),
        ("#a]", "a bracket is left open"),
        (":not(.a", "a bracket is left open"),
        (".a)", "a bracket is left open"),
        ("[a='b]", r"is not a selector: see \"'b\]\""),
        ('"', "is not a selector"),
        ("#a\\", r"is not a selector: see '\\\\'"),
        ("#a\\\nb", "is not a selector"),
        (5, "A target is a CSS selector such as '#log', not 5"),
        (None, "not None"),
        (b"#log", "not b'#log'"),
    ],
)
def test_what_is_no_selector_is_refused(selector: Any, why: str) -> None:
    with pytest.raises(FragmentError, match=why):
        normalise(selector)


# Properties

_IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1)


@given(_IDS)
@settings(max_examples=300)
@example("-")
@example("-1")
@example("a\n")
@example("a b")
def test_the_selector_of_an_id_selects_the_element_with_that_id_alone(identifier: str) -> None:
    others = [identifier + "x", identifier[:-1], "x" + identifier, identifier.swapcase()]
    ids = [identifier, *(other for other in others if other != identifier)]
    page = LexborHTMLParser(
        "<!doctype html>" + "".join(f'<p id="{escape(other)}"><b></b></p>' for other in ids)
    )
    selector = id_selector(identifier)
    assert [node.attributes["id"] for node in page.css(selector)] == [identifier]
    assert len(page.css(normalise(f"{selector}  b"))) == 1
    assert normalise(selector) == selector


def is_readable(written: str) -> bool:
    """Whether every htmx finds the end of the style and the whole of the selector."""
    return " " not in written and (":" not in written or written.startswith("\t"))


_PIECES = st.sampled_from(
    [
        *("#a", "#é", "#1", r"\:", r"\3a ", r"\e9", " ", "  ", "\t", ">", " + ", ",", ":is("),
        *(")", "[x", "]", "=", "'a b'", '"\\""', ".b", "li", "*", "a"),
    ]
)


@given(
    st.one_of(
        st.text(min_size=1),
        st.text("#.:a1é \t\n>+~,*=()[]\"'\\-|3x", min_size=1),
        st.lists(_PIECES, min_size=1).map("".join),
    )
)
@settings(max_examples=500)
@example("#é\t li")
def test_whatever_is_taken_is_written_once_and_for_all(selector: str) -> None:
    try:
        written = normalise(selector)
    except FragmentError:
        return
    assert is_readable(written)
    assert normalise(written) == written


PAGE = LexborHTMLParser(
    """<!doctype html><body><ul id="log" class="m"><li class="m" data-x="a b">1<b id="é">2<i></i>
    </b></li><li id="a:b"><b class="x:y" data-x="c:d">3</b><i>4</i><i class="m">5</i></li></ul>
    <p id="1a" class="é"><b data-x="é]">6<i class="m"></i></b></p>"""
)
_SIMPLE = st.sampled_from(
    [
        *(
            "#log",
            "#é",
            r"#\e9 ",
            r"#a\:b",
            r"#a\3a b",
            "#1a",
            ".m",
            r".x\:y",
            ".é",
            "li",
            "b",
            "*",
        ),
        *("[data-x]", "[data-x='a b']", '[ data-x = "c:d" ]', "[data-x='é]']", r"[data-x='\e9 ]']"),
        *(":first-child", "li:last-child", ":not( .m )", ":is(#é , .m)", ":nth-child( 2n + 1 )"),
    ]
)
_COMBINATOR = st.sampled_from([" ", "  ", "\t", "\n ", " > ", ">", "> ", " + ", "~ ", " , ", ","])


@given(_SIMPLE, st.lists(st.tuples(_COMBINATOR, _SIMPLE), max_size=3))
@settings(max_examples=500)
def test_what_is_written_selects_what_was_meant(first: str, rest: list[tuple[str, str]]) -> None:
    selector = first + "".join(map("".join, rest))
    meant = selector.replace("#1a", r"#\000031a")  # not a selector, but clear enough
    written = normalise(selector)
    assert is_readable(written)
    assert [node.mem_id for node in PAGE.css(written)] == [node.mem_id for node in PAGE.css(meant)]


def test_the_page_of_the_property_has_something_to_select() -> None:
    for selector in ("#log  b", "#é  i", r"#a\:b > i.m", "#1a .m", "li:last-child [data-x='c:d']"):
        assert len(PAGE.css(normalise(selector))) == 1 + (selector == "#log  b")

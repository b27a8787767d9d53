"""The words for what should happen to a page, each with the text that every htmx gets."""

from __future__ import annotations

import json
import re
from typing import Any

import htpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup
from selectolax.lexbor import LexborHTMLParser

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
from htmx_ws.wire.serialise import serialise


def text_of(fragment: Fragment) -> str:
    (message,) = serialise(fragment)
    return message.text


@pytest.mark.parametrize(
    ("fragment", "text"),
    [
        (append("#log", "<li>a</li>"), '<div hx-swap-oob="beforeend:#log"><li>a</li></div>'),
        (prepend("#log", "<li>a</li>"), '<div hx-swap-oob="afterbegin:#log"><li>a</li></div>'),
        (before("#x", "<p>a</p>"), '<div hx-swap-oob="beforebegin:#x"><p>a</p></div>'),
        (after("#x", "<p>a</p>"), '<div hx-swap-oob="afterend:#x"><p>a</p></div>'),
        (update("#x", "a <b>b</b>"), '<div hx-swap-oob="innerHTML:#x">a <b>b</b></div>'),
        (update("#x", ""), '<div hx-swap-oob="innerHTML:#x"></div>'),
        (remove("#x"), '<div hx-swap-oob="delete:#x"></div>'),
        (remove("#a > b"), '<div hx-swap-oob="delete:#a&gt;b"></div>'),
        (replace('<p id="x">a</p>'), '<p hx-swap-oob="outerHTML" id="x">a</p>'),
        (replace("#x", '<p id="x">a</p>'), '<p hx-swap-oob="outerHTML" id="x">a</p>'),
        (replace("#x", "<p>a</p>"), '<p hx-swap-oob="outerHTML:#x">a</p>'),
        (replace("#x", '<p id="y">a</p>'), '<p hx-swap-oob="outerHTML:#x" id="y">a</p>'),
        (replace(".m", ' <!-- --> <br id="y"/>\n'), '<br hx-swap-oob="outerHTML:.m" id="y"/>'),
        (morph("#x", "a"), '<div hx-swap-oob="innerMorph:#x">a</div>'),
        (morph('<p id="x">a</p>'), '<p hx-swap-oob="outerHTML" id="x">a</p>'),
        (title("T"), '<div hx-swap-oob="innerHTML:head&gt;title">T</div>'),
        (title("<b>"), '<div hx-swap-oob="innerHTML:head&gt;title">&lt;b&gt;</div>'),
        (
            refresh(),
            '<div hx-swap-oob="beforeend:body"><meta http-equiv="refresh" content="0"></div>',
        ),
        (
            append("#x", ["a", html("{}", "<"), ("b",)]),
            '<div hx-swap-oob="beforeend:#x">a&lt;b</div>',
        ),
        (append("#log", Markup("<li>")), '<div hx-swap-oob="beforeend:#log"><li></div>'),
        (append("#log", htpy.li["<"]), '<div hx-swap-oob="beforeend:#log"><li>&lt;</li></div>'),
        (replace(htpy.p("#x")["a"]), '<p hx-swap-oob="outerHTML" id="x">a</p>'),
        (replace("#x", htpy.p["a"]), '<p hx-swap-oob="outerHTML:#x">a</p>'),
    ],
)
def test_a_word_becomes_a_text(fragment: Fragment, text: str) -> None:
    assert text_of(fragment) == text


@pytest.mark.parametrize("content", [5, None, b"<p>", {"a": 1}, object(), ["<p>", None]])
def test_content_that_is_no_html_is_refused(content: object) -> None:
    for fragment in (append("#x", content), replace("#x", content), morph(content)):
        with pytest.raises(TypeError, match="is not HTML"):
            serialise(fragment)
    with pytest.raises(TypeError, match="is not HTML"):
        hash(append("#x", content))


# The class


def test_a_fragment_says_what_it_is() -> None:
    fragment = append("#log", html("<li>{}</li>", "<"))
    assert (fragment.style, fragment.target) == ("beforeend", "#log")
    assert fragment.html == "<li>&lt;</li>"
    assert repr(fragment) == "Fragment('beforeend', '#log', '<li>&lt;</li>')"
    assert repr(append("#log", 5)) == "Fragment('beforeend', '#log', 5)"  # a log must not fail


def test_fragments_that_do_the_same_are_equal() -> None:
    assert append("#log", "<li>") == append("#log", [Markup("<li>")])
    assert hash(append("#log", "<li>")) == hash(append("#log", html("<li>")))
    assert len({append("#log", "a"), append("#log", "a"), update("#log", "a")}) == 2
    assert append("#log", "a") != append("#log", "b")
    assert append("#log", "a") != append("#x", "a")
    assert append("#log", "a") != prepend("#log", "a")
    assert append("#log", "a") != "a"


# redirect()


def address(url: str) -> str:
    """Where a browser goes: what stands after ``url=`` in the refresh."""
    meta = LexborHTMLParser(text_of(redirect(url)), is_fragment=True).css_first("meta")
    assert meta is not None
    assert meta.attributes["http-equiv"] == "refresh"
    delay, _, rest = (meta.attributes["content"] or "").partition(";url=")
    assert delay == "0"
    return rest


@pytest.mark.parametrize(
    ("url", "goes_to"),
    [
        ("/next", "/next"),
        ("next?a=1&b=2#c", "next?a=1&b=2#c"),
        ("?page=2", "?page=2"),
        ("#top", "#top"),
        ("", ""),
        ("//host/path", "//host/path"),
        ("http://host/", "http://host/"),
        ("HTTPS://host/a;b,c", "HTTPS://host/a;b,c"),
        ("https:/relative", "https:/relative"),
        ("http://[::1/", "http://[::1/"),
        ("/a:b", "/a:b"),
        ("./javascript:alert(1)", "./javascript:alert(1)"),
        ("1:2", "1:2"),
        (" \n/next\x00", "/next"),
        ("/ne\nxt", "/next"),
        ("/\"><script>alert('1')</script>", "/\"><script>alert('1')</script>"),
        # Quotes at the beginning would be the refresh's own.
        ("'javascript:alert(1)'", "%27javascript:alert(1)'"),
        ('"/next"', '%22/next"'),
    ],
)
def test_a_redirect_goes_to_http_and_relative_addresses(url: str, goes_to: str) -> None:
    assert address(url) == goes_to


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " javascript:alert(1)",
        "\x01\x1fjavascript:alert(1)",
        "java\nscript:alert(1)",
        "java\t\r\nscript\n:alert(1)",
        "data:text/html,<script>",
        "vbscript:x",
        "mailto:a@b.c",
        "file:///etc/passwd",
        "blob:http://host/x",
        "ftp://host/",
        "httpx://host/",
        "x-y+z.1:a",
    ],
)
def test_a_redirect_goes_nowhere_else(url: str) -> None:
    with pytest.raises(FragmentError, match="only http, https and relative URLs") as raised:
        redirect(url)
    assert repr(url) in str(raised.value)


@given(
    st.lists(
        st.one_of(
            st.sampled_from(["javascript", "http", "https", ":", "data", "//", "'"]),
            st.text(max_size=2),
            st.text("\t\n\r \0\x1f'\"", max_size=2),
        ),
    ).map("".join)
)
@example("'\njavascript:a'")
def test_no_address_is_a_script(url: str) -> None:
    try:
        goes_to = address(url)
    except FragmentError:
        return
    # What the standard of HTML and that of URLs do with what follows "url=".
    plain = re.sub(r"[\t\n\r]", "", goes_to.lstrip("\t\n\f\r ").lstrip("'\"")).lstrip(" \0\x1f")
    scheme = re.match(r"([a-z][a-z0-9+.-]*):", plain, re.ASCII | re.IGNORECASE)
    assert scheme is None or scheme[1].lower() in ("http", "https")


# trigger() and data_only()


def test_a_trigger_is_a_script_that_removes_itself() -> None:
    assert text_of(trigger("my:event", {"a": 1})) == (
        '<div hx-swap-oob="beforeend:body"><script>document.body.dispatchEvent(new CustomEvent('
        '"my:event",{detail:{"a":1},bubbles:true}));document.currentScript.remove()</script></div>'
    )
    assert '("saved",{detail:null,bubbles:true})' in text_of(trigger("saved"))


def test_a_trigger_carries_the_nonce_of_the_page() -> None:
    assert '<script nonce="r4nd0m">document' in text_of(trigger("saved", nonce="r4nd0m"))
    assert '<script nonce="&quot;&gt;">document' in text_of(trigger("saved", nonce='">'))
    assert "<script>document" in text_of(trigger("saved", nonce=""))


NASTY = ["</script>", "<!--<script>", "\u2028", "'\"\\", "]]>", "&lt;", "</ScRiPt ><img onerror=x>"]


@pytest.mark.parametrize("text", NASTY)
def test_nothing_ends_the_script_of_a_trigger(text: str) -> None:
    (message,) = serialise(trigger(text, [{text: text}]))
    page = LexborHTMLParser(message.text, is_fragment=True, fragment_tag="template")
    (script,) = page.css("script")
    call = re.fullmatch(
        r"document\.body\.dispatchEvent\(new CustomEvent\((.*),\{detail:(.*),bubbles:true\}\)\);"
        r"document\.currentScript\.remove\(\)",
        script.text(),
    )
    assert call is not None
    assert json.loads(call[1]) == text
    assert json.loads(call[2]) == [{text: text}]
    assert page.root is not None
    assert page.root.next is None


@pytest.mark.parametrize("payload", [None, 1.5, True, "a", [1], {"a": {"b": [NASTY]}}, NASTY])
def test_data_arrives_as_it_was_and_is_no_html(payload: Any) -> None:
    (message,) = serialise(data_only("app", payload))
    assert json.loads(message.text) == {"channel": "app", "data": payload}
    assert not set("<>&") & set(message.text)
    assert message == (message.text, None, False, None)


def test_data_alone_needs_no_payload() -> None:
    assert text_of(data_only("ping")) == '{"channel":"ping","data":null}'


@pytest.mark.parametrize(
    ("value", "error"),
    [(float("nan"), ValueError), (float("inf"), ValueError), (object(), TypeError)],
)
def test_what_is_no_json_is_refused(value: object, error: type[Exception]) -> None:
    for word in (trigger, data_only):
        with pytest.raises(error):
            word("app", value)

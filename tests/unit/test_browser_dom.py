"""The tree of a page, and what selectors find in it."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import pytest

from htmx_ws.testing.browser import controls
from htmx_ws.testing.browser.dom import Comment, Document, Element, Fragment, Node, Text
from htmx_ws.testing.browser.parse import parse_document
from htmx_ws.testing.browser.selectors import InvalidSelector, escape_identifier


def body(html: str) -> Element:
    return parse_document(f"<!doctype html><body>{html}").body


def one(html: str, selector: str = "*") -> Element:
    found = body(html).select_one(selector)
    assert found is not None
    return found


def test_a_page_is_written_as_browsers_write_it() -> None:
    html = (
        '<!doctype html><title>T</title><p title="a&quot;&lt;b">x &amp; &nbsp;</p><br><!--c-->'
        "<script>a<b && c</script><svg viewBox='0 0'><foreignObject><p>q</p></foreignObject></svg>"
        "<template><tr><td>1</td></tr></template><math><mi>x</mi></math>"
    )
    assert parse_document(html).html == (
        "<!DOCTYPE html><html><head><title>T</title></head><body>"
        '<p title="a&quot;&lt;b">x &amp; &nbsp;</p><br><!--c-->'
        '<script>a<b && c</script><svg viewBox="0 0"><foreignObject><p>q</p></foreignObject></svg>'
        "<template><tr><td>1</td></tr></template><math><mi>x</mi></math></body></html>"
    )
    assert parse_document("").doctype is False


def test_without_the_parser_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "selectolax.lexbor":
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "selectolax.lexbor", raising=False)
    with pytest.raises(ImportError, match=r"htmx-ws\[test\]"):
        parse_document("")


def test_nodes_know_their_neighbours() -> None:
    p = one("<p>a<b>b</b><!--c--></p>")
    text, b, comment = p.children
    assert (text.next, b.previous, comment.next, text.previous) == (b, text, None, None)
    assert (Text("x").next, Text("x").previous) == (None, None)
    assert (comment.text, p.text) == ("", "ab")
    assert repr(one('<p class="a b">')) == "<p.a.b>"
    assert b.root is p.root
    assert text.root is p.root
    assert isinstance(p.root, Document)
    loose = Element("i")
    assert not loose.is_connected
    loose.detach()
    assert p.contains(text)
    assert not p.contains(loose)
    assert p.get("x", "y") == "y"


def test_copies_are_equal_and_apart() -> None:
    p = one('<p id="a">x<!--c--><input value="1"><template><b>1</b></template></p>')
    copy = p.clone()
    assert copy.equals(p)
    assert copy.html == p.html
    copy.insert(Text("more"))
    assert not copy.equals(p)
    assert not p.equals(Text("x"))
    assert not Text("x").equals(Comment("x"))
    assert not Text("x").equals(Text("y"))
    fragment = Fragment()
    fragment.insert(p)
    assert fragment.clone().equals(fragment)
    assert not fragment.equals(p)
    for what in (Node().clone, lambda: Node().equals(p)):
        with pytest.raises(NotImplementedError):
            what()
    assert Node().text == ""
    assert Node().html == ""
    with pytest.raises(NotImplementedError):
        Document().clone()


def test_the_title_is_set_where_it_stands_or_made() -> None:
    page = parse_document("<p>x")
    assert page.title == ""
    page.set_title("New")
    assert page.title == "New"
    page.set_title("")
    assert page.title == ""
    head = page.select_one("head")
    assert head is not None
    head.detach()
    page.set_title("lost")
    assert page.title == ""


PAGE = body(
    '<main id="m" lang="en-GB"><ul id="log" class="a b"><li>1</li><li class="q">2</li><li>3</li>'
    "</ul><p></p><p>t</p><i data-x='ab cd'></i><a href='/x'>l</a><details open></details>"
    "<form id=f><input name=a type=TEXT required value=z><input type=checkbox id=c checked>"
    "<input type=radio name=r id=r1><input type=radio name=r id=r2 disabled>"
    "<select id=s><option id=o1>1<option id=o2 selected>2</select>"
    "<input id=ph placeholder=p><textarea id=ta readonly></textarea>"
    "<input id=bad type=email value=zz></form><option id=loose selected></option>"
    "<progress id=pr></progress><b contenteditable id=ce></b></main>"
)


@pytest.mark.parametrize(
    ("selector", "count"),
    [
        ("*", 24),
        ("li", 3),
        ("LI", 3),
        ("#log > li:first-child", 1),
        ("#log>li:last-child", 1),
        ("li:nth-child(odd)", 2),
        ("li:nth-child(even)", 1),
        ("li:nth-child(2)", 1),
        ("li:nth-child(-n+2)", 2),
        ("li:nth-child( n + 2 )", 2),
        ("li:nth-last-child(1)", 1),
        ("li:nth-child(1 of .q)", 1),
        ("p:nth-of-type(2)", 1),
        ("p:nth-last-of-type(2)", 1),
        ("p:first-of-type", 1),
        ("p:last-of-type", 1),
        ("a:only-of-type", 1),
        ("main:only-child", 1),
        ("p:empty", 1),
        ("li + li", 2),
        ("li ~ .q", 1),
        ("li.q, p", 3),
        (":is(p, .q)", 3),
        (":where(p)", 2),
        (":is()", 0),
        ("li:not(.q, :first-child)", 1),
        ("ul:has(> .q)", 1),
        ("p:has(+ p)", 1),
        ("p:has(~ i)", 2),
        ("[data-x]", 1),
        ("[data-x~=cd]", 1),
        ("[data-x^=ab]", 1),
        ("[data-x$='cd']", 1),
        ('[data-x*="b c"]', 1),
        ("[data-x='']", 0),
        ("[data-x^='']", 0),
        ("[data-x=AB]", 0),
        ("[data-x='AB CD' i]", 1),
        ("[lang|=en]", 1),
        ("[type=text]", 1),
        ("[*|href]", 1),
        ("[href", 1),
        ("main:lang(en)", 1),
        ("li:lang(fr)", 0),
        ("main:dir(ltr)", 1),
        ("*|li", 3),
        ("|li", 0),
        ("p::before", 0),
        ("p:after", 0),
        (":link", 1),
        ("li:hover", 0),
        ("details:open", 1),
        (":root", 0),
        (":scope > main", 1),
        (":checked", 3),
        ("option:checked", 2),
        ("input:disabled", 1),
        ("input:enabled", 5),
        (":required", 1),
        ("input:optional", 5),
        (":placeholder-shown", 1),
        ("input:read-write", 3),
        (":is(#ta, #ce):read-only", 1),
        (":invalid", 2),
        ("input:valid", 4),
        (":default", 3),
        (":indeterminate", 3),
        (":focus", 0),
        (":focus-within", 0),
        ("b:defined", 1),
        (r"#\6d", 1),
        (r"#\m", 1),
        (r"#\0", 0),
        ("li\\", 0),
        ("/*first*/li:first-child/*", 1),
        ("[title='/*']", 0),
        (":is(:unknown(a, [b]), p, ..q)", 2),
        (":is(p:unknown[x], li)", 3),
        (":where(:host, :in-range, :out-of-range)", 0),
    ],
)
def test_selectors_find_what_they_find_in_browsers(selector: str, count: int) -> None:
    assert len(PAGE.select(selector)) == count


@pytest.mark.parametrize(
    "selector",
    [
        *"0 [ > ) ( , . # : :: a, a> a>>b >a ,a #1f a:b p::foo p::before() p:not()".split(),
        *":has() p:foo".split(),
        ":nth-child(x)",
        "a b]",
        "b']",
        "x|y",
        "p)",
        ":nth-child(1 x)",
        "p*",
        "[a=]",
        "[a=b c]",
        "p:foo(1)",
        "[a=b s]",
        "p:lang('x')",
        "p:not(a",
        "p:is(a b",
        ":is(p)q",
    ],
)
def test_what_a_browser_cannot_read_is_refused_in_its_words(selector: str) -> None:
    if selector in ("p:not(a", "p:is(a b"):  # the end closes what is open
        assert PAGE.select(selector) is not None
        return
    with pytest.raises(InvalidSelector, match="is not a valid selector"):
        PAGE.select(selector)


def test_an_empty_selector_has_words_of_its_own() -> None:
    with pytest.raises(InvalidSelector, match="The provided selector is empty"):
        PAGE.select("")


def test_elements_match_and_find_what_is_around_them() -> None:
    q = PAGE.select_one(".q")
    assert q is not None
    assert q.matches("ul li")
    assert q.closest("main") is PAGE.elements[0]
    assert q.closest("table") is None
    assert PAGE.select_one("table") is None
    loose = Element("p")
    assert loose.matches(":first-child:last-child:only-child")
    assert not loose.matches("p + p, main p")
    assert loose.matches(":not(:has(+ p))")
    page = parse_document("<p id=x>")
    assert page.select(":root, :scope") == [page.elements[0]]


def test_ids_are_escaped_as_browsers_do() -> None:
    for id in ("a.b:c", "1f-2", "-1", "-", "a b", "\x01", "ü", "a\0"):
        element = Element("p", {"id": id.replace("\0", "\ufffd")})
        assert element.matches(f"#{escape_identifier(id)}")
    assert escape_identifier("-") == "\\-"


def test_controls_that_are_apart_still_have_values() -> None:
    assert controls.value_of(Element("option")) == ""
    assert controls.form_of(Element("p")) is None

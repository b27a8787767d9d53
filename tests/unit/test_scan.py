"""The scanner against lexbor, the HTML5 parser of selectolax, which stands in for a browser.

Known deviations of lexbor from the HTML standard, kept out of the strategies: it closes a
<colgroup> at a doctype inside it, and loses <image> beside table parts (scan refuses <image>).
"""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser, LexborNode

from htmx_ws.errors import FragmentError
from htmx_ws.wire.node import Node
from htmx_ws.wire.scan import scan
from htmx_ws.wire.tree import MAX_DEPTH

# The oracle

Shape = tuple[Any, ...]


def shape(node: LexborNode) -> Shape:
    if node.tag is None:  # a processing instruction, which older browsers make a comment
        return ("#comment", "?")
    if node.tag == "-comment":
        return ("#comment", node.comment_content)
    if node.tag == "-text":
        return ("#text", node.text_content)
    children: list[Shape] = []
    child = node.first_child
    while child is not None:
        children.append(shape(child))
        child = child.next
    inside = node.inner_html if node.tag == "template" else children
    return (node.tag, tuple(node.attributes.items()), inside)


def parsed(html: str) -> list[Shape]:
    """Give the top-level nodes of ``html``, each whole, as lexbor sees them."""
    nodes: list[Shape] = []
    node = LexborHTMLParser(html, is_fragment=True, fragment_tag="template").root
    while node is not None:
        nodes.append(shape(node))
        node = node.next
    return nodes


def summary(node: Shape) -> tuple[str, str | None, str | None]:
    if node[0].startswith("#"):
        return node[0], None, None
    attributes = dict(node[1])
    oob = [n for n in ("hx-swap-oob", "data-hx-swap-oob") if n in attributes]
    return node[0], attributes.get("id") or None, (attributes[oob[0]] or "") if oob else None


def check(html: str) -> list[Node]:
    """Scan ``html`` and hold every answer against lexbor's."""
    nodes = scan(html)
    expected = parsed(html)
    assert [(node.name, node.id, node.oob) for node in nodes] == [summary(n) for n in expected]
    last = 0
    for node, whole in zip(nodes, expected, strict=True):
        source = html[node.start : node.end]
        assert last <= node.start < node.end
        last = node.end
        assert parsed(source) == [whole]
        if node.closed and node.name not in ("#text", "#comment", "col"):  # no text beside <col>
            assert parsed(source + "<!---->text") == [
                whole,
                ("#comment", parsed("<!---->")[0][1]),
                ("#text", "text"),
            ]
        if node.insert >= 0:
            marked = html[node.start : node.insert] + ' hx-swap-oob="N"' + html[node.insert : last]
            assert [summary(n) for n in parsed(marked)] == [(node.name, node.id, "N")]
        if node.oob_span is not None:
            cut = html[node.start : node.oob_span[0]] + html[node.oob_span[1] : node.end]
            assert [summary(n)[:2] for n in parsed(cut)] == [(node.name, node.id)]
    return nodes


def names(html: str) -> str:
    return " ".join(node.name for node in check(html))


def the_one(html: str) -> Node:
    (node,) = check(html)
    return node


# What is at the top level


def test_a_node_says_where_it_stands_and_what_it_is_called() -> None:
    html = '  <div id="x" hx-swap-oob="true"><p>hi</p></div><!-- c -->'
    assert check(html) == [
        Node("#text", 0, 2, -1, True, None, None, None),
        Node("div", 2, 48, 6, True, "x", "true", (13, 32)),
        Node("#comment", 48, 58, -1, True, None, None, None),
    ]


def test_nothing_has_no_nodes() -> None:
    assert scan("") == []


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        # quotes and odd attributes
        ("<p a='>'>x</p>y", "p #text"),
        ('<p a=">">x</p>y', "p #text"),
        ("<p a=b'>x</p>y", "p #text"),
        ('<p a"b>x</p>y', "p #text"),
        ("<p a=>x</p>y", "p #text"),
        ("<p ='a>x</p>y", "p #text"),
        ("<p a=\"1\"b='2'c = 3 / d>x</p>y", "p #text"),
        ("<DIV><dIv></DIV></diV>y", "div #text"),
        ("<div\f\r\n\tid=a\n>x</div\n>y", "div #text"),
        ("<\u212ali>x</\u212ali>", "#text #comment"),
        ("<lin\u212a>x</lin\u212a>", "lin\u212a"),
        # comments and what becomes one
        ("<!-->x", "#comment #text"),
        ("<!--->x", "#comment #text"),
        ("<!--a--!>x", "#comment #text"),
        ("<!--!>x--> y", "#comment #text"),
        ("<!--<!-->x", "#comment #text"),
        ("<!-- <p>", "#comment"),
        ("<!x>y", "#comment #text"),
        ("<!", "#comment"),
        ("</3 x>y", "#comment #text"),
        ("</ p>y", "#comment #text"),
        ("<?pi a?>y", "#comment #text"),
        ("<?doctype>y", "#comment #text"),
        ("<![CDATA[x]]>y", "#comment #text"),
        ("<div><!-- </div> --></div>y", "div #text"),
        # text
        ("a<3 && b < c", "#text"),
        ("a<", "#text"),
        ("x</b>y</>z", "#text"),
        ("x<!DOCTYPE html>y<!doctype", "#text"),
        ("</div></b></td></table></form></select></svg>", ""),
        ("<html><head><title>t</title></head><body><p>x</p></body></html>", "title p"),
        ("a<body class=b>b<frameset>", "#text"),
        # elements without markup inside
        ("<script>'</div><p>'</script>x", "script #text"),
        ("<script><!-- <script> </script> --></script>x", "script #text"),
        ("<script><!-- <script> </script> x</script>y", "script #text"),
        ("<script><!-- </script>x", "script #text"),
        ("<script><!--><script></script>x", "script #text"),
        ("<script></scripts></SCRIPT >x", "script #text"),
        ("<script>x", "script"),
        ("<style></div><p></style>x", "style #text"),
        ("<textarea><p></textarea>x", "textarea #text"),
        ("<title><p></title>x", "title #text"),
        ("<xmp><p></xmp>x", "xmp #text"),
        ("<iframe><p></iframe>x", "iframe #text"),
        ("<noembed><p></noembed>x", "noembed #text"),
        ("<noframes><p></noframes>x", "noframes #text"),
        ("<noscript><p>x</p></noscript>y", "noscript #text"),
        ("<plaintext></plaintext><p>", "plaintext"),
        # void elements
        ("<br>x<img><input/>y<hr>", "br #text img input #text hr"),
        ("<div/>x</div>y", "div #text"),
        # omitted end tags
        ("<li>a<li>b", "li li"),
        ("<ul><li>a<li>b<ul><li>c</ul></ul>x", "ul #text"),
        ("<dt>a<dd>b<dd>c", "dt dd dd"),
        ("<li><div><li></div>x", "li li"),
        ("<li><search><ul><li>a</ul></search><li>b", "li li"),
        ("<p>a<p>b<div>c</div>", "p p div"),
        ("<p>a<ul><li>b</ul>c", "p ul #text"),
        ("<p><button><p>a</button>b</p>", "p"),
        ("<h1>a<h2>b</h1>c", "h1 h2 #text"),
        ("<option>a<option>b<optgroup>c", "option option optgroup"),
        ("<select><optgroup><option>a<option>b<optgroup><option>c<hr></select>x", "select #text"),
        ("<ruby>a<rb>b<rt>c<rp>d<rtc>e<rt>f</ruby>x", "ruby #text"),
        ("<rt>a<rt>b", "rt"),
        ("<button>a<button>b", "button button"),
        ("<b><b><b><b>x</b></b></b></b>y", "b #text"),
        ("<a>x</a><a>y</a>", "a a"),
        ("<i><i><i><i>x</i></i></i></i></i>y", "i #text"),
        ("<b><i>x</b></i>", "b"),
        ("<object><b></object>", "object"),
        ("<div><span><section>a</span></section>b</div>x", "div #text"),
        # forms of its own
        ("<form><p>a</p></form>x", "form #text"),
        ("<form><option>a</form>x", "form #text"),
        # templates
        ("<template></div><tr><td>a</template>x", "template #text"),
        ("<template><template></template><li>a<li>b</template>x", "template #text"),
        # table parts
        ("<table><tr><td>a<td>b<tr><th>c</table>x", "table #text"),
        ("<table><caption>c<col><thead><tr><td>a<tbody><tr><td>b</table>x", "table #text"),
        ("<table> <td>a</table>x", "table #text"),
        ("<table><colgroup><col></table>x", "table #text"),
        ("<table><colgroup><col></colgroup></col><tfoot></b></table>x", "table #text"),
        ("<table><colgroup><template></template></b></table>x", "table #text"),
        (
            "<table><input type=HIDDEN><script></script><tr><td><table></table></table>x",
            "table #text",
        ),
        ("<table><tr><td><b>a</table>x", "table #text"),
        ("<tr><td>a<tr><td>b", "tr tr"),
        ("<td>a<td>b<th>c</th>", "td td th"),
        ("<tbody><tr><td>a<tbody><tr><td>b", "tbody tbody"),
        ("<caption>a<colgroup><col><thead>", "caption colgroup thead"),
        ("<colgroup><html> <col></b><!-- x --> <colgroup>", "colgroup #comment #text colgroup"),
        ("<col> <col><template>x</template>", "col #text col template"),
        (" <!-- x --><script></script><link><tr><td>a", "#text #comment script link tr"),
        ("<tr><td>a</tr>x<div>b</div><p>c", "tr #text div p"),
        ("<table></td></tr><caption>a</td><b>x</b></table>y", "table #text"),
        # svg and math
        ("<svg/>x", "svg #text"),
        ("<math/>x", "math #text"),
        ("<svg><path/><g><circle></g></svg>x", "svg #text"),
        ("<svg><title><p>a</p></title><style><b/></style></svg>x", "svg b"),
        ("<svg><script/></script></svg>x", "svg #text"),
        ("<svg><![CDATA[</svg>]]></svg>x", "svg #text"),
        ("<svg><![CDATA[</svg>", "svg"),
        ("<svg><foreignObject><div><p>a</div></foreignObject><g/></svg>x", "svg #text"),
        ("<svg><desc><li>a<li>b</li></desc></svg>x", "svg #text"),
        ("<svg><desc><span>b</desc></svg>x", "svg"),
        ("<svg><g><div>a</div></g></svg>x", "svg div #text"),
        ("<svg><font><font color=red>x", "svg font"),
        ("<div><svg><g></div>x", "div #text"),
        ("<p><svg></p>x", "p #text"),
        ("<math><mi><b>a</b><mglyph/></mi><mi>x</mi></math>x", "math #text"),
        ("<math><annotation-xml><svg><g/></svg></annotation-xml></math>x", "math #text"),
        (
            "<math><annotation-xml encoding=Text/HTML><p>a</p></annotation-xml></math>x",
            "math #text",
        ),
        ("<math><annotation-xml encoding=x><a/></annotation-xml></math>x", "math #text"),
        ("<svg><tr><td></svg>x", "svg #text"),
        # what is odd but stays inside
        ("<div><b>hi</div>", "div"),
        ("<div><p><b><i></b></i></p></div>x", "div #text"),
        ("<div><p><b></p></b></div>x", "div #text"),
        ("<div><table></b></div></table></div>x", "div #text"),
        ("<b><table></b></table></b>x", "b #text"),
        ("<b><select></b><option></select></b>x", "b #text"),
        ("<div></form><b><object></b></object></b></div>x", "div #text"),
        ("<svg><a><desc><p><a></p></desc></a></a></svg>", "svg"),
    ],
)
def test_the_top_level_is_what_a_browser_sees(html: str, expected: str) -> None:
    assert names(html) == expected


@pytest.mark.parametrize(
    ("html", "closed"),
    [
        ("<p>x</p>", True),
        ("<p>x", False),
        ("<br>", True),
        ("<svg/>", True),
        ("<div/>", False),
        ("<ul><li>x</ul>", True),
        ("<div><b>x</div>", False),
        ("<div><b>x</div></b>", False),
        ("<svg><g></svg>", True),
        ("<script>x", False),
    ],
)
def test_an_element_is_closed_when_text_may_follow(html: str, closed: bool) -> None:
    assert the_one(html).closed is closed


def test_an_element_that_the_next_one_ends_is_not_closed() -> None:
    assert [node.closed for node in check("<li>a<li>b</li>")] == [False, True]


# Attributes


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>", None),
        ("<p id>", None),
        ("<p id=>", None),
        ("<p id=''>", None),
        ("<p id='' id=b>", None),
        ("<p id=a id=b>", "a"),
        ("<P ID=A>", "A"),
        ("<p x=' id=a' id=b/>", "b/"),
        ("<p id = a>", "a"),
        ("<p/id=a>", "a"),
        ("<p id='a\r\nb\rc'>", "a\nb\nc"),
        ("<p id='&lt;&amp;&notin;&copy'>", "<&\u2209\u00a9"),
        ("<p id='&copy=1&notit;&nope;&;&'>", "&copy=1&notit;&nope;&;&"),
        ("<p id='&#65;&#x42;&#X43&#0000000000068;'>", "ABCD"),
        ("<p id='&#0;&#xD800;&#x110000;&#99999999999;'>", "\ufffd" * 4),
        ("<p id='&#128;&#129;&#1;'>", "\u20ac\x81\x01"),
    ],
)
def test_an_id_is_decoded_as_a_browser_does(html: str, expected: str | None) -> None:
    assert the_one(html).id == expected


@pytest.mark.parametrize(
    ("html", "oob", "rest"),
    [
        ("<p>", None, None),
        ("<p hx-swap-oob>", "", "<p>"),
        ("<p  HX-Swap-OOB='true' id=a>", "true", "<p id=a>"),
        ("<p hx-swap-oob = inner id=a>", "inner", "<p id=a>"),
        ("<p data-hx-swap-oob='delete'>", "delete", "<p>"),
        ("<p data-hx-swap-oob=a hx-swap-oob=b>", "b", "<p data-hx-swap-oob=a>"),
        ("<p hx-swap-oob='beforeend:#a&gt;b'>", "beforeend:#a>b", "<p>"),
        ("<p hx-swap-oob='true'id=a>", "true", "<p id=a>"),
        ("<p id=a hx-swap-oob='true'/>", "true", "<p id=a />"),
        ("<svg/hx-swap-oob='true'>", "true", "<svg>"),
    ],
)
def test_the_out_of_band_attribute_can_be_cut_out(
    html: str, oob: str | None, rest: str | None
) -> None:
    node = the_one(html)
    assert node.oob == oob
    assert rest == (
        None if node.oob_span is None else html[: node.oob_span[0]] + html[node.oob_span[1] :]
    )


# Refusals


@pytest.mark.parametrize(
    ("html", "what", "mend"),
    [
        ("<b><p>x</b>y</p>", "<p> is still open, at '</b>y</p>'", "close <p> before </b>"),
        ("<div><b>x</div>text", "<b> is still open", "close <b> before what is around it ends"),
        ("<div><b>x</div>\n", "<b> is still open", "close <b>"),
        ("<p><b>x<p>y", "<b> is still open", "close <b>"),
        ("<p><b>x</p><p>y", "<b> is still open", "close <b>"),
        ("<b><p><b></p>x</b>", "<b> is still open", "close <b>"),
        ("<template><table></template>", "<table> is still open", "close <table>"),
        ("<div><form></div>", "<form> is still open", "close <form>"),
        ("<form><p>x</form>", "<p> is still open", "close <p> before </form>"),
        ("<li><search><li>", "<search> is still open", "close <search>"),
        ("<a>x<a>y", "<a> stands inside <a>", "close <a> before it"),
        ("<nobr><i><nobr>", "<nobr> stands inside <nobr>", "close <nobr>"),
        ("<form><form>", "<form> stands inside <form>", "close <form>"),
        ("<p><table></table>", "<table> stands inside <p>", "close <p>"),
        ("<select><input>", "<input> stands inside <select>", "close <select>"),
        ("<select><style>", "<style> stands inside <select>", "close <select>"),
        ("x</p>", "</p> has no <p> to end", "leave it out"),
        ("x</br>", "</br> has no <br> to end", "leave it out"),
        ("<svg></p>", "</p> has no <p>", "leave it out"),
        ("x</template>", "</template> has no <template>", "leave it out"),
        ("<p>x</template></p>", "</template> has no <template>", "leave it out"),
        ("<td>x</tbody></td>", "</tbody> has no <tbody> to end, and would end", "leave it out"),
        ("<tr></table>", "</table> has no <table>", "leave it out"),
        ("<form><table></form>", "</form> has no <form>", "leave it out"),
        ("<table>x", "text stands straight inside a table", "put it in a cell"),
        ("<col>x", "text stands straight", "put it in a cell"),
        ("<table><tr><div>", "<div> stands straight inside <tr>", "put it in a cell"),
        ("<table><colgroup><div>", "<div> stands straight inside <table>", "put it in a cell"),
        ("<table><input>", "<input> stands straight inside <table>", "put it in a cell"),
        ("<div></div><tr>", "browsers drop <tr> here", "rows in a <tbody>"),
        ("<tr></tr><div><td>", "browsers drop <td> here", "message of its own"),
        ("<div><tr>", "browsers drop <tr> here", "message of its own"),
        ("<title></title><tr>", "browsers drop <tr> here", "message of its own"),
        ("<tr></tr><tbody>", "browsers drop <tbody> here", "message of its own"),
        ("<tr></tr><table>", "browsers drop <table> after table parts", "message of its own"),
        ("<td></td><form>", "browsers drop <form> after table parts", "message of its own"),
        ("<col><p>", "browsers drop <p> beside <col>", "message of its own"),
        ("<b a><b><b><b><b></b></b></b><x></b>", "<b> was over three deep", "close the elements"),
        ("<p id hx-swap-oob=a =b>", "an attribute has no name", "what starts with ="),
        ("<image>", "<image> is not an HTML element", "write <img>"),
        ("<foreignObject>", "<foreignobject> is not an HTML element", "in an <svg>"),
        ("x <p", "a tag is not finished, at '<p'", "end it with >"),
        ("<p a='>", "a tag is not finished", "&lt; for <"),
        ("<p></p", "a tag is not finished", "end it with >"),
        ("x</", "a tag is not finished", "end it with >"),
        ("<?pi", "processing instruction is not finished", "end it with >"),
        ("x\0y", "browsers drop NUL characters, at '\\x00y'", "leave it out"),
    ],
)
def test_what_a_browser_would_rebuild_is_refused_with_a_way_to_mend_it(
    html: str, what: str, mend: str
) -> None:
    with pytest.raises(FragmentError) as refusal:
        scan(html)
    message = str(refusal.value)
    assert what in message
    assert mend in message
    assert re.fullmatch(
        r"Browsers would not keep this HTML as it is: .*, at ['\"].*['\"]; .*\.", message
    )


def test_a_refusal_shows_no_more_than_the_place() -> None:
    with pytest.raises(FragmentError, match=r"at '<a>y{37}\.\.\.';"):
        scan("<p>" + "x" * 99 + "<a><a>" + "y" * 99)


@pytest.mark.parametrize("tag", ["<div>", "<svg>", "<template>"])
def test_elements_may_nest_as_deep_as_in_chrome(tag: str) -> None:
    assert len(scan(tag * MAX_DEPTH)) == 1
    with pytest.raises(FragmentError, match="nests more than 500 deep"):
        scan(tag * (MAX_DEPTH + 1))


# Properties

_ATTRIBUTES = st.sampled_from(
    [
        *[""] * 6,
        ' id="a"',
        " ID='b&amp;c'",
        " id=d",
        ' class="x>y"',
        ' hx-swap-oob="true"',
        " data-hx-swap-oob='delete' hidden",
        " id id=e hx-swap-oob=beforeend:#f",
    ]
)


def _element(tags: str, inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("<{0}{1}>{2}</{0}>".format, st.sampled_from(tags.split()), _ATTRIBUTES, inner)


def _items(tags: str, inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Elements whose end tags may be left out before each other and at the end."""
    item = st.tuples(_element(tags, inner), st.booleans()).map(
        lambda both: re.sub("</[^<]*$", "", both[0]) if both[1] else both[0]
    )
    return st.lists(item, min_size=1, max_size=3).map("".join)


def _several(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=3).map("".join)


_TEXT = st.sampled_from(["x", " ", "\n", "1 < 2", "&lt;b&gt;", "\u00e9", "a</3>b", ""])
_LEAF = st.one_of(
    _TEXT,
    st.sampled_from(
        [
            "<!-- <p> -->",
            "<!-->",
            "<br>",
            "<img src=/x.png alt='>'>",
            "<input name=a/>",
            "<script>if (a<b) '<p>'</script>",
            "<script><!--<script></script>--></script>",
            "<textarea></p></textarea>",
            "<style>a>b{}</style>",
            "<svg viewBox='0 0 1 1'><g><path d=M0/></g><title>t</title><style>a</style></svg>",
            "<svg><foreignObject><p>x</p></foreignObject><![CDATA[</svg>]]></svg>",
            "<math><mi>x</mi><mo>&lt;</mo></math>",
            "<ruby>a<rp>(<rt>b<rp>)</ruby>",
            "<iframe><p></iframe>",
            "<wbr/>",
        ]
    ),
    _element("a button label", _TEXT),
    _element("select", _items("option", _TEXT)),
    _element("select", _items("optgroup", _items("option", _TEXT))),
)
_PHRASING = st.recursive(
    _LEAF,
    lambda inner: _element("b i em span code font small strong x-y ins object", _several(inner)),
    max_leaves=4,
)


def _rows(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return _items("tr", _items("td th", inner))


def _tables(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    parts = st.one_of(_rows(inner), _items("thead tbody tfoot", _rows(inner)), st.just("\n"))
    head = st.sampled_from(["", "\n", "<caption>c", "<col><col>", "<colgroup><col></colgroup>"])
    return st.builds("<table{}>{}{}</table>".format, _ATTRIBUTES, head, _several(parts))


_FLOW = st.recursive(
    st.one_of(_PHRASING, _element("p h1 h2 pre address", _PHRASING), _element("form", _PHRASING)),
    lambda inner: st.one_of(
        _element("div section article details fieldset blockquote main td2", _several(inner)),
        _element("ul ol menu", _items("li", _several(inner))),
        _element("dl", _items("dt dd", _several(inner))),
        _element("div section", _items("p", _PHRASING)),
        st.builds("<p>{}<div>{}</div>".format, _PHRASING, inner),
        _element("template noscript", _several(inner)),
        _element("template", _rows(_TEXT)),
        _tables(_several(inner)),
    ),
    max_leaves=6,
)
_GOOD = st.one_of(
    _several(_FLOW),
    _items("li", _FLOW),
    _items("dt dd", _FLOW),
    _items("p", _PHRASING),
    _items("option", _TEXT),
    _items("tbody thead tfoot", _rows(_FLOW)),
    _rows(_FLOW),
    _items("td th", _FLOW),
)


@given(_GOOD)
@settings(max_examples=300)
def test_what_is_well_formed_is_never_refused_and_seen_as_a_browser_does(html: str) -> None:
    check(html)


_TAG_NAMES = """
    a b i font nobr div p span li ul dl dt dd h1 h2 form button ruby rb rt rtc rp object address
    table tbody thead tr td th caption col colgroup select option optgroup input hr br template
    script style textarea title xmp iframe noscript plaintext svg math g foreignObject desc mi
    mglyph annotation-xml x-y html head body image base meta search DIV
"""
_TAGS = st.sampled_from(_TAG_NAMES.split())
_BITS = "x, ,\n,<,</,<3,</3>,</>,&amp;,<!-- c -->,<!--,-->,--!>,<!-->,<?pi>,<?,<![CDATA[x]]>,]]>"
_ODD_TAGS = "<!--<script>,</script,<input type=hidden>,<font color=x>,\0"
_PIECE = st.one_of(
    st.builds("<{}{}>".format, _TAGS, st.one_of(_ATTRIBUTES, st.text("a='\"/ >\n", max_size=8))),
    st.builds("<{}>".format, _TAGS),
    st.builds("</{}>".format, _TAGS),
    st.builds("</{}>".format, _TAGS),
    st.sampled_from(f"{_BITS},{_ODD_TAGS}".split(",")),
)
_MESS = st.lists(_PIECE, max_size=14).map("".join)


@given(_MESS)
@settings(max_examples=300)
@example("<caption></table>x")
@example("<colgroup> <html> ")
@example("<b><p><b></p></b>x</b>")
def test_whatever_is_not_refused_is_seen_as_a_browser_does(html: str) -> None:
    try:
        scan(html)
    except FragmentError:
        return
    nodes = check(html)
    for node in nodes:
        assert len(scan(html[node.start : node.end])) == 1


@given(st.one_of(st.text(), st.text("<>/!-=\"' abip\0\n&;#x1"), st.text("<>/tdrable")))
@settings(max_examples=300)
def test_any_text_is_scanned_or_refused(html: str) -> None:
    try:
        nodes = scan(html)
    except FragmentError:
        return
    assert all(node.end <= len(html) for node in nodes)


@pytest.mark.parametrize(
    "piece",
    [
        *("<", "</", "<div>", "<a ", "<a x='", "<!--", "<!", "<svg>", "<p>", "<b>", "<li>", "</x>"),
        *("<b></b>", "<p><b>", "<td>", "<table>", "<table><tr><td>", "<title>", "<script><!--"),
        *("<svg><![CDATA[", "<svg/>", "a</x>", "<p a=b ", "<p a =", "<p id=&", "<?", "</3"),
    ],
)
def test_the_time_is_linear_in_the_text(piece: str) -> None:
    """60,000 of anything take a moment: were it quadratic, minutes."""
    for html in (piece * 60_000, "<div><span>" * 50 + piece * 10_000, piece * 60_000 + ">"):
        start = time.process_time()
        with contextlib.suppress(FragmentError):
            scan(html)
        assert time.process_time() - start < 5

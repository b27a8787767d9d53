"""What htmx rewrites in a text: written so that it does not, or refused, and nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser, LexborNode

from htmx_ws.errors import FragmentError
from htmx_ws.wire import rewrite
from htmx_ws.wire.rewrite import first_name, open_templates, pieces, rewritten, settle
from htmx_ws.wire.scan import TOKEN

# What htmx does, as it says it in JavaScript.
HX_2 = re.compile(r"<hx-([a-z]+)((?:\s[^>]*)?)>", re.I)
HX_4 = re.compile(r"<hx-([a-z]+)(\s+|>)", re.I)
HX_END = re.compile(r"</hx-[a-z]+>", re.I)
HEAD = re.compile(r"<head(\s[^>]*)?>[\s\S]*?</head>", re.I)


def by_htmx(text: str, pattern: re.Pattern[str]) -> str:
    end = ">" if pattern is HX_2 else ""
    text = HX_END.sub("</template>", pattern.sub(rf'<template hx type="\1"\2{end}', text))
    return HEAD.sub("", text, count=1)


def parsed(text: str) -> list[Any]:
    """Give every node that a browser makes of a text, comments aside."""

    def below(node: LexborNode | None) -> list[Any]:
        found: list[Any] = []
        while node is not None:
            if node.tag == "template":
                inside = [below(one.first_child) for one in node.template_fragments()]
                found.append(("template", dict(node.attributes), inside))
            elif node.tag == "-text":
                found.append(node.text_content)
            elif node.tag is not None and node.tag != "-comment":
                found.append((node.tag, dict(node.attributes), below(node.first_child)))
            node = node.next
        return found

    return below(LexborHTMLParser(text, is_fragment=True, fragment_tag="template").root)


# What is written in another way


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("<p title='<hx-x y>'>", "<p title='&lt;hx-x y>'>"),
        ('<p a title="</hx-x>" b=<HX-x>', '<p a title="&lt;/hx-x>" b=&lt;HX-x>'),
        ("<p a='<hx-x>' a='<hx-y>'>", "<p a='&lt;hx-x>' a='&lt;hx-y>'>"),
        ("</p title='<hx-x y>'>", "</p title='&lt;hx-x y>'>"),
        ("<iframe srcdoc='<head></head>'>", "<iframe srcdoc='&lt;head></head>'>"),
        ("<hx-x a='<hx-y >'>", "<hx-x a='&lt;hx-y >'>"),
        ("<textarea><hx-x ></textarea><hx-x >", "<textarea>&lt;hx-x ></textarea><hx-x >"),
        ("<title></hx-x></title>", "<title>&lt;/hx-x></title>"),
        ("<svg><a title='<hx-x >'/></svg>", "<svg><a title='&lt;hx-x >'/></svg>"),
    ],
)
def test_in_attributes_and_texts_it_is_escaped(given: str, expected: str) -> None:
    assert settle(given) == expected
    assert parsed(given) == parsed(expected)


@pytest.mark.parametrize(
    "html",
    [
        "<p title='a<b'>x</p>",
        "<p title='&lt;hx-x>'>",
        "<header>a</header><h1 hx-get=/x>",
        "<hx-partial hx-target='#x'>a</hx-partial>",
        "<!-- <hx-x y> --><p>",
        "<!-- <head></head> -->",
        "<!-- <hx-x> --><!-- <head>x</head> --><p>",
        "<head>a",
        "a</head>",
        "</head><head>",
        "<script>a = '<hx-' + b</script>",
        "<script>a = '<head>'</script>",
        "<svg><title><hx-x></hx-x></title><style><hx-x></hx-x></style></svg>",
        "<hx-x y",
    ],
)
def test_what_is_a_tag_or_is_not_rewritten_stays(html: str) -> None:
    assert settle(html) == html


@pytest.mark.parametrize(
    ("html", "shown", "mend"),
    [
        ("<script>a = '<hx-x>'</script>", "'<hx-x>", r"write \u003c for the < in a script"),
        ("<style>/*</hx-x>*/</style>", "'</hx-x>", "or leave it out"),
        ("<svg><![CDATA[<hx-x >]]>", "'<hx-x >]]>'", "or leave it out"),
        ("<xmp><hx-x ></xmp>", "'<hx-x >'", "or leave it out"),
        ("<p a<hx-x y>", "'<hx-x y>'", "write &lt; for <"),
        ("<p<hx-x y>", "'<hx-x y>'", "write &lt; for <"),
        ("<p a='<hx-x y>", "'<hx-x y>'", "write &lt; for <"),
        ("x<html><head><title>t</title></head>", "'<head>", "send what is in the <body>"),
        ("<HEAD a></HEAD>", "'<HEAD a>", "send what is in the <body>"),
        ("<!-- <head> --></head>", "'<head> -->", "send what is in the <body>"),
        ("<script>'<head>'+'</head>'</script>", "'<head>", "write \\u003c for the < in a script"),
    ],
)
def test_what_cannot_be_written_is_refused(html: str, shown: str, mend: str) -> None:
    with pytest.raises(FragmentError, match=r"^htmx would not keep this HTML as it is:") as refusal:
        settle(html)
    assert shown in str(refusal.value).replace('"', "'")
    assert mend in str(refusal.value)


def test_a_refusal_shows_no_more_than_the_place() -> None:
    with pytest.raises(FragmentError, match=r"at '<hx-x>y{34}\.\.\.';"):
        settle("<style><hx-x>" + "y" * 99)


def test_tags_are_rewritten_as_htmx_does() -> None:
    html = "<p><hx-partial id=a>x</hx-partial><HX-b\n></HX-b><hx-c-d></hx-c-d></p>"
    assert rewritten(html) == by_htmx(html, HX_2) == by_htmx(html, HX_4)
    assert rewritten("<p hx-get=a>") == "<p hx-get=a>"


PIECES = st.sampled_from(
    [
        *(
            "<hx-x>",
            "<hx-x y>",
            "</hx-x>",
            "<hx-",
            "<head>",
            "</head>",
            "<!--",
            "-->",
            "'",
            '"',
            ">",
        ),
        *("<p title='", '<p title="', "<p title=", "<p a", "</p>", " ", "x", "<b>", "</b>", "&lt;"),
        *(
            "<textarea>",
            "</textarea>",
            "<title>",
            "</title>",
            "<script>",
            "</script>",
            "<template>",
        ),
        *("</template>", "<svg>", "</svg>", "<desc>", "<![CDATA[", "]]>", "<math><mi>", "</math>"),
        *("<g/>", "<svg/>", "</", "<!x", "</ x", "<?x ?>", "</desc>", "\ufeff", "<TextArea>"),
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join))
@settings(max_examples=1_000)
def test_whatever_is_left_means_the_same_with_and_without_htmx(html: str) -> None:
    # Whether CDATA is some straight in what may hold HTML, a tree alone could say.
    assume("CDATA" not in html or ("<mi>" not in html and "<desc>" not in html))
    try:
        text = settle(html)
    except FragmentError:
        return
    assert settle(text) == text
    meant = parsed(html)
    assert parsed(text) == meant
    if not any(piece.name.lstrip("/").startswith("hx-") for piece in pieces(html)):
        for pattern in (HX_2, HX_4):
            assert parsed(by_htmx(text, pattern)) == meant


# Templates


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>a</p>", 0),
        ("<template></template>", 0),
        ("<TEMPLATE><template></Template>", 1),
        ("<p title='</template>'>", 0),
        ("<script>'</template>'</script>", 0),
        ("<!-- </template> -->", 0),
        ("<svg><template></template></svg>", 0),
        ("<svg><template/></svg></tr>", 0),
        ("<template><svg></template></svg></tr>", 0),
    ],
)
def test_templates_that_are_open_are_counted(html: str, expected: int) -> None:
    assert open_templates(html) == expected


@pytest.mark.parametrize(
    "html",
    [
        "</template>",
        "<template></template></TEMPLATE><template>",
        "<svg><template></svg></template>",
        "<svg><p><template></template></template>",
        "<svg><template/></template></svg>",
    ],
)
def test_an_end_too_many_is_refused(html: str) -> None:
    with pytest.raises(
        FragmentError, match=r"that it did not begin, at '</.*leave the end tag out"
    ):
        open_templates(html)


# What stands before rows


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<script><p></script><tr>", "tr"),
        ("<style></style> <link><meta><!-- <p> --><td>", "td"),
        ("<template><p></template></p><COL>", "col"),
        ("<title>a</title>", ""),
        ("<template><p>", ""),
        ("</template><p>", "p"),
        ("", ""),
    ],
)
def test_the_first_element_that_decides_on_rows(html: str, expected: str) -> None:
    assert first_name(html) == expected


# Pieces


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("a<P b>c</P>d", "start:p end:p"),
        ("<textarea><p></textarea>", "start:textarea raw:textarea end:textarea"),
        (
            "<svg><g><g/></g><p></p></svg>",
            "start:/svg start:/g alone:/g end:/g start:p end:p end:svg",
        ),
        (
            "<svg><desc><p></desc></g></svg>",
            "start:/svg start:/desc start:p end:/desc end:g end:/svg",
        ),
        ("<svg><math><mi><title></svg>", "start:/svg start:/math start:/mi start:/title end:/svg"),
        ("<math><mi><title></mi>", "start:/math start:/mi start:title raw:title"),
        ("<svg><desc><svg><p>", "start:/svg start:/desc start:/svg start:p"),
        ("<svg><g></svg>", "start:/svg start:/g end:/svg"),
        ("<svg><![CDATA[<p>]]><g></svg>", "start:/svg raw: start:/g end:/svg"),
        ("<svg><![CDATA[<p>", "start:/svg raw:"),
        ("<![CDATA[<p>", "comment:"),
        ("<p><!x></ x><?y><p a='>", "start:p comment: comment: comment: rest:"),
        ("<p></p", "start:p rest:"),
        ("<p></", "start:p rest:"),
        ("<lin\u212a>", "start:lin\u212a"),
    ],
)
def test_html_is_cut_into_pieces(html: str, expected: str) -> None:
    assert " ".join(f"{piece.kind}:{piece.name}" for piece in pieces(html)) == expected


@pytest.mark.parametrize(
    "piece",
    ["<p>", "<svg><g>", "<svg>", "</x>", "<p a='", "<svg><desc>", "<template>", "<!--", "<"],
)
def test_each_character_is_looked_at_once(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Token:
        looked_at = 0

        def search(self, html: str, at: int) -> re.Match[str] | None:
            found = TOKEN.search(html, at)
            self.looked_at += (found.end() if found else len(html)) - at
            return found

    counted = Token()
    monkeypatch.setattr(rewrite, "TOKEN", counted)
    html = "<svg>" + piece * 2_000 + "</g>" * 2_000
    list(pieces(html))
    assert counted.looked_at <= len(html)

"""What goes into the page: script tags that a CDN cannot change, and attributes of one socket."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import htpy
import jinja2
import pytest
from fasthtml.common import Div, to_xml
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup, escape
from selectolax.lexbor import LexborHTMLParser

from htmx_ws.markup import (
    SCRIPTS,
    Attributes,
    connect_attrs,
    dialect_of,
    new_page,
    page_field,
    scripts,
    send_attrs,
)
from htmx_ws.wire.content import HTML, html

NPM = Path(__file__).parents[1] / "npm" / "node_modules"
CDN = "https://cdn.jsdelivr.net/npm/"


def parsed(markup: str, tag: str) -> list[dict[str, str | None]]:
    """Give the attributes of each element of that tag, as a browser reads them."""
    return [node.attributes for node in LexborHTMLParser(markup).css(tag)]


# --- scripts ---------------------------------------------------------------------------

FILES = [file for files in SCRIPTS.values() for file in files]


@pytest.mark.parametrize(("path", "digest"), FILES)
def test_the_integrity_hashes_are_those_of_the_npm_packages(path: str, digest: str) -> None:
    package, _, file = path.partition("/")
    name, _, version = package.rpartition("@")
    folder = NPM / (f"htmx-{version[0]}" if name == "htmx.org" else name)
    if not folder.is_dir():
        pytest.fail(f"{folder} is absent: `make test` installs it.")
    assert json.loads((folder / "package.json").read_text())["version"] == version
    content = hashlib.sha384((folder / file).read_bytes()).digest()
    assert digest == "sha384-" + base64.b64encode(content).decode()


@pytest.mark.parametrize("version", SCRIPTS)
def test_each_version_has_htmx_first_and_its_websocket_extension_second(version: str) -> None:
    tags = parsed(scripts(version), "script")
    assert [tag["src"] for tag in tags] == [CDN + path for path, _ in SCRIPTS[version]]
    assert [tag["integrity"] for tag in tags] == [digest for _, digest in SCRIPTS[version]]
    assert {tag["crossorigin"] for tag in tags} == {"anonymous"}
    assert "htmx.min.js" in (tags[0]["src"] or "")
    assert "ws" in (tags[1]["src"] or "").rpartition("/")[2]


@pytest.mark.parametrize(("generation", "version"), [(1, "1.9.12"), (2, "2.0.11"), (4, "4.0.1")])
def test_a_generation_stands_for_its_newest_version(generation: int, version: str) -> None:
    assert scripts(generation) == scripts(version)


def test_htmx_4_is_the_default() -> None:
    assert scripts() == scripts(4)


@pytest.mark.parametrize("unknown", [0, 3, 5, "4", "2", "2.0.0", "", "latest"])
def test_an_unknown_version_is_an_error_that_lists_the_known(unknown: int | str) -> None:
    with pytest.raises(
        ValueError, match=r"use one of 1, 2, 4 or 1\.9\.12, 2\.0\.11, 4\.0\.1"
    ) as caught:
        scripts(unknown)
    assert f"htmx {unknown!r} is not known here" in str(caught.value)


@pytest.mark.parametrize("static", ["/static/htmx", "/static/htmx/"])
def test_own_files_come_from_their_folder_without_hashes(static: str) -> None:
    assert parsed(scripts(2, static=static), "script") == [
        {"src": "/static/htmx/htmx.min.js"},
        {"src": "/static/htmx/ws.min.js"},
    ]


@pytest.mark.parametrize("static", [None, "/static"])
def test_each_script_carries_the_nonce_of_the_page(static: str | None) -> None:
    tags = parsed(scripts(4, static=static, nonce="aBc+/="), "script")
    assert [tag["nonce"] for tag in tags] == ["aBc+/=", "aBc+/="]


def test_without_a_nonce_there_is_no_such_attribute() -> None:
    assert "nonce" not in scripts(4) + scripts(4, nonce="")


HOSTILE = """"><script>alert('x')</script>&amp;"""


def test_what_is_filled_into_a_script_tag_is_escaped() -> None:
    tags = parsed(scripts(4, static=f"/{HOSTILE}", nonce=HOSTILE), "script")
    assert tags == [
        {"src": f"/{HOSTILE}/htmx.min.js", "nonce": HOSTILE},
        {"src": f"/{HOSTILE}/hx-ws.min.js", "nonce": HOSTILE},
    ]


def test_script_tags_are_html_to_every_template_engine() -> None:
    assert isinstance(scripts(), HTML)
    assert escape(scripts()) == Markup(scripts())


# --- attributes ------------------------------------------------------------------------

ATTRIBUTES = Attributes({"hx-ws:connect": "/ws?a=1&b='x'", "data-x": '"<>'})


def test_attributes_are_a_mapping() -> None:
    assert ATTRIBUTES["data-x"] == '"<>'
    assert list(ATTRIBUTES) == ["hx-ws:connect", "data-x"]
    assert len(ATTRIBUTES) == 2
    assert dict(ATTRIBUTES) == {"hx-ws:connect": "/ws?a=1&b='x'", "data-x": '"<>'}
    assert dict(ATTRIBUTES) == ATTRIBUTES
    with pytest.raises(KeyError):
        ATTRIBUTES["absent"]


def test_attributes_keep_their_own_copy() -> None:
    given = {"id": "a"}
    attributes = Attributes(given)
    given["id"] = "b"
    assert attributes["id"] == "a"


def test_attributes_show_what_they_are() -> None:
    assert repr(Attributes({"id": "a"})) == "Attributes({'id': 'a'})"


def test_attributes_are_escaped_html_as_text() -> None:
    assert str(ATTRIBUTES) == (
        'hx-ws:connect="/ws?a=1&amp;b=&#x27;x&#x27;" data-x="&quot;&lt;&gt;"'
    )
    assert ATTRIBUTES.__html__() == str(ATTRIBUTES)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")))
@example("&amp;")
@example("\"'<>&\n")
def test_a_browser_reads_from_the_text_what_was_put_in(value: str) -> None:
    text = f"<div {Attributes({'first': value, 'second': value})}>"
    assert parsed(text, "div") == [{"first": value, "second": value}]


@pytest.mark.parametrize(
    "template", ["<div {{ attributes }}></div>", "<div {{ attributes|safe }}></div>"]
)
def test_attributes_go_into_a_jinja_template_as_they_are(template: str) -> None:
    environment = jinja2.Environment(autoescape=True)
    text = environment.from_string(template).render(attributes=ATTRIBUTES)
    assert parsed(text, "div") == [dict(ATTRIBUTES)]


def test_attributes_go_into_a_formatted_html_as_they_are() -> None:
    assert parsed(html("<div {}></div>", ATTRIBUTES), "div") == [dict(ATTRIBUTES)]


def test_attributes_unpack_into_an_htpy_element() -> None:
    unpacked: dict[str, Any] = {**connect_attrs("/ws?a='\"")}
    for element in (htpy.div(unpacked), htpy.div(**connect_attrs("/ws?a='\""))):
        assert parsed(str(element), "div") == [dict(connect_attrs("/ws?a='\""))]


def test_attributes_unpack_into_a_fasthtml_element() -> None:
    text = to_xml(Div(**connect_attrs("/ws?a=1&b=2")))
    assert parsed(text, "div") == [dict(connect_attrs("/ws?a=1&b=2"))]


# --- connect and send ------------------------------------------------------------------


def test_the_connect_attributes_speak_to_both_generations_at_once() -> None:
    assert dict(connect_attrs("/ws")) == {
        "hx-ext": "ws",
        "ws-connect": "/ws?hx=2",
        "hx-ws:connect": "/ws?hx=4",
    }


@pytest.mark.parametrize(
    ("url", "finished"),
    [
        ("/ws", "/ws?hx=4"),
        ("/ws?", "/ws?hx=4"),
        ("/ws?room=a", "/ws?room=a&hx=4"),
        ("/ws?room=a%20b&room=c", "/ws?room=a%20b&room=c&hx=4"),
        ("/ws#part", "/ws?hx=4"),  # browsers open no websocket to a fragment
        ("/ws?room=a#part", "/ws?room=a&hx=4"),
        ("wss://example.test/ws", "wss://example.test/ws?hx=4"),
        ("https://example.test:8000/ws?a", "https://example.test:8000/ws?a&hx=4"),
        ("/grüße?name=\"'<", "/grüße?name=\"'<&hx=4"),
        ("", "?hx=4"),
    ],
)
def test_the_generation_is_added_to_the_query(url: str, finished: str) -> None:
    assert connect_attrs(url)["hx-ws:connect"] == finished
    assert connect_attrs(url)["ws-connect"] == finished.replace("hx=4", "hx=2")


def test_an_address_may_be_an_object_as_frameworks_reverse_them() -> None:
    class Reversed:
        def __str__(self) -> str:
            return "ws://testserver/ws"

    assert connect_attrs(Reversed())["ws-connect"] == "ws://testserver/ws?hx=2"


def test_the_send_attributes_speak_to_both_generations_at_once() -> None:
    assert dict(send_attrs()) == {"ws-send": "", "hx-ws:send": "", "hx-boost": "false"}


# --- the dialect -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "dialect"),
    [
        ({"hx": "2"}, "htmx2"),
        ({"hx": "4"}, "htmx4"),
        ({"hx": "4", "room": "a"}, "htmx4"),
        ({}, None),
        ({"hx": ""}, None),
        ({"hx": "3"}, None),
        ({"hx": "htmx4"}, None),
        ({"hx": ["2", "4"]}, None),
    ],
)
def test_the_address_declares_the_dialect(query: dict[str, Any], dialect: str | None) -> None:
    assert dialect_of(query) == dialect


# --- the page's token ------------------------------------------------------------------


def test_a_pages_token_travels_in_the_connect_url_and_in_a_field_of_its_forms() -> None:
    page = new_page()
    assert page != new_page()
    assert connect_attrs("/ws?a=1", page=page)["hx-ws:connect"] == (
        f"/ws?a=1&htmx-ws-page={page}&hx=4"
    )
    assert str(page_field('"x"')) == (
        '<input type="hidden" name="htmx-ws-page" value="&quot;x&quot;">'
    )

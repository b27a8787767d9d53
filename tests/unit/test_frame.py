"""Frames against what fifteen builds of htmx were seen to send (``tests/data/frames.json``)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htmx_ws.errors import FrameError, FrameTooBig
from htmx_ws.testing.frames import build_frame
from htmx_ws.wire import frame as frame_module
from htmx_ws.wire.frame import MAX_FIELDS, Dialect, Frame, HtmxHeaders, parse

# What was measured

CASES: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "data" / "frames.json").read_text(encoding="utf-8")
)
#: The beginning of a client's name, the dialect that it speaks, and where its values are.
DIALECTS: Final[tuple[tuple[str, Dialect, Callable[[Any], Any]], ...]] = (
    ("htmx 1.9", "htmx2", lambda sent: {k: sent[k] for k in sent if k != "HEADERS"}),
    ("htmx 2.", "htmx2", lambda sent: {k: sent[k] for k in sent if k != "HEADERS"}),
    ("htmx 4.0.0-alpha", "htmx4alpha", lambda sent: sent["values"]),
    ("htmx 4.0.0-beta", "htmx4beta", lambda sent: sent["body"]),
    ("htmx 4.", "htmx4", lambda sent: {k: sent[k] for k in sent if k != "headers"}),
)
SENT: Final = [
    pytest.param(client, text, id=f"{case['case']}, {client}, {number}")
    for case in CASES
    for sent in case["sent"]
    for client in sent["clients"]
    for number, text in enumerate(sent["frames"], 1)
]
#: The id of the element that sends, where it is not the form #f.
SENDERS: Final[dict[str, list[str | None]]] = {
    "empty form, no id, no name": [None],
    "bare button without id/name": [None],
    "bare button id+name+value+hx-vals": ["go"],
    "input change": ["i"],
    "div with inputs": ["d"],
    "hx-target with / without id": ["f", "g", "h"],
    "button with send inside form": ["go", "go2"],
    "two quick clicks": ["go", "go"],
    "hx-confirm on send": ["go"],
    "hx-trigger=load sender (before open => queue?)": ["d", "d"],
}


def dialect_of(client: str) -> tuple[Dialect, Callable[[Any], Any]]:
    return next(
        (dialect, values) for start, dialect, values in DIALECTS if client.startswith(start)
    )


@pytest.mark.parametrize(("client", "text"), SENT)
def test_what_htmx_sends_is_read(client: str, text: str) -> None:
    dialect, values = dialect_of(client)
    sent = json.loads(text)
    headers = sent["HEADERS" if dialect == "htmx2" else "headers"]
    frame = parse(text)
    assert frame.dialect == dialect
    assert frame.values == values(sent)
    assert frame.headers == headers
    assert frame.htmx.raw == headers
    assert frame.htmx.current_url == headers["HX-Current-URL"] == "http://app.test/chat"
    assert frame.htmx.trigger_name == headers.get("HX-Trigger-Name")
    source = headers.get("HX-Source")
    assert frame.htmx.tag == (None if source is None else source.partition("#")[0])
    assert frame.htmx.target == (headers.get("HX-Target") or None)
    for hint in ("htmx2", "htmx4alpha", "htmx4beta", "htmx4", "raw"):
        assert parse(text, hint) == frame


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["case"]))
def test_the_sender_is_known_by_its_id_in_every_htmx(case: dict[str, Any]) -> None:
    senders = SENDERS.get(case["case"], ["f"])
    for sent in case["sent"]:
        read = [parse(text).sender for text in sent["frames"]]
        assert read == senders[: len(read)]


def test_every_client_that_was_measured_is_here() -> None:
    clients = {client for case in CASES for sent in case["sent"] for client in sent["clients"]}
    assert len(clients) == 15
    assert {dialect_of(client)[0] for client in clients} == {
        "htmx2",
        "htmx4alpha",
        "htmx4beta",
        "htmx4",
    }


# Headers


def htmx(**headers: object) -> HtmxHeaders:
    return HtmxHeaders({name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("source", "tag", "trigger"),
    [
        ("form", "form", None),
        ("form#", "form", None),
        ("form#f", "form", "f"),
        ("div#a%20b", "div", "a b"),
        ("div#a%25b", "div", "a%b"),
        ("div#%C3%A9%F0%9F%98%80", "div", "é😀"),
        ("div#é", "div", "é"),
        ("div#a#b", "div", "a#b"),
        ("x-y#a.b:c[0]", "x-y", "a.b:c[0]"),
        ("#f", None, "f"),
        ("", None, None),
        (None, None, None),
        (False, None, None),
        (7, None, None),
        (["form#f"], None, None),
    ],
)
def test_the_source_of_htmx_4_is_a_tag_and_an_encoded_id(
    source: object, tag: str | None, trigger: str | None
) -> None:
    assert (htmx(HX_Source=source).tag, htmx(HX_Source=source).trigger) == (tag, trigger)


@pytest.mark.parametrize(("sent", "read"), [("f", "f"), ("", None), (None, None), (False, None)])
def test_the_id_that_htmx_2_sends_is_taken_as_it_is(sent: object, read: str | None) -> None:
    assert htmx(HX_Trigger=sent).trigger == read
    assert htmx(HX_Trigger=sent, HX_Source="form#other").trigger == read
    assert htmx(HX_Trigger="a%20b").trigger == "a%20b"


@pytest.mark.parametrize("value", [None, False, True, 1, [], {"a": 1}])
def test_a_header_that_is_no_text_is_none(value: object) -> None:
    headers = htmx(HX_Trigger=value, HX_Trigger_Name=value, HX_Target=value, HX_Current_URL=value)
    assert headers.trigger is headers.trigger_name is headers.target is headers.current_url is None


def test_headers_that_htmx_does_not_know_stay_in_raw() -> None:
    text = '{"a":"1","HEADERS":{"HX-Request":"true","X-CSRFToken":"t"}}'
    assert parse(text).htmx.raw["X-CSRFToken"] == "t"
    assert repr(parse(text).htmx).startswith("HtmxHeaders(")
    assert "'X-CSRFToken': 't'" in repr(parse(text).htmx)


def test_the_headers_of_a_frame_cannot_be_changed_for_the_next_one() -> None:
    text = '{"a":"1","HEADERS":{"HX-Trigger":"f"}}'
    headers: Any = parse(text).headers
    with pytest.raises(TypeError):
        headers["HX-Trigger"] = "g"
    assert parse(text).sender == "f"


# Names that collide

H2 = '"HEADERS":{"HX-Request":"true","HX-Trigger":"f"}'
H4 = '"headers":{"HX-Request":"true","HX-Source":"form#f"}'
BETA = '"headers":{"HX-Request":"true","HX-Source":"form#f","HX-Request-ID":"1"}'


@pytest.mark.parametrize(
    ("text", "dialect", "values"),
    [
        # htmx 2: the headers take the place of a field of that name, so they may come first.
        (f'{{{H2},"a":"1"}}', "htmx2", {"a": "1"}),
        (f'{{"headers":"h","a":"1",{H2}}}', "htmx2", {"headers": "h", "a": "1"}),
        (f'{{"headers":["h","i"],{H2}}}', "htmx2", {"headers": ["h", "i"]}),
        (f'{{"body":{{}},"values":{{}},{H2}}}', "htmx2", {"body": {}, "values": {}}),
        (f'{{"type":"request","request_id":"r","values":{{}},{H2}}}', "htmx2", None),
        # htmx 4: fields of any name but headers.
        (f'{{"HEADERS":"h","a":"1",{H4}}}', "htmx4", {"HEADERS": "h", "a": "1"}),
        (f'{{"a":"1",{H4},"b":"2"}}', "htmx4", {"a": "1", "b": "2"}),
        (f'{{{H4},"a":"1"}}', "htmx4", {"a": "1"}),
        (f'{{"values":"v",{H4}}}', "htmx4", {"values": "v"}),
        (f'{{"values":{{}},{H4}}}', "htmx4", {"values": {}}),
        (f'{{"body":"b",{H4}}}', "htmx4", {"body": "b"}),
        (f'{{"body":{{}},{H4}}}', "htmx4", {"body": {}}),
        (f'{{"body":"b",{BETA}}}', "htmx4", {"body": "b"}),
        (f'{{"body":{{}},"a":"1",{BETA}}}', "htmx4", {"body": {}, "a": "1"}),
        (f'{{"type":"request","values":{{}},{H4}}}', "htmx4", None),
        (f'{{"type":"request","request_id":"r","values":"v",{H4}}}', "htmx4", None),
        (f'{{"type":"other","request_id":"r","values":{{}},{H4}}}', "htmx4", None),
        # The pre-releases: what is inside of values and body is never looked at.
        (f'{{"type":"request","request_id":"r",{H4},"values":{{{H2}}}}}', "htmx4alpha", None),
        (f'{{"values":{{"a":"1"}},"request_id":"r","type":"request",{H4}}}', "htmx4alpha", None),
        (f'{{{BETA},"body":{{"headers":"h","body":"b"}}}}', "htmx4beta", None),
        (f'{{{BETA},"body":{{{H2}}}}}', "htmx4beta", None),
        (f'{{"body":{{"a":"1"}},{BETA}}}', "htmx4beta", {"a": "1"}),
        # Not of htmx.
        ("{}", "raw", {}),
        ('{"a":"1"}', "raw", {"a": "1"}),
        ('{"HEADERS":"h"}', "raw", {"HEADERS": "h"}),
        ('{"a":"1","HEADERS":null}', "raw", {"a": "1", "HEADERS": None}),
        ('{"a":"1","headers":{}}', "raw", {"a": "1", "headers": {}}),
        ('{"headers":{},"body":{}}', "raw", {"headers": {}, "body": {}}),
        ('{"a":"1","headers":["HX-Request"]}', "raw", {"a": "1", "headers": ["HX-Request"]}),
        ('{"HX-Request":"true"}', "raw", {"HX-Request": "true"}),
        # A text that only looks as if its headers stood last.
        (f'{{"a":{{"b":"1",{H2}}}}}', "raw", None),
        (f'{{"a":[{{"b":"1",{H4}}}]}}', "raw", None),
        (f'{{"a":{{"b":"1",{H4}}},{H2}}}', "htmx2", None),
        (json.dumps({"a": f",{H2}", "b": f'",{H4}'}), "raw", None),
        (json.dumps({"a": f",{H2}"})[:-1] + f",{H2}}}", "htmx2", {"a": f",{H2}"}),
        (f'{{"\\u0048EADERS":{{}},"a":"1",{H2}}}', "htmx2", {"a": "1"}),
        (f'{{"he\\u0061ders":{{}},"a":"1",{H4}}}', "htmx4", {"a": "1"}),
        # White space, which no htmx writes.
        (f' {{ "a" : "1" , {H2} }} ', "htmx2", {"a": "1"}),
        (f'{{"a":"1",{H2}}}\n', "htmx2", {"a": "1"}),
        (f'{{"a":"1",{H4} }}', "htmx4", {"a": "1"}),
    ],
)
def test_a_field_may_have_any_name(
    text: str, dialect: Dialect, values: dict[str, Any] | None
) -> None:
    frame = parse(text)
    assert frame.dialect == dialect
    if values is not None:
        assert frame.values == values
    if dialect in ("htmx2", "htmx4", "htmx4alpha", "htmx4beta"):
        assert frame.sender == "f"
    else:
        assert not frame.headers
        assert frame.values == json.loads(text)


def test_a_hint_decides_where_a_text_could_be_two() -> None:
    """A field called HEADERS or headers that holds an object: only hx-vals can make one."""
    text = f'{{"a":"1",{H2},{H4}}}'
    lower, upper = json.loads(f"{{{H4}}}"), json.loads(f"{{{H2}}}")
    for hint in (None, "htmx2", "htmx4alpha", "htmx4beta", "raw"):
        assert parse(text, hint) == ({"a": "1", **lower}, upper["HEADERS"], "htmx2")
    assert parse(text, "htmx4") == ({"a": "1", **upper}, lower["headers"], "htmx4")
    assert parse(f'{{"a":"1",{H2}}}', "htmx4").dialect == "htmx2"
    assert parse(f'{{"a":"1",{H4}}}', "htmx2").dialect == "htmx4"


@pytest.mark.parametrize(
    ("text", "values", "sender"),
    [
        ('{"a":"1","a":"2","HEADERS":{"HX-Trigger":"f"}}', {"a": "2"}, "f"),
        ('{"a":"1","HEADERS":{"HX-Trigger":"f","HX-Trigger":"g"}}', {"a": "1"}, "g"),
        ('{"a":"1","HEADERS":{},"HEADERS":{"HX-Trigger":"f"}}', {"a": "1"}, "f"),
        ('{"HEADERS":{},"a":"1","HEADERS":{"HX-Trigger":"f"}}', {"a": "1"}, "f"),
        ('{"a":"1","HEADERS":{"HX-Trigger":"f"},"HEADERS":"h"}', None, None),
        ('{"a":"1","headers":"h",' + H4 + "}", {"a": "1"}, "f"),
        ('{"a":"1",' + H4 + ',"headers":"h"}', None, None),
    ],
)
def test_a_repeated_key_keeps_its_last_value(
    text: str, values: dict[str, Any] | None, sender: str | None
) -> None:
    frame = parse(text)
    assert frame.sender == sender
    assert frame.values == (json.loads(text) if values is None else values)


# What is refused


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *[("null", "it is a JSON null"), ("true", "it is a JSON boolean")],
        *[(number, "it is a JSON number") for number in ("1", "1.5", "NaN", "-Infinity", "1e999")],
        *[('"x"', "it is a JSON string"), ("[{}]", "it is a JSON array")],
        ("", "EOF"),
        (" ", "EOF"),
        ("ping", "expected"),
        ("<p>", "expected"),
        ("{", "EOF"),
        ("{'a':1}", "key must be a string"),
        ('{"a":1}x', "trailing"),
        ('{"a":1}{"b":2}', "trailing"),
        (f'{{"a":"1",{H2}}}x', "trailing"),
        (f'{{"a":"1",{H2}x', "expected `,` or `}`"),
        (f'{{"a":"1",{H4}]', "expected `,` or `}`"),
        (f'{{"a":"1",{H2}}}}}', "trailing"),
        (f'{{"a":"1",{H4}', "EOF"),
        (f"{{,{H2}}}", "key must be a string"),
        (f"{{,{H4}}}", "key must be a string"),
        (f'{{"a":"1",,{H2}}}', "key must be a string"),
        (f',"HEADERS":{{}}{{{H2}}}', "expected"),
        (f'{{"a":"x,{H2}}}', "expected"),
        ("[" * 60_000, "recursion"),
        ('{"a":' * 60_000, "recursion"),
        ('{"a":"1","HEADERS":' + "[" * 60_000, "recursion"),
        ('{"a":' + "9" * 5_000 + "}", "number out of range"),
        ('{"a":"\ud800"}', "lone surrogate"),
        (f'{{"a":"\udfff",{H2}}}', "lone surrogate"),
        ('{"a":"1","HEADERS":{"HX-Trigger":"\ud800"}}', "lone surrogate"),
        ('{"a":"\\ud800"}', "hex escape"),
        (f'{{"a":"\\udfff",{H4}}}', "surrogate"),
        ('{"a":"\0"}', "control character"),
        *[
            (template.replace("0", number), "number that is not finite")
            for number in ("1e999", "-1e999", "NaN", "Infinity", "-Infinity")
            for template in (
                '{"a":0}',
                '{"a":[1,{"b":[0]}]}',
                f'{{"a":0,{H2}}}',
                f'{{"a":[{{"b":0}}],{H4}}}',
                '{"a":"x","HEADERS":{"HX-Request":"true","X":0}}',
                '{"a":"x","HEADERS":{"HX-Request":"true","X":[{"y":0}]}}',
                '{"a":"x","headers":{"HX-Request":"true","X":0}}',
                '{"headers":{"HX-Request":"true","X":0},"a":"x"}',
                f'{{{BETA},"body":{{"a":0}}}}',
                f'{{"type":"request","request_id":"r",{H4},"values":{{"a":0}}}}',
                f'{{"type":"request","request_id":0,{H4},"values":{{}}}}',
            )
        ],
    ],
    ids=lambda value: ascii(value)[1:40],
)
def test_what_is_no_frame_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(FrameError, match=why) as raised:
        parse(text)
    assert not isinstance(raised.value, FrameTooBig)
    assert raised.value.code is None  # the connection lives
    assert raised.value.__cause__ is None
    assert len(str(raised.value)) < 500


def test_a_refusal_shows_how_the_text_began() -> None:
    with pytest.raises(FrameError, match=r"It began 'ping'\. Frames are JSON objects"):
        parse("ping")
    with pytest.raises(FrameError, match=rf"It began '{'x' * 60}\.\.\.'"):
        parse("x" * 61)


@pytest.mark.parametrize(
    "shape", ["{%s}", f"{{%s,{H2}}}", f"{{%s,{H4}}}", f'{{{BETA},"body":{{%s}}}}']
)
def test_a_frame_has_at_most_a_thousand_fields(shape: str) -> None:
    fields = [f'"f{number}":"{number}"' for number in range(MAX_FIELDS + 1)]
    assert len(parse(shape % ",".join(fields[:-1])).values) == MAX_FIELDS == 1_000
    with pytest.raises(FrameError, match=r"it has 1001 fields, and 1000 are the most"):
        parse(shape % ",".join(fields))


@pytest.mark.parametrize(
    "shape", ["{%s}", f"{{%s,{H2}}}", f"{{%s,{H4}}}", f'{{{BETA},"body":{{%s}}}}']
)
@pytest.mark.parametrize("most", [1, 5, 5_000])
def test_an_application_says_how_many_fields_a_frame_may_have(shape: str, most: int) -> None:
    fields = [f'"f{number}":"{number}"' for number in range(most + 1)]
    assert len(parse(shape % ",".join(fields[:-1]), None, most).values) == most
    said = rf"it has {most + 1} fields, and {most} are the most \(Limits\.frame_fields\)"
    with pytest.raises(FrameError, match=said):
        parse(shape % ",".join(fields), None, most)


def test_a_value_may_nest_as_deep_as_forms_ever_do() -> None:
    assert parse('{"a":' + "[" * 150 + "]" * 150 + "}").dialect == "raw"


def test_headers_of_any_length_are_read() -> None:
    """Long ones are not kept for the next frame, which shows only in memory."""
    token = "x" * 3_000
    frame = parse(f'{{"a":"1","HEADERS":{{"HX-Trigger":"f","X-Token":"{token}"}}}}')
    assert frame == ({"a": "1"}, {"HX-Trigger": "f", "X-Token": token}, "htmx2")


# Properties

_KEYS = ["HEADERS", "headers", "values", "body", "type", "request_id", "HX-Request", "a", ""]
_HEADER_KEYS = ["HX-Request", "HX-Request-ID", "HX-Trigger", "HX-Source", "HX-Target", "headers"]
_SCALARS = [
    *('"x"', '""', '"request"', '"true"', "null", "false", "0", "1.5", "1e999", "-1e999", "NaN"),
    *('",\\"HEADERS\\":{}"', '",\\"headers\\":{"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud800"'),
]


def _objects(keys: list[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts of objects, of which keys may be written twice, or with an escape."""
    key = st.sampled_from(
        [json.dumps(name) for name in keys] + ['"\\u0048EADERS"', '"header\\u0073"']
    )
    member = st.builds("{}:{}".format, key, values)
    return st.lists(member, max_size=5).map(lambda members: "{" + ",".join(members) + "}")


_HEADERS = _objects(_HEADER_KEYS, st.sampled_from(_SCALARS[:9]))
_VALUES = st.recursive(
    st.one_of(st.sampled_from(_SCALARS), _HEADERS),
    lambda inner: st.one_of(
        _objects(_KEYS, inner),
        st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]"),
    ),
    max_leaves=5,
)
_USUAL = st.builds(
    '{}"{}":{}}}'.format,
    _objects([*_KEYS[2:], "a", "b"], _VALUES).map(lambda text: text[:-1] + ","),
    st.sampled_from(["HEADERS", "headers"]),
    st.builds(
        "{}{}}}".format,
        st.sampled_from(
            ['{"HX-Request":"true"', '{"HX-Request":"true","HX-Request-ID":"1"', '{"X":"1"']
        ),
        st.sampled_from(["", ',"HX-Trigger":null', ',"X":[{}]', ',"X":1e999']),
    ),
)
_HINTS = st.sampled_from(["htmx2", "htmx4alpha", "htmx4beta", "htmx4", "raw", None])


def read(how: Callable[[], Frame]) -> Frame | str:
    try:
        return how()
    except FrameError:
        return "refused"


def as_a_whole(text: str, hint: Dialect | None) -> Frame:
    """Read a text by its members alone, without the quick path for usual frames."""
    return frame_module._parse_any(text, hint, frame_module.MAX_FIELDS)


@given(st.one_of(_objects(_KEYS, _VALUES), _USUAL), _HINTS)
@settings(max_examples=600)
def test_the_quick_path_reads_what_reading_the_whole_text_does(
    text: str, hint: Dialect | None
) -> None:
    assert read(lambda: parse(text, hint)) == read(lambda: as_a_whole(text, hint))


def test_the_usual_frames_take_the_quick_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the property above would compare a path with itself."""
    monkeypatch.delattr(frame_module, "_parse_any")
    for case in CASES:
        for sent in case["sent"]:
            dialect = dialect_of(sent["clients"][0])[0]
            key = {"htmx2": ',"HEADERS":', "htmx4": ',"headers":'}.get(dialect)
            for text in sent["frames"]:
                if key and key in text and case["case"] != "colliding names":
                    assert parse(text).dialect == dialect


_MUTATIONS = st.builds(
    lambda text, at, piece: text[: at % (len(text) + 1)] + piece + text[at % (len(text) + 1) + 1 :],
    st.one_of(_USUAL, _objects(_KEYS, _VALUES)),
    st.integers(0, 200),
    st.sampled_from(["", "{", "}", ",", '"', "\\", "\ud800", "[", " ", "\0", "NaN", ',"HEADERS":']),
)
_TEXTS = st.one_of(
    st.text(),
    st.text(st.characters()),
    st.text('{}[]",:\\ 01eE.-truefalsnHDRS\ud800', max_size=40),
    _MUTATIONS,
    _objects(_KEYS, _VALUES),
)


@given(_TEXTS, _HINTS)
@settings(max_examples=400)
def test_any_text_is_a_frame_or_refused(text: str, hint: Dialect | None) -> None:
    try:
        frame = parse(text, hint)
    except FrameError:
        return
    assert isinstance(json.loads(text), dict)
    assert type(frame.values) is dict
    assert frame.dialect in ("htmx2", "htmx4alpha", "htmx4beta", "htmx4", "raw")
    for headers in (frame.htmx.trigger, frame.htmx.tag, frame.htmx.target, frame.sender):
        assert headers is None or isinstance(headers, str)
    json.dumps([frame.values, dict(frame.headers)], allow_nan=False).encode()


_JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)
_FORMS = st.dictionaries(
    st.text().filter(lambda name: name not in ("HEADERS", "headers", "values", "body")),
    _JSON,
    max_size=5,
)


@given(
    values=_FORMS,
    dialect=st.sampled_from(["htmx2", "htmx4alpha", "htmx4beta", "htmx4"]),
    sender=st.one_of(st.none(), st.text(min_size=1)),
    name=st.one_of(st.none(), st.text(min_size=1)),
    tag=st.sampled_from(["form", "button", "x-y"]),
)
@settings(max_examples=200)
def test_parsing_gives_back_what_was_built(
    values: dict[str, Any], dialect: Dialect, sender: str | None, name: str | None, tag: str
) -> None:
    url = "http://testserver/chat?a=1"
    text = build_frame(values, dialect=dialect, sender=sender, name=name, tag=tag, url=url)
    frame = parse(text)
    assert (frame.values, frame.dialect, frame.sender) == (values, dialect, sender)
    assert frame.htmx.current_url == url
    assert frame.htmx.trigger_name == (name if dialect == "htmx2" else None)
    assert frame.htmx.tag == (tag if dialect in ("htmx4", "htmx4beta") else None)


@given(_FORMS)
def test_a_raw_frame_is_given_back_too(values: dict[str, Any]) -> None:
    assert parse(build_frame(values, dialect="raw")) == (values, {}, "raw")


@pytest.mark.parametrize(
    "client", ["htmx 1.9.12 + ext ws", "htmx 4.0.0-alpha8", "htmx 4.0.0-beta6", "htmx 4.0.1"]
)
def test_a_built_frame_is_what_that_htmx_sends(client: str) -> None:
    """Value for value, for the first case: the file also has the same id of the request."""
    (sent,) = [sent["frames"][0] for sent in CASES[0]["sent"] if client in sent["clients"]]
    built = build_frame(
        {"a": "1", "b": "2"},
        dialect=dialect_of(client)[0],
        sender="f",
        name="fn",
        url="http://app.test/chat",
    )
    assert built == sent.replace("ws://app.test/ws", "ws://testserver/")

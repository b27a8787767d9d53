"""Publications: whom they are for, and their bytes, which processes of other versions read."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmx_ws import append, html, morph, replace
from htmx_ws.backends import MemoryBackend
from htmx_ws.connection import Connection
from htmx_ws.errors import BackendError, LimitError
from htmx_ws.hub import Hub
from htmx_ws.publication import MOST_BYTES, Publication
from htmx_ws.wire.serialise import Message, serialise

_TEXT = st.text(st.characters(codec=None))  # lone surrogates too
_IDS = st.frozensets(_TEXT)
_MESSAGES = st.builds(
    Message,
    _TEXT,
    st.none() | _TEXT,
    st.booleans(),
    st.none() | st.dictionaries(st.sampled_from(["htmx2", "htmx4"]), _TEXT),
)
_CONTENT = [
    replace('<p id="a">1</p>'),
    append("#log", html("<li>{}</li>", "<&\N{SNOWMAN}")),
    morph('<p id="b">2</p>'),
    [replace('<p id="c">3</p>'), replace('<tr id="r"><td>4</td></tr>')],
]


@given(st.lists(_MESSAGES), _IDS, st.none() | _TEXT)
def test_what_one_process_packs_another_reads(
    messages: list[Message], exclude: frozenset[str], to: str | None
) -> None:
    publication = Publication(tuple(messages), exclude=exclude, to=to)
    packed = publication.pack()
    assert packed == bytes(publication)
    read = Publication.read(packed)
    assert read == publication
    assert all(type(message) is Message for message in read.messages)


@pytest.mark.parametrize("content", _CONTENT)
def test_content_reaches_other_processes_as_it_is(content: Any) -> None:
    messages = serialise(content)
    read = Publication.read(Publication(messages).pack())
    assert read.messages == messages
    for message, was in zip(read.messages, messages, strict=True):
        for dialect in ("htmx2", "htmx4", None):
            assert message.text_for(dialect) == was.text_for(dialect)


# --- what cannot be packed or read -----------------------------------------------------


def test_what_is_rendered_for_each_page_stays_in_its_process() -> None:
    publication = Publication(render=lambda conn: "")
    assert bytes(publication) == b"1"
    with pytest.raises(TypeError, match="the other processes behind this backend cannot call it"):
        publication.pack()


def test_a_publication_is_bounded() -> None:
    fits = Publication((Message("x" * (MOST_BYTES - 100)),))
    assert len(fits.pack()) <= MOST_BYTES
    over = Publication((Message("x" * MOST_BYTES),))
    for refuse in (over.pack, over.check_size):
        with pytest.raises(LimitError, match="is over the limit of 921600: publish it in pieces"):
            refuse()


@pytest.mark.parametrize("has_variants", [False, True])
@pytest.mark.parametrize("text", ["x", '"', "\N{SNOWMAN}", "\N{PILE OF POO}"])
def test_its_size_is_that_of_its_bytes_whatever_stands_in_it(text: str, has_variants: bool) -> None:
    one = len(json.dumps(text)) - 2
    for most, is_over in ((MOST_BYTES - 1_000, False), (MOST_BYTES, True)):
        long = text * (most // one // (3 if has_variants else 1))
        variants = {"2": long, "4": long} if has_variants else None
        publication = Publication((Message("x"), Message(long, variants=variants)))
        with pytest.raises(LimitError) if is_over else nullcontext():
            publication.check_size()


@pytest.mark.parametrize("data", [b"", b"2{}", b'{"messages":[]}', b"\xff", b"hello"])
def test_another_version_is_refused_and_not_misread(data: bytes) -> None:
    with pytest.raises(BackendError, match="do two versions of it, or another program, share"):
        Publication.read(data)


@pytest.mark.parametrize(
    "fields",
    [
        *("", "{", "null", "1", "[]", "[[]]", "{}", '"messages"', "[" * 100_000),
        '{"messages":null}',
        '{"messages":[[]]}',
        '{"messages":[[1]]}',
        '{"messages":[["a",null,true,null,"more"]]}',
        '{"messages":[],"exclude":1}',
        '{"messages":[],"exclude":[[]]}',
    ],
    ids=lambda fields: str(fields[:40]),
)
def test_what_no_process_packed_is_an_error(fields: str) -> None:
    with pytest.raises(BackendError, match="A publication cannot be read: "):
        Publication.read(b"1" + fields.encode())


@given(st.binary())
def test_whatever_comes_it_is_read_or_refused(data: bytes) -> None:
    for each in (data, b"1" + data):
        try:
            assert isinstance(Publication.read(each), Publication)
        except BackendError:
            continue


@given(st.recursive(st.none() | st.integers() | st.text(), lambda each: st.lists(each)))
def test_whatever_stands_in_it_it_is_read_or_refused(value: Any) -> None:
    for fields in ({"messages": value}, {"messages": [], "exclude": value}):
        try:
            Publication.read(b"1" + json.dumps(fields).encode())
        except BackendError:
            continue


# --- whom it is for --------------------------------------------------------------------


async def test_pages_are_left_out_by_their_connections_or_their_tokens() -> None:
    async def send(event: Any) -> None:
        raise AssertionError("nothing is sent")

    hub = Hub(MemoryBackend())
    conn, other = (
        Connection({"path": "/", "query_string": query}, send, hub)
        for query in (b"htmx-ws-page=token", b"")
    )
    assert conn.page == "token"
    for publication, is_for in (
        (Publication(), True),
        (Publication(exclude=frozenset({"else"})), True),
        (Publication(exclude=frozenset({"token"})), False),
        (Publication(exclude=frozenset({conn.id, "else"})), False),
        (Publication(to=conn.id), True),
        (Publication(to=other.id), False),
        (Publication(to=conn.id, exclude=frozenset({conn.id})), False),
    ):
        assert publication.is_for(conn) is is_for
    for each in (conn, other):
        each.forget()

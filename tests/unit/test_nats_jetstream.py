"""What of NATS needs no NATS: addresses, subjects, headers, and what is kept."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmx_ws.backends import KEEP_NONE, Keep
from htmx_ws.backends.nats.jetstream import (
    HEADER_BYTES,
    Address,
    Place,
    State,
    Stored,
    are_kept,
    read_address,
    read_keep,
    read_state,
    read_stored,
    stream_config,
    subject_of,
    write_headers,
)

ROOMS = st.text(max_size=500)


# --- addresses -------------------------------------------------------------------------


def test_an_address_names_servers_and_who_connects() -> None:
    address = read_address("tls://ann:p%40ss%2F@one:4222,two:4333/")
    assert address.servers == ("tls://one:4222", "tls://two:4333")
    assert address.login == {"user": "ann", "password": "p@ss/"}
    assert "p@ss" not in repr(address)
    assert read_address("nats://t0ken@one").login == {"token": "t0ken"}
    assert read_address("nats://one") == Address(("nats://one",))


def test_an_address_has_options() -> None:
    options = "prefix=my-app&max_age=60.5&max_bytes=1000&storage=memory&replicas=3"
    address = read_address(f"nats://one?{options}&outage=queue&queue=9&timeout=1")
    assert address == Address(
        ("nats://one",), {}, "my-app", 60.5, 1_000, "memory", 3, "queue", 9, 1.0
    )


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://ann:s3cret@one", r"'redis://\.\.\.@one' is no address of NATS"),
        ("nats://", "is no address of NATS"),
        ("nats://one/room", "is no address of NATS"),
        ("nats://one?history=5", "NATS has no option 'history'; they are prefix, max_age"),
        ("nats://one?outage=wait", "outage=wait: it is raise or queue"),
        ("nats://one?queue=many", "queue=many: it is a number"),
        ("nats://one?queue=", "queue=: it is a number"),
        ("nats://one?queue=0", "queue=0: it is over 0"),
        ("nats://one?max_age=nan", "max_age=nan: it is over 0"),
        ("nats://one?max_age=inf", "max_age=inf: it is over 0"),
        ("nats://one?prefix=my.app", r"letters, digits, - and _, not 'my\.app'"),
        ("nats://one?prefix=", "letters, digits, - and _, not ''"),
    ],
)
def test_an_address_that_is_none_says_what_is_wrong_and_no_password(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as raised:
        read_address(url)
    assert "s3cret" not in str(raised.value)


def test_the_settings_of_a_stream_drop_the_oldest_of_all_rooms() -> None:
    config = stream_config(read_address("nats://one?max_age=60"))
    assert config["subjects"] == ["htmx-ws.room.*"]
    assert (config["discard"], config["max_msgs_per_subject"]) == ("old", -1)
    assert (config["max_age"], config["duplicate_window"]) == (60 * 10**9, 60 * 10**9)
    assert stream_config(read_address("nats://one"))["duplicate_window"] == 120 * 10**9


# --- subjects --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("room", "subject"),
    [
        ("chat:lobby", "app.room.chat:lobby"),
        ("a.b *>", "app.room.a%2Eb%20%2A%3E"),
        ("~", "app.room.%7E"),
        ("ø", "app.room.%C3%B8"),
    ],
)
def test_a_subject_shows_the_rooms_name(room: str, subject: str) -> None:
    assert subject_of("app", room) == subject


@given(ROOMS)
def test_a_subject_is_one_word_that_fits_into_a_line(room: str) -> None:
    prefix, _, word = subject_of("app", room).partition(".room.")
    assert prefix == "app"
    assert word.isascii()
    assert 0 < len(word) <= 200
    assert not set(word) & set(" .*>\t\r\n\0")


@given(ROOMS, ROOMS)
def test_two_rooms_have_two_subjects(one: str, other: str) -> None:
    assert (subject_of("app", one) == subject_of("app", other)) is (one == other)


def test_a_lone_surrogate_has_a_subject_too() -> None:
    assert subject_of("app", "\ud800") != subject_of("app", "\ud801")
    assert subject_of("app", "\ud800" * 500).startswith("app.room.~")


# --- headers ---------------------------------------------------------------------------


@given(
    st.builds(
        Keep,
        most=st.integers(0, 10**9),
        seconds=st.floats(0, 1e9),
        size=st.integers(0, 10**15),
    )
)
def test_a_rule_comes_as_it_was_given(keep: Keep) -> None:
    headers = write_headers("abc-1", keep)
    assert headers["Nats-Msg-Id"] == "abc-1"
    assert read_keep(headers, KEEP_NONE) == keep
    written = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    assert len(f"NATS/1.0\r\n{written}\r\n") < HEADER_BYTES


def test_what_brings_no_rule_has_that_of_its_room() -> None:
    rule = Keep(3)
    assert write_headers("abc-1", None) == {"Nats-Msg-Id": "abc-1"}
    assert read_keep(write_headers("abc-1", None), rule) == rule
    assert read_keep(None, rule) == rule


@pytest.mark.parametrize("before", ["$JS.ACK", "$JS.ACK.hub.Ax3B"])
def test_a_place_is_read_of_the_reply(before: str) -> None:
    after = "" if before == "$JS.ACK" else ".aBcD"
    reply = f"{before}.htmx-ws.consumer.1.42.7.1764097874114742728.3{after}"
    assert Place.read(reply) == Place(42, 7, 1764097874.114742728, 3)


# --- what a stream has -----------------------------------------------------------------


def test_a_stream_that_is_made_anew_is_another_epoch() -> None:
    info = {"created": "2026-11-25T19:18:14.114742728Z", "state": {"first_seq": 7, "last_seq": 9}}
    again = {**info, "created": "2026-11-25T19:18:14.114742729Z"}
    assert read_state(info) == read_state(info) == State(read_state(info).epoch, 7, 9)
    assert read_state(info).epoch != read_state(again).epoch
    assert read_state({**info, "state": {"first_seq": 0, "last_seq": 0}})[1:] == (1, 0)


def test_a_message_is_read_of_what_the_stream_answers() -> None:
    message = {
        "seq": 5,
        "time": "2026-11-25T19:18:14.114742728Z",
        "data": b64encode(b"hi").decode(),
        "hdrs": b64encode(b"NATS/1.0\r\nNats-Msg-Id: a\r\nHtmx-Ws-Keep: 3 60.0 9\r\n\r\n").decode(),
    }
    time = datetime.fromisoformat("2026-11-25T19:18:14.114742+00:00").timestamp()
    assert read_stored(message, KEEP_NONE) == Stored(5, time, Keep(3, 60.0, 9), b"hi")
    bare = {"seq": 5, "time": "2026-11-25T19:18:14Z"}
    assert read_stored(bare, Keep(7))[2:] == (Keep(7), b"")


def stored(*payloads: bytes, keep: Keep, first: float = 100.0) -> list[Stored]:
    return [Stored(1 + n, first + n, keep, payload) for n, payload in enumerate(payloads)]


def test_messages_are_kept_by_the_rule_of_the_last() -> None:
    found = stored(b"1", b"2", b"3", keep=Keep(3, 10.0, 3))
    assert are_kept([], 0.0)
    assert are_kept(found, 110.0)
    assert not are_kept(found, 110.1), "the first is too old"
    for last in (Keep(2), Keep(3, 10.0, 2), Keep(3, 5.0), KEEP_NONE):
        assert not are_kept([*found[:2], found[2]._replace(keep=last)], 110.0), last
    assert not are_kept([found[0]._replace(keep=KEEP_NONE), *found[1:]], 110.0)

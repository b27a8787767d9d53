"""What pages of the application write: values that fit, nearly fit, and never could.

Most are frames that reach a handler, since a value is only looked at closely there.
"""

from __future__ import annotations

import json
from random import Random
from typing import Final

from htmx_ws import Dialect
from htmx_ws.testing import build_frame

from . import json_text
from .application import TAKEN
from .words import HOSTILE, word

__all__ = ["DIALECTS", "message"]

DIALECTS: Final[list[Dialect]] = ["htmx2", "htmx4", "htmx4alpha", "htmx4beta", "raw"]

#: Of each field, as JSON: what fits, what nearly does, and what is at an end of a range.
_PLAUSIBLE: Final[dict[str, str]] = {
    "n": '"5"|5|"-0"|" 7 "|"1.0"|"1e3"|5.5|true|9223372036854775808|"\\uff11"|["1","2"]|[]|""|null',
    "positive": '"1"|"0"|-1|1e308|"+5"',
    "ratio": '"1.5"|"nan"|"inf"|"-Infinity"|"1e999"|1e308|"0x1p3"|"1_0"|","',
    "price": '"1.50"|"1e999999"|"NaN"|"sNaN"|"-0"|1.1|"1e-99999999999"|"0E+9999999"',
    "ok": '"on"|"off"|"true"|true|1|2|"yes"|"2"|["on"]|{}',
    "msg": '"hi"|5|1.5|true|["a","b"]|{"a":1}',
    "short": '"abc"|"abcdef"|"ab\\n"|"é"',
    "raw": '"abc"|"\\u0000"|[1]',
    "day": '"2026-01-02"|"2026-02-30"|"0001-01-01"|"9999-12-31"|0|-1|1e18|"10000-01-01"|"0"',
    "at": '"2026-01-02T03:04"|"2026-01-02T24:00"|"2026-01-02T03:04+99:99"|1e15|"9e99"|253402300800',
    "hour": '"09:30"|"24:00"|"09:30:61"|86400|-1|"09:30Z"|"09:30+14:00"',
    "span": '"P1D"|"1:00"|"P9999999999D"|1e18|-1e300|"PT1e999S"|"P1Y1M"',
    "key": '"00000000-0000-0000-0000-000000000000"|"{0}"|"urn:uuid:x"|"x"',
    "colour": '"red"|""|"RED"|null|["red"]|{}',
    "level": '"1"|10|"10"|"01"|1.0|true|"LOW"',
    "side": '"left"|"7"|7|7.0|true|["left"]|[[]]',
    "tags": '"a"|["a","b"]|[]|[[]]|[1]|{"a":1}|null',
    "numbers": '"1"|["1","x"]|[1,2.5]|["9999999999999999999999"]|[null]|[{}]',
    "unique": '"a"|["a","a"]|[[]]|[{}]',
    "pair": '["1","a"]|"1"|["1"]|["1","a","b"]|{}',
    "maybe": '""|"5"|null|"x"|[]|[""]',
    "either": '"5"|"x"|5.5|[]|{}',
    "scores": '{"a":1}|{"a":"x"}|{"a\\nb":"x"}|{"":{}}|[]|"x"|{"\\u001b[31m":"x"}',
    "person": '{"name":"a"}|{"name":1,"x\\ny":2}|{"name":"a","friend":{"friend":{}}}|""|{}',
    "people": '[{"name":"a"}]|{"name":"a"}|[{"name":"a","age":"x"},7]|[[]]|""',
    "point": '{"x":"1"}|{"x":"x"}|{"x":1,"y":"nan","room":[]}|""|null',
    "parsed": '"{}"|"[1e999]"|"nope"|"\\"\\\\ud800\\""|"NaN"|5|"[[[[[[]]]]]]"',
    "hidden": '"secret"|5|null',
    "link": '"http://a.test/"|"javascript:alert(1)"|"http://[::1"|"x"|"http://\\u0000"|"//a"',
    "anything": '{"a":[1,{"b":null}]}|1e308|[]|"x"',
    "token": '"a.b.c"|5|null|[]|["a.b.c"]|{}|""|true',
    "name": '"Ann"|5|null|["a"]|{}',
    "full-name": '"Ann"|"' + "x" * 30 + '"|5|null',
    "age": '"5"|"x"|-1|1e3',
    "x": '"1"|"x"|1.5|null',
    "y": '"1"|"nan"|1e308',
    "a": '"1"|"x"|[]',
    "b": '"on"|["on","x"]|[]',
    "action": '"go"|["x","go"]|7|true|null|{}|[]|1e308',
    "htmx-ws": '"x"',
    "nonce": '"x"',
    "room": '"a"|["a"]',
}
_FIELDS: Final = list(_PLAUSIBLE)
_SENDERS: Final = [
    *(f"{how}-{name}" for name in TAKEN for how in ("one", "opt")),
    *("said", "cleaned", "signed", "counts", "tells", "beside", "thread", "alive", "nobody") * 4,
]


def _value(random: Random, name: str) -> str:
    chance = random.random()
    if chance < 0.005:
        one = random.choice(('""', "7", "{}", "[]", '"x"'))
        return f"[{','.join([one] * random.choice((100, 1_000, 10_000)))}]"
    if chance < 0.6:
        return random.choice(_PLAUSIBLE[name].split("|"))
    return json_text.quote(random, word(random)) if chance < 0.8 else json_text.value(random)


def message(random: Random) -> str | bytes:
    """Write a message as a page sends it: most are frames that a handler will take or refuse."""
    chance = random.random()
    if chance < 0.12:
        return json_text.text(random)
    if chance < 0.17:
        return _hello(random)
    if chance < 0.19:
        return random.choice((b"", b"{}", b"\xff\xfe", b'{"msg":"hi"}', b"\0" * 3_000))
    sender = random.choice(_SENDERS) if random.random() < 0.9 else word(random)
    kind, dash, own = sender.partition("-")
    names = random.choices(_FIELDS, k=random.choice((0, 1, 1, 2, 4)))
    if dash and own in TAKEN and random.random() < 0.9:
        names.insert(0, own)
    if kind in ("said", "cleaned", "beside", "thread", "tells"):
        names.insert(0, "msg")
    if kind == "signed":
        names.insert(0, "token")
    members = [(name, _value(random, name)) for name in names]
    if random.random() < 0.25:
        members.append((word(random), json_text.value(random)))
    if random.random() < 0.3:
        return json_text.frame(random, members)
    return _by_htmx(random, members, sender)


_OFFSETS: Final = ("0", "1", "7", "-1", "9" * 18, "9" * 19, "\uff11", "1.0", "", "x", " 1")


def _hello(random: Random) -> str:
    """Write what a page says that comes back: where it was in each room, and which tab it is."""
    room = random.choice(("everybody", "everybody", "", word(random), "a:b"))
    cursor = f"{random.choice(_OFFSETS)}:{random.choice(('', 'epoch', '%zz', word(random)))}:{room}"
    cursors: object = random.choice(
        ([cursor], [cursor, cursor], cursor, [cursor, 7, None, []], {}, None)
    )
    members = [("htmx-ws-at", json.dumps(cursors)), ("htmx-ws-tab", _value(random, "msg"))]
    members += [("htmx-ws", random.choice(('"hello"', "null", '"' + "x" * 99 + '"')))]
    return json_text.frame(random, members)


def _by_htmx(random: Random, members: list[tuple[str, str]], sender: str) -> str:
    """Write a frame as an htmx does that is none the wiser, with JSON put into its values."""
    dialect = random.choice(DIALECTS[:-1])
    url = random.choice(("http://testserver/", random.choice(HOSTILE)))
    empty = build_frame({"@": "@"}, dialect=dialect, sender=sender, name=word(random), url=url)
    written = ",".join(f"{json_text.quote(random, name)}:{value}" for name, value in members)
    return empty.replace('"@":"@"', written or '"@":""', 1)

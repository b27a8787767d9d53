"""JSON as no serialiser writes it: the text itself, so that a key can come twice and 1e999 stand.

A quarter of the texts are mutated afterwards, and need not be JSON any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from .words import mutate, word

__all__ = ["boundary", "frame", "quote", "recorded", "text", "value"]

_NUMBERS: Final = [
    *("0", "-0", "-0.0", "1", "7", "1.5", "1e3", "1E+2", "1e-400", "2147483648", "-1"),
    *("9223372036854775808", "18446744073709551616", "1e308", "1.7976931348623157e308", "0.1"),
    *("1e15", "253402300800", "-62135596801", "1e22"),
]
_ODD_NUMBERS: Final = [
    *("1e309", "1e999", "-1e999", "NaN", "Infinity", "-Infinity", "nan", "01", "-01", "+1"),
    *("1.", ".5", "1e", "0x10", "--1", "1_000", "9" * 4_300, "9" * 4_301, "-" + "9" * 4_300),
    *("1" + "0" * 400 + ".0", "9" * 5_000 + "e", "1e" + "9" * 5_000, "0." + "1" * 5_000),
]
_WHITE: Final = ["", "", "", "", " ", "\n", "\t \r\n"]


@cache
def recorded() -> list[str]:
    """The frames that real pages sent, each once."""
    path = Path(__file__).parents[1] / "data" / "frames.json"
    cases = json.loads(path.read_text(encoding="utf-8"))
    every = [text for case in cases for sent in case["sent"] for text in sent["frames"]]
    return list(dict.fromkeys(every))


def quote(random: Random, text: str) -> str:
    """Write a string, with the escapes that JSON leaves to the writer."""
    written = json.dumps(text, ensure_ascii=random.random() < 0.3)
    if random.random() < 0.1:
        return written.replace("/", "\\/").replace("a", "\\u0061")
    return written


def with_surrogate(random: Random) -> str:
    """Write a string with half a character in it, escaped or as it is."""
    half = random.choice(("\\ud800", "\\udfff", "\\ud83d\\u0041", "\ud800", "\udc00x", "\\uD83D"))
    return f'"{random.choice(("", "a"))}{half}"'


def number(random: Random) -> str:
    """Write a number, or what some take for one."""
    return random.choice(_NUMBERS if random.random() < 0.6 else _ODD_NUMBERS)


def nested(random: Random) -> str:
    """Write something deep: below, at and far over what parsers take."""
    depth = random.choice((5, 100, 197, 198, 199, 200, 201, 202, 203, 400, 1_000, 5_000))
    if random.random() < 0.5:
        return "[" * depth + "]" * random.choice((depth, depth, depth, depth - 1))
    return '{"a":' * depth + "1" + "}" * random.choice((depth, depth, depth, depth + 1))


def _listed(random: Random, depth: int, left: str, right: str, items: Iterable[str]) -> str:
    white = random.choice(_WHITE)
    return left + white + f"{white},{white}".join(items) + white + right


def _array(random: Random, depth: int) -> str:
    items = [value(random, depth + 1) for _ in range(random.choice((0, 1, 2, 3)))]
    return _listed(random, depth, "[", "]", items)


def _object(random: Random, depth: int) -> str:
    keys = [word(random) for _ in range(random.choice((0, 1, 2, 3)))]
    if keys and random.random() < 0.2:
        keys.append(keys[0])
    items = [f"{quote(random, key)}:{value(random, depth + 1)}" for key in keys]
    return _listed(random, depth, "{", "}", items)


_MAKERS: Final[list[tuple[int, Callable[[Random, int], str]]]] = [
    (60, lambda random, depth: quote(random, word(random))),
    (10, lambda random, depth: number(random)),
    (6, lambda random, depth: random.choice(("null", "true", "false"))),
    (8, _array),
    (8, _object),
    (1, lambda random, depth: with_surrogate(random)),
    (1, lambda random, depth: nested(random)),
]
_WEIGHTS: Final = [weight for weight, _ in _MAKERS]


def value(random: Random, depth: int = 0) -> str:
    """Write any value."""
    if depth > 4:
        return "1"
    ((_, make),) = random.choices(_MAKERS, _WEIGHTS)
    return make(random, depth)


_HEADERS: Final = [
    *("HX-Request", "HX-Trigger", "HX-Trigger-Name", "HX-Target", "HX-Current-URL", "HX-Source"),
    *("HX-Request-ID", "HX-Request-Type", "X-CSRF", "__proto__"),
]


def _headers(random: Random) -> str:
    if random.random() < 0.1:
        return value(random)
    names = random.sample(_HEADERS, random.randint(0, 5))
    if random.random() < 0.5:
        names.append("HX-Request")
    said = [value(random) if random.random() < 0.2 else quote(random, word(random)) for _ in names]
    items = [f"{quote(random, name)}:{one}" for name, one in zip(names, said, strict=True)]
    return _listed(random, 0, "{", "}", items)


def frame(random: Random, members: Iterable[tuple[str, str]] | None = None) -> str:
    """Write a frame in one of htmx's shapes, or nearly; ``members``: keys and values, as JSON."""
    if members is None:
        names = [word(random) for _ in range(random.choice((0, 1, 1, 2, 3, 5)))]
        members = [(name, value(random)) for name in names]
    items = [f"{quote(random, name)}:{written}" for name, written in members]
    if random.random() < 0.02:
        items += [f'"f{n}":""' for n in range(random.choice((995, 1_000, 1_001, 3_000)))]
    values = _listed(random, 0, "{", "}", items)
    shape = random.choice(("htmx2", "htmx2", "htmx4", "htmx4", "alpha", "beta", "raw", "both"))
    if shape == "raw":
        return values
    if shape == "beta":
        parts = [f'"headers":{_headers(random)}', f'"body":{values}']
    elif shape == "alpha":
        parts = ['"type":"request"', f'"headers":{_headers(random)}', f'"values":{values}']
        parts += ['"request_id":"1"'] * random.randint(0, 1)
    else:
        parts = items
        if shape in ("htmx2", "both"):
            parts = [*parts, f'"HEADERS":{_headers(random)}']
        if shape in ("htmx4", "both"):
            parts = [*parts, f'"headers":{_headers(random)}']
    if random.random() < 0.2:
        random.shuffle(parts)
    return _listed(random, 0, "{", "}", parts)


def boundary(random: Random, size: int) -> str:
    """Write a frame of about so many bytes, in letters of one to four bytes."""
    letter = random.choice(("x", "é", "€", "\U0001f600", "\\u0000"))
    around = '{"msg":"%s","headers":{"HX-Request":"true"}}'
    room = size - len(around) + 2 + random.choice((-1, 0, 1))
    return around % (letter * (room // len(letter.encode())))


def text(random: Random) -> str:
    """Write what a page may send: a frame, a frame with a mistake in it, or other JSON."""
    chance = random.random()
    if chance < 0.25:
        return random.choice(recorded())
    if chance < 0.5:
        return mutate(random, random.choice(recorded()))
    if chance < 0.8:
        return frame(random)
    if chance < 0.95:
        return mutate(random, frame(random))
    return value(random)

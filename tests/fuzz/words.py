"""Strings that go wrong somewhere: in JSON, in HTML, in a selector, in a log or in a number.

Most inputs should get past the first check, so half of the words are plain.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

__all__ = ["HOSTILE", "PLAIN", "mutate", "word"]

PLAIN: Final = "a msg room x-1 go Ann hello|hi there|7|2026-01-02|#log|on|true".replace(
    "|", " "
).split()

HOSTILE: Final = [
    "",
    " ",
    "\t\n\f\r ",
    "\0",
    "a\0b",
    "\x1b[31m",
    "a\nERROR htmx_ws: a line of its own",
    "a\r\nb",
    "\u2028",
    "\x85",
    "\x7f",
    "\ufeff",
    "\u202eabc",
    "\ufffd",
    "\ud7ff\ue000",
    "é",
    "e\u0301",
    "\U0001f600",
    "\U0010ffff",
    "\u212a",  # the Kelvin sign, which lower() makes a k
    "\u0130",  # its lower() has two characters
    "ß",
    "\uff11\uff12",  # full-width digits
    "\uff1cscript\uff1e",
    "<script>alert(1)</script>",
    "</script><script>",
    "</div></section></htmx-ws>",
    "</template>",
    "<hx-x onmouseover=alert(1) y>",
    "</hx-x>",
    "<head>",
    "</head>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?x",
    "<",
    ">",
    "&",
    "&amp;",
    "&#0;",
    "&lt;",
    "'",
    '"',
    "\"'`=<>",
    'x" onclick="alert(1)',
    "' onclick='alert(1)",
    'hx-swap-oob="true"',
    "javascript:alert(1)",
    "java\nscript:alert(1)",
    "{}",
    "{0}",
    "{x.__class__}",
    "%s",
    "%(x)s",
    "\\",
    "\\u0000",
    "\\000041",
    "#a:b",
    "#a b",
    "a.b",
    "#",
    "-",
    "-1",
    "1a",
    ":",
    "[",
    "(",
    "__proto__",
    "constructor",
    "toString",
    "HEADERS",
    "headers",
    "values",
    "body",
    "type",
    "request",
    "request_id",
    "htmx-ws",
    "HX-Request",
    "HX-Request-ID",
    "null",
    "undefined",
    "NaN",
    "Infinity",
    "-inf",
    "1e999",
    "0x10",
    "1_000",
    "٣",
    "9" * 4_300,
    "9" * 4_301,
    "-" + "9" * 5_000,
    "0." + "0" * 400 + "1",
    "2026-02-30",
    "0000-00-00",
    "9999-12-31T23:59:60",
    "-99999999999",
    "24:00",
    "P1Y",
    "00000000-0000-0000-0000-00000000000g",
    "x" * 300,
]

#: What begins or ends something for one of the parsers that a text will meet.
_MARKS: Final = "\"'`<>&;:,.#=/\\{}[]()-_!?%@ \t\n\r\f\0\x1b\x7f\x80\ufeff\u2028é0129aZ"


def word(random: Random) -> str:
    """Make a string: plain, hostile, a mixture, or a long one."""
    chance = random.random()
    if chance < 0.45:
        return random.choice(PLAIN)
    if chance < 0.85:
        return random.choice(HOSTILE)
    if chance < 0.95:
        return "".join(random.choice((*PLAIN, *HOSTILE)) for _ in range(random.randint(2, 4)))
    if chance < 0.995:
        return "".join(random.choices(_MARKS, k=random.randint(1, 30)))
    return (random.choice(HOSTILE[1:]) * random.randint(1, 500))[:20_000]


def _cut(random: Random, text: str, at: int, end: int) -> str:
    return text[:at] + text[end:]


def _double(random: Random, text: str, at: int, end: int) -> str:
    return text[:end] + text[at:end] * random.choice((1, 1, 2, 40)) + text[end:]


def _insert(random: Random, text: str, at: int, end: int) -> str:
    return text[:at] + random.choice(_MARKS) + text[at:]


def _replace(random: Random, text: str, at: int, end: int) -> str:
    return text[:at] + random.choice(_MARKS) + text[at + 1 :]


def _insert_word(random: Random, text: str, at: int, end: int) -> str:
    return text[:at] + random.choice(HOSTILE) + text[at:]


def _move(random: Random, text: str, at: int, end: int) -> str:
    to = random.randint(0, at)
    return text[:to] + text[at:end] + text[to:at] + text[end:]


def _swap_case(random: Random, text: str, at: int, end: int) -> str:
    return text[:at] + text[at:end].swapcase() + text[end:]


def _end_early(random: Random, text: str, at: int, end: int) -> str:
    return text[:at]


_WAYS: Final[list[Callable[[Random, str, int, int], str]]] = [
    *(_cut, _double, _insert, _insert, _replace, _replace, _insert_word, _move, _swap_case),
    _end_early,
]


def mutate(random: Random, text: str, most: int = 3) -> str:
    """Change a text in one to ``most`` places."""
    for _ in range(random.randint(1, most)):
        at = random.randint(0, len(text))
        end = min(len(text), at + random.choice((1, 2, 5, 20)))
        text = random.choice(_WAYS)(random, text, at, end)
    return text

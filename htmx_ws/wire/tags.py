"""Where a tag ends, and what its attributes say, read as a browser reads them.

The patterns are possessive throughout: the time is linear in the text.
"""

from __future__ import annotations

import re
from html.entities import html5
from typing import Final

__all__ = ["ATTRIBUTES", "EQUALS", "SPACE", "TAG", "attribute", "attributes", "value_of"]

#: What HTML takes for white space: less than Python does.
SPACE: Final = "\t\n\f\r "

_GAP: Final = rf"[{SPACE}/]*+"
_NAME: Final = rf"[^{SPACE}/>][^{SPACE}/>=]*+"
_EQUALS: Final = rf"[{SPACE}]*+="
_VALUE: Final = rf"\"[^\"]*+\"|'[^']*+'|[^{SPACE}>\"'][^{SPACE}>]*+|(?=>)"
#: The pattern of a tag, less its "<". Groups: slash, name, what is between attributes and ">".
TAG: Final = (
    rf"(/?)([a-zA-Z][^{SPACE}/>]*+)"
    rf"(?:{_GAP}{_NAME}(?:{_EQUALS}[{SPACE}]*+(?:{_VALUE})|(?!{_EQUALS})))*+"
    rf"({_GAP})>"
)
EQUALS: Final = re.compile(_EQUALS)
#: One attribute of a tag, with what is before it. Groups: name, value as it is written.
ATTRIBUTES: Final = re.compile(rf"{_GAP}({_NAME})(?:{_EQUALS}[{SPACE}]*+({_VALUE})|(?!{_EQUALS}))")
_REFERENCE: Final = re.compile(
    r"&(?:#[xX]([0-9a-fA-F]++);?|#([0-9]++);?|([a-zA-Z][a-zA-Z0-9]*+)(;|(?!=)))"
)


def attributes(tag: re.Match[str]) -> dict[str, re.Match[str]]:
    """Give the attributes of a ``TAG`` by their lower-case names; the first of a name wins."""
    named: dict[str, re.Match[str]] = {}
    for found in ATTRIBUTES.finditer(tag.string, tag.end(2), tag.end()):
        named.setdefault(found[1].lower(), found)
    return named


def attribute(tag: re.Match[str], name: str) -> str:
    """Give the value of one attribute of a ``TAG``, "" if it has none."""
    found = attributes(tag).get(name)
    return value_of(found) if found else ""


def value_of(found: re.Match[str]) -> str:
    """Give the value of one of ``attributes``, with its character references decoded."""
    value: str = found[2] or ""
    if value[:1] in ("'", '"'):
        value = value[1:-1]
    if "\r" in value:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    return _REFERENCE.sub(_decode, value) if "&" in value else value


def _decode(found: re.Match[str]) -> str:
    hexadecimal, decimal, name, semicolon = found.groups()
    if name:
        return html5.get(name + semicolon, found[0])
    digits = (hexadecimal or decimal).lstrip("0")
    code = int(digits or "0", 16 if hexadecimal else 10) if len(digits) < 8 else 0
    if 0x80 <= code < 0xA0:  # what people mean by them
        return bytes([code]).decode("cp1252", "ignore") or chr(code)
    return chr(code) if 0 < code < 0xD800 or 0xDFFF < code < 0x110000 else "\ufffd"

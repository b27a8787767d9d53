"""HTML as people write it, as attackers write it, and as no parser expects it.

What is well formed has a maker of its own. The rest leaves out ends, puts in others, and nests what
may not nest: there a browser moves content, and there cutting a message out of text goes wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from random import Random
from typing import Final

from .words import mutate, word

__all__ = ["document", "element", "well_formed"]

_PLAIN: Final = "div p span b i a em ul ol li h1 section button label details".split()
_VOID: Final = "br hr img input wbr meta link".split()
_RAW: Final = "script style textarea title xmp iframe noembed noframes noscript plaintext".split()
_TABLE: Final = "table tbody thead tfoot tr td th caption colgroup col".split()
_FORM: Final = "form select option optgroup button input textarea fieldset legend keygen".split()
_FOREIGN: Final = (
    "svg math g circle path desc foreignObject foreignobject title mi mo annotation-xml mtext"
    " mglyph malignmark font use animate set image"
).split()
_ODD: Final = (
    "template template template hx-partial hx-x htmx-ws slot search dialog ruby rb rt rp rtc nobr"
    " marquee applet object center font dd dt dl body html head frameset isindex dir menuitem"
    " selectedcontent"
).split()
_GROUPS: Final[list[tuple[int, list[str]]]] = [
    *((50, _PLAIN), (6, _VOID), (7, _RAW), (12, _TABLE), (8, _FORM), (8, _FOREIGN), (7, _ODD)),
]
_GROUP_WEIGHTS: Final = [weight for weight, _ in _GROUPS]

ACTING: Final = (
    *("hx-get", "data-hx-get", "hx-on:click", "hx-on::load", "hx-swap-oob", "data-hx-swap-oob"),
    *("hx-ws", "hx-ws:send", "hx-ws:connect", "ws-send", "data-ws-send", "ws-connect", "hx-vals"),
    *("data-ws-connect", "sse-connect", "data-sse-swap", "onclick", "ONERROR", "onload", "HX-GET"),
    *("Data-Hx-Get", "hx-ext", "hx-partial", "hx-preserve", "on", "hx-", "data-hx-on:x"),
)
_ATTRIBUTES: Final = (
    *(
        "id",
        "id",
        "id",
        "class",
        "title",
        "href",
        "src",
        "style",
        "data-x",
        "name",
        "value",
        "type",
    ),
    *(
        "encoding",
        "color",
        "lang",
        "xlink:href",
        "xmlns",
        "is",
        "slot",
        "autofocus",
        "nonce",
        "a\0b",
    ),
    *('"', "'", "<", "a<b", "=", "`", "é", "\u212a", "/", "a/b", "__proto__"),
)
_IDS: Final = ("x", "y", "log", "a b", "1", "é", "a.b", "a:b", "", "x", "&#120;", "x&amp;y", "-")
_SWAPS: Final = (
    *("true", "outerHTML", "innerHTML:#y", "beforeend:#log", "delete", "afterend:#a > b", "none"),
    *("", "morph", "append:#log", "beforeend: #a b", "outerHTML:log", ":#x", "true:#x", "x y:#z"),
)
_COMMENTS: Final = (
    *(
        "<!-- c -->",
        "<!---->",
        "<!-->",
        "<!--->",
        "<!--a--!>",
        "<!--<!-->",
        "<!-- <p> -->",
        "<!-- ",
    ),
    *("<!--!>x-->", "<!>", "<!x>", "<!", "</ x>", "</3>", "</>", "<?pi a?>", "<?php echo '>' ?>"),
    *("<![CDATA[x]]>", "<![CDATA[</svg>]]>", "<![CDATA[", "<!doctype html>", "<!--</div>-->", "<?"),
)
_TEXTS: Final = (
    *("x", "a &amp; b", "&lt;p&gt;", "&#0;", "&#xD800;", "&notit;", "&", "a < b", "a<b", "<", "\0"),
    *(
        " ",
        "\n",
        "\r\n",
        "\x0c",
        "}}",
        "]]>",
        "-->",
        "--",
        "</",
        "\ufeff",
        "\x0b",
        "\u2028",
        "&nbsp;",
    ),
)


def _name(random: Random) -> str:
    ((_, names),) = random.choices(_GROUPS, _GROUP_WEIGHTS)
    name = random.choice(names)
    if random.random() < 0.05:
        return random.choice((name.upper(), name.title(), name + "\0", name + "é", name + "/"))
    return name


def _attribute(random: Random) -> str:
    name = random.choice(_ATTRIBUTES if random.random() < 0.75 else ACTING)
    value = random.choice(_IDS) if name == "id" else word(random)
    if name.lower().endswith("swap-oob"):
        value = random.choice(_SWAPS)
    chance = random.random()
    if chance < 0.35:
        return f'{name}="{escape(value)}"'
    if chance < 0.5:
        return f'{name}="{value.replace(chr(34), "")}"'
    if chance < 0.6:
        return f"{name}='{value.replace(chr(39), '')}'"
    if chance < 0.7:
        return f'{name} = "{value.replace(chr(34), "")}"'
    if chance < 0.8:
        return f"{name}={''.join(value.split()) or 'x'}"
    if chance < 0.9:
        return name
    return random.choice(
        (f"{name}=", f'{name}="{value}', f'{name}="x"id=z', f"{name}='", f"/{name}/")
    )


def _attributes(random: Random) -> str:
    if random.random() < 0.5:
        return ""
    gap = random.choice((" ", " ", " ", "\n", "\t", "/", "\f"))
    return gap + gap.join(_attribute(random) for _ in range(random.choice((1, 1, 2, 3))))


def _text(random: Random) -> str:
    if random.random() < 0.5:
        return random.choice(("x", "hello", "a b"))
    return random.choice(_TEXTS) if random.random() < 0.8 else word(random)


def element(random: Random, depth: int = 0, name: str | None = None) -> str:
    """Write one element, nearly: its end may be missing, be another's, or come twice."""
    name = name or _name(random)
    inner = name if random.random() < 0.1 else None  # an <a> in an <a>, a <form> in a <form>
    end = random.choice((">", ">", ">", ">", "/>", " >"))
    if random.random() < 0.01:
        end = ""
    inside = "".join(_piece(random, depth + 1) for _ in range(random.choice((0, 1, 1, 2, 3))))
    if inner is not None and depth < 5:
        inside += element(random, depth + 1, inner)
    chance = random.random()
    close = f"</{name}>"
    if chance < 0.12 or name in _VOID:
        close = ""
    elif chance < 0.17:
        close = f"</{_name(random)}>"
    elif chance < 0.19:
        close = f"</{_name(random)}></{name}>"
    # Without an id or a target, whatever is at the top is refused for that.
    own = f' id="x{random.randrange(9)}"' if not depth and random.random() < 0.6 else ""
    return f"<{name}{own}{_attributes(random)}{end}{inside}{close}"


def _piece(random: Random, depth: int) -> str:
    chance = random.random()
    if depth > 5 or chance < 0.35:
        return _text(random)
    if chance < 0.42:
        return random.choice(_COMMENTS)
    if chance < 0.47:
        return f"</{_name(random)}>"
    return element(random, depth)


def well_formed(random: Random) -> str:
    """Write elements with ids that every parser takes as they are, in every quoting."""
    name = random.choice(("div", "ul", "p", "tr", "li", "section"))
    return "".join(_well_formed(random, name) for _ in range(random.choice((1, 1, 1, 2, 3))))


def _well_formed(random: Random, name: str) -> str:
    inner = {"ul": "li", "tr": "td"}.get(name, "span")
    value = word(random).replace("\0", "").replace("hx-", "").replace("head", "")
    raw = value.replace('"', "'")
    attributes = [
        f'id="x{random.randrange(9)}"',
        f'title="{escape(value)}"',
        f'lang="{raw}"',
        "a",
        "b=c",
    ]
    written = " ".join(random.sample(attributes, random.randint(1, 5)))
    if "id=" not in written:
        written = f"id=y {written}"
    inside = f"<{inner} {written.replace('id=', 'class=')}>{escape(value)}</{inner}>"
    return f"<{name} {written}>{inside * random.randrange(3)}</{name}>"


#: One in the other is moved, closed or dropped by browsers, or nearly.
_CLASHES: Final = (
    *("a a", "nobr nobr", "form form", "button button", "select input", "select select", "p table"),
    *(
        "p div",
        "h1 h2",
        "li li",
        "option option",
        "dd dt",
        "table div",
        "table form",
        "tr tr",
        "b p",
    ),
    *("svg div", "math p", "select textarea", "a table", "template tr", "rt rp", "td td", "i i"),
)


def _clashing(random: Random) -> str:
    """Write an element, all closed, with one in it that does not go there."""
    outer, inner = random.choice(_CLASHES).split()
    between = random.choice(("", "", "span", "div", "b", "section"))
    inside = f"<{inner}>{_text(random)}</{inner}>"
    inside = f"<{between}>{inside}</{between}>" if between else inside
    return f'<{outer} id="x{random.randrange(9)}">{_text(random)}{inside}x</{outer}>'


def _deep(random: Random) -> str:
    name = _name(random)
    depth = random.choice((100, 498, 499, 500, 501, 512, 600, 3_000))
    return f"<{name}>" * depth + f"</{name}>" * random.choice((0, depth, depth + 1))


_MAKERS: Final[list[tuple[int, Callable[[Random], str]]]] = [
    (30, lambda random: "".join(_piece(random, 0) for _ in range(random.choice((1, 1, 2, 3, 5))))),
    (20, lambda random: mutate(random, well_formed(random))),
    (15, lambda random: element(random)),
    (8, _clashing),
    (4, lambda random: word(random)),
    (1, _deep),
]
_MAKER_WEIGHTS: Final = [weight for weight, _ in _MAKERS]


def document(random: Random) -> str:
    """Write some HTML that need not be well formed."""
    ((_, make),) = random.choices(_MAKERS, _MAKER_WEIGHTS)
    return make(random)

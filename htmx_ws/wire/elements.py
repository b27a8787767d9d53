"""Tables of HTML: which elements are void, which close which, which stand in tables or in svg.

All names are in lower case. "svg/g" is the g of an svg, since ``tree`` has one stack for all
names. The tables follow Chrome where the standard differs from it.
"""

from __future__ import annotations

from typing import Final


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


NOT_HTML: Final = {"image": "write <img>", "foreignobject": "put it straight in an <svg>"}
HEADINGS: Final = _names("h1 h2 h3 h4 h5 h6")
FORMATTING: Final = _names("a b big code em font i nobr s small strike strong tt u")
VOID: Final = _names(
    "area base basefont bgsound br col embed hr img input keygen link meta param source track wbr"
)
IGNORED: Final = _names("html head body frame frameset")
#: These may come before table parts. (The standard has title and base too, but not Chrome.)
BEFORE_PARTS: Final = _names("link meta script style template")
#: So what table parts may stand behind, to some browser: the first of others decides on them.
HEAD_PARTS: Final = BEFORE_PARTS | _names("base basefont bgsound noframes title")
RAW_TEXT: Final = _names("title textarea script style xmp iframe noembed noframes plaintext")
_IMPLIED_ENDS: Final = _names("dd dt li optgroup option p rb rp rt rtc")
_BLOCKS: Final = _names(
    "address article aside blockquote center details dialog dir div dl fieldset figcaption figure"
    " footer header hgroup listing main menu nav ol pre search section summary ul"
)
_SECTIONS: Final = _names("tbody tfoot thead")
_CELLS: Final = _names("caption td th")
PARTS_ONLY: Final = _SECTIONS | _names("table tr colgroup")
TABLE_PARTS: Final = _SECTIONS | _CELLS | _names("tr colgroup col")
#: No end tag of another element closes these; left open, they leave traces in the parser.
FRAGILE: Final = _names("applet form marquee object table")
#: What is formatted inside one of these ends there.
MARKERS: Final = _CELLS | _names("applet marquee object template")
MATH_TEXT: Final = _names("math/mi math/mo math/mn math/ms math/mtext")
#: The foreign elements that hold HTML; "html/..." is an annotation-xml that says it does.
HTML_INSIDE: Final = _names("svg/foreignobject svg/desc svg/title html/annotation-xml")
SCOPE: Final = MARKERS | MATH_TEXT | HTML_INSIDE | _names("math/annotation-xml select table")
SPECIAL: Final = (SCOPE | (_BLOCKS - {"dialog"}) | HEADINGS | RAW_TEXT | PARTS_ONLY) | _names(
    "button dd dt form li noscript p"
)
BREAKOUT: Final = HEADINGS | _names(
    "b big blockquote body br center code dd div dl dt em embed head hr i img li listing menu meta"
    " nobr ol p pre ruby s small span strong strike sub sup table tt u ul var"
)
HTML_FONT: Final = _names("color face size")  # with one of these it is a <font> of HTML
NONE: Final = frozenset[str]()

#: The insertion mode inside a table part or template.
MODE: Final = (
    {"table": "table", "colgroup": "cols", "tr": "row", "template": "start"}
    | dict.fromkeys(_SECTIONS, "rows")
    | dict.fromkeys(_CELLS, "body")
)
CONTEXTS: Final = frozenset(MODE)
#: The table parts that a fragment or template may hold in each mode, and the mode they set.
TOP_PARTS: Final[dict[str, dict[str, str]]] = {
    "body": {},
    "cols": {"col": "cols"},
    "rows": {"tr": "rows"},
    "row": {"td": "row", "th": "row"},
    "table": dict.fromkeys(_SECTIONS | {"caption", "colgroup"}, "table"),
}
TOP_PARTS["start"] = {name: mode for parts in TOP_PARTS.values() for name, mode in parts.items()}
#: The table parts that each may hold, and what the parser puts between, if anything.
_ROWS: Final = {"tr": "", "td": "tr", "th": "tr"}
INNER_PARTS: Final[dict[str, dict[str, str]]] = {
    **{name: {} for name in _CELLS},
    **dict.fromkeys(_SECTIONS, _ROWS),
    "colgroup": {"col": ""},
    "tr": {"td": "", "th": ""},
    "table": dict.fromkeys(TOP_PARTS["table"], "")
    | dict.fromkeys(_ROWS, "tbody")
    | {"col": "colgroup"},
}

_Rule = tuple[frozenset[str], frozenset[str]]
SELECT_SCOPE: Final = SCOPE - {"select"}
_IN_P: Final[_Rule] = (_names("p"), SCOPE | {"button"})
_ITEM: Final = SPECIAL - {"address", "div", "p"}
#: The open elements that a start tag closes, each with what protects it from that.
CLOSES: Final[dict[str, tuple[_Rule, ...]]] = {
    **dict.fromkeys(_BLOCKS | HEADINGS | _names("p form hr plaintext xmp"), (_IN_P,)),
    **dict.fromkeys(("dd", "dt"), ((_names("dd dt"), _ITEM), _IN_P)),
    "li": ((_names("li"), _ITEM), _IN_P),
    "button": ((_names("button"), SCOPE),),
}
#: The element that a start tag closes if it is the innermost.
FOLLOWS: Final = {
    **dict.fromkeys(("option", "optgroup"), _names("option")),
    **dict.fromkeys(HEADINGS, HEADINGS),
}
#: The element inside which a start tag closes innermost elements, and which.
IMPLIES: Final = {
    **dict.fromkeys(("rb", "rtc"), (_names("ruby"), _IMPLIED_ENDS)),
    **dict.fromkeys(("rp", "rt"), (_names("ruby"), _IMPLIED_ENDS - {"rtc"})),
    **dict.fromkeys(("hr", "optgroup"), (_names("select"), _IMPLIED_ENDS)),
    "option": (_names("select"), _IMPLIED_ENDS - {"optgroup"}),
}
#: The open elements inside which a start tag would rebuild the tree, and what protects it.
CLASHES: Final[dict[str, _Rule]] = {
    **dict.fromkeys(
        (RAW_TEXT - {"script"}) | _names("input keygen select"), (_names("select"), SELECT_SCOPE)
    ),
    "table": (_names("p select"), SELECT_SCOPE),
    "form": (_names("form"), NONE),
    **{name: (frozenset({name}), MARKERS) for name in ("a", "nobr")},
}
#: All the open elements that make a start tag less than simple; None: it never is.
GUARD: Final[dict[str, frozenset[str] | None]] = {
    **{name: frozenset({name}) for name in FORMATTING},
    **{
        name: NONE.union(
            *(names for names, _ in CLOSES.get(name, ())),
            *(rules[name][0] for rules in (IMPLIES, CLASHES) if name in rules),
            FOLLOWS.get(name, NONE),
        )
        for name in {*CLOSES, *FOLLOWS, *IMPLIES, *CLASHES}
    },
    **dict.fromkeys(RAW_TEXT | MARKERS | TABLE_PARTS | IGNORED | NOT_HTML.keys()),
    **dict.fromkeys(("math", "svg", "table")),
}
#: What an end tag does not reach past; for others, any special element.
BARRIER: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(_BLOCKS | HEADINGS | FRAGILE | _names("button dd dt select"), SCOPE),
    **dict.fromkeys(_SECTIONS | _CELLS | {"table", "tr"}, _names("table template")),
    **dict.fromkeys(FORMATTING, MARKERS),
    "p": _IN_P[1],
    "li": SCOPE | {"ol", "ul"},
    "template": NONE,
}

#: What </form> closes on its way; Chrome, inside a template, stops at the likes of <p>.
IN_FORM: Final = _IMPLIED_ENDS - SPECIAL
#: End tags that do something even without a start tag, and those that do it inside of these.
NEEDED: Final = _names("p br")
TRACES: Final = {"form": _names("form"), "table": PARTS_ONLY | {"caption"}}
#: What htmx 1.9 puts around a message that begins with a table part: an end tag would end it.
AROUND: Final = {
    **dict.fromkeys(_SECTIONS | {"caption", "colgroup"}, _names("table")),
    "tr": _names("table tbody"),
    **dict.fromkeys(("td", "th"), _names("table tbody tr")),
}

#: The elements that a page may have, as people name them in selectors.
ELEMENTS: Final = _names(
    """
    a abbr address area article aside audio b base bdi bdo blockquote body br button canvas
    caption cite code col colgroup data datalist dd del details dfn dialog div dl dt em embed
    fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html i
    iframe img input ins kbd label legend li link main map mark menu meta meter nav noscript
    object ol optgroup option output p picture pre progress q rp rt ruby s samp script search
    section select slot small source span strong style sub summary sup svg table tbody td
    template textarea tfoot th thead time title tr track u ul var video wbr circle ellipse g
    line path polygon polyline rect text use math
    """
)
#: The elements that an <svg> alone has; outside of it browsers make HTML elements of them.
SVG_PARTS: Final = _names(
    """
    animate animatemotion animatetransform circle clippath defs desc ellipse feblend
    fecolormatrix fecomponenttransfer fecomposite feconvolvematrix fediffuselighting
    fedisplacementmap fedistantlight fedropshadow feflood fefunca fefuncb fefuncg fefuncr
    fegaussianblur feimage femerge femorphology feoffset fepointlight fespecularlighting
    fespotlight fetile feturbulence filter foreignobject g image line lineargradient marker
    mask metadata mpath path pattern polygon polyline radialgradient rect set stop switch
    symbol text textpath tspan use view
    """
)

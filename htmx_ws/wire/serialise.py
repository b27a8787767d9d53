"""Content to messages: the text frames that have the same effect on every htmx.

One serialisation works everywhere (measured on fifteen builds): top-level elements that each
carry an explicit ``hx-swap-oob``, and nothing else at top level. htmx 2 would swap an
unmarked element by its id and htmx 4.0 puts it in the place of the whole connection element,
so no message leaves here with one. htmx 4 looks up all targets of a message before it swaps
any, so what may depend on what came before it travels in a message of its own; a table's
parts do too, since beside other elements the parser throws their tags away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from html import escape
from itertools import product
from typing import Final, NamedTuple

from ..errors import FragmentError
from .content import HTML, render
from .elements import HEAD_PARTS, SVG_PARTS, TABLE_PARTS
from .fragment import Fragment
from .rewrite import first_name, open_templates, rewritten, settle
from .scan import Node, scan
from .selector import LONG, id_selector, normalise

__all__ = ["SWAPS", "Message", "quick_text", "serialise"]

#: The swap styles that every htmx has, with the short names that htmx 4 also takes.
SWAPS: Final[Mapping[str, str]] = {
    **{
        style: style
        for style in (
            "outerHTML innerHTML beforeend afterbegin beforebegin afterend delete morph"
        ).split()
    },
    "replace": "outerHTML",
    "update": "innerHTML",
    "append": "beforeend",
    "prepend": "afterbegin",
    "before": "beforebegin",
    "after": "afterend",
    "remove": "delete",
    "true": "outerHTML",
    "outerMorph": "morph",
    "innerMorph": "innerMorph",
}
_STYLES: Final = frozenset((*SWAPS.values(), "data"))


class Message(NamedTuple):
    """One text message to a page.

    ``text`` is what is sent; ``variants`` holds other texts by dialect (for morph alone).
    ``supersedes`` names the one element whose earlier full swap a waiting message makes
    needless, as ``STYLE:#id``, or is None. ``cursor``: whether a room's position may be added
    at the end of the text, as one more marked element.
    """

    text: str
    supersedes: str | None = None
    cursor: bool = True
    variants: Mapping[str, str] | None = None

    def text_for(self, dialect: str | None) -> str:
        """Give the text for a page of that dialect; None: one that has not shown it yet."""
        if self.variants is None or dialect is None:
            return self.text
        return self.variants.get(dialect, self.text)


def serialise(
    content: object, target: str | None = None, swap: str = "innerHTML"
) -> tuple[Message, ...]:
    """Turn content into the messages that place it.

    ``target`` and ``swap`` say where HTML goes that does not say it itself; without them each
    top-level element needs an id or an ``hx-swap-oob``. Raises ``FragmentError`` for what has
    no place and for markup that a browser would rebuild, ``TypeError`` for what is not HTML.
    """
    if type(content) is Fragment:
        around = _place_of(content.style, content.target)
        if around is None:
            return _serialise_fragment(content)
        text = quick_text(content)
        if text is None:
            return (_wrap(content.style, normalise(content.target or ""), settle(content.html)),)
        return (_new(Message, (text, around[2], True, None)),)
    if content is None:
        return ()
    if isinstance(content, (list, tuple)) and not hasattr(type(content), "__html__"):
        return tuple(message for item in content for message in serialise(item, target, swap))
    return _place(settle(render(content)), target, swap)


def quick_text(fragment: Fragment) -> str | None:
    """Give the text of a fragment that is one plain message; None where there is more to it."""
    style, target = fragment.style, fragment.target
    if type(target) is str and len(target) <= LONG:
        around = _around(style, target)
    else:
        around = _place_of(style, target)
    if around is None:
        return None
    html = fragment.content
    if type(html) is not str and type(html) is not HTML:
        html = render(html)
    start = html[:4]
    # Below "!" is white space, behind which a tag may begin; only svg's <g> begins with "<g". No
    # end tag of five letters does harm, and most content has no other tags than its first and that.
    if (
        start in _SUSPECTS
        or (start < "<h" and (start >= "<g" or start < "!"))
        or ("<" in html[1:-5] and _is_suspect(html))
    ):
        return None
    return f"{around[0]}{html}{around[1]}"


def _is_suspect(html: str) -> bool:
    """Whether tags in HTML might end what it is put into, or htmx might rewrite them."""
    # One after the other they take less time than one regular expression.
    if "</d" in html or "</D" in html or "</te" in html or "</TE" in html:
        return True
    if "<h" in html or "<H" in html or "</h" in html or "</H" in html:
        return _REWRITTEN.search(html) is not None
    return "</Te" in html or "</tE" in html


# --- fragments -------------------------------------------------------------------------

_WRAPPED: Final = frozenset(
    ("innerHTML", "beforeend", "afterbegin", "beforebegin", "afterend", "innerMorph")
)
_FIRST_TAG: Final = re.compile(r"\s*+(?:<!--(?>-?>|.*?--!?>)\s*+)*+<([a-zA-Z][^\s/>]*+)", re.DOTALL)
#: What must stand around content for the parser to keep its tags.
_WRAPPERS: Final = {
    **dict.fromkeys(("tr",), "tbody"),
    **dict.fromkeys(("td", "th"), "tr"),
    **dict.fromkeys(("tbody", "thead", "tfoot", "caption", "colgroup"), "table"),
    **dict.fromkeys(("col",), "colgroup"),
    **dict.fromkeys(("option", "optgroup"), "select"),
}

#: Any of these will do around other content: htmx takes the wrapper off.
_PLAIN_WRAPPERS: Final = ("div", "section", "htmx-ws")


#: How content begins whose tags might be lost in a <div>, or that hides how it begins, or that
#: htmx rewrites.
_SUSPECTS: Final = frozenset(
    "".join(letters)
    for name in (*_WRAPPERS, *SVG_PARTS, *HEAD_PARTS, "!--", "hx-", "/hx-", "/template", "/div")
    for start in {f"<{name}{end}"[:4] for end in "> /\t\n\r\f"}
    for letters in product(*zip(start.lower(), start.upper(), strict=True))
)
#: Tags that htmx rewrites, and ends of templates, however they are written.
_REWRITTEN: Final = re.compile(r"</?(?:hx-|head(?!er)|(?<=/)te)", re.A | re.I)


@lru_cache(maxsize=4096)
def _around(style: str, target: str | None) -> tuple[str, str, str | None] | None:
    """What goes around content where a <div> will do, and what it supersedes; None: look closer."""
    if target is None or style not in _WRAPPED:
        return None
    selector = normalise(target)
    return _opening("div", style, selector), "</div>", _superseded(style, selector)


def _place_of(style: str, target: str | None) -> tuple[str, str, str | None] | None:
    # What is long is of a page's making, and not to be kept.
    keeps = not isinstance(target, str) or len(target) <= LONG
    return (_around if keeps else _around.__wrapped__)(style, target)


def _opening(tag: str, style: str, target: str) -> str:
    return f'<{tag} hx-swap-oob="{escape(f"{style}:{target}")}">'


def _superseded(style: str, target: str) -> str | None:
    return f"innerHTML:{target}" if style.startswith("inner") and _is_one_id(target) else None


def _wrapper(lower: str) -> str:
    """The tag to put around content, so that the parser keeps the content's own tags."""
    first = _FIRST_TAG.match(lower)
    name = first[1] if first else ""
    if name in HEAD_PARTS and ("<t" in lower or "<c" in lower):  # as table parts begin
        behind = first_name(lower)
        name = behind if behind in TABLE_PARTS else name
    if name in _WRAPPERS:
        return _WRAPPERS[name]
    if name in SVG_PARTS:
        return "svg"
    # A stray end tag in the content closes nothing when its element is not open.
    return next((tag for tag in _PLAIN_WRAPPERS if f"</{tag}" not in lower), "htmx-ws")


def _wrap(style: str, target: str, html: str) -> Message:
    lower = html.lower()
    tag = _wrapper(lower)
    text = f"{_opening(tag, style, target)}{html}</{tag}>"
    closed = True
    # A <div> holds whatever comes, and only its own end tag ends it. The others do not.
    if tag not in _PLAIN_WRAPPERS or f"</{tag}" in lower:
        nodes = _scan(text)
        if len(nodes) != 1:
            raise FragmentError(
                f"The content for {target!r} does not stay in the <{tag}> that has to be around "
                f"it, so some of it would leave its place in the page: send what does not belong "
                f"in a <{tag}> as a fragment of its own, and leave out end tags that end "
                f"nothing. See {_excerpt(html)}."
            )
        closed = nodes[0].closed
    elif "<template" in lower or "</template" in lower or "<hx-" in lower or "</hx-" in lower:
        closed = open_templates(rewritten(text)) == 0
    return Message(text, _superseded(style, target), closed)


#: What a NamedTuple's own constructor does, without the call of a Python function.
_new: Final = tuple.__new__


def _serialise_fragment(fragment: Fragment) -> tuple[Message, ...]:
    style, html = fragment.style, settle(fragment.html)
    if style not in _STYLES:
        raise _unknown(style)
    target = None if fragment.target is None else normalise(fragment.target)
    if style == "data":
        return (Message(html, cursor=False),)
    if style == "delete" and target is not None:
        return (Message(f'<div hx-swap-oob="{escape("delete:" + target)}"></div>'),)
    if target is None:  # replace(content), morph(content): by the elements' own ids
        return tuple(_by_id(html, node, style) for node in _elements(html))
    if style == "morph":
        nodes = [node for node in _scan(html) if not _is_blank(html, node)]
        if len(nodes) == 1 and nodes[0].id and id_selector(nodes[0].id) == target:
            return (_by_id(html, nodes[0], style),)
        return (_wrap("innerMorph", target, html),)
    nodes = _elements(html)
    if len(nodes) != 1:
        raise FragmentError(
            f"replace({target!r}, ...) takes one element, and here are {len(nodes)} in "
            f"{_excerpt(html)}: wrap them in one, or use update() to fill the target."
        )
    return (_mark(html, nodes[0], "outerHTML", target),)


def _elements(html: str) -> list[Node]:
    """The top-level elements of HTML that has nothing else there but comments and space."""
    nodes = _scan(html)
    for node in nodes:
        if node.name == "#text" and not _is_blank(html, node):
            raise FragmentError(
                f"The text {_excerpt(html[node.start : node.end])} stands outside every "
                "element, so it has no place in the page: put it in an element with an id, or "
                "say where it goes, as update('#status', ...) does."
            )
    return [node for node in nodes if not node.name.startswith("#")]


def _scan(html: str) -> list[Node]:
    """What is at the top level, also when htmx has made templates of ``<hx-...>`` tags."""
    nodes = scan(html)
    text = rewritten(html)
    if text != html:
        try:
            is_same = [node[4:7] for node in nodes] == [node[4:7] for node in scan(text)]
        except FragmentError:
            is_same = False
        if not is_same:
            raise FragmentError(
                f"htmx makes templates of <hx-...> elements, and then {_excerpt(html)} is not the "
                "same: begin and end each of them within one element."
            )
    return nodes


def _is_blank(html: str, node: Node) -> bool:
    """Whether a node shows nothing: a comment, or white space between elements."""
    if node.name == "#text":
        return not html[node.start : node.end].strip()
    return node.name == "#comment"


def _by_id(html: str, node: Node, style: str) -> Message:
    if node.id is None:
        raise _unplaced(html, node)
    return _mark(html, node, style, id_selector(node.id))


def _mark(html: str, node: Node, style: str, target: str) -> Message:
    """Write one element of the source with its swap on it, complete, as one message."""
    if node.name in SVG_PARTS:
        raise FragmentError(
            f"An svg's <{node.name}> cannot travel alone: outside of <svg> browsers make an HTML "
            "element of it. Replace the whole <svg>, or update() the element around it."
        )
    if style == "morph":
        plain = _mark(html, node, "outerHTML", target)
        morphed = _mark(html, node, "outerMorph", target).text
        variants: dict[str, str] = dict.fromkeys(("htmx4", "htmx4beta", "htmx4alpha"), morphed)
        return Message(plain.text, plain.supersedes, plain.cursor, variants)
    own = node.id is not None and id_selector(node.id) == target
    full = style in ("outerHTML", "innerHTML") and _is_one_id(target)
    value = style if own and "\\" not in target else f"{style}:{target}"
    source = _cut(html, node)
    at = node.insert - node.start
    text = f'{source[:at]} hx-swap-oob="{escape(value)}"{source[at:]}'
    # After a <col> the parser takes nothing but more of them.
    cursor = node.closed and node.name != "col"
    return Message(text, f"{style}:{target}" if full else None, cursor)


def _cut(html: str, node: Node) -> str:
    """The source of an element without its own hx-swap-oob."""
    if node.oob_span is None:
        return html[node.start : node.end]
    start, end = node.oob_span
    return html[node.start : start] + html[end : node.end]


def _is_one_id(target: str) -> bool:
    return re.fullmatch(r"#(?:[\w-]|\\[0-9A-F]{6})+", target) is not None


# --- plain HTML ------------------------------------------------------------------------


def _place(html: str, target: str | None, swap: str) -> tuple[Message, ...]:
    if target is None:
        marked = [_mark_plain(html, node) for node in _elements(html)]
    else:
        marked = list(_place_by_default(html, normalise(target), swap))
    if len(marked) < 2 or not _are_independent(marked):
        return tuple(message for _, message in marked)
    return (Message("".join(message.text for _, message in marked)),)


def _place_by_default(html: str, target: str, swap: str) -> Iterator[tuple[Node, Message]]:
    """Elements that say where they go, and, between them, runs of what does not."""
    nodes = _scan(html)
    at = 0
    while at < len(nodes):
        if nodes[at].oob is not None:
            yield _mark_plain(html, nodes[at])
            at += 1
            continue
        first = at
        while at < len(nodes) and nodes[at].oob is None:
            at += 1
        run = [node for node in nodes[first:at] if not _is_blank(html, node)]
        if run:
            source = html[run[0].start : run[-1].end]
            for message in serialise(Fragment(_swap_style(swap), target, source)):
                yield run[0], message._replace(cursor=message.cursor and run[-1].closed)


def _mark_plain(html: str, node: Node) -> tuple[Node, Message]:
    """Mark one element of plain HTML by its own hx-swap-oob, else by its id."""
    if node.oob is None:
        return node, _by_id(html, node, "outerHTML")
    style, colon, selector = node.oob.strip().partition(":")
    style = _swap_style(style)
    if colon and selector.strip():
        target = normalise(selector)
    elif node.id is not None:
        target = id_selector(node.id)
    else:
        raise _unplaced(html, node)
    return node, _mark(html, node, style, target)


def _swap_style(style: str) -> str:
    try:
        return SWAPS[style]
    except KeyError:
        raise _unknown(style) from None


def _unknown(style: str) -> FragmentError:
    return FragmentError(
        f"{style!r} is not a swap style of every htmx: use one of {', '.join(SWAPS)}."
    )


def _are_independent(marked: list[tuple[Node, Message]]) -> bool:
    """Whether no swap of one message can touch what another of its swaps brings or removes."""
    targets: list[str] = []
    for node, message in marked:
        if message.supersedes is None or not message.cursor or node.name in TABLE_PARTS:
            return False
        if message.variants is not None or "innerMorph" in message.text:
            return False
        targets.append(message.supersedes.partition(":#")[2])
    owners = {target: i for i, target in enumerate(targets)}
    if len(owners) < len(targets) or any("\\" in target for target in targets):
        return False
    # Word by word, which takes a time that is linear in the text, however many there are.
    return all(
        owners.get(word, i) == i
        for i, (_, message) in enumerate(marked)
        for word in set(_WORDS.findall(message.text))
    )


#: What the id of an element, if it needs no escapes, is one of.
_WORDS: Final = re.compile(r"[\w-]+")


def _unplaced(html: str, node: Node) -> FragmentError:
    source = _excerpt(html[node.start : node.end])
    return FragmentError(
        f"The element {source} has no id and no hx-swap-oob, so it has no place in the page: give "
        f"it the id of the element it replaces, or say where it goes, as "
        "append('#log', ...) does, or give the endpoint a default target."
    )


def _excerpt(html: str) -> str:
    text = html.strip()
    return repr(text if len(text) <= 80 else text[:80] + "...")

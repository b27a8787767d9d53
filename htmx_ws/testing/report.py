"""What a page says when a test fails: what was looked for, what is there, what happened."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from .browser.controls import value_of
from .browser.dom import Branch, Element, Node, Text
from .browser.dom import Comment as _Comment
from .browser.tab import Tab

if TYPE_CHECKING:
    from .link import Wire
    from .page import Page

__all__ = [
    "NOT_OPENED",
    "check_wanted",
    "failure",
    "fits",
    "no_element",
    "not_awaited",
    "not_closed",
    "stays_away",
    "wanted",
]

NOT_OPENED: Final = (
    "The page was not opened: write `page = await open_page(...)`, or `async with Page(...) as "
    "page:`, which in a test without an event loop is `with`."
)

_LOG: Final = 30
_PAGE: Final = 120
#: In an address: htmx.org@2.0.11, htmx-4.0.1.min.js, htmx/2.0.4; and no extension of it.
_HTMX: Final = re.compile(r"\bhtmx(?:\.org)?[@/-]v?(\d+)(?=[./]|$)")
_BLOCKS: Final = frozenset(
    "address article aside body div dl fieldset footer form h1 h2 h3 head header html li main nav "
    "ol p section select table tbody td th thead tr ul option".split()
)


def check_wanted(text: object, value: object) -> None:
    """Raise ``TypeError`` for what no element can have."""
    for name, wanted, is_one in (
        ("text", text, isinstance(text, (str, re.Pattern))),
        ("value", value, isinstance(value, str)),
    ):
        if wanted is not None and not is_one:
            raise TypeError(f"{name}={wanted!r} is compared with what is in the page: use a str")


def fits(element: Element, text: str | re.Pattern[str] | None, value: str | None) -> bool:
    """Whether an element has that text and value."""
    held = _collapsed(element.text)
    if isinstance(text, re.Pattern):
        if text.search(held) is None:
            return False
    elif text is not None and held != _collapsed(text):
        return False
    return value is None or value_of(element) == value


def _collapsed(text: str) -> str:
    return " ".join(text.split())


def wanted(
    selector: str, text: str | re.Pattern[str] | None, value: str | None, count: int | None
) -> str:
    """Say what is waited for."""
    parts = [selector if count is None else f"{count} of {selector}"]
    if isinstance(text, re.Pattern):
        parts.append(f"with a text like {text.pattern!r}")
    elif text is not None:
        parts.append(f"with the text {text!r}")
    if value is not None:
        parts.append(f"with the value {value!r}")
    return " ".join(parts)


def no_element(tab: Tab, selector: str) -> str:
    """Say that nothing matches, and what could have been meant."""
    ids = [f"#{each.id}" for each in tab.document.descendants() if each.id]
    return (
        f"{selector} is not in the page {tab.url}. The ids in it: {', '.join(ids) or 'none'}\n\n"
        f"{_outline(tab)}"
    )


def not_awaited(call: str) -> str:
    """Say that a call did nothing."""
    return (
        f"{call} was not awaited, so it did nothing: write "
        f"`await page.{call.partition('(')[0]}(...)`."
    )


def stays_away(htmx: str, wires: Iterable[Wire]) -> str:
    """Say why there is nothing to reconnect."""
    codes = [str(wire.code) for wire in wires if wire.code is not None]
    if codes:
        return f"htmx {htmx} does not come back after the close code {', '.join(codes)}"
    return "no socket of the page was lost: drop() it first"


def not_closed(page: Page, code: int | None) -> str:
    """Say that the application keeps a socket open, or closed it otherwise."""
    with_code = "" if code is None else f" with {code}"
    codes = ", ".join(str(wire.code) for wire in page.wires if wire.code is not None)
    if codes:
        return f"The application closed the socket with {codes}, and not{with_code}"
    if page.led_to is not None:
        return (
            f"The page was led to {page.led_to}, which ended its socket: see page.url, and not "
            f"whether the application closed it{with_code}. That did not come"
        )
    return f"The application let the page in: it did not close the socket{with_code}"


def failure(page: Page, what: str, selector: str | None, found: Iterable[str]) -> str:
    """Write the message of a test that waited in vain; ``found`` is what went wrong meanwhile."""
    tab = page.tab
    parts = [what, *found]
    if selector is not None:
        there = tab.document.select(selector)
        if there:
            shown = "\n".join(f"  {_shown(each)}" for each in there[:5])
            parts.append(f"{selector} is there {len(there)} times:\n{shown}")
        else:
            parts.append(f"{selector} is not in the page.")
    sockets = ", ".join(f"{wire.path} is {wire.state}" for wire in page.wires)
    parts.append(f"Sockets: {sockets or 'none: nothing in the page connects'}")
    if unheard := page.site.unheard:
        its = sorted({room for wire in page.wires if wire.conn for room in wire.conn.rooms})
        parts.append(
            f"Something was published to {_names(unheard)}, and no page is in there. This page is "
            f"in {_names(its) or 'no room'}."
        )
    parts.append(_lines("Frames that the page sent", page.frames[-5:]))
    if tab.errors:
        parts.append(_lines("The browser's console", tab.errors))
    parts.append(_lines("What happened", tab.log[-_LOG:]))
    loaded = _loaded(tab)
    if loaded and page.htmx.partition(".")[0] not in loaded:
        parts.append(
            f"The page itself loads htmx {' and '.join(loaded)}, and in this test it runs htmx "
            f"{page.htmx}, as the test or the setting htmx_versions says."
        )
    parts.append(f"The page, with htmx {page.htmx}, at {tab.url}:\n{_outline(tab)}")
    return "\n\n".join(parts)


def _loaded(tab: Tab) -> list[str]:
    """Give the generations of htmx that the page's script tags name."""
    found = [_HTMX.search(each.get("src", "")) for each in tab.document.select("script[src]")]
    return [each[1] for each in found if each is not None]


def _names(rooms: Iterable[str]) -> str:
    return ", ".join(map(repr, rooms))


def _lines(title: str, lines: Iterable[str]) -> str:
    shown = "\n".join(f"  {line}" for line in lines)
    return f"{title}:\n{shown}" if shown else f"{title}: none"


def _shown(element: Element) -> str:
    html = _collapsed(element.html)
    return html if len(html) <= 300 else f"{html[:300]}..."


def _outline(tab: Tab) -> str:
    lines = [line for line in _indented(tab.document.body, 1) if line.strip()]
    if len(lines) > _PAGE:
        lines[_PAGE:] = [f"  ... {len(lines) - _PAGE} more lines"]
    return "\n".join(lines)


def _indented(node: Node, depth: int) -> Iterable[str]:
    space = "  " * depth
    if isinstance(node, Text) and not isinstance(node, _Comment):
        yield f"{space}{_collapsed(node.data)}" if node.data.strip() else ""
    elif isinstance(node, Element):
        inner = [each for each in node.elements if each.tag in _BLOCKS]
        if not inner:
            yield f"{space}{_collapsed(node.html)}"
            return
        html = Element(node.tag, node.attrs, node.ns).html.removesuffix(f"</{node.tag}>")
        yield f"{space}{html}"
        yield from _all_indented(node, depth + 1)
        yield f"{space}</{node.tag}>"


def _all_indented(node: Branch, depth: int) -> Iterable[str]:
    for child in node.children:
        yield from _indented(child, depth)

"""HTML to a tree, by the HTML5 parser of selectolax: the one module that imports it.

It is imported at the first page, so that a test run without pages needs it not. A message is
always parsed as its client does: wrapped, as part of a whole document, which is why
``parse_document`` is all there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .controls import settle_options
from .dom import Branch, Comment, Document, Element, Fragment, Namespace, Text

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

__all__ = ["parse_document"]

#: Elements of svg and math in which HTML starts again.
_HTML_AGAIN: Final = frozenset(
    {("svg", "foreignObject"), ("svg", "desc"), ("svg", "title")}
    | {("math", tag) for tag in ("mi", "mo", "mn", "ms", "mtext")}
)


def parse_document(html: str, *, scripting: bool = False) -> Document:
    """Parse a whole document; ``scripting``: as the page itself is, in a browser that runs scripts.

    Raises ``ImportError`` that says what to install.
    """
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ImportError as error:
        raise ImportError(
            "A page in a test is parsed by selectolax: pip install 'htmx-ws[test]'"
        ) from error
    document = Document()
    selects: list[Element] = []
    root = LexborHTMLParser(html, scripting=scripting).root
    assert root is not None
    assert root.parent is not None
    waiting: list[tuple[LexborNode | None, Branch]] = [(root.parent.first_child, document)]
    while waiting:
        node, parent = waiting.pop()
        while node is not None:
            made = _make(node, parent)
            if made is not None:
                made.parent = parent
                parent.children.append(made)
                if isinstance(made, Element):
                    waiting += _inside(node, made)
                    if made.tag == "select":
                        selects.append(made)
            else:
                document.doctype = True
            node = node.next
    for select in selects:
        settle_options(select)
    return document


def _make(node: LexborNode, parent: Branch) -> Element | Text | None:
    if node.is_element_node:
        tag = node.tag or ""
        attrs = {name: value or "" for name, value in node.attributes.items()}
        return Element(tag, attrs, _namespace(tag, parent))
    if node.is_text_node:
        return Text(node.text_content or "")
    if not node.is_comment_node:
        return None
    # ``comment_content`` is stripped of the white space around it.
    return Comment((node.html or "").removeprefix("<!--").removesuffix("-->"))


def _inside(node: LexborNode, element: Element) -> list[tuple[LexborNode | None, Branch]]:
    if element.tag == "template" and element.is_html:
        element.content = Fragment()
        fragments = node.template_fragments()
        return [(fragments[0].first_child, element.content)] if fragments else []
    return [(node.first_child, element)]


def _namespace(tag: str, parent: Branch) -> Namespace:
    if tag in ("svg", "math"):
        return tag  # type: ignore[return-value]  # the literals themselves
    if isinstance(parent, Element) and (parent.ns, parent.tag) not in _HTML_AGAIN:
        return parent.ns
    return "html"

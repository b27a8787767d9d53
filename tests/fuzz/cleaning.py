"""HTML that users wrote, given to ``clean``: whatever is left of it acts on nothing.

It is read as each htmx reads it, since that is where a sanitiser's work is undone: htmx rewrites
text before it is parsed, and what was in an attribute may then be one itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Final

from htmx_ws import append, clean, serialise

from . import markup, page, sites
from .kind import Broken, Kind
from .words import mutate, word

__all__ = ["Cleaning"]

#: From what is allowed by default to all that nh3 lets through when it is told to.
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "ids": {"attributes": {"*": {"id", "class", "title", "name"}}},
    "everything": {
        "attributes": {"*": {"id", "class", "title", "hx-get", "onclick", "data-hx-get"}},
        "generic_attribute_prefixes": {"data-", "hx-", "ws-", "sse-", "on", "HX-", ""},
    },
}
_ACTS: Final = ("on", "hx-", "ws-", "sse-")
_RUNS: Final = frozenset("script iframe object embed base meta link style form frame".split())
_SCRIPTS: Final = ("javascript", "vbscript", "data")
#: Built to be harmless to a parser, and something else after htmx has rewritten them.
_REWRITTEN: Final = (
    "<a title='<hx-x onmouseover=alert(1) y>'>x</a>",
    "<a title='</hx-x><script>alert(1)</script>'>x</a>",
    "<a title='<head>'>x</a><a title='</head><script>alert(1)</script>'>x</a>",
    "<img alt='<hx-x ' title=' onerror=alert(1) >' src=x>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='java&#10;script:alert(1)'>x</a>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=x'>",
    "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<details open ontoggle=alert(1)>x</details>",
)


@dataclass(frozen=True)
class Dirty:
    """What a user wrote, and what is allowed."""

    html: str
    options: str


class Cleaning(Kind[Dirty]):
    """HTML for ``clean``, and then for a page."""

    name: ClassVar[str] = "clean"
    share: ClassVar[int] = 400

    def make(self, random: Random) -> Dirty:
        chance = random.random()
        if chance < 0.2:
            html = random.choice(_REWRITTEN)
        elif chance < 0.4:
            acting, value = random.choice(markup.ACTING), word(random)
            html = f"<p {acting}='{value}' title=\"{value}\">x<b {acting}>y</b></p>"
        else:
            html = markup.document(random)
        if random.random() < 0.3:
            html = mutate(random, html)
        if random.random() < 0.01:
            html *= random.randint(1, 200)
        # Sanitisers take a time that is quadratic in depth: no frame has more, and a form should
        # have far less.
        html = html[:20_000]
        return Dirty(html, random.choice(list(_OPTIONS)))

    async def check(self, given: Dirty) -> None:
        cleaned = clean(given.html, **_OPTIONS[given.options])
        (message,) = serialise(append("#log", cleaned))
        page.only(message.text)
        for name, read in page.READINGS.items():
            for node in page.siblings(read(message.text)):
                for inner in page.below(node):
                    _check_node(name, inner.tag or "", inner.attributes)


def _check_node(reading: str, tag: str, attributes: dict[str, str | None]) -> None:
    if tag in _RUNS or "-" in tag.removeprefix("-"):
        raise Broken(f"what is clean has an element that acts, {reading}", tag)
    for name, value in attributes.items():
        if name.lower().removeprefix("data-").startswith(_ACTS):
            raise Broken(f"what is clean has an attribute that acts, {reading}", tag, name)
        if name in ("href", "src") and sites.scheme(value or "") in _SCRIPTS:
            raise Broken(f"what is clean has an address that is a script, {reading}", tag, value)

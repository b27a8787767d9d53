"""What counts as HTML: the objects that template engines and component libraries make.

Python's convention is ``__html__`` (markupsafe, Django, htpy, FastHTML); responses of
template engines carry their HTML as a body; template strings of Python 3.14 are rendered
here, with escaping. A plain ``str`` is finished HTML too, because that is how every engine's
``render()`` returns it. Whatever else is an error: ``str(object)`` in a page is always a bug.

Attributes are looked up on the type: some builder objects answer to every name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import lru_cache
from html import escape
from string import Formatter
from typing import Any, Final

__all__ = ["HTML", "html", "is_trusted", "render"]


class HTML(str):
    """A ``str`` that is finished HTML and says so by ``__html__``, as markupsafe's does."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


def html(template: str, /, *args: Any, **kwargs: Any) -> HTML:
    """Fill a template as ``str.format`` does, escaping each value: ``html("<li>{}</li>", msg)``.

    Values that are HTML already (they have ``__html__``, or are lists of such) go in as they
    are. Only the template is trusted, so keep it a literal: ``html(f"<li>{msg}</li>")`` would
    defeat it. Raises ``TypeError`` for what it is given too little or too much.
    """
    if type(template) is not str:  # a translation that is lazy; or Markup, which escapes again
        template = str(template)
    look = _plain_holes if len(template) < _LONG else _plain_holes.__wrapped__
    in_order, names = look(template)
    if in_order != len(args) or ((names or kwargs) and names != kwargs.keys()):
        return HTML(_FORMATTER.vformat(template, args, kwargs))
    if not kwargs and len(args) == 1 and type(args[0]) is str:
        return HTML(template.format(_escape(args[0])))
    return HTML(
        template.format(*map(_escaped, args), **{k: _escaped(v) for k, v in kwargs.items()})
    )


class _Formatter(Formatter):
    """As ``str.format``, ten times slower: it escapes what comes of a value, and not the value."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if "._" in field_name:  # of a value that came into the template, these reach all there is
            raise TypeError(
                f"html() looks into no name that begins with an underscore: {field_name}."
            )
        if field_name[:1] in (".", "["):  # which Formatter does not number before Python 3.14
            raise TypeError(f"html() has values by name or number: {{0{field_name}}}.")
        return super().get_field(field_name, args, kwargs)

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        try:
            return super().get_value(key, args, kwargs)
        except LookupError:
            raise TypeError(
                f"html() was given nothing for {{{key}}}. Braces that are text are written twice: "
                "{{ and }}."
            ) from None

    def format_field(self, value: Any, format_spec: str) -> str:
        return _escaped(format(value, format_spec) if format_spec else value)

    def check_unused_args(
        self, used_args: set[int | str], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        surplus = [str(each) for each in (*range(len(args)), *kwargs) if each not in used_args]
        if surplus:
            raise TypeError(
                f"html() was given what its template has no place for: {', '.join(surplus)}."
            )


_FORMATTER: Final = _Formatter()


#: Templates that are longer are not kept in mind, in characters: some are made by a mistake.
_LONG: Final = 10_000


@lru_cache(maxsize=256)
def _plain_holes(template: str) -> tuple[int, Set[str]]:
    """How many values fill a template in their order, and which by name; -1 if one is not plain.

    Plain holes take a value as it is: ``{}``, ``{0}``, ``{name}``.
    """
    in_order, numbers, names = 0, set[int](), set[str]()
    for _, name, spec, conversion in _FORMATTER.parse(template):
        if spec or conversion:
            return -1, names
        if name == "":
            in_order += 1
        elif name is not None and name.isdecimal():
            numbers.add(int(name))
        elif name is not None:
            names.add(name)
    if numbers != {*range(len(numbers))} or not all(map(str.isidentifier, names)):
        return -1, names
    return in_order + len(numbers), frozenset(names)


def _escaped(value: object) -> str:
    if type(value) is str:
        return _escape(value)
    if _is_html(type(value)):
        return render(value)
    if isinstance(value, (list, tuple)):
        return "".join(map(_escaped, value))
    return _escape(str(value))


def _escape(text: str) -> str:
    # Browsers drop NUL, and serialise refuses it; but here it was written by a page.
    return escape(text).replace("\0", "\ufffd")


def render(content: object) -> str:
    """Give the HTML of one piece of content, or of a list or tuple of them, joined.

    Raises ``TypeError`` for anything that is not HTML by the rules of this module.
    """
    kind = type(content)
    if kind is str or kind is HTML:
        return content  # type: ignore[return-value]  # mypy does not narrow by type(...) is
    if isinstance(content, (list, tuple)) and not _is_html(kind):
        return "".join(map(render, content))
    if hasattr(kind, "__html__"):
        # Plain text, not the Markup that some return: its methods would escape what we add.
        return str.__str__(_call(content, "__html__"))
    if hasattr(kind, "__ft__"):
        return render(_call(content, "__ft__"))
    if _is_template_string(kind):
        return _render_template_string(content)
    if hasattr(kind, "rendered_content"):  # Django's TemplateResponse, rendered or not
        return render(content.rendered_content)  # type: ignore[attr-defined]  # seen by hasattr
    if hasattr(kind, "charset"):
        return _body(content)
    if isinstance(content, str):
        return str.__str__(content)
    raise TypeError(
        f"{_article(kind)} is not HTML: send a str of HTML, an object with __html__, a fragment "
        "such as append('#log', ...), None, or a list or generator of these. To show a "
        "value, format it with html('<p>{}</p>', value)"
        + (". Was an await forgotten?" if hasattr(kind, "__await__") else "")
    )


def is_trusted(content: object) -> bool:
    """Say whether content went through something that escapes: anything but a bare ``str``."""
    if isinstance(content, (list, tuple)) and not _is_html(type(content)):
        return all(map(is_trusted, content))
    return not isinstance(content, str) or hasattr(type(content), "__html__")


def _is_html(kind: type) -> bool:
    return hasattr(kind, "__html__") or hasattr(kind, "__ft__") or _is_template_string(kind)


def _call(content: object, method: str) -> Any:
    return getattr(content, method)()


def _article(kind: type) -> str:
    name = kind.__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _body(response: Any) -> str:
    """The body of a Starlette or Django response, decoded by its own charset."""
    headers = getattr(response, "headers", {})
    media_type = getattr(response, "media_type", None) or headers.get("Content-Type", "text/html")
    if 300 <= getattr(response, "status_code", 200) < 400:
        what = _article(type(response))
        raise TypeError(f"{what} cannot be followed by a page: return redirect('/next')")
    # Django's streaming responses raise AttributeError for their content.
    body = getattr(response, "body", getattr(response, "content", None))
    if not isinstance(body, bytes) or "html" not in media_type:
        what = _article(type(response))
        raise TypeError(f"{what} has no HTML body to send: return a template response")
    return body.decode(response.charset)


def _is_template_string(kind: type) -> bool:
    # By shape, so that older Pythons can test what only 3.14 can write.
    return hasattr(kind, "interpolations") and hasattr(kind, "strings")


_CONVERSIONS: Final[dict[str | None, Callable[[object], object]]] = {
    "r": repr,
    "s": str,
    "a": ascii,
    None: lambda value: value,
}


def _render_template_string(template: Any) -> str:
    parts = [template.strings[0]]
    for hole, text in zip(template.interpolations, template.strings[1:], strict=True):
        value = _CONVERSIONS[hole.conversion](hole.value)
        parts.append(_escaped(format(value, hole.format_spec) if hole.format_spec else value))
        parts.append(text)
    return "".join(parts)

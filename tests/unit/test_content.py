"""Content: whatever the engines and component libraries of Python make, as they make it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import django.forms
import htpy
import jinja2
import pytest
from django.conf import UserSettingsHolder, global_settings
from django.conf import settings as django_settings
from django.forms.renderers import BaseRenderer
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.template.backends.django import DjangoTemplates
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.utils import translation
from django.utils.functional import lazystr
from django.utils.html import format_html
from django.utils.safestring import mark_safe
from fasthtml.common import Div, to_xml
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from selectolax.lexbor import LexborHTMLParser
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.templating import Jinja2Templates

from htmx_ws import append
from htmx_ws.wire.content import HTML, html, is_trusted, render

EVIL = "<i>\"Tom\" & 'Jerry'</i>"
ESCAPED = "&lt;i&gt;&quot;Tom&quot; &amp; &#x27;Jerry&#x27;&lt;/i&gt;"


# html()


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (html("<p>{}</p>", EVIL), f"<p>{ESCAPED}</p>"),
        (html("<p>{}{}</p>", EVIL, "b"), f"<p>{ESCAPED}b</p>"),
        (html("<p>{0}{0}</p>", EVIL), f"<p>{ESCAPED}{ESCAPED}</p>"),
        (html("<p title='{text}'>{n}</p>", text=EVIL, n=1), f"<p title='{ESCAPED}'>1</p>"),
        (html("<p>{}{b}</p>", "a", b=EVIL), f"<p>a{ESCAPED}</p>"),
        (html("<p>&nbsp;{{}}</p>"), "<p>&nbsp;{}</p>"),
        (html("<p>{}</p>", "{}{0}{x}"), "<p>{}{0}{x}</p>"),
        (html("{:>3}|{:.2}", "a", "abc"), "  a|ab"),
        (html("{} {} {}", 1, 2.5, True), "1 2.5 True"),
        (html("{}", None), "None"),
        (html("<b>{}</b>", html("<i>{}</i>", EVIL)), f"<b><i>{ESCAPED}</i></b>"),
        (html("{}", Markup("<br>")), "<br>"),
        (html("{}", mark_safe("<br>")), "<br>"),
        (html("{}", htpy.br), "<br>"),
        (html("<b>{}</b>", [html("<i>{}</i>", n) for n in "<a"]), "<b><i>&lt;</i><i>a</i></b>"),
        (html("{}", ["<a>", ("<b>", HTML("<br>"), 1)]), "&lt;a&gt;&lt;b&gt;<br>1"),
        (html("{}", []), ""),
        (html("{}", b"<a>"), "b&#x27;&lt;a&gt;&#x27;"),
        (html("{}", {"a": "<"}), "{&#x27;a&#x27;: &#x27;&lt;&#x27;}"),
    ],
)
def test_html_escapes_what_it_fills_in(made: HTML, expected: str) -> None:
    assert made == expected
    assert type(made) is HTML
    assert made.__html__() == expected


class Size(StrEnum):
    SMALL = "<s>"


class Card(NamedTuple):
    """A component that is a tuple, too."""

    title: str

    def __html__(self) -> str:
        return f"<h2>{self.title}</h2>"


class Model:
    def __str__(self) -> str:
        return EVIL


def test_html_escapes_whatever_else_a_value_is() -> None:
    assert html("{}", Size.SMALL) == "&lt;s&gt;"
    assert html("{}", Model()) == ESCAPED
    assert html("{}{}", Card("x"), [Card("y")]) == "<h2>x</h2><h2>y</h2>"


@dataclass
class Entry:
    text: str
    likes: float = 0.5


def test_html_looks_into_values_and_escapes_what_it_finds() -> None:
    """The template alone is trusted, and it alone says where to look."""
    entry = Entry(EVIL)
    assert html("<li>{e.text}</li>", e=entry) == f"<li>{ESCAPED}</li>"
    assert html("{0.text}{0.likes:.2f}", entry) == f"{ESCAPED}0.50"
    assert html("{0[a]}{1[0]}", {"a": EVIL}, [html("<br>")]) == f"{ESCAPED}<br>"
    assert html("{text}", text="{e.text}") == "{e.text}"


def test_the_template_of_html_may_be_a_lazy_translation_or_markup() -> None:
    lazy: Any = lazystr("<li>{}</li>")
    for template in (lazy, Markup("<li>{}</li>"), html("<li>{{}}</li>")):
        assert html(template, EVIL) == f"<li>{ESCAPED}</li>"


def test_html_formats_before_it_escapes() -> None:
    assert html("{:.1f}|{:>6}|{!r}", 2, "<b>", "<") == "2.0|   &lt;b&gt;|&#x27;&lt;&#x27;"
    assert html("{:{width}}|", "<", width=2) == "&lt; |"


@pytest.mark.parametrize(
    ("template", "args", "kwargs", "why"),
    [
        ("{}{}", ("a",), {}, "was given nothing for {1}"),
        ("<style>p{color:red}</style>{}", ("a",), {}, "nothing for {color}. Braces that are text "),
        ("{a}", (), {"b": 1}, "nothing for {a}. .* are written twice: {{ and }}"),
        ("<p>", ("a",), {}, "no place for: 0"),
        ("{a}{}", ("b", "c"), {"a": 1, "d": 2}, "no place for: 1, d"),
        ("{1}", ("b", "c"), {}, "no place for: 0"),
        ("{.text}", ("a",), {}, r"\{0\.text\}"),
        ("{a.__class__}", (), {"a": "b"}, "begins with an underscore: a.__class__"),
    ],
)
def test_html_says_what_does_not_fit_its_template(
    template: str, args: tuple[str, ...], kwargs: dict[str, Any], why: str
) -> None:
    with pytest.raises(TypeError, match=why):
        html(template, *args, **kwargs)


@pytest.mark.parametrize(
    ("template", "error"), [("{", ValueError), ("{0.text}", AttributeError), ("{0[a]}", TypeError)]
)
def test_html_says_what_is_wrong_with_a_template_as_format_does(
    template: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        html(template, "a")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")))
def test_a_page_shows_the_value_that_html_was_given(value: str) -> None:
    page = LexborHTMLParser(html("<i title='{0}'></i><i title=\"{0}\"></i><p>{0}</p>", value))
    assert [node.attributes["title"] for node in page.css("i")] == [value, value]
    assert [node.text() for node in page.css("p")] == [value]


# render()


@dataclass
class Interpolation:
    value: object
    conversion: str | None = None
    format_spec: str = ""


class Template:
    """What ``t"..."`` gives on Python 3.14, by its shape."""

    __slots__ = ("interpolations", "strings")

    def __init__(self, *parts: str | Interpolation) -> None:
        self.strings = tuple(part for part in parts if isinstance(part, str))
        self.interpolations = tuple(part for part in parts if not isinstance(part, str))


class Lazy:
    def __ft__(self) -> Any:
        return Div("a < b", id="x")


class Plain(str):
    __slots__ = ()


def test_finished_html_is_rendered_as_it_is() -> None:
    assert render("<p>a") == "<p>a"
    assert render(Plain("<p>a")) == "<p>a"
    assert type(render(Plain("<p>a"))) is str
    assert render(html("<p>{}</p>", "<")) == "<p>&lt;</p>"
    assert render(Size.SMALL) == "<s>"


def test_html_of_markupsafe_is_plain_text() -> None:
    """Else what is added to it would be escaped by its own operators."""
    markup = Markup("<p>%s</p>") % "<"
    assert render(markup) == "<p>&lt;</p>"
    assert type(render(markup)) is str
    assert render(markup) + "<br>" == "<p>&lt;</p><br>"


def test_elements_of_htpy_are_html() -> None:
    assert render(htpy.li(".a")["<"]) == '<li class="a">&lt;</li>'
    assert render(htpy.fragment[htpy.br, "x"]) == "<br>x"


def test_elements_of_fasthtml_are_html() -> None:
    element = Div("<", id="x")
    assert render(element) == to_xml(element, indent=False)
    assert render(element) == '<div id="x">&lt;</div>'
    assert render(Lazy()) == '<div id="x">a &lt; b</div>'


def test_templates_of_jinja_are_html() -> None:
    env = jinja2.Environment(autoescape=True)
    template = env.from_string("{% macro row(a) %}<li>{{ a }}</li>{% endmacro %}<p>{{ 1 }}</p>")
    assert render(template.render()) == "<p>1</p>"
    assert render(template.module) == "<p>1</p>"
    assert render(template.module.row("<")) == "<li>&lt;</li>"  # type: ignore[attr-defined]  # a macro


def test_responses_of_starlette_are_html() -> None:
    env = jinja2.Environment(
        loader=jinja2.DictLoader({"a.html": "<p>{{ a }}</p>"}), autoescape=True
    )
    request = Request({"type": "http", "headers": []})
    response = Jinja2Templates(env=env).TemplateResponse(request, "a.html", {"a": "<é"})
    assert render(response) == "<p>&lt;é</p>"
    assert render(HTMLResponse("<p>é</p>")) == "<p>é</p>"
    assert render(Response("<p>a</p>")) == "<p>a</p>"
    assert render(Response("<p>a</p>", headers={"content-type": "text/html"})) == "<p>a</p>"
    assert render(HTMLResponse("")) == ""


@pytest.mark.parametrize(
    "response",
    [
        JSONResponse({"a": 1}),
        Response("a", media_type="text/plain"),
        Response("a", headers={"content-type": "text/plain"}),
        StreamingResponse(iter([b"<p>a</p>"]), media_type="text/html"),
    ],
)
def test_a_response_without_a_body_of_html_is_refused(response: Response) -> None:
    name = type(response).__name__
    with pytest.raises(TypeError, match=rf"^a {name} has no HTML body to send: return a template"):
        render(response)


# Django


class Templates(DjangoTemplates):
    """Django's templates without an installed application."""

    def get_templatetag_libraries(self, custom_libraries: object) -> dict[str, str]:
        return {}


class FormTemplates(BaseRenderer):
    form_template_name = "django/forms/div.html"  # Django's default since 5.0

    @cached_property
    def engine(self) -> Templates:
        directory = Path(django.forms.__file__).parent / "templates"
        return Templates({"NAME": "", "DIRS": [directory], "APP_DIRS": False, "OPTIONS": {}})

    def get_template(self, template_name: str) -> Any:
        return self.engine.get_template(template_name)


class SignUp(django.forms.Form):
    name = django.forms.CharField()


@pytest.fixture
def django_defaults(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Django with its default settings, which are not there for the next test."""
    defaults, wrapped = UserSettingsHolder(global_settings), django_settings._wrapped
    defaults.USE_I18N = False
    trans: Any = translation
    monkeypatch.setattr(trans, "_trans", type(trans._trans)())
    # What versions before 5.2 render the errors of a form with, whatever its renderer.
    monkeypatch.setattr("django.forms.utils.get_default_renderer", FormTemplates)
    django_settings._wrapped = defaults
    yield
    django_settings._wrapped = wrapped


def test_safe_strings_of_django_are_html() -> None:
    assert render(mark_safe("<p>")) == "<p>"
    assert render(format_html("<p>{}</p>", "<")) == "<p>&lt;</p>"
    assert type(render(mark_safe("<p>"))) is str


@pytest.mark.usefixtures("django_defaults")
def test_forms_of_django_and_their_fields_are_html() -> None:
    form = SignUp({"name": "<"}, renderer=FormTemplates())
    assert 'value="&lt;"' in render(form)
    assert "<label" in render(form)
    assert render(form["name"]) == str(form["name"])
    assert render(form["name"]).startswith('<input type="text" name="name" value="&lt;"')
    empty = SignUp({}, renderer=FormTemplates())
    assert "This field is required." in render(empty.errors["name"])


@pytest.mark.usefixtures("django_defaults")
def test_responses_of_django_are_html() -> None:
    template = FormTemplates().engine.from_string("<p>{{ a }}</p>")
    assert render(SimpleTemplateResponse(template, {"a": "<é"})) == "<p>&lt;é</p>"
    rendered = TemplateResponse(HttpRequest(), template, {"a": 1}).render()
    assert render(rendered) == "<p>1</p>"
    assert render(HttpResponse("<p>é</p>")) == "<p>é</p>"
    latin = HttpResponse("<p>é</p>", content_type="text/html; charset=latin-1")
    assert latin.content == b"<p>\xe9</p>"
    assert render(latin) == "<p>é</p>"


@pytest.mark.usefixtures("django_defaults")
def test_a_response_of_django_that_is_no_html_is_refused() -> None:
    for response in (
        JsonResponse({"a": 1}),
        HttpResponse("a", content_type="text/plain"),
        StreamingHttpResponse([b"<p>a</p>"]),
    ):
        with pytest.raises(TypeError, match="has no HTML body to send"):
            render(response)


# Template strings


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (Template("<p>"), "<p>"),
        (Template("<p>", Interpolation(EVIL), "</p>"), f"<p>{ESCAPED}</p>"),
        (Template("", Interpolation(1.239, None, ".1f"), ""), "1.2"),
        (Template("", Interpolation("<", None, ">3"), ""), "  &lt;"),
        (Template("", Interpolation("<", "r"), ""), "&#x27;&lt;&#x27;"),
        (Template("", Interpolation("é<", "a"), ""), "&#x27;\\xe9&lt;&#x27;"),
        (Template("", Interpolation(2, "s", "0>3"), ""), "002"),
        (Template("", Interpolation(Markup("<br>")), ""), "<br>"),
        (Template("", Interpolation(Markup("<br>"), None, ">5"), ""), " &lt;br&gt;"),
        (Template("", Interpolation(Markup("<br>"), "r"), ""), "Markup(&#x27;&lt;br&gt;&#x27;)"),
        (Template("<b>", Interpolation(Template("<i>", Interpolation("<"), "")), ""), "<b><i>&lt;"),
        (
            Template("<b>", Interpolation([Template("", Interpolation(n), "") for n in "<a"]), ""),
            "<b>&lt;a",
        ),
        (Template("a", Interpolation("b"), "c", Interpolation("d"), "e"), "abcde"),
    ],
)
def test_a_template_string_is_rendered_with_escaping(template: Template, expected: str) -> None:
    assert render(template) == expected
    assert html("{}{}", template, "<") == f"{expected}&lt;"


# Lists, and what is no HTML


def test_a_list_is_joined() -> None:
    assert render(["<a>", ("<b>", html("{}", "<")), [], Markup("<br>")]) == "<a><b>&lt;<br>"
    assert render([]) == render(()) == render("") == ""
    assert render(Card("x")) == "<h2>x</h2>"


class Builder:
    """A builder as airium's: its instances answer to every name."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: "<p>not this</p>"


class Empty:
    def __html__(self) -> str:
        return None  # type: ignore[return-value]  # on purpose


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (1, "an int"),
        (2.5, "a float"),
        (True, "a bool"),
        ({"a": 1}, "a dict"),
        ({"a"}, "a set"),
        (b"<p>", "a bytes"),
        (bytearray(b"<p>"), "a bytearray"),
        (None, "a NoneType"),
        (object(), "an object"),
        (HTML, "a type"),
        (Builder(), "a Builder"),
        (Model(), "a Model"),
        (append("#log", "x"), "a Fragment"),
        ((letter for letter in "ab"), "a generator"),
        (["<p>", 1], "an int"),
        (["<p>", [None]], "a NoneType"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_html_is_refused_and_never_str(content: object, kind: str) -> None:
    with pytest.raises(TypeError, match=rf"^{kind} is not HTML: send a str of HTML") as raised:
        render(content)
    assert "html('<p>{}</p>', value)" in str(raised.value)


def test_what_was_not_awaited_is_refused_and_says_so() -> None:
    async def line() -> str:
        return "<p>"

    coroutine = line()
    with pytest.raises(TypeError, match=r"^a coroutine is not HTML: .* Was an await forgotten\?$"):
        render(coroutine)
    coroutine.close()


def test_what_does_not_keep_its_word_is_refused() -> None:
    with pytest.raises(TypeError):
        render(Empty())


# is_trusted()


@pytest.mark.parametrize(
    ("content", "trusted"),
    [
        ("<p>", False),
        (Plain("<p>"), False),
        (Size.SMALL, False),
        (["<p>"], False),
        ([html("<p>"), ["<p>"]], False),
        (html("<p>"), True),
        (Markup("<p>"), True),
        (mark_safe("<p>"), True),
        ([html("<p>"), (Markup("<p>"),)], True),
        (Card("<p>"), True),
        (htpy.p["<"], True),
        (HTMLResponse("<p>"), True),
        (Template("<p>"), True),
        ([], True),
        (None, True),
    ],
)
def test_a_bare_str_alone_is_not_trusted(content: object, trusted: bool) -> None:
    assert is_trusted(content) is trusted


@pytest.mark.usefixtures("django_defaults")
@pytest.mark.parametrize("redirect", [RedirectResponse, HttpResponseRedirect])
def test_a_redirect_of_http_is_refused_with_what_to_return(redirect: Any) -> None:
    with pytest.raises(TypeError, match=r"return redirect\('/next'\)"):
        render(redirect("/next"))

"""Paths with parameters match what Starlette's users expect, and say what is wrong with them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmx_ws.errors import RegistrationError
from htmx_ws.routing import Path, scope_path

KEY = UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("path", "asked", "params"),
    [
        ("/", "/", {}),
        ("/chat", "/chat", {}),
        ("/chat/{room}", "/chat/lobby", {"room": "lobby"}),
        ("/chat/{room:str}", "/chat/lobby", {"room": "lobby"}),
        ("/chat/{room}", "/chat/grüße 😀", {"room": "grüße 😀"}),
        ("/chat/{room}", "/chat/a\nb", {"room": "a\nb"}),
        ("/chat/{room}/{n:int}", "/chat/lobby/12", {"room": "lobby", "n": 12}),
        ("/{n:int}", "/0", {"n": 0}),
        ("/{n:int}", "/007", {"n": 7}),
        ("/{n:int}", f"/{10**40}", {"n": 10**40}),
        ("/{x:float}", "/1", {"x": 1.0}),
        ("/{x:float}", "/1.25", {"x": 1.25}),
        ("/{key:uuid}", f"/{KEY}", {"key": KEY}),
        ("/{key:uuid}", f"/{str(KEY).upper()}", {"key": KEY}),
        ("/{key:uuid}", f"/{KEY.hex}", {"key": KEY}),
        ("/f/{rest:path}", "/f/a/b/c", {"rest": "a/b/c"}),
        ("/f/{rest:path}", "/f/", {"rest": ""}),
        ("/f/{rest:path}", "/f/a\n/b\r\n", {"rest": "a\n/b\r\n"}),
        ("/f/{rest:path}/end", "/f/a/end/end", {"rest": "a/end"}),
        ("/{a}-{b}", "/x-y", {"a": "x", "b": "y"}),
        ("/{_a1}", "/x", {"_a1": "x"}),
        ("/{class}", "/x", {"class": "x"}),
    ],
)
def test_a_path_that_fits_gives_its_parameters_converted(
    path: str, asked: str, params: dict[str, Any]
) -> None:
    found = Path(path).match(asked)
    assert found == params
    assert found is not None
    assert [type(value) for value in found.values()] == [type(v) for v in params.values()]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/chat", "/chat/"),
        ("/chat/", "/chat"),
        ("/chat", "/chat\n"),
        ("/chat", "/Chat"),
        ("/chat", "x/chat"),
        ("/chat", ""),
        ("/chat/{room}", "/chat/"),
        ("/chat/{room}", "/chat/a/b"),
        ("/chat/{room}", "/chat/a/"),
        ("/{n:int}", "/"),
        ("/{n:int}", "/-1"),
        ("/{n:int}", "/1.0"),
        ("/{n:int}", "/1_000"),
        ("/{n:int}", "/١٢"),
        ("/{n:int}", "/1\n"),
        ("/{n:int}", "/" + "9" * 5000),
        ("/{x:float}", "/.5"),
        ("/{x:float}", "/1."),
        ("/{x:float}", "/1e5"),
        ("/{x:float}", "/nan"),
        ("/{x:float}", "/inf"),
        ("/{key:uuid}", "/12345678"),
        ("/{key:uuid}", f"/{KEY}0"),
        ("/{key:uuid}", "/{" + str(KEY) + "}"),
        ("/f/{rest:path}", "/f"),
    ],
)
def test_a_path_that_does_not_fit_gives_none(path: str, asked: str) -> None:
    assert Path(path).match(asked) is None


@given(st.text().filter(lambda text: not {*"{<}"} & {*text}), st.text())
def test_a_path_without_parameters_matches_itself_alone(text: str, other: str) -> None:
    """Whatever has a meaning in a regular expression is a plain character here."""
    path = Path("/" + text)
    assert path.match("/" + text) == {}
    assert (path.match(other) is not None) == (other == "/" + text)


@given(st.text(), st.text(min_size=1).filter(lambda text: "/" not in text))
def test_literal_parts_around_a_parameter_are_plain_characters(rest: str, value: str) -> None:
    path = Path("/a.b*(c)/{value}/[d]+$/{rest:path}")
    assert path.match(f"/a.b*(c)/{value}/[d]+$/{rest}") == {"value": value, "rest": rest}
    assert path.match(f"/aXb*(c)/{value}/[d]+$/{rest}") is None


def test_a_path_knows_its_text_and_names() -> None:
    path = Path("/chat/{room}/{n:int}")
    assert path.names == {"room", "n"}
    assert path.text == "/chat/{room}/{n:int}"
    assert repr(path) == "Path('/chat/{room}/{n:int}')"
    assert Path("/chat").names == frozenset()


# --- what cannot be a path -------------------------------------------------------------


@pytest.mark.parametrize("text", ["chat", "", "{room}", "ws://example.test/chat"])
def test_a_path_without_a_slash_is_an_error_that_shows_it_with_one(text: str) -> None:
    with pytest.raises(RegistrationError) as caught:
        Path(text)
    assert str(caught.value) == f"The path {text!r} must start with a slash: '/{text}'."


def test_an_unknown_converter_is_an_error_that_lists_those_there_are() -> None:
    with pytest.raises(RegistrationError, match=r"'slug': there are str, path, int, float, uuid"):
        Path("/{name:slug}")


def test_two_parameters_of_one_name_are_an_error_that_names_it() -> None:
    with pytest.raises(RegistrationError, match="two parameters called 'a'"):
        Path("/{a}/{a:int}")


@pytest.mark.parametrize(
    "text",
    ["/{", "/}", "/{a", "/a}", "/{}", "/{a b}", "/{1a}", "/{a:}", "/{:int}", "/{{a}}", "/{a}}"],
)
def test_a_brace_that_is_no_parameter_is_an_error(text: str) -> None:
    with pytest.raises(RegistrationError, match="a brace that is no parameter"):
        Path(text)


@pytest.mark.parametrize(
    ("text", "right"),
    [("/ws/<slug:room>", "'/ws/{room}'"), ("/<a>/b/<int:c>/", "'/{a}/b/{c}/'")],
)
def test_a_path_in_the_syntax_of_django_is_an_error_that_shows_the_right_one(
    text: str, right: str
) -> None:
    """It would be no parameter, and every page be told that there is no such path."""
    with pytest.raises(RegistrationError, match=f"in the syntax of Django: here it is {right}"):
        Path(text)
    assert Path("/a<b").match("/a<b") == {}


@given(st.text(alphabet="/{}<>:abint1_ .\n"))
def test_any_text_is_a_path_or_a_registration_error(text: str) -> None:
    try:
        path = Path(text)
    except RegistrationError:
        return
    assert path.match(text) is None or path.match(text) == {} or path.names


# --- below a mount ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ({"path": "/chat"}, "/chat"),
        ({"path": "/chat", "root_path": ""}, "/chat"),
        ({"path": "/app/chat", "root_path": "/app"}, "/chat"),
        ({"path": "/app/chat", "root_path": "/app/"}, "/chat"),
        ({"path": "/chat", "root_path": "/app"}, "/chat"),  # servers that take it off
        ({"path": "/app", "root_path": "/app"}, "/"),
        ({"path": "/app/", "root_path": "/app"}, "/"),
        ({"path": "/application", "root_path": "/app"}, "/application"),
        ({"path": "/chat/", "root_path": ""}, "/chat/"),
        ({"path": "/chat", "root_path": "/"}, "/chat"),
        ({"path": "", "root_path": ""}, ""),
        ({}, ""),
    ],
)
def test_the_path_is_taken_below_the_root_path_where_that_stands(
    scope: dict[str, Any], path: str
) -> None:
    assert scope_path(scope) == path

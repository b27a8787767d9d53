"""Every error has one root and says by its close code what becomes of the page."""

from __future__ import annotations

from typing import Any

import pytest

from htmx_ws import errors, redirect
from htmx_ws.errors import (
    BindingError,
    FragmentError,
    FrameError,
    FrameTooBig,
    HtmxWSError,
    Refused,
    RegistrationError,
)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_caught_by_the_root(name: str) -> None:
    assert issubclass(getattr(errors, name), HtmxWSError)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (RegistrationError, TypeError),
        (FragmentError, ValueError),
        (FrameError, ValueError),
        (FrameTooBig, FrameError),
        (BindingError, ValueError),
    ],
)
def test_an_error_is_also_the_builtin_that_a_newcomer_expects(
    error: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(error, builtin)


@pytest.mark.parametrize(
    "error", [HtmxWSError, RegistrationError, FragmentError, FrameError, BindingError]
)
def test_an_error_without_a_code_leaves_the_connection_open(error: type[HtmxWSError]) -> None:
    assert error.code is None


def test_a_frame_that_is_too_big_closes_with_1009() -> None:
    assert FrameTooBig.code == 1009


def test_a_binding_error_names_every_field_in_its_message() -> None:
    error = BindingError({"name": "is missing", "age": "is no number"})
    assert error.fields == {"name": "is missing", "age": "is no number"}
    assert str(error) == "name: is missing; age: is no number"


def test_a_binding_error_keeps_its_own_copy_of_the_fields() -> None:
    fields = {"name": "is missing"}
    error = BindingError(fields)
    fields.clear()
    assert error.fields == {"name": "is missing"}


def test_a_refusal_says_its_reason_code_and_content() -> None:
    refused = Refused("members only", code=4403, content="<p id='x'>Sorry</p>")
    assert str(refused) == "members only"
    assert (refused.reason, refused.close_code) == ("members only", 4403)
    assert refused.content == "<p id='x'>Sorry</p>"


def test_a_refusal_without_a_reason_says_its_code() -> None:
    assert str(Refused()) == "refused with 1008"
    assert Refused().reason == ""


@pytest.mark.parametrize("code", [1008, 4000, 4999])
def test_a_refusal_takes_the_codes_that_keep_htmx_away(code: int) -> None:
    assert Refused(code=code).close_code == code


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012, 1013, 3000, 3999, 5000])
def test_a_refusal_takes_no_code_after_which_htmx_may_come_back(code: int) -> None:
    with pytest.raises(ValueError, match="1008 or 4000 to 4999"):
        Refused(code=code)


def test_a_refusal_says_where_what_the_page_gets_belongs() -> None:
    wrong: Any = redirect("/login/")
    with pytest.raises(TypeError, match="content="):
        Refused(wrong)

from __future__ import annotations

from typing import Any

import pytest

from htmx_ws.binding import compile_error_hook, compile_hook
from htmx_ws.connection import Connection
from htmx_ws.errors import BindingError, FrameError
from htmx_ws.wire.frame import Frame, HtmxHeaders
from tests.unit.binding.samples import Other, Page, bind, connection, frame, refused, taking


def test_a_hook_takes_server_values_the_path_and_the_query() -> None:
    async def joined(
        conn: Connection, room: str, tag: list[str], page: int | None, size: int = 3
    ) -> None: ...

    conn = connection(path_params={"room": "lobby"}, query={"tag": "a", "page": ""})
    assert compile_hook(joined, ("room",))(conn) == {
        "conn": conn,
        "room": "lobby",
        "tag": ["a"],
        "page": None,
        "size": 3,
    }


def test_a_model_of_a_hook_takes_the_whole_query() -> None:
    query = {"size": ["1", "2"]}
    assert compile_hook(taking(Page), ())(connection(query=query))["value"].size == 2


def test_a_query_that_does_not_fit_is_a_binding_error() -> None:
    with pytest.raises(BindingError) as caught:
        compile_hook(taking(int), ())(connection())
    assert caught.value.fields == {"value": "Field required"}


@pytest.mark.parametrize("name", ["data", "frame", "htmx"])
def test_a_hook_has_no_frame(name: str) -> None:
    message = refused(taking(name=name), compile=compile_hook)
    assert f"`{name}` comes with a frame, and there is none" in message


@pytest.mark.parametrize("annotation", [Frame, HtmxHeaders])
def test_a_hook_has_no_frame_by_type_either(annotation: Any) -> None:
    message = refused(taking(annotation), compile=compile_hook)
    assert "comes with a frame" in message
    assert "send, conn, ws, scope, app, session, user, auth, state." in message


def test_an_error_is_a_form_value_outside_error_hooks() -> None:
    async def handler(error: str) -> None: ...

    assert bind(handler, {"error": "x"}) == {"error": "x"}
    assert compile_hook(handler, ())(connection(query={"error": "x"})) == {"error": "x"}
    assert "cannot be read from a form" in refused(taking(ValueError))


def test_an_error_hook_takes_the_error_by_name_or_type() -> None:
    async def failed(
        error: Any,
        problem: BindingError | FrameError,
        conn: Any,
        room: str,
        data: dict[str, Any],
        level: int = 3,
    ) -> None: ...

    conn, error = connection(path_params={"room": "lobby"}), BindingError({"a": "b"})
    sent = frame({"level": "4", "error": "evil", "room": "evil"})
    assert compile_error_hook(failed, ("room",))(conn, sent, error) == {
        "error": error,
        "problem": error,
        "conn": conn,
        "room": "lobby",
        "data": sent.values,
    }


def test_an_error_hook_without_a_frame_gets_none_and_empty_values() -> None:
    async def failed(error: FrameError, frame: Frame | None, data: Any, htmx: Any) -> None: ...

    error = FrameError("no")
    arguments = compile_error_hook(failed, ())(connection(), None, error)
    assert arguments.pop("htmx").trigger is None
    assert arguments == {"error": error, "frame": None, "data": {}}


def test_an_error_hook_takes_nothing_else() -> None:
    message = refused(taking(str, name="msg"), compile=compile_error_hook)
    assert "`msg` is nothing that an error hook gets" in message
    assert "error" in message


@pytest.mark.parametrize("annotation", [str, Frame, Other])
def test_the_error_of_an_error_hook_is_an_exception(annotation: Any) -> None:
    assert "is the server's" in refused(
        taking(annotation, name="error"), compile=compile_error_hook
    )

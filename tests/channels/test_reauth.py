"""A login that ends while a page is open ends the page too."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.test import override_settings

from htmx_ws import Connection
from htmx_ws.testing import Socket
from htmx_ws_channels import HtmxWS

from .conftest import Visitor, in_a_thread, shown

PAGE = (Path(__file__).parents[2] / "docs" / "django.md").read_text()


def an_app(reauth: Any, seconds: float | None = 0.005) -> HtmxWS:
    live = HtmxWS(reauth=reauth, reauth_seconds=seconds)
    live.ws("ws/chat/")(lambda: shown("here"))
    return live


def of_the_docs() -> Callable[[Connection], bool]:
    """The function that the page for users of Django shows."""
    (code,) = re.findall(r"```python\n([^`]*def still_in.*?)```", PAGE, re.DOTALL)
    tree = ast.parse(code)
    tree.body = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    names: dict[str, Any] = {"Connection": Connection, "get_user_model": get_user_model}
    exec(compile(tree, "django.md", "exec"), names)
    still_in: Callable[[Connection], bool] = names["still_in"]
    return still_in


async def lives(page: Socket) -> None:
    await page.send()
    assert "here" in await page.receive()


def signs_out(ann: Visitor) -> None:
    ann.client.logout()


def is_shut_out(ann: Visitor) -> None:
    get_user_model()._default_manager.filter(pk=ann.user.pk).update(is_active=False)


def is_deleted(ann: Visitor) -> None:
    ann.user.delete()


@pytest.mark.parametrize("ends", [signs_out, is_shut_out, is_deleted])
async def test_a_user_who_is_out_loses_the_page_that_is_open_and_nobody_else(
    ann: Visitor, ends: Callable[[Visitor], None]
) -> None:
    live = an_app(of_the_docs())
    app = live.application()
    headers = ann.headers
    async with (
        live.lifespan(),
        Socket(app, "/ws/chat/", headers=headers) as anns,
        Socket(app, "/ws/chat/") as nobodys,
    ):
        await lives(anns)
        await in_a_thread(lambda: ends(ann))
        assert await anns.closed() == 1008
        await lives(nobodys)


async def test_a_page_may_be_refused_as_a_view_refuses() -> None:
    def ask(conn: Connection) -> bool:
        raise PermissionDenied

    live = an_app(ask)
    async with live.lifespan(), Socket(live.application(), "/ws/chat/") as page:
        assert await page.closed() == 4403


@pytest.mark.parametrize(("given", "is_asked"), [(None, False), (0.005, True)])
async def test_how_often_is_a_setting_unless_given(given: float | None, is_asked: bool) -> None:
    with override_settings(HTMX_WS={"REAUTH_SECONDS": 3600.0}):
        live = an_app(lambda conn: False, given)
    async with live.lifespan(), Socket(live.application(), "/ws/chat/") as page:
        if is_asked:
            assert await page.closed() == 1008
        else:
            await lives(page)

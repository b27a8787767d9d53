"""A visitor who is signed in, and the refusal to run without the project's settings.

Tests of sockets are async functions, in the event loop of pytest-asyncio. What they prepare in the
database is prepared by fixtures, in pytest's own thread, and committed: handlers have threads and
connections of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import connection, connections
from django.db.backends.signals import connection_created

from htmx_ws import append, html

from .watching import Watch, watching

if not settings.configured:
    raise pytest.UsageError(
        "The tests of Channels need a Django project: "
        "python -m pytest tests/channels --ds=tests.channels.project.settings"
    )

#: What a browser sends of a visitor: ``Socket(app, path, headers=visitor.headers)``.
Headers = list[tuple[str, str]]


class Visitor:
    """Somebody with a session, and a user if signed in."""

    def __init__(self, client: Any, user: Any = None) -> None:
        self.client = client
        self.user = user

    @property
    def headers(self) -> Headers:
        """The cookies, as a browser sends them with a handshake."""
        cookies = (f"{name}={each.value}" for name, each in self.client.cookies.items())
        return [("cookie", "; ".join(cookies))]

    @property
    def session(self) -> Any:
        """The session as it is kept now."""
        return self.client.session


def shown(*values: object) -> Any:
    """What a handler answers: one more line for the page's log."""
    return append("#log", html("<li>{}</li>", " ".join(map(str, values))))


async def in_a_thread(function: Callable[[], Any]) -> Any:
    """Ask the database from a test, which is in an event loop."""
    return await database_sync_to_async(function)()


@pytest.fixture(autouse=True)
def no_connection_of_the_test() -> Iterator[None]:
    """Close what the test itself asked the database by, in the thread that asgiref has for it."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture
def ann(transactional_db: None) -> Visitor:
    """Ann, who is signed in."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client()
    user = get_user_model()._default_manager.create(username="ann", first_name="Ann")
    client.force_login(user)
    return Visitor(client, user)


@pytest.fixture
def watch(transactional_db: None) -> Iterator[Watch]:
    """What handlers open of the database, and whether it is gone."""
    with watching() as found:
        yield found


@pytest.fixture(params=[0, 60, None], ids=lambda age: f"CONN_MAX_AGE={age}")
def max_age(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How long Django keeps a connection: a setting that all threads share."""
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", request.param)


@connection_created.connect
def do_not_wait_for_the_disk(connection: Any, **kwargs: Any) -> None:
    """The tests' database need not outlive the machine."""
    connection.connection.execute("PRAGMA synchronous = OFF")
    connection.connection.execute("PRAGMA journal_mode = MEMORY")

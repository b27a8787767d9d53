"""What pages in tests do for Django, by what stands in for it; tests/channels has the real one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from htmx_ws.testing import Page, django
from htmx_ws.testing.portal import Portal
from htmx_ws.types import Receive, Scope, Send


class Signal:
    def __init__(self, *receivers: Callable[..., None]) -> None:
        self.receivers = list(receivers)

    def connect(self, receiver: Callable[..., None]) -> None:
        if receiver not in self.receivers:
            self.receivers.append(receiver)

    def disconnect(self, receiver: Callable[..., None]) -> None:
        if receiver in self.receivers:
            self.receivers.remove(receiver)

    def send(self) -> None:
        for receiver in list(self.receivers):
            receiver(sender=None)


class Database:
    """A connection, which is closed when it is old: as a TestCase's, within a transaction, is."""

    def __init__(self, in_atomic_block: bool) -> None:
        self.in_atomic_block = in_atomic_block
        self.is_open = True

    def close_if_unusable_or_obsolete(self) -> None:
        self.is_open = False


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Any:
    databases = [Database(True), Database(False)]

    def close_old_connections(**about: Any) -> None:
        for each in databases:
            each.close_if_unusable_or_obsolete()

    signals = SimpleNamespace(
        request_started=Signal(close_old_connections),
        request_finished=Signal(close_old_connections),
        got_request_exception=Signal(),
    )
    db = SimpleNamespace(
        close_old_connections=close_old_connections,
        connections=SimpleNamespace(all=lambda initialized_only: databases),
    )
    monkeypatch.setitem(sys.modules, "django.core.signals", signals)
    monkeypatch.setitem(sys.modules, "django.db", db)
    return SimpleNamespace(signals=signals, db=db, databases=databases)


def test_without_django_nothing_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "django.core.signals", raising=False)
    with django.asking() as raised:
        assert raised == []


@pytest.mark.parametrize("end", ["request_started", "request_finished"])
def test_a_request_of_a_page_closes_no_connection_that_is_in_a_transaction(
    fake: Any, end: str
) -> None:
    with django.asking(), django.asking():
        getattr(fake.signals, end).send()
    assert [each.is_open for each in fake.databases] == [True, False]
    getattr(fake.signals, end).send()
    assert [each.is_open for each in fake.databases] == [False, False]
    assert getattr(fake.signals, end).receivers == [fake.db.close_old_connections]
    assert fake.signals.got_request_exception.receivers == []


def test_what_a_view_raises_is_known_to_who_asked(fake: Any) -> None:
    with django.asking() as outer:
        with django.asking() as inner:
            fake.signals.got_request_exception.send()  # of which nobody knows what it was
            try:
                raise LookupError("in the view")
            except LookupError:
                fake.signals.got_request_exception.send()
        assert list(map(str, inner)) == ["in the view"]
        assert outer == []


def test_a_thread_that_did_work_for_pages_may_run_async_code_after_it() -> None:
    """An async view, which a plain test asks for by Django's client."""
    portal = Portal()

    async def where() -> int:
        return threading.get_ident()

    assert portal.run(sync_to_async(threading.get_ident)()) == threading.get_ident()
    assert async_to_sync(where)() != 0
    portal.close()


async def test_an_answer_that_says_that_the_application_failed_is_a_problem() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        status = int(scope["path"].strip("/"))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"<title>Sorry</title>"})

    async with Page(app, "/503") as page:
        assert page.title == "Sorry"
        [problem] = page.take_problems()
        assert (problem.kind, str(problem)) == ("exception", "GET /503 was answered with 503")
    with pytest.raises(AssertionError, match="GET /500 was answered with 500"):
        async with Page(app, "/500"):
            pass
    async with Page(app, "/404") as page:  # which a test may mean to see
        assert page.status == 404
        with pytest.raises(AssertionError, match="GET /404 was answered with 404"):
            await page.expect("#log", timeout=0.01)

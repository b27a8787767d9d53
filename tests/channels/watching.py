"""Which database connections and threads there were, and whether each is gone.

A connection is asked itself whether it is closed: Django may have forgotten one that is open.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.signals import connection_created

__all__ = ["Watch", "watching"]


class Watch:
    """What was opened since ``watching`` began."""

    def __init__(self) -> None:
        self.opened: list[sqlite3.Connection] = []
        self.threads: set[threading.Thread] = set()
        self.work = 0  # queries that sleep, at once
        self.most_work = 0
        self._lock = threading.Lock()

    def take(self, connection: Any, **kwargs: Any) -> None:
        """Note a connection, and teach it to sleep; that of pytest's own thread is not meant."""
        if threading.current_thread() is threading.main_thread():
            return
        self.opened.append(connection.connection)
        self.threads.add(threading.current_thread())
        connection.connection.create_function("sleep_ms", 1, self.sleep)

    def sleep(self, milliseconds: float) -> float:
        """Be a query that takes long."""
        with self._lock:
            self.work += 1
            self.most_work = max(self.work, self.most_work)
        time.sleep(milliseconds / 1000)
        with self._lock:
            self.work -= 1
        return milliseconds

    @property
    def open(self) -> list[sqlite3.Connection]:
        """The connections that are open."""
        return [each for each in self.opened if _is_open(each)]

    def assert_all_is_gone(self) -> None:
        """Fail where a connection is open, or a thread that opened one goes on."""
        assert self.opened, "no connection was opened"
        assert self.open == []
        for thread in self.threads:
            thread.join(5)
            assert not thread.is_alive(), thread


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        connection.total_changes  # noqa: B018
    except sqlite3.ProgrammingError:
        return False
    return True


@contextmanager
def watching() -> Iterator[Watch]:
    """Watch what is opened meanwhile."""
    watch = Watch()
    connection_created.connect(watch.take)
    try:
        yield watch
    finally:
        connection_created.disconnect(watch.take)
        for connection in watch.open:
            connection.close()  # or it would lock the next test out

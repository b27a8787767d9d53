"""What an input leaves beside its answer: log lines, warnings, and errors that nobody awaited.

A page can do much without an exception: make a handler fail, write a line of its own into the
log, or fill the disk. All of that is looked at after each input, and is as bad as an exception.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from .kind import Broken

__all__ = ["LONGEST_LINE", "Watch", "watching"]

#: A page may be told of at length, but it sends 50 frames a second: they must not fill a disk.
LONGEST_LINE: Final = 2_000

#: Characters that begin a line in some viewer of logs, or that steer a terminal.
_CONTROLS: Final = frozenset(map(chr, (*range(32), *range(127, 160), 0x2028, 0x2029)))


class Watch(logging.Handler):
    """Everything that was said and lost since it was last asked."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._records: list[logging.LogRecord] = []
        self._lost: list[object] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)

    def lose(self, what: object) -> None:
        """Take note of an error that reached nobody."""
        self._lost.append(what)

    def forget(self) -> None:
        """Forget what was said."""
        self._records.clear()
        self._lost.clear()

    def verdict(self) -> None:
        """Raise ``Broken`` for what should not have been said or lost, and forget it."""
        records, lost = self._records[:], self._lost[:]
        self.forget()
        for what in lost:
            raise Broken("an error reached nobody", what)
        for record in records:
            _judge(record)


def _judge(record: logging.LogRecord) -> None:
    line = record.getMessage()
    shown = line[:300]
    if record.levelno >= logging.ERROR or record.name == "asyncio":
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Broken):
            raise error  # a handler of ours, which saw what it should not have
        kind = f"{type(error).__name__} " if error else ""
        raise Broken(f"the log says that something failed by {kind or 'itself'}", shown, error)
    # A debug line is written by whoever looks for an error, and read by him alone.
    if record.levelno >= logging.INFO:
        if not _CONTROLS.isdisjoint(line):
            raise Broken(f"a page writes lines of its own into the log by {record.msg!r}", shown)
        if len(line) > LONGEST_LINE:
            raise Broken(f"a page fills the log by {record.msg!r}", len(line), shown)
    line.encode()  # as the file of the log does


@contextmanager
def watching() -> Iterator[Watch]:
    """Watch the logs of htmx-ws and asyncio, warnings, and errors that reach nobody."""
    watch = Watch()
    loggers = [logging.getLogger(name) for name in ("htmx_ws", "asyncio")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    hook, loop = sys.unraisablehook, asyncio.get_running_loop()

    def unraisable(lost: Any) -> None:
        watch.lose(lost.exc_value)

    sys.unraisablehook = unraisable
    loop.set_exception_handler(lambda _, context: watch.lose(context))
    for logger in loggers:
        logger.addHandler(watch)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False  # pytest would keep them all
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield watch
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(watch)
            logger.setLevel(level)
            logger.propagate = propagate
        loop.set_exception_handler(None)
        sys.unraisablehook = hook

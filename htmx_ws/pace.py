"""How fast one page may send: so many frames a second, with a burst.

The way of nearly every frame is an addition and a comparison, which whoever reads frames does
itself; the time is asked for only once a burst is used up. A page that is held back is not read,
and what it sends waits with the network: TCP does the rest.
"""

from __future__ import annotations

import asyncio
from typing import Final

from .connection import Connection
from .incidents import refuse

__all__ = ["FAST_SECONDS", "PAUSE_SECONDS", "Pace"]

#: How long a page may be held back without a pause, in seconds. Tens of thousands of its frames
#: wait in the memory of some servers by then, and nobody sees behind them that it has gone.
FAST_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 1.0

#: Longer than any page lives that may send nothing more, in seconds.
_LONG: Final = 86_400.0


class Pace:
    """The pace of one page.

    Whoever reads a frame adds 1 to ``spent``: the frames read so far, less those that time has
    made good. Where that is more than ``burst``, it awaits ``hold_back()``.
    """

    __slots__ = ("_conn", "_fast_since", "_held_at", "_is_told", "_since", "burst", "spent")

    def __init__(self, conn: Connection, now: float) -> None:
        self.spent: float = 0
        self.burst: int = conn.limits.frames_burst
        self._conn = conn
        self._since = self._fast_since = self._held_at = now
        self._is_told = False

    async def hold_back(self) -> bool:
        """Wait until the page may send again; False where no more of it is to be read."""
        now, rate = asyncio.get_running_loop().time(), self._conn.limits.frames_per_second
        self.spent = max(1.0, self.spent - (now - self._since) * rate)
        self._since = now
        over = self.spent - self.burst
        if over <= 0:
            return True
        if now - self._held_at > PAUSE_SECONDS:
            self._fast_since = now
        self._held_at = now
        if not self._is_told:
            self._is_told = True
            self._conn.report("too fast", rate, limit="frames_per_second")
        if self._conn.gone:
            return False  # what it sent too fast is not waited for
        if now - self._fast_since > FAST_SECONDS:
            self._conn.report("flood", FAST_SECONDS, rate)
            self._conn.close(refuse("flood"), "too fast")
            return False  # what a server has taken of it is not read
        await asyncio.sleep(over / rate if rate else _LONG)
        return True

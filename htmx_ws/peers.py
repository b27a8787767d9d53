"""The other processes behind one backend: who is there, and what they are asked to do.

Processes talk in a room of their own, by the same backend as pages' rooms, so every backend that
carries publications carries this too, in one order for all. Each says now and then that it is
there; one that has said nothing for long is taken for dead.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from .errors import BackendError

__all__ = ["ROOM", "Peers"]

_log = logging.getLogger("htmx_ws")

#: The room in which processes talk; no page can join it.
ROOM: Final = "htmx-ws:processes"

#: How often a process says that it is there, and after which silence it is taken for dead.
BEAT_SECONDS: Final = 10.0
DEAD_SECONDS: Final = 30.0

#: How long the answers of the others are waited for.
ANSWER_SECONDS: Final = 2.0

#: A message between processes: what it says by ``does``, and who says it by ``by``.
Said = Mapping[str, Any]


class Peers:
    """The processes that share a backend; ``id`` is this one's, and ``others`` are the rest.

    ``say`` appends to the backend. ``answer`` does what another process asks for, and gives a
    number. ``listen`` hears all that is said, and ``forget`` of each process that has gone.
    """

    def __init__(
        self,
        say: Callable[[bytes], Awaitable[int]],
        *,
        answer: Callable[[Said], int],
        listen: Callable[[Said], None],
        forget: Callable[[str], None],
    ) -> None:
        self.id: str = secrets.token_urlsafe(6)
        self.others: dict[str, float] = {}  # when each was last heard
        self._append = say
        self._answer = answer
        self._listen = listen
        self._forget = forget
        self._waiting: dict[str, tuple[asyncio.Future[None], dict[str, int]]] = {}
        self._saying: set[asyncio.Task[None]] = set()
        self._was_not_heard = False

    # --- saying ------------------------------------------------------------------------

    def say(self, does: str, **more: Any) -> None:
        """Say something to all processes, this one too; what cannot be said is logged.

        Things are said in order. Raises ``TypeError`` for what is not JSON.
        """
        text = json.dumps({"does": does, "by": self.id, **more}, separators=(",", ":"))
        # Begun at once, as the order is that of the calls.
        task = asyncio.ensure_future(self._wait_for(self._append(text.encode())))
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    async def ask(self, what: Said) -> int:
        """Ask all processes to do something, this one too; give the sum of their numbers.

        One that does not answer within ``ANSWER_SECONDS`` is left out of it.
        """
        question = secrets.token_urlsafe(6)
        answers: dict[str, int] = {}
        everybody: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[question] = everybody, answers
        try:
            self.say("ask", question=question, what=what)
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    await everybody
        finally:
            del self._waiting[question]
        return sum(answers.values())

    async def have_said(self) -> None:
        """Wait until all that was said has been taken, or could not be."""
        if self._saying:
            await asyncio.wait(self._saying, timeout=ANSWER_SECONDS)

    async def live_on(self) -> None:
        """Say that this process is there, until it is cancelled."""
        self.say("hello")
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self.say("beat")
            if self._was_not_heard:
                self._was_not_heard = False
                self._listen({"does": "missed", "by": self.id})
            for peer, heard in list(self.others.items()):
                if clock() - heard > DEAD_SECONDS:
                    _log.warning("The process %s has said nothing for %s s", peer, DEAD_SECONDS)
                    self._lose(peer)

    # --- hearing -----------------------------------------------------------------------

    def take(self, data: bytes) -> None:
        """Hear what a process says."""
        try:
            said: Said = json.loads(data)
            does, by = said["does"], said["by"]
        except (ValueError, TypeError, KeyError) as error:
            _log.error("What a process said cannot be read: %r", error)
            return
        if by and by != self.id:  # a process that serves no pages has no name
            if does == "bye":
                self._lose(by)
                return
            self.others[by] = asyncio.get_running_loop().time()
        if does == "ask":
            number = self._answer(said["what"])
            if by:
                self.say("answer", question=said["question"], number=number)
        elif does == "answer" and said["question"] in self._waiting:
            everybody, answers = self._waiting[said["question"]]
            answers[by] = said["number"]
            if not everybody.done() and answers.keys() >= {self.id, *self.others}:
                everybody.set_result(None)
        self._listen(said)

    def _lose(self, peer: str) -> None:
        if self.others.pop(peer, None) is not None:
            self._forget(peer)

    async def _wait_for(self, appended: Awaitable[int]) -> None:
        try:
            await appended
        except BackendError as error:
            self._was_not_heard = True
            _log.warning("The other processes could not be told: %s", error)

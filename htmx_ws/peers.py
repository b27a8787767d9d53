"""The other processes behind one backend: who is there, and what they are asked to do.

Processes talk in a room of their own, by the same backend as pages' rooms, so every backend that
carries publications carries this too, in one order for all. Each says now and then that it is
there; one that has said nothing for long is taken for dead. What a process says is numbered, so
that the others find out when they missed something, and ask.

A process is settled when it has heard what the others had to tell it: not before it has greeted
them, and no more once it may have missed something. Only then can it tell from the order what
it is the first to say.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from .backends import PROCESSES
from .errors import BackendError

__all__ = ["ROOM", "Peers", "Said"]

_log = logging.getLogger("htmx_ws")

#: The room in which processes talk.
ROOM: Final = PROCESSES

#: How often a process says that it is there, and after which silence it is taken for dead.
BEAT_SECONDS: Final = 10.0
DEAD_SECONDS: Final = 30.0

#: How long the answers of the others are waited for, and what they have to tell a new process.
ANSWER_SECONDS: Final = 2.0
SETTLE_SECONDS: Final = 1.0

#: A message between processes: what it says by ``does``, and who says it by ``by``.
Said = Mapping[str, Any]


class Peers:
    """The processes that share a backend; ``id`` is this one's, and ``others`` are the rest.

    ``say`` appends to the backend. ``answer`` does what another process asks for, and gives a
    number. ``listen`` hears all that is said, that something of this process was ``missed`` by
    the others, and that it is ``settled``; ``forget`` hears of each process that has gone.
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
        self.is_settled: bool = True  # without others
        self._append = say
        self._answer = answer
        self._listen = listen
        self._forget = forget
        self._waiting: dict[str, tuple[asyncio.Future[None], dict[str, int]]] = {}
        self._saying: set[asyncio.Task[BackendError | None]] = set()
        self._last: asyncio.Task[BackendError | None] | None = None
        self._was_not_heard = False  # something that it said
        self._unsaid = 0  # how much could not be said, since it last heard itself
        self._hears = False  # what it says, since its last beat
        self._said = 0  # how much it said, as the others count it
        self._counts: dict[str, int] = {}  # how much each is known to have said
        self._are_to_tell: set[str] = set()  # those that a hello has asked for all
        self._hello = 0  # the number of the last
        self._settling: asyncio.TimerHandle | None = None
        self._end: tuple[int, asyncio.Future[None]] | None = None  # the last that it hears
        self._is_over = False

    # --- saying ------------------------------------------------------------------------

    def say(self, does: str, **more: Any) -> asyncio.Task[BackendError | None]:
        """Say something to all processes, this one too; what cannot be said is logged.

        Things are said in order. Raises ``TypeError`` for what is not JSON.
        """
        said = {"does": does, "by": self.id, "number": self._said + 1, **more}
        text = json.dumps(said, separators=(",", ":"))
        self._said += 1
        # Begun at once, as the order is that of the calls.
        task = self._last = asyncio.ensure_future(self._wait_for(self._append(text.encode())))
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)
        return task

    def greet(self) -> None:
        """Have all others tell who is with them: this process does not know, or not for sure."""
        self.is_settled = False
        self._stop_settling()
        self._hello = self._said + 1
        self.say("hello")

    def ask(self, what: Said) -> asyncio.Task[int]:
        """Ask all processes to do something, this one too; awaiting it gives the sum.

        One that does not answer within ``ANSWER_SECONDS`` is left out of it. Raises ``TypeError``
        for what is not JSON; awaiting it raises ``BackendError`` where only this process is known
        to have been asked, which has done it.
        """
        question = secrets.token_urlsafe(6)
        loop = asyncio.get_running_loop()
        everybody, answers = self._waiting[question] = loop.create_future(), {}
        try:
            said = self.say("ask", question=question, what=what)
        except BaseException:
            del self._waiting[question]
            raise
        asking = loop.create_task(self._wait_for_answers(what, said, everybody, answers))
        asking.add_done_callback(lambda _: self._waiting.pop(question))
        return asking

    async def _wait_for_answers(
        self,
        what: Said,
        said: asyncio.Task[BackendError | None],
        everybody: asyncio.Future[None],
        answers: dict[str, int],
    ) -> int:
        error: BackendError | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                error = await asyncio.shield(said)
                if error is None:
                    await everybody
        if self.id not in answers:  # the broker is away: what can be done is
            self._answer(what)
            why = (
                error
                or f"The broker did not hand it back in {ANSWER_SECONDS} s; others may do it yet."
            )
            raise BackendError(f"Only this process could be asked. {why}") from error
        return sum(answers.values())

    async def have_said(self) -> None:
        """Wait until all that was said has been heard, or could not be; hear nothing more."""
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._end = self._said, heard
        if self._last is not None and self._counts.get(self.id) != self._said:
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    if await asyncio.shield(self._last) is None:
                        await heard
        self._is_over = True
        self._stop_settling()
        for everybody, _ in self._waiting.values():
            _let_go(everybody)
        late = list(self._saying)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def live_on(self) -> None:
        """Say that this process is there, until it is cancelled."""
        self.greet()
        beat: asyncio.Task[BackendError | None] | None = None
        late: asyncio.Task[BackendError | None] | None = None
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            if beat is not None and not beat.done():  # it waits for the broker: so would another
                if late is not beat:
                    self.greet()
                late = beat
                continue
            if not self._hears or not (self.is_settled or self._settling):
                self.greet()
            elif self._was_not_heard:
                self._was_not_heard = False
                self._listen({"does": "missed", "by": self.id})
            self._hears = False
            beat = self.say("beat")

    def _settle(self) -> None:
        self._settling = None
        self.is_settled = True
        for peer in self._are_to_tell:  # they did not hear it
            self.say("tell", whom=peer)
        self._are_to_tell.clear()
        self._listen({"does": "settled", "by": self.id})
        self._look_for_answers()

    def _stop_settling(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

    # --- hearing -----------------------------------------------------------------------

    def take(self, data: bytes) -> None:
        """Hear what a process says; what cannot be understood is logged."""
        if self._is_over:
            return
        try:
            self._hear(json.loads(data))
        except Exception:  # of a process of another version; what others say is to be heard
            _log.exception("What a process said cannot be understood: %.200r", data)

    def _hear(self, said: Said) -> None:
        does, by = said["does"], said["by"]
        if not by:  # it serves no pages, and so needs no answer
            self._answer(said["what"])
            return
        if by == self.id:
            self._hear_myself(does, said["number"])
        elif does == "bye":
            self._lose(by)
            return
        else:
            self._meet(by, said)
        if does == "ask":
            self.say("answer", question=said["question"], answer=self._answer(said["what"]))
        elif does == "answer" and said["question"] in self._waiting:
            self._waiting[said["question"]][1][by] = said["answer"]
            self._look_for_answers()
        self._listen(said)

    def _hear_myself(self, does: str, number: int) -> None:
        loop = asyncio.get_running_loop()
        if number > self._counts.get(self.id, 0) + 1 + self._unsaid:
            self._was_not_heard = True  # by this one, which is to know what the others do
        self._counts[self.id], self._unsaid = number, 0
        if self._end is not None and number == self._end[0]:
            _let_go(self._end[1])
        if does == "hello":
            self._hears = True
            if number == self._hello:
                self._stop_settling()
                self._settling = loop.call_later(SETTLE_SECONDS, self._settle)
        elif does == "beat":
            # Then all has been heard that was said before, however long this process heard nothing.
            self._hears = True
            for peer, heard in list(self.others.items()):
                if self.is_settled and loop.time() - heard > DEAD_SECONDS:
                    _log.warning("The process %s has said nothing for %s s", peer, DEAD_SECONDS)
                    self._lose(peer)

    def _meet(self, peer: str, said: Said) -> None:
        """Take note of a sign of life, and ask for all again where something was missed."""
        before, number = self._counts.get(peer), said["number"]
        self._counts[peer] = number
        self.others[peer] = asyncio.get_running_loop().time()
        tells_all = said.get("part") == 0 and said["of"] == peer
        if tells_all or said["does"] == "hello":  # after which it does
            self._are_to_tell.discard(peer)
        elif before is None and not self.is_settled:
            self._are_to_tell.add(peer)
        elif number != (before or 0) + 1:
            self.say("tell", whom=peer)

    def _lose(self, peer: str) -> None:
        self._counts.pop(peer, None)
        self._are_to_tell.discard(peer)
        if self.others.pop(peer, None) is not None:
            self._forget(peer)
            self._look_for_answers()

    def _look_for_answers(self) -> None:
        """Let those go on who have all answers."""
        if self.is_settled:  # else there may be others
            all_ids = {self.id, *self.others}
            for everybody, answers in self._waiting.values():
                if answers.keys() >= all_ids:
                    _let_go(everybody)

    async def _wait_for(self, appended: Awaitable[int]) -> BackendError | None:
        try:
            await appended
        except BackendError as error:
            if not self._was_not_heard:
                _log.warning("The other processes could not be told: %s", error)
            self._was_not_heard = True
            self._unsaid += 1
            return error
        return None


def _let_go(everybody: asyncio.Future[None]) -> None:
    if not everybody.done():
        everybody.set_result(None)

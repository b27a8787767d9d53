"""A run over many inputs: each is made, given and judged, and what is found is kept.

The time that an input takes is a promise too: a page that can hold the event loop for a second
holds up every other page.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from .kind import Broken, Kind, random_of
from .watch import Watch, watching

__all__ = ["MOST_SECONDS", "Course", "Finding", "run", "run_one", "try_input"]

T = TypeVar("T")

#: Findings of one cause.
_KEPT: Final = 5

#: Of the processor's time, for one input; the longest are of a MiB.
MOST_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Finding:
    """One input that broke a promise; ``kind:seed:index`` makes it again."""

    kind: str
    seed: int
    index: int
    given: object
    error: BaseException

    @property
    def name(self) -> str:
        """What ``--only`` takes."""
        return f"{self.kind}:{self.seed}:{self.index}"

    @property
    def cause(self) -> str:
        """What it has in common with others: the promise, or where the exception came from."""
        if isinstance(self.error, Broken):
            return self.error.what
        frames = traceback.extract_tb(self.error.__traceback__)
        ours = [frame for frame in frames if "htmx_ws" in Path(frame.filename).parts]
        place = f" in {Path(ours[-1].filename).stem}.{ours[-1].name}" if ours else ""
        return f"{type(self.error).__name__}{place}"


@dataclass
class Course:
    """What a run did and found: of each cause how often, and the findings with shortest inputs."""

    inputs: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    slowest: dict[str, tuple[float, str]] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    causes: dict[str, list[Finding]] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        """Those that were kept, of each cause the shortest first."""
        return [finding for kept in self.causes.values() for finding in kept]

    def add(self, finding: Finding) -> None:
        """Take a finding in. Its traceback holds a page and all of it, so few are kept."""
        cause = f"{finding.kind}: {finding.cause}"
        self.times[cause] += 1
        kept = sorted([*self.causes.get(cause, ()), finding], key=lambda one: len(repr(one.given)))
        self.causes[cause] = kept[:_KEPT]


async def run(
    kinds: Iterable[Kind[Any]],
    total: int,
    seed: int,
    *,
    stops: bool = False,
) -> Course:
    """Give every kind its share of ``total`` inputs; it ``stops`` at the first finding."""
    course = Course()
    with watching() as watch:
        for kind in kinds:
            began = time.thread_time()
            for index in range(max(1, total * kind.share // 10_000)):
                before = time.thread_time()
                finding = await _try(kind, seed, index, watch)
                course.inputs += 1
                taken = time.thread_time() - before
                if taken > course.slowest.get(kind.name, (0.0, ""))[0]:
                    course.slowest[kind.name] = taken, f"{kind.name}:{seed}:{index}"
                if finding is None:
                    continue
                course.add(finding)
                if stops:
                    return course
            course.seconds[kind.name] = time.thread_time() - began
    return course


async def run_one(kind: Kind[Any], seed: int, index: int) -> tuple[object, Finding | None]:
    """Make one input again, and try it."""
    with watching() as watch:
        return kind.make(random_of(kind.name, seed, index)), await _try(kind, seed, index, watch)


async def try_input(kind: Kind[T], given: T) -> Finding | None:
    """Try an input that was not made by a seed."""
    with watching() as watch:
        error = await _judge(kind, given, watch)
    return None if error is None else Finding(kind.name, -1, -1, given, error)


async def _try(kind: Kind[Any], seed: int, index: int, watch: Watch) -> Finding | None:
    given = kind.make(random_of(kind.name, seed, index))
    error = await _judge(kind, given, watch)
    return None if error is None else Finding(kind.name, seed, index, given, error)


async def _judge(kind: Kind[T], given: T, watch: Watch) -> Exception | None:
    before = time.thread_time()
    try:
        await kind.check(given)
        taken = time.thread_time() - before
        watch.verdict()
        if taken > MOST_SECONDS:
            raise Broken("it took too long", round(taken, 1))
    except Exception as error:
        watch.forget()
        return error
    return None

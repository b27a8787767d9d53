"""Plays the full runs, and writes what became of the messages into docs/reliability.md.

    python -m tests.chaos            # all of them: some fifteen minutes
    python -m tests.chaos redis      # only those whose names have that in them, printed alone

It needs Chromium, redis-server and Linux, and uses the loopback interface alone.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.browser.guests import chromium_path
from tests.services.brokers import RedisServer
from tests.services.servers import TOP

from .run import Outcome, play

PAGE: Final = TOP / "docs" / "reliability.md"
BEGIN: Final = "<!-- chaos: begin -->"
END: Final = "<!-- chaos: end -->"

PUBLISHED: Final = 1_500
DISCONNECTIONS: Final = 50


@dataclass(frozen=True)
class Run:
    """One run: on which htmx, and over what."""

    name: str
    htmx: int
    servers: int = 1
    resumes: bool = True

    @property
    def is_good(self) -> bool:
        """Whether it is to lose nothing."""
        return self.resumes

    def play(self, published: int = PUBLISHED, disconnections: int = DISCONNECTIONS) -> Outcome:
        """Play it; with several servers, each of them is killed once and started again."""
        if self.servers == 1:
            playing = play(
                self.htmx,
                published=published,
                disconnections=disconnections,
                resumes=self.resumes,
            )
            return asyncio.run(playing)
        with (
            tempfile.TemporaryDirectory() as folder,
            RedisServer(Path(folder) / "data") as redis,
        ):
            playing = play(
                self.htmx,
                published=published,
                disconnections=disconnections,
                servers=self.servers,
                backend=redis.url(),
                kills=self.servers,
            )
            return asyncio.run(playing)


RUNS: Final = (
    Run("one server, memory, htmx 2", 2),
    Run("one server, memory, htmx 4", 4),
    Run("two servers, Redis, htmx 2", 2, servers=2),
    Run("two servers, Redis, htmx 4", 4, servers=2),
    Run("the same page without resume, htmx 4", 4, resumes=False),
)


def version_of(*command: str) -> str:
    """Give the version that a program says of itself."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    assert found, done.stdout
    return found[0]


def render(outcomes: dict[Run, Outcome]) -> str:
    """Make the part between the markers."""
    kernel = ".".join(platform.release().split(".")[:2])
    redis = shutil.which("redis-server")
    assert redis
    browser = version_of(chromium_path(), "--version").partition(".")[0]
    made = (
        f"Played on {datetime.date.today()} in Chromium {browser} with CPython "
        f"{platform.python_version()} and Redis {version_of(redis, '--version')} on Linux "
        f"{kernel} with {os.cpu_count()} cores."
    )
    table = [
        "| run | messages | disconnections | lost | doubled | out of order |",
        "|---|---|---|---|---|---|",
    ]
    for run, outcome in outcomes.items():
        cuts = ", ".join(f"{count} {name}" for name, count in outcome.cuts.items())
        figures = [
            f"{outcome.published:,}",
            f"{sum(outcome.cuts.values())}: {cuts}",
            *(f"{len(each):,}" for each in (outcome.lost, outcome.doubled, outcome.displaced)),
        ]
        table.append(f"| {run.name} | " + " | ".join(figures) + " |")
    return "\n\n".join([BEGIN, made, "\n".join(table), END])


def write(part: str) -> None:
    """Put it in the place of the last one."""
    page = PAGE.read_text()
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: part, page, flags=re.DOTALL))


def main() -> int:
    """Play what the command line names; the status is 1 where a run was not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("part", nargs="?", default="", help="of the names of runs")
    part = parser.parse_args().part.lower()
    outcomes: dict[Run, Outcome] = {}
    for run in RUNS:
        if part in run.name.lower():
            outcomes[run] = run.play()
            print(f"{run.name}: {outcomes[run]}", file=sys.stderr, flush=True)
    if len(outcomes) == len(RUNS):
        write(render(outcomes))
    return int(any(outcome.is_whole != run.is_good for run, outcome in outcomes.items()))


if __name__ == "__main__":
    sys.exit(main())

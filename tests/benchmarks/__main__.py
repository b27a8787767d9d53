"""Count instructions per operation under callgrind, side by side; ``--check`` for the gate.

Instructions do not depend on what else the machine does. Each subject runs twice, N and 2N
times; the difference divided by N leaves out all that happens once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

FRAMES = ["parses nothing", "by hand", "Starlette", "htmx-ws", "htmx-ws, escaping"]
DEPENDENCIES = [
    "FastAPI, no dependency",
    "FastAPI, one dependency",
    "FastAPI, three dependencies",
]
PUBLICATIONS = [
    "publish by loop",
    "publish by Starlette",
    "publish by htmx-ws",
    "publish by htmx-ws, resuming",
]
#: The gate: how many times the hand-written application's instructions ours may take.
MOST = 1.25
#: And how many times its own in FastAPI, where the handler has no dependency.
MOST_IN_FASTAPI = 1.10


def count(subject: str, times: int) -> int:
    """Give the instructions that a fresh interpreter takes to do it so many times."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += [sys.executable, "-m", "tests.benchmarks", "--run", subject, str(times)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or found is None:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return int(found[1])


def measure(subjects: list[str], times: int, per: int) -> dict[str, float]:
    """Give the instructions per operation of each subject."""
    runs = [(subject, n) for subject in subjects for n in (times, 2 * times)]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        counts = list(pool.map(lambda run: count(*run), runs))
    return {
        subject: (counts[2 * i + 1] - counts[2 * i]) / times / per
        for i, subject in enumerate(subjects)
    }


def table(title: str, measured: dict[str, float], base: str) -> str:
    """Write a table with what is measured, and its ratio to a base."""
    rows = [
        f"| {name} | {value / 1000:.1f} k | {value / measured[base]:.2f} |"
        for name, value in measured.items()
    ]
    return "\n".join([f"| {title} | instructions | ratio |", "|---|---|---|", *rows])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only what the gate checks")
    parser.add_argument("--run", nargs=2, metavar=("SUBJECT", "TIMES"), help="do it, unmeasured")
    arguments = parser.parse_args()
    if arguments.run:
        subject, times = arguments.run
        module = "in_fastapi" if subject.startswith("FastAPI") else "subjects"
        subjects = import_module(f"tests.benchmarks.{module}").SUBJECTS

        async def run() -> None:
            await subjects[subject](int(times))

        asyncio.run(run())
        return 0
    frames = measure(FRAMES[1:4] if arguments.check else FRAMES, 1_000, 1)
    print(table("one frame in, one fragment out", frames, "by hand"))
    measured = measure(DEPENDENCIES[:1] if arguments.check else DEPENDENCIES, 1_000, 1)
    in_fastapi = {"htmx-ws": frames["htmx-ws"], **measured}
    print("\n" + table("the same in FastAPI", in_fastapi, "htmx-ws"))
    if not arguments.check:
        publications = measure(PUBLICATIONS, 10, 1_000)
        print("\n" + table("one publication, per receiver of 1,000", publications, PUBLICATIONS[0]))
    ratio = frames["htmx-ws"] / frames["by hand"]
    if ratio > MOST or frames["htmx-ws"] > frames["Starlette"]:
        print(f"A frame takes {ratio:.2f} times the hand-written application's; {MOST} is most.")
        return 1
    ratio = in_fastapi["FastAPI, no dependency"] / in_fastapi["htmx-ws"]
    if ratio > MOST_IN_FASTAPI:
        print(f"In FastAPI a frame takes {ratio:.2f} times as much; {MOST_IN_FASTAPI} is most.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

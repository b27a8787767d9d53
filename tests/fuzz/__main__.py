"""The long form: many inputs, and what was found in them, each with how to have it again."""

from __future__ import annotations

import argparse
import asyncio
import sys
import traceback

from .course import Course, Finding, run, run_one
from .kinds import KINDS

#: An input may be of a MiB.
SHOWN = 600


def show(finding: Finding) -> str:
    """Write a finding: what it is, its input, and where it came from."""
    given = repr(finding.given)
    cut = given if len(given) <= SHOWN else f"{given[:SHOWN]}... ({len(given)} characters)"
    where = "".join(traceback.format_exception(finding.error, limit=-3))
    return f"--only {finding.name}\n{cut}\n{where}"


def show_all(course: Course) -> str:
    """Write what a run found: of each cause the shortest input."""
    lines = [
        f"{kind:>10}: {seconds:6.1f} s, the longest {course.slowest[kind][0] * 1_000:4.0f} ms, "
        f"{course.slowest[kind][1]}"
        for kind, seconds in course.seconds.items()
    ]
    for cause, times in course.times.most_common():
        lines.append(f"\n{times} times: {cause}\n{show(course.causes[cause][0])}")
    lines.append(f"{course.inputs} inputs, {len(course.causes)} causes.")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("inputs", nargs="?", type=int, default=10_000, help="how many, in all")
    parser.add_argument("--seed", type=int, default=0, help="of all inputs")
    parser.add_argument("--kind", choices=KINDS, help="this kind alone")
    parser.add_argument("--only", metavar="KIND:SEED:INDEX", help="one input that was found")
    arguments = parser.parse_args()
    if arguments.only:
        kind, seed, index = arguments.only.split(":")
        given, finding = asyncio.run(run_one(KINDS[kind], int(seed), int(index)))
        print(repr(given) if finding is None else show(finding))
        return 0 if finding is None else 1
    kinds = [KINDS[arguments.kind]] if arguments.kind else list(KINDS.values())
    course = asyncio.run(run(kinds, arguments.inputs, arguments.seed))
    print(show_all(course))
    return 1 if course.findings else 0


if __name__ == "__main__":
    sys.exit(main())

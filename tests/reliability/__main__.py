"""Strains the service, and writes what was measured into docs/reliability.md.

    python -m tests.reliability                     # everything, with an hour of soak
    python -m tests.reliability slow dead           # only these, whose rows are made anew
    python -m tests.reliability soak --minutes 60

It uses the loopback interface alone, and needs Linux, and 12,000 descriptors.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import platform
import re
import sys
from importlib.metadata import version

from tests.services.measure import BEGIN, END
from tests.services.servers import TOP

from .figures import MEASUREMENTS, Rows

PAGE = TOP / "docs" / "reliability.md"

#: The measurement, what was measured, the figure, and the day.
Line = tuple[str, str, str, str]


def read_lines(page: str) -> list[Line]:
    """Give the table's lines of the last time."""
    found = re.search(f"{BEGIN}.*{END}", page, flags=re.DOTALL)
    rows = re.findall(r"^\| (\w+) \| (.+) \| (.+) \| ([\d-]+) \|$", found[0] if found else "", re.M)
    return [(name, what, figure, day) for name, what, figure, day in rows]


def render(lines: list[Line]) -> str:
    """Make the part between the markers."""
    kernel = ".".join(platform.release().split(".")[:2])
    made = (
        f"Measured with CPython {platform.python_version()}, uvicorn {version('uvicorn')}, "
        f"websockets {version('websockets')} and uvloop {version('uvloop')}\non Linux {kernel} "
        f"with {os.cpu_count()} cores."
    )
    order = list(MEASUREMENTS)
    kept = sorted(
        (line for line in lines if line[0] in order), key=lambda line: order.index(line[0])
    )
    table = ["| pages | what | measured | on |", "|---|---|---|---|"]
    table += ["| " + " | ".join(line) + " |" for line in kept]
    return "\n\n".join([BEGIN, made, "\n".join(table), END])


def write(measured: dict[str, Rows]) -> str:
    """Put the new rows in the place of the last ones of the same measurements."""
    page, today = PAGE.read_text(), str(datetime.date.today())
    lines = [line for line in read_lines(page) if line[0] not in measured]
    for name, rows in measured.items():
        lines += [(name, what, figure, today) for what, figure in rows.items()]
    table = render(lines)
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: table, page, flags=re.DOTALL))
    return table


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(MEASUREMENTS))
    parser.add_argument("--minutes", type=float, default=60, help="how long the soak takes")
    given = parser.parse_args()
    if unknown := set(given.names) - set(MEASUREMENTS):
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}")
    for name in given.names or MEASUREMENTS:
        print(name, file=sys.stderr)
        print(write({name: asyncio.run(MEASUREMENTS[name](given.minutes))}))


if __name__ == "__main__":
    main()

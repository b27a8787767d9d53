"""Measures what servers impose, and writes it into docs/servers.md.

    python -m tests.services.measure

It takes some minutes, uses the loopback interface alone, and needs Linux for the memory.
"""

from __future__ import annotations

import asyncio
import datetime
import platform
import re
import resource
import sys

from .questions import Rows, ask_its_code, close_pages, open_pages
from .servers import KINDS, TOP
from .strains import stall_pages, stop, weigh_pages

PAGE = TOP / "docs" / "servers.md"
QUESTIONS = (ask_its_code, open_pages, close_pages, stall_pages, stop, weigh_pages)
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


async def measure() -> list[Rows]:
    """Ask every server every question, one after the other."""
    columns = []
    for kind in KINDS:
        rows: Rows = {"": f"{kind}"}
        for question in QUESTIONS:
            print(kind, question.__name__, file=sys.stderr)
            rows |= await question(kind)
        columns.append(rows)
    return columns


def render(columns: list[Rows]) -> str:
    """Make the table: a row for each question, a column for each server."""
    lines = [
        "| " + " | ".join([row, *(rows[row] for rows in columns)]) + " |" for row in columns[0]
    ]
    lines.insert(1, "|---" * (len(columns) + 1) + "|")
    today, python = datetime.date.today(), platform.python_version()
    kernel = ".".join(platform.release().split(".")[:2])
    made = f"Measured on {today}, with CPython {python} on Linux {kernel}."
    return "\n\n".join([BEGIN, made, "\n".join(lines), END])


def write(table: str) -> None:
    """Put the table in the place of the last one."""
    page = PAGE.read_text()
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: table, page, flags=re.DOTALL))


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    table = render(asyncio.run(measure()))
    write(table)
    print(table)

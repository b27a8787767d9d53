"""The table of docs/hosts.md: what each host can do, as the suite has it.

``python -m tests.conformance.table`` writes it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from .cases import name_of
from .hosts import HOSTS

__all__ = ["PAGE", "cases", "table", "written"]

PAGE: Final = Path(__file__).parents[2] / "docs/hosts.md"
THEMES: Final = ("connecting", "frames", "results", "streams", "rooms", "hosting")
BEGIN, END = "<!-- table: python -m tests.conformance.table -->\n", "<!-- end of the table -->"


def cases() -> Iterator[tuple[str, list[str]]]:
    """Each theme of the suite, with the names of its cases."""
    for theme in THEMES:
        module = import_module(f".test_{theme}", __package__)
        assert module.__doc__ is not None
        tests: list[Callable[..., Any]] = [
            test for test in vars(module).values() if getattr(test, "is_case", False)
        ]
        yield module.__doc__.partition(":")[0], [name_of(test) for test in tests]


def table() -> str:
    """The table of cases and hosts, and below it why a host cannot."""
    head = [
        f"| | {' | '.join(host.name for host in HOSTS)} |",
        f"|---|{':-:|' * len(HOSTS)}",
    ]
    rows: list[str] = []
    for theme, names in cases():
        rows.append(f"| **{theme}** |{' |' * len(HOSTS)}")
        for name in names:
            cells = ("**no**" if name in host.cannot else "yes" for host in HOSTS)
            rows.append(f"| {_sentence(name)} | {' | '.join(cells)} |")
    reasons: dict[tuple[str, str], list[str]] = {}
    for host in HOSTS:
        for name in (name for _, names in cases() for name in names if name in host.cannot):
            reasons.setdefault((host.name, host.cannot[name].why), []).append(_sentence(name))
    why = [f"- {host}, *{'; '.join(what)}*: {why}" for (host, why), what in reasons.items()]
    return "\n".join([*head, *rows, "", "Where it says no:", "", *why, ""])


def written() -> str:
    """The table that the page has now."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0]


def _sentence(name: str) -> str:
    return name.replace("_", " ")


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text().replace(BEGIN + written(), BEGIN + table()))

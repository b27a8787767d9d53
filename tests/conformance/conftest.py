"""``on``: one host and one dialect to try a case on.

Every host is tried with htmx 4, and those that say so with htmx 2 as well; with
``--all-dialects`` each is tried with each, as in ``make test-all``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from htmx_ws import Dialect

from .cases import On
from .hosts import HOSTS

#: Every frame that an htmx sends; the bare JSON of other clients has no sender.
DIALECTS: Final[tuple[Dialect, ...]] = ("htmx2", "htmx4alpha", "htmx4beta", "htmx4")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-dialects", action="store_true", help="try every host with every dialect of htmx"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "on" not in metafunc.fixturenames:
        return
    every = DIALECTS if metafunc.config.getoption("--all-dialects", False) else ()
    metafunc.parametrize(
        "on",
        [
            pytest.param((host, dialect), id=f"{host.name.replace(' ', '-')}-{dialect}")
            for host in HOSTS
            for dialect in every or host.dialects
        ],
        indirect=True,
    )


@pytest.fixture
def on(request: pytest.FixtureRequest) -> Iterator[On]:
    host, dialect = request.param
    stage = On(host(), dialect)
    with stage.host.environment():
        yield stage

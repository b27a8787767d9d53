"""Whether other processes take the same connections: then rooms of one process are not enough.

No server says how many workers it has. But all of them accept on one listening socket, or on one
port or path, and on Linux one can see who holds it: the children of one parent are looked at, and
a parent that only watches over its child, as a reloader does, is none of them. Nor is a child that
began at another time: at a reload, as gunicorn's by SIGHUP, that of before works on for a while.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["count_workers"]

_PROC: Final = Path("/proc")
#: How long after each other the workers of one server begin, in seconds.
TOGETHER_SECONDS: Final = 10.0

_LISTENS: Final = "0A"
_LISTENS_ON_PATH: Final = "00010000"


def count_workers() -> int:
    """Count the processes that accept where this one does, itself included; 1 if not known."""
    with suppress(OSError, ValueError):
        ports = _listening()
        own = _ports_of(os.getpid(), ports)
        if own:
            began = _began(os.getpid())
            siblings = set(_children(os.getppid())) - {os.getpid()}
            return 1 + sum(
                not own.isdisjoint(_ports_of(pid, ports))
                and abs(_began(pid) - began) <= TOGETHER_SECONDS
                for pid in siblings
            )
    return 1


def _listening() -> dict[str, str]:
    """Give the ports and paths that are listened on, by the inodes of their sockets."""
    ports: dict[str, str] = {}
    for table in ("tcp", "tcp6"):
        for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS:
                ports[fields[9]] = fields[1].rpartition(":")[2]
    for line in (_PROC / "net" / "unix").read_text().splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if fields[3] == _LISTENS_ON_PATH:
            ports[fields[6]] = fields[-1]
    return ports


def _ports_of(pid: int, ports: dict[str, str]) -> set[str]:
    """Give the ports and paths that a process holds listening sockets of."""
    found: set[str] = set()
    with suppress(OSError):  # it has ended, or is another user's
        for descriptor in (_PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                inode = os.readlink(descriptor).removeprefix("socket:[").rstrip("]")
                if inode in ports:
                    found.add(ports[inode])
    return found


def _began(pid: int) -> float:
    """Give when a process began, in seconds since the machine did."""
    _, _, fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")
    return int(fields.split()[19]) / os.sysconf("SC_CLK_TCK")


def _children(parent: int) -> Iterable[int]:
    for task in (_PROC / str(parent) / "task").iterdir():
        yield from map(int, (task / "children").read_text().split())

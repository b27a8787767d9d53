"""Servers that do not exist: their numbers wander about, and they do what they are told.

A real project would ask its monitoring here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

__all__ = ["Fleet", "Order", "Server", "fleet"]

State = Literal["serving", "draining", "drained", "restarting"]
Order = Literal["drain", "restore", "restart"]

AS_ORDERED: Final[dict[Order, State]] = {
    "drain": "draining",
    "restore": "serving",
    "restart": "restarting",
}
TICKS: Final = 40  # that a curve shows
CAPACITY: Final = 560  # requests per second


@dataclass
class Server:
    """One server: percentages, and how many requests it answered in each of the last ticks."""

    name: str
    region: str
    usual: int  # requests per second
    memory: float
    chance: Random
    state: State = "serving"
    cpu: float = 0
    # Made anew at each tick, as pages are rendered in threads meanwhile.
    requests: tuple[int, ...] = (0,) * TICKS
    left: int = 0  # ticks until it has restarted

    def obey(self, order: Order) -> None:
        self.state = AS_ORDERED[order]
        self.left = 4

    def tick(self) -> None:
        before = self.requests[-1]
        goal = self.usual * self.chance.uniform(0.4, 1.6) if self.state == "serving" else 0
        now = round(before + (goal - before) * 0.4)
        if self.state == "restarting":
            now, self.memory, self.left = 0, 22, self.left - 1
            if not self.left:
                self.state = "serving"
        elif self.state == "draining" and now < 5:
            now, self.state = 0, "drained"
        elif self.state == "serving":
            self.memory = min(96, self.memory + self.chance.uniform(-0.2, 0.3))
        self.requests = *self.requests[1:], now
        self.cpu = 2 + 90 * now / CAPACITY

    @property
    def is_in_trouble(self) -> bool:
        return self.state == "serving" and (self.memory >= 85 or self.cpu >= 85)


class Fleet:
    """All servers, by name."""

    def __init__(self, seed: int = 7) -> None:
        chance = Random(seed)
        self._servers = {
            name: Server(name, region, usual, memory, chance)
            for name, region, usual, memory in (
                ("web-1", "Frankfurt", 310, 54),
                ("web-2", "Frankfurt", 290, 58),
                ("web-3", "Frankfurt", 330, 88),
                ("api-1", "Dublin", 170, 43),
                ("api-2", "Dublin", 150, 39),
                ("api-3", "Dublin", 160, 47),
            )
        }
        for _ in range(TICKS):
            self.tick()

    def __iter__(self) -> Iterator[Server]:
        return iter(self._servers.values())

    def __len__(self) -> int:
        return len(self._servers)

    def __getitem__(self, name: str) -> Server:
        return self._servers[name]

    def __contains__(self, name: str) -> bool:
        return name in self._servers

    def tick(self) -> None:
        """A second goes by."""
        for server in self:
            server.tick()

    @property
    def requests(self) -> list[int]:
        return [sum(each) for each in zip(*(server.requests for server in self), strict=True)]

    @property
    def serving(self) -> list[Server]:
        return [server for server in self if server.state == "serving"]


fleet: Final = Fleet()

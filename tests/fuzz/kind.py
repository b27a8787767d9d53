"""What a kind of input is: how the n-th input of a seed is made, and what must hold of it.

An input depends on its kind, its seed and its index, and on nothing that came before it. So one
that was found in a long run can be made again alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from random import Random
from typing import ClassVar, Generic, TypeVar

__all__ = ["Broken", "Kind", "random_of"]

T = TypeVar("T")


class Broken(AssertionError):
    """A promise that was not kept: ``what`` in words that are the same for each such input."""

    def __init__(self, what: str, *details: object) -> None:
        self.what = what
        shown = ", ".join(repr(detail) for detail in details)
        super().__init__(f"{what}: {shown}" if details else what)


class Kind(ABC, Generic[T]):
    """A kind of input; ``share`` is how many of every ten thousand inputs are of it."""

    name: ClassVar[str]
    share: ClassVar[int]

    @abstractmethod
    def make(self, random: Random) -> T:
        """Make one input, from this generator alone; its ``repr`` says all of it."""

    @abstractmethod
    async def check(self, given: T) -> None:
        """Give the input to htmx-ws; raises for whatever is not as promised."""


def random_of(kind: str, seed: int, index: int) -> Random:
    """Give the generator of one input."""
    # Text is hashed by SHA-512, so that neighbours have nothing in common.
    return Random(f"{kind}:{seed}:{index}")

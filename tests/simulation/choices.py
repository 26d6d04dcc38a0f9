"""Where the simulation's choices come from: a seed, or Hypothesis."""

from collections.abc import Sequence
from random import Random
from typing import Protocol, TypeVar

from hypothesis import strategies as st

ItemT = TypeVar("ItemT")


class Choices(Protocol):
    """Makes every choice of a simulation."""

    def below(self, count: int) -> int:
        """A number from 0 on, less than `count`."""


def one_of(choices: Choices, items: Sequence[ItemT]) -> ItemT:
    """One of several."""
    return items[choices.below(len(items))]


def in_one_of(choices: Choices, count: int) -> bool:
    """Whether something happens that happens once in so many times."""
    return choices.below(count) == count - 1


class Seeded:
    """Choices that follow from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311  # repeatable, guards nothing

    def below(self, count: int) -> int:
        """A number from 0 on, less than `count`."""
        return int(self._random.random() * count)


class Drawn:
    """Choices of Hypothesis, which knows how to make a failing history short."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def below(self, count: int) -> int:
        """A number from 0 on, less than `count`."""
        return self._data.draw(st.integers(0, count - 1)) if count > 1 else 0

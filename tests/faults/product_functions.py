"""Functions of the product that fault runs wrap or replace from outside."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class ProductFunction:
    """A function of the product, where its callers find it: in a class, or in a module's names.

    Raises AttributeError at once if the product has no such function.
    """

    owner: type | ModuleType
    name: str

    def __post_init__(self) -> None:
        self.get()

    def get(self) -> Callable[..., Any]:
        """Returns the function."""
        function: Callable[..., Any] = getattr(self.owner, self.name)
        return function

    def replace(self, function: Callable[..., Any]) -> None:
        """Put another function into its place, in this process."""
        setattr(self.owner, self.name, function)

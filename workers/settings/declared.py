"""Declares a setting as the field of a dataclass."""

from collections.abc import Callable
from dataclasses import field
from typing import Any

from workers.settings.values import text
from workers.settings.variables import Variable


def setting(
    name: str,
    meaning: str,
    parse: Callable[[str], Any] = text,
    default: str | None = None,
    *,
    secret: bool = False,
    exact: bool = False,
) -> Any:
    """Returns the declaration of a field. The arguments are those of `Variable`."""
    variable = Variable(name, meaning, default, parse, secret, exact)
    return field(metadata={"variable": variable})

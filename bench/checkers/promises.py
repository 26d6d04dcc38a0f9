"""How a checker reports that a promise was not kept."""

from collections import Counter
from collections.abc import Collection


class Broken(AssertionError):
    """A promise was not kept; the message says which."""


def expect(holds: bool, promise: str) -> None:
    """Raise Broken, with a message, unless a promise holds."""
    if not holds:
        raise Broken(promise)


def expect_once(found: Counter[str], wanted: Collection[str], what: str) -> None:
    """Raise Broken unless each wanted thing was found once, and nothing else was found."""
    missing = len(set(wanted) - found.keys())
    strange = len(found.keys() - set(wanted))
    doubled = sum(count > 1 for count in found.values())
    expect(
        missing == strange == doubled == 0,
        f"each {what} is there once: {missing} missing, {doubled} doubled, {strange} strange",
    )

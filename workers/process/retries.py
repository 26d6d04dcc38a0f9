"""How long to wait before something that failed is tried again."""

import random

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 5.0

_DOUBLINGS_MAX = 16
"""After hours of failures the number would have no end, and arithmetic fails too."""


def doubled_seconds(failures: int, first: float, longest: float) -> float:
    """`first` after the first failure in a row, twice as long after each further one."""
    return min(longest, first * 2.0 ** min(failures - 1, _DOUBLINGS_MAX))


def pause_seconds(failures: int, first: float = FIRST_SECONDS) -> float:
    """How long to wait after so many failures in a row, one or more.

    Doubled each time, `LONGEST_SECONDS` at the most, and up to a half less, so that those who
    failed together do not come back together.
    """
    limit = doubled_seconds(failures, first, LONGEST_SECONDS)
    return limit * random.uniform(0.5, 1)  # noqa: S311  # spreads load, guards nothing

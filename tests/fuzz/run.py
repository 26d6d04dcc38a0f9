"""Feeds inputs by number, and counts their outcomes."""

import traceback
from collections import Counter
from random import Random
from typing import Any, NamedTuple

from tests.fuzz import records, webhooks

FINDINGS_MAX = 10


class Report(NamedTuple):
    """The outcomes of the inputs."""

    outcomes: Counter[str]
    """How many inputs had each outcome. An unexpected exception counts as `!` and its name."""
    findings: list[str]
    """The first unexpected exceptions, each with the number of its input."""

    @property
    def unhandled(self) -> int:
        """How many inputs raised an unexpected exception."""
        return sum(count for name, count in self.outcomes.items() if name.startswith("!"))


def one(seed: int, number: int) -> tuple[str, Any]:
    """Feed the input that follows from these numbers. Returns its outcome, and the input."""
    random = Random((seed << 40) + number)  # noqa: S311  # a test's, to be repeated
    target: Any = webhooks if number % 4 == 3 else records
    given = target.make(random)
    outcome: str = target.outcome_of(given)
    return f"{target.__name__.rpartition('.')[2]} {outcome}", given


def feed(seed: int, count: int, start: int = 0) -> Report:
    """Feed so many inputs, from a number on."""
    report = Report(Counter(), [])
    for number in range(start, start + count):
        try:
            outcome, _ = one(seed, number)
        except Exception as error:
            outcome = f"! {type(error).__name__}"
            if len(report.findings) < FINDINGS_MAX:
                lines = traceback.format_exc().strip()
                report.findings.append(f"input {number} of seed {seed}:\n{lines[-2000:]}")
        report.outcomes[outcome] += 1
    return report

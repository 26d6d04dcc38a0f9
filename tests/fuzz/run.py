"""Feeds inputs by number, and counts what became of them."""

import traceback
from collections import Counter
from random import Random
from typing import Any, NamedTuple

from tests.fuzz import records, webhooks

SHOWN_MAX = 10


class Report(NamedTuple):
    """What became of the inputs."""

    outcomes: Counter[str]
    """How many ended in each way; an exception that nobody handles counts by its name."""
    findings: list[str]
    """The first of those exceptions, each with its input's number."""

    @property
    def unhandled(self) -> int:
        """How many raised what must not be raised."""
        return sum(count for name, count in self.outcomes.items() if name.startswith("!"))


def one(seed: int, number: int) -> tuple[str, Any]:
    """Feed one input, which follows from these numbers; its outcome, and the input."""
    random = Random((seed << 40) + number)  # noqa: S311  # a test's, to be repeated
    target: Any = webhooks if number % 4 == 3 else records
    given = target.make(random)
    outcome: str = target.judge(given)
    return f"{target.__name__.rpartition('.')[2]} {outcome}", given


def feed(seed: int, count: int, start: int = 0) -> Report:
    """Feed inputs from a number on."""
    report = Report(Counter(), [])
    for number in range(start, start + count):
        try:
            outcome, _ = one(seed, number)
        except Exception as error:
            outcome = f"! {type(error).__name__}"
            if len(report.findings) < SHOWN_MAX:
                lines = traceback.format_exc().strip()
                report.findings.append(f"input {number} of seed {seed}:\n{lines[-2000:]}")
        report.outcomes[outcome] += 1
    return report

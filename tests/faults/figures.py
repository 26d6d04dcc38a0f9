"""Renders reports of runs as the figures of docs/reliability.md.

    python -m tests.faults.figures REPORT.json... [--write]

With `--write` they replace the figures of the document.
"""

import argparse
import json
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.faults.checks import INVARIANTS

COLUMNS = 120
"""Lines of the documentation are at most so long."""

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"

Report = dict[str, Any]


def figures(reports: Sequence[Report]) -> Iterator[str]:
    """Returns the lines of the figures: a sentence for each run, and the sums of all runs."""
    for report in reports:
        yield _wrapped(
            f"- Seed {report['seed']}, {report['seconds'] / 60:.0f} minutes: "
            f"{_survived([report])}; all was done {report['settled_seconds']:.0f} s after healing. "
            f"Invariants broken: {_broken([report])}.",
            indent="  ",
        )
    yield ""
    happened, hit = _faults(reports, "happened"), _faults(reports, "hit")
    yield _wrapped(f"Together: {_survived(reports)}. Invariants broken: {_broken(reports)}.")
    if _broken(reports) == "none":
        yield f"So a fault does harm in less than {3 / hit.total():.1%} of the cases (95 %)."
    yield ""
    yield "| fault | happened | hit work in flight |"
    yield "| --- | ---: | ---: |"
    for kind in sorted(happened):
        yield f"| {kind} | {happened[kind]} | {hit[kind]} |"
    for kind, why in sorted(_impossible(reports).items()):
        yield f"| {kind} | not possible: {why} | |"
    yield ""
    yield "| requested | times |"
    yield "| --- | ---: |"
    for what, number in sorted(_counted(reports).items()):
        if what.startswith("requested: "):
            yield f"| {what.removeprefix('requested: ')} | {number:,} |"
    yield ""
    yield "| observed | times |"
    yield "| --- | ---: |"
    for what, number in sorted(_observed(reports).items()):
        yield f"| `{what}` | {number:,} |"
    yield ""
    yield "| | invariant | violations |"
    yield "| --- | --- | ---: |"
    for name, promise in INVARIANTS.items():
        yield f"| {name} | {promise} | {sum(len(each['invariants'][name]) for each in reports)} |"


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, COLUMNS, subsequent_indent=indent, break_on_hyphens=False)


def _survived(reports: Sequence[Report]) -> str:
    counted = _counted(reports)
    happened, hit = _faults(reports, "happened"), _faults(reports, "hit")
    return (
        f"{counted['messages']:,} messages, {counted['results']:,} commands, {counted['parts']:,} "
        f"parts of replies and {counted['events']:,} events across {happened.total()} faults of "
        f"{len(happened)} kinds, {hit.total()} of which hit work in flight"
    )


def _broken(reports: Sequence[Report]) -> str:
    broken = {name for each in reports for name, found in each["invariants"].items() if found}
    return ", ".join(sorted(broken)) or "none"


def _faults(reports: Sequence[Report], what: str) -> Counter[str]:
    totals: Counter[str] = Counter()
    for report in reports:
        totals.update({kind: fault[what] for kind, fault in report["faults"].items()})
    return totals


def _impossible(reports: Sequence[Report]) -> dict[str, str]:
    return {kind: why for each in reports for kind, why in each["not_possible_here"].items()}


def _counted(reports: Sequence[Report]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for report in reports:
        totals.update(report["counted"])
    return totals


def _observed(reports: Sequence[Report]) -> Counter[str]:
    """Returns the sums by counter, over all labels."""
    totals: Counter[str] = Counter()
    for report in reports:
        for what, number in report["observed"].items():
            if (counter := what.split()[0]) != "point":
                totals[counter] += number
    return totals


def main() -> None:
    """Print the figures, or write them into the document."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.figures", description=__doc__)
    parser.add_argument("reports", type=Path, nargs="+", metavar="REPORT")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    text = "\n".join(figures([json.loads(report.read_text()) for report in given.reports]))
    if not given.write:
        print(text)
        return
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()

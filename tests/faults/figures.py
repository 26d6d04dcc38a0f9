"""Renders the report of a run as the figures of docs/reliability.md.

    python -m tests.faults.figures REPORT.json [--write]

With `--write` they take the place of those in the document.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.checks import INVARIANTS

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def figures(report: dict[str, Any]) -> Iterator[str]:
    """The lines of the figures."""
    counted, faults = report["counted"], report["faults"]
    asked = {
        what.removeprefix("asked: "): number
        for what, number in counted.items()
        if what.startswith("asked: ")
    }
    happened = sum(fault["happened"] for fault in faults.values())
    hit = sum(fault["hit"] for fault in faults.values())
    broken = [name for name, found in report["invariants"].items() if found]
    yield (
        f"Seed {report['seed']}, {report['seconds'] / 60:.0f} minutes: {counted['messages']:,} "
        f"messages, {counted['results']:,} commands, {counted['parts']:,} parts of replies and "
        f"{counted['events']:,} events across {happened} faults of {len(faults)} kinds, {hit} of "
        f"which hit work in flight; all was done {report['settled_seconds']:.0f} s after healing. "
        f"Invariants broken: {', '.join(broken) or 'none'}."
    )
    yield ""
    yield "| fault | happened | hit work in flight |"
    yield "| --- | ---: | ---: |"
    for kind, fault in sorted(faults.items()):
        yield f"| {kind} | {fault['happened']} | {fault['hit']} |"
    for kind, why in report["not_possible_here"].items():
        yield f"| {kind} | not possible: {why} | |"
    yield ""
    yield "| asked for | times |"
    yield "| --- | ---: |"
    for what, number in sorted(asked.items()):
        yield f"| {what} | {number:,} |"
    yield ""
    yield "| observed | times |"
    yield "| --- | ---: |"
    for what, number in sorted(_by_counter(report["observed"]).items()):
        yield f"| `{what}` | {number:,} |"
    yield ""
    yield "| | invariant | violations |"
    yield "| --- | --- | ---: |"
    for name, promise in INVARIANTS.items():
        yield f"| {name} | {promise} | {len(report['invariants'][name])} |"


def _by_counter(observed: dict[str, int]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for what, number in observed.items():
        counter = what.split()[0]
        if counter != "point":
            totals[counter] = totals.get(counter, 0) + number
    return totals


def main() -> None:
    """Print them, or write them into the document."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.figures", description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    text = "\n".join(figures(json.loads(given.report.read_text())))
    if not given.write:
        print(text)
        return
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()

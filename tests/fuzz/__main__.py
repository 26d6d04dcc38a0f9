"""Feeds hostile inputs to the codec and the webhooks, and fails if one raises another error.

    python -m tests.fuzz [--count 1000000] [--seed N] [--start 0] [--processes 2]

`--count 1 --start N` with the printed seed repeats input N.
"""

import argparse
import multiprocessing
import secrets
import sys
import time
from collections import Counter

from tests.fuzz.run import Report, feed

INPUTS_PER_PROCESS = 10_000


def main() -> int:
    """Run, and return 1 if an input raised another error than a refusal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.count} inputs from {given.start}", flush=True)
    end = given.start + given.count
    parts = [
        (given.seed, min(INPUTS_PER_PROCESS, end - start), start)
        for start in range(given.start, end, INPUTS_PER_PROCESS)
    ]
    began = time.monotonic()
    with multiprocessing.Pool(given.processes) as pool:
        reports = pool.starmap(feed, parts)
    total = Report(sum((report.outcomes for report in reports), Counter()), [])
    for outcome, count in sorted(total.outcomes.items()):
        print(f"{count:>10}  {outcome}")
    for finding in [finding for report in reports for finding in report.findings]:
        print(f"\n{finding}")
    seconds = time.monotonic() - began
    fed = sum(total.outcomes.values())
    print(f"{fed} inputs in {seconds:.0f} s, {total.unhandled} raised another error")
    return 1 if total.unhandled else 0


if __name__ == "__main__":
    sys.exit(main())

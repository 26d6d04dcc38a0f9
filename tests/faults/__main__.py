"""Runs the fault suite: `python -m tests.faults --help`."""

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

from tests.faults.nemesis import kinds
from tests.faults.report import as_json, as_text
from tests.faults.run import run
from tests.faults.timing import FULL, QUICK


def main() -> int:
    """Run, and print the results. Returns 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="words of kinds of fault, with commas between")
    parser.add_argument("--minutes", type=float, default=20.0, help="how long faults happen")
    parser.add_argument("--quick", action="store_true", help="each kind once, within minutes")
    parser.add_argument("--json", type=Path, help="a file that gets the report as JSON")
    parser.add_argument("--keep", type=Path, help="a directory for all files, which stay there")
    parser.add_argument("--list", action="store_true", help="print the kinds of fault, run nothing")
    given = parser.parse_args()
    only = [word for word in given.only.split(",") if word]
    if given.list:
        print("\n".join(kinds(only)))
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    timing, minutes = (QUICK, 0.0) if given.quick else (FULL, given.minutes)
    with tempfile.TemporaryDirectory() as name:
        directory = given.keep or Path(name)
        directory.mkdir(parents=True, exist_ok=True)
        result = asyncio.run(run(directory, timing, given.seed, only=only, minutes=minutes))
    if given.json:
        given.json.write_text(as_json(result) + "\n")
    print(as_text(result))
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())

"""The lines of a worker's log that tell of trouble."""

import re
from pathlib import Path

HEALTHY = re.compile(r"\[\d{4}-[^]]*\] \[\d+\] \[(INFO|DEBUG)\] ")
"""How a line begins that tells of no trouble."""

CONTINUED = re.compile(r"[+|]|$")
"""How the further lines of a record begin, which are rows of tables."""


def troubled_lines(*logs: Path) -> list[str]:
    """Returns all lines that are neither of level INFO or DEBUG nor a row of a table."""
    return [
        f"{log.name}: {line}"
        for log in logs
        for line in log.read_text().splitlines()
        if not HEALTHY.match(line) and not CONTINUED.match(line)
    ]

"""Work that must not fail ends the process when it does."""

import subprocess
import sys

import pytest

from db.errors import POOLED
from workers.process.crash import EXIT_SOFTWARE, end_process_on_error

FAILS = """
import asyncio, sys
import asyncpg
from db.errors import *
from workers.process.crash import end_process_on_error

async def fail():
    raise eval(sys.argv[1])

async def main():
    try:
        await end_process_on_error(fail())
    finally:
        print("went on")

asyncio.run(main())
"""


async def test_the_result_of_work_is_handed_on() -> None:
    async def work() -> int:
        return 5

    assert await end_process_on_error(work()) == 5


def _end(error: str) -> "subprocess.CompletedProcess[str]":
    """Run work that raises an error, given as an expression of Python."""
    return subprocess.run(
        [sys.executable, "-c", FAILS, error],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_error_ends_the_process_with_its_traceback() -> None:
    done = _end("ValueError('a bug')")
    assert done.returncode == EXIT_SOFTWARE
    assert "ValueError: a bug" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        ("LoginRefused('wrong')", 1, "wrong"),
        ("SchemaMismatch('older')", 1, "older"),
        ("UnfitDatabase('LATIN1')", 1, "LATIN1"),
        ("UnfitUrl('a pooler')", 2, "INBOX_DATABASE_URL: a pooler"),
        (
            "asyncpg.InvalidSQLStatementNameError('26000')",
            2,
            "INBOX_DATABASE_URL: a pooler gives each transaction another session: " + POOLED,
        ),
    ],
)
def test_what_a_person_can_repair_is_one_line(error: str, status: int, line: str) -> None:
    done = _end(error)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == f"this worker cannot go on: {line}\n"

"""Work that must not fail ends the process when it does."""

import subprocess
import sys

from workers.process.crash import EXIT_SOFTWARE, end_process_on_error

FAILS = """
import asyncio
from workers.process.crash import end_process_on_error

async def fail():
    raise ValueError("a bug")

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


def test_an_error_ends_the_process_with_its_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == EXIT_SOFTWARE
    assert "ValueError: a bug" in done.stderr
    assert done.stdout == ""

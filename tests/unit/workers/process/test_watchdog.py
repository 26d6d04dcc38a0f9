"""The watchdog ends a process that makes no progress. Each test runs a process of its own."""

import subprocess
import sys
import textwrap

import pytest

from workers.process.watchdog import EXIT_STALLED, SHUTDOWN_SECONDS

# A clock that the test moves; `move` returns when the watchdog has read it.
PRELUDE = """
import time
from workers.process import watchdog as module

class Clock:
    now = 1000.0
    readings = 0

    def monotonic(self):
        self.readings += 1
        return self.now

    def move(self, seconds):
        self.now += seconds
        before, limit = self.readings, time.monotonic() + 60
        while self.readings < before + 2 and time.monotonic() < limit:
            time.sleep(0.001)

def here_the_process_hangs(seconds):
    clock.move(seconds)

clock = module.time = Clock()
module.CHECK_SECONDS = 0.001
watchdog = module.Watchdog(stall_seconds=120)
watchdog.start()
"""


def run(script: str) -> "subprocess.CompletedProcess[str]":
    """Run a script that ends at once, unless the watchdog ends its process before."""
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script) + "\nprint('survived')\n"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param("here_the_process_hangs(121)", "made no progress", id="no progress"),
        pytest.param(
            """
            clock.move(119)
            watchdog.progress()
            here_the_process_hangs(121)
            """,
            "made no progress",
            id="no further progress",
        ),
        pytest.param(
            """
            watchdog.stopping()
            here_the_process_hangs(9.1)
            """,
            "did not stop in time",
            id="a stop that takes too long",
        ),
        pytest.param(
            """
            watchdog.stopping()
            clock.move(8)
            watchdog.progress()
            here_the_process_hangs(1.1)
            """,
            "did not stop in time",
            id="a stop that makes progress and takes too long all the same",
        ),
    ],
)
def test_a_process_that_hangs_is_ended_with_the_stacks_of_its_threads(
    script: str, reason: str
) -> None:
    ended = run(script)
    assert ended.returncode == EXIT_STALLED, ended.stderr
    assert f"watchdog: this worker {reason}" in ended.stderr
    assert "here_the_process_hangs" in ended.stderr
    assert "survived" not in ended.stdout


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("clock.move(119)", id="a pause"),
        pytest.param(
            """
            for _ in range(10):
                clock.move(119)
                watchdog.progress()
            """,
            id="progress now and then",
        ),
        pytest.param(
            """
            clock.move(119)
            watchdog.stopping()
            clock.move(8.9)
            """,
            id="a stop in time",
        ),
        pytest.param(
            """
            import threading
            watchdog.stop()
            for thread in threading.enumerate():
                if thread.name == "watchdog":
                    thread.join(60)
            clock.now += 1e9
            """,
            id="no longer watched",
        ),
    ],
)
def test_a_process_that_makes_progress_or_stops_in_time_is_left_alone(script: str) -> None:
    ended = run(script)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "survived\n", "")


def test_everything_is_gone_within_ten_seconds() -> None:
    assert SHUTDOWN_SECONDS < 10

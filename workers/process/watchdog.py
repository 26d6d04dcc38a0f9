"""Ends the process when it makes no progress while there is work, or does not stop in time."""

import faulthandler
import os
import sys
import threading
import time

SHUTDOWN_SECONDS = 9.0
"""Everything is gone within ten seconds of the signal: Faust may wait for ever for one event."""

EXIT_STALLED = 75
"""sysexits.h: a temporary failure, try again."""

CHECK_SECONDS = 0.5


class Watchdog:
    """A thread of its own, so that an event loop that hangs is noticed too.

    Signs of life are batches applied, a backlog of nothing, and a database or a broker that is
    known to be away and waited for: those come back by themselves.
    """

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._deadline = float("inf")
        self._stopping = False
        self._stopped = threading.Event()

    def start(self) -> None:
        """Watch from now on."""
        self.progress()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def progress(self) -> None:
        """A sign of life."""
        if not self._stopping:
            self._deadline = time.monotonic() + self._stall_seconds

    def stopping(self) -> None:
        """The process was told to stop, and has so long to do it."""
        self._stopping = True
        self._deadline = time.monotonic() + SHUTDOWN_SECONDS

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(CHECK_SECONDS):
            if time.monotonic() > self._deadline:
                reason = "did not stop in time" if self._stopping else "made no progress"
                print(f"watchdog: this worker {reason}; its threads:", file=sys.stderr)
                faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
                sys.stderr.flush()
                os._exit(EXIT_STALLED)

"""Ends the process when it makes no progress while it has work, or does not stop in time."""

import faulthandler
import os
import sys
import threading
import time

SHUTDOWN_SECONDS = 9.0
"""A worker must end within ten seconds of the signal, but Faust may wait for an event for ever."""

EXIT_STALLED = 75
"""EX_TEMPFAIL of sysexits.h: a temporary failure, try again."""

CHECK_SECONDS = 0.5


class Watchdog:
    """Watches the process from a thread of its own, so that it also notices a blocked event loop.

    Progress is: a batch is applied, the backlog is empty, or the worker waits for a database or a
    broker that it knows to be away, because those come back by themselves.
    """

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._deadline = float("inf")
        self._stopping = False
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start to watch."""
        self.progress()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def progress(self) -> None:
        """Note that the worker makes progress."""
        if not self._stopping:
            self._deadline = time.monotonic() + self._stall_seconds

    def stopping(self) -> None:
        """Note that the process got the signal to stop: it now has SHUTDOWN_SECONDS to end."""
        self._stopping = True
        self._deadline = time.monotonic() + SHUTDOWN_SECONDS

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(CHECK_SECONDS):
            if time.monotonic() > self._deadline:
                reason = "did not stop in time" if self._stopping else "made no progress"
                print(f"watchdog: this worker {reason}; its threads:", file=sys.stderr)
                faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
                sys.stderr.flush()
                os._exit(EXIT_STALLED)

"""Runs one server under a guard, so that it ends with this process, even when that is killed."""

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from workers.dev.embedded import guard

LOG_TAIL_LINES = 20
GUARD_ANSWER_SECONDS = 20.0
CONDITION_POLL_SECONDS = 0.02


class EmbeddedServerError(Exception):
    """An embedded server could not be fetched, started, stopped or reached."""

    @classmethod
    def with_log(cls, message: str, log: Path) -> "EmbeddedServerError":
        """Returns an error whose message ends with the last lines of the server's log."""
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        tail = "\n".join(f"  {line}" for line in lines[-LOG_TAIL_LINES:])
        return cls(f"{message}; the end of {log}:\n{tail or '  (empty)'}")


class GuardedProcess:
    """A running server and its guard. Not safe for use by two threads at the same time.

    The guard is in a session of its own: Ctrl-C in a terminal reaches this process only, which then
    stops its servers in order. The guard holds `lock` (an open, locked file) while the server runs.
    An `environment` of None is that of this process.
    """

    def __init__(
        self,
        spec: guard.ServerSpec,
        log: Path,
        lock: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._log = log
        self._stop_seconds = spec.stop_seconds
        self._link, theirs = socket.socketpair()
        self._link.settimeout(GUARD_ANSWER_SECONDS)
        with theirs, log.open("ab") as output:
            self._guard = subprocess.Popen(  # noqa: S603 -- our own script, by our own interpreter
                # -P: the modules of this package must not hide top-level modules of the same name.
                [sys.executable, "-P", guard.__file__, spec.to_json()],
                stdin=theirs.fileno(),
                stdout=output,
                stderr=output,
                env=environment,
                pass_fds=(lock,),
                start_new_session=True,
            )
        self.pid = int(self._answer() or 0)
        if not self.pid:
            self.end(guard.STOP)
            raise EmbeddedServerError.with_log(f"cannot run {spec.command[0]}", log)

    @property
    def running(self) -> bool:
        return self._guard.poll() is None

    def order(self, order: bytes) -> None:
        """Order PAUSE or RESUME, and wait until it is done. Raises EmbeddedServerError."""
        self._send(order)
        if self._answer() != order:
            raise EmbeddedServerError.with_log("the server's guard does not answer", self._log)

    def end(self, order: bytes) -> None:
        """Order STOP or KILL, and wait until the server has ended. Raises EmbeddedServerError."""
        self._send(order)
        try:
            self._guard.wait(self._stop_seconds + 2 * guard.KILL_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise EmbeddedServerError.with_log("the server does not end", self._log) from error
        finally:
            self._link.close()

    def _send(self, order: bytes) -> None:
        with suppress(OSError):  # the guard and its server have ended: the caller notices
            self._link.sendall(order)

    def _answer(self) -> bytes:
        try:
            return self._link.recv(64)
        except OSError:  # the guard has ended, or it hangs
            return b""


def wait_until(condition: Callable[[], bool], limit_seconds: float) -> bool:
    """Wait until the condition holds; False when it does not hold within `limit_seconds`."""
    deadline = time.monotonic() + limit_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(CONDITION_POLL_SECONDS)
    return True


@contextmanager
def locked(file: Path, limit_seconds: float) -> Iterator[int]:
    """Lock a file for this process and for all processes that inherit the yielded descriptor.

    Raises EmbeddedServerError when another process still holds the lock after `limit_seconds`.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)

    def take() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        if not wait_until(take, limit_seconds):
            raise EmbeddedServerError(f"{file.parent} is in use by another process ({file.name})")
        yield descriptor
    finally:
        os.close(descriptor)

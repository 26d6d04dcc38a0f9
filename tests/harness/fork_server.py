"""Starts `inbox` as a fork of one process that has imported the product already.

The imports take half a second of CPU, more than all the rest of a worker's start, and hundreds of
tests start a worker or a command. The server is a new Python process without threads and without an
event loop, so its fork is what a new process would be after the same imports. Faults, benchmarks
and `inbox dev` start `python -m workers` itself.
"""

import atexit
import gc
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

NUMBER = struct.Struct("=q")
"""How a number is sent: the length of a request, a process id, an exit status."""


class ForkedProcess:
    """A process of the fork server, with the methods of `subprocess.Popen`."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        """Its exit status, after a signal the signal's negative number; None while it runs."""
        self._status = status
        self._reading = threading.Lock()
        """A test may wait in one thread, and kill the process from another."""

    def poll(self) -> int | None:
        """Returns `returncode`, which is up to date then."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends, and return its status. Raises TimeoutExpired after the seconds."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("inbox", timeout or 0)
            with self._reading:
                if self.returncode is None:
                    (self.returncode,) = NUMBER.unpack(os.read(self._status, NUMBER.size))
                    os.close(self._status)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The server, as the process of the tests uses it."""

    def __init__(self) -> None:
        self._link, theirs = socket.socketpair()
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.harness.fork_server"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
            )

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        streams: tuple[int, int, int],
    ) -> ForkedProcess:
        """Start `inbox ARGUMENTS`. The streams become its standard input, output and error."""
        content = {"arguments": list(arguments), "environment": dict(environment)}
        request = json.dumps(content).encode()
        status, theirs = os.pipe()
        try:
            socket.send_fds(self._link, [NUMBER.pack(len(request))], [*streams, theirs])
            self._link.sendall(request)
        finally:
            os.close(theirs)
        (pid,) = NUMBER.unpack(_receive(self._link, NUMBER.size))
        return ForkedProcess(pid, status)

    def close(self) -> None:
        """End the server. It ends as well when the process of the tests is killed."""
        self._link.close()
        self._server.wait()


@cache
def fork_server() -> ForkServer:
    """Returns the server of this process, which is started at the first call."""
    server = ForkServer()
    atexit.register(server.close)
    return server


class Forks:
    """The server itself: it forks at each request, and reports how each fork ends."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._wakeups, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake.fileno())
        self._statuses: dict[int, int] = {}
        """By process id: the pipe that its exit status is written to."""

    def serve(self) -> None:
        """Obey requests. Returns in a fork only, when the fork is ready to run `inbox`."""
        while True:
            ready, _, _ = select.select([self._link, self._wakeups], [], [])
            if self._wakeups in ready:
                self._wakeups.recv(4096)
                self._report_ends()
            if self._link in ready and self._fork():
                return

    def _fork(self) -> bool:
        """Read a request, and fork. Whether this is the fork."""
        head, files, *_ = socket.recv_fds(self._link, NUMBER.size, 4)
        if not head:
            sys.exit()
        (size,) = NUMBER.unpack(head)
        request = json.loads(_receive(self._link, size))
        *streams, status = files
        if pid := os.fork():
            self._statuses[pid] = status
            for stream in streams:
                os.close(stream)
            self._link.sendall(NUMBER.pack(pid))
            return False
        os.close(status)
        self._become_new(streams, request)
        return True

    def _become_new(self, streams: list[int], request: dict[str, Any]) -> None:
        """Give a fork what a new process has, and nothing of the server."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (self._link, self._wakeups, self._wake):
            end.close()
        for status in self._statuses.values():
            os.close(status)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv[1:] = request["arguments"]

    def _report_ends(self) -> None:
        """Report all forks that have ended: several ends may cause one wake-up."""
        while self._statuses:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            pipe = self._statuses.pop(pid)
            with suppress(BrokenPipeError):  # nobody waits for it any more
                os.write(pipe, NUMBER.pack(os.waitstatus_to_exitcode(status)))
            os.close(pipe)


def _receive(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = link.recv(size - len(data))
        if not part:
            raise EOFError("the other end has ended")
        data += part
    return data


def main() -> None:
    """Serve; in each fork, run `inbox`."""
    # Imported here: only the server needs them.
    import workers.worker.run  # noqa: F401, PLC0415
    from workers.cli import main as inbox  # noqa: PLC0415

    assert threading.active_count() == 1, "a fork has no threads but the one that forks"
    # Forks share the memory of what is imported, as long as nobody writes to it.
    gc.collect()
    gc.freeze()
    link = socket.socket(fileno=os.dup(0))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    Forks(link).serve()
    inbox()


if __name__ == "__main__":
    main()

"""Starts one server process, obeys the orders of the parent, and ends the server with the parent.

`workers.dev.embedded.process` runs this module as a script, in a process between the parent and the
server. However the parent ends, on Linux or macOS, its end closes the guard's socket, and the guard
then ends the server. The parent could instead set a death signal (`PR_SET_PDEATHSIG`), but that
exists on Linux only, and is sent when the *thread* that forked exits. The guard has one thread, so
it sets that signal too, in case the guard itself is killed.
"""

import ctypes
import dataclasses
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import psutil  # type: ignore[import-untyped, unused-ignore]

STOP, KILL, PAUSE, RESUME, NOTHING = b"S", b"K", b"P", b"R", b""
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
PARENT_CHECK_SECONDS = 1.0
KILL_SECONDS = 10.0
KILL_POLL_SECONDS = 0.01


@dataclasses.dataclass(frozen=True)
class ServerSpec:
    """How to run a server for the process `parent`.

    `user` and `group` are the ids that the server runs as, or None for those of the guard. An
    `environment` of None is that of the guard: it keeps secrets off the command line, which
    everybody can read and which the spec is part of. `stop_signal` ends the server. If that takes
    longer than `stop_seconds`, the server is killed.
    """

    command: list[str]
    directory: str
    environment: dict[str, str] | None
    user: int | None
    group: int | None
    stop_signal: int
    stop_seconds: float
    parent: int

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))


class Guard:
    """One server, and the socket from which its orders come. Each order is one letter.

    The guard writes the server's process id when the server has started. It repeats PAUSE and
    RESUME when they are done.
    """

    def __init__(self, spec: ServerSpec, link: socket.socket) -> None:
        self._spec = spec
        self._link = link
        self._wakeups = wake_on_signals()
        self._server = start_server(spec)
        link.sendall(b"%d" % self._server.pid)

    def run(self) -> int:
        """Obey orders until the server has ended, and return its exit code."""
        while self._server.poll() is None:
            self._obey(self._next_order())
        return self._server.returncode

    def _next_order(self) -> bytes:
        ready, _, _ = select.select([self._link, self._wakeups], [], [], PARENT_CHECK_SECONDS)
        if self._wakeups in ready and signal.SIGTERM in self._wakeups.recv(64):
            return STOP
        if self._link in ready:
            return self._link.recv(1) or STOP
        # A process forked by the parent may hold the socket open after the parent has ended.
        return NOTHING if os.getppid() == self._spec.parent else STOP

    def _obey(self, order: bytes) -> None:
        if order == STOP:
            self._stop()
        elif order == KILL:
            self._kill()
        elif order in (PAUSE, RESUME):
            self._signal_tree(signal.SIGSTOP if order == PAUSE else signal.SIGCONT)
            self._link.sendall(order)

    def _stop(self) -> None:
        self._signal_tree(signal.SIGCONT)  # a paused process does not react to the stop signal
        self._server.send_signal(self._spec.stop_signal)
        try:
            self._server.wait(self._spec.stop_seconds)
        except subprocess.TimeoutExpired:
            print(f"guard: killed, not stopped after {self._spec.stop_seconds:g} s", flush=True)
            self._kill()

    def _kill(self) -> None:
        """Kill every process of the server. PostgreSQL's are each in a group of their own."""
        tree = self._signal_tree(signal.SIGKILL)
        self._server.wait(KILL_SECONDS)
        deadline = time.monotonic() + KILL_SECONDS
        while not all(map(has_ended, tree)) and time.monotonic() < deadline:
            time.sleep(KILL_POLL_SECONDS)

    def _signal_tree(self, number: signal.Signals) -> list[psutil.Process]:
        tree: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            leader = psutil.Process(self._server.pid)
            tree = [leader, *leader.children(recursive=True)]
        for each in tree:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(number)
        return tree


def has_ended(process: psutil.Process) -> bool:
    """Whether a process has ended; a zombie has. In a container nobody may ever reap it."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def wake_on_signals() -> socket.socket:
    """Returns a socket at which a byte arrives for each SIGCHLD and SIGTERM, for `select`."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer.detach())
    return reader


def start_server(spec: ServerSpec) -> subprocess.Popen[bytes]:
    """Start the server as a child that ends with this process. Raises OSError."""
    return subprocess.Popen(  # noqa: S603 -- the command is made by this package
        spec.command,
        stdin=subprocess.DEVNULL,
        cwd=spec.directory,
        env=spec.environment,
        user=spec.user,
        group=spec.group,
        extra_groups=None if spec.user is None else [],
        process_group=0,
        preexec_fn=death_signal(spec.stop_signal),  # noqa: PLW1509 -- the guard has one thread
    )


def death_signal(number: int) -> Callable[[], object] | None:
    """Returns a function that sets, in a child, the signal that it gets when the guard dies.

    None where the system has no such signal. A change of the user clears it, so the function has
    to be called afterwards; `Popen` does so.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, number)


def main() -> int:
    """Guard the server that the first argument describes, and return the exit status."""
    spec = ServerSpec(**json.loads(sys.argv[1]))
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as link:
        return Guard(spec, link).run() & 0xFF


if __name__ == "__main__":
    sys.exit(main())

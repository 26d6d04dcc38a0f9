"""The life of an embedded server: start, stop, kill, pause, resume, and start again."""

import os
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, NamedTuple, Self

from workers.dev.embedded import guard
from workers.dev.embedded.ports import HOST, free_port, port_is_free
from workers.dev.embedded.process import EmbeddedServerError, GuardedProcess, locked, wait_until

START_SECONDS = 60.0
TOOL_SECONDS = 120.0
# Nothing of the caller's: variables such as JAVA_TOOL_OPTIONS or PGPORT would change the server.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}


class Account(NamedTuple):
    """The ids of the user and group that a server runs as."""

    user: int
    group: int


class EmbeddedServer(ABC):
    """One server with a directory of its own, which holds its data, its log and its port.

    The port stays the same for as long as the directory does, unless another program has taken it
    between two runs, or the caller names one. The methods block for seconds, so async code calls
    them by `asyncio.to_thread`. Each raises EmbeddedServerError.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    stop_seconds: ClassVar[float] = 30.0
    lock_seconds: float = 30.0

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        self.directory = directory.resolve()
        self.data = self.directory / "data"
        self.log = self.directory / f"{self.name}.log"
        self.account: Account | None = None
        self._port_file = self.directory / "port"
        self._port_is_fixed = port is not None
        self.port = port or self._kept_port() or free_port()
        self._process: GuardedProcess | None = None

    @abstractmethod
    def _create_data(self, directory: Path) -> None:
        """Makes the server's first data in a directory that does not exist yet."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Gives the command that runs the server in the foreground."""

    @abstractmethod
    def _answers(self) -> bool:
        """Says whether the server serves its clients now."""

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """The id of the server's process."""
        return self._running_process().pid

    def start(self) -> None:
        """Starts the server, on new data or on what it left, and returns once it answers."""
        if self.running:
            raise EmbeddedServerError(f"{self.name} already runs in {self.directory}")
        self.kill()  # what is left of one that ended by itself
        self.directory.mkdir(parents=True, exist_ok=True)
        # A server whose parent was killed a moment ago may still be stopping.
        with locked(self.directory / "lock", limit_seconds=self.lock_seconds) as lock:
            self._settle_port()
            self._prepare()
            self._process = GuardedProcess(self._spec(), self.log, lock)
        self._wait_for_answer(self._process)

    def stop(self) -> None:
        """Stops the server cleanly; does nothing where it doesn't run."""
        self._end(guard.STOP)

    def kill(self) -> None:
        """Kills every process of the server at once; does nothing where it doesn't run."""
        self._end(guard.KILL)

    def pause(self) -> None:
        """Freezes every process of the server: it keeps its connections and answers nothing."""
        self._running_process().order(guard.PAUSE)

    def resume(self) -> None:
        """Lets a paused server go on."""
        self._running_process().order(guard.RESUME)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _end(self, order: bytes) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end(order)

    def _running_process(self) -> GuardedProcess:
        if self._process is None or not self._process.running:
            raise EmbeddedServerError.with_log(f"{self.name} does not run", self.log)
        return self._process

    def _wait_for_answer(self, process: GuardedProcess) -> None:
        ready = wait_until(lambda: not process.running or self._answers(), START_SECONDS)
        if ready and process.running:
            return
        fate = f"did not answer within {START_SECONDS:g} s" if process.running else "ended"
        self.kill()
        raise EmbeddedServerError.with_log(f"{self.name} {fate} when started", self.log)

    def _kept_port(self) -> int | None:
        return int(self._port_file.read_text()) if self._port_file.exists() else None

    def _settle_port(self) -> None:
        if not port_is_free(self.port):
            if self._port_is_fixed:
                raise EmbeddedServerError(f"{self.name}: port {self.port} of {HOST} is taken")
            self.port = free_port()
        self._port_file.write_text(f"{self.port}\n")
        self._port_is_fixed = True  # clients have been told by now

    def _prepare(self) -> None:
        if self.data.exists():
            return
        # Named last, so that one who is killed halfway leaves nothing that looks whole.
        unfinished = self.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._create_data(unfinished)
        unfinished.rename(self.data)

    def _spec(self) -> guard.ServerSpec:
        return guard.ServerSpec(
            command=self._command(),
            directory=str(self.directory),
            environment=ENVIRONMENT,
            user=self.account and self.account.user,
            group=self.account and self.account.group,
            stop_signal=self.stop_signal,
            stop_seconds=self.stop_seconds,
            parent=os.getpid(),
        )

    def _run_tool(self, command: Sequence[str | Path]) -> None:
        """Runs one of the server's tools to its end, as the server's account."""
        tool = f"{self.name}: {Path(command[0]).name}"
        try:
            result = subprocess.run(  # noqa: S603 -- the command is made by this package
                command,
                cwd=self.directory,
                env=ENVIRONMENT,
                user=self.account and self.account.user,
                group=self.account and self.account.group,
                extra_groups=self.account and [],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=TOOL_SECONDS,
                text=True,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise EmbeddedServerError(f"{tool} cannot be run: {error}") from error
        if result.returncode:
            raise EmbeddedServerError(f"{tool} failed: {result.stdout.strip()}")

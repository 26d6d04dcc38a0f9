"""The life cycle of an embedded server: start, stop, kill, pause, resume, and start again."""

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

SERVER_START_SECONDS = 60.0
TOOL_SECONDS = 120.0
# No variables of the caller: some, such as JAVA_TOOL_OPTIONS or PGPORT, would change the server.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}


class Account(NamedTuple):
    """The ids of the user and group that a server runs as."""

    user: int
    group: int


class EmbeddedServer(ABC):
    """One server with a directory of its own, which holds its data, its log and its port.

    The server has the same port as long as the directory exists, unless the caller sets another,
    or another program takes the port between two runs. The methods block for seconds, so async
    code calls them by `asyncio.to_thread`. Each raises EmbeddedServerError.
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
        """Create the server's first data in a directory that does not exist yet."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Returns the command that runs the server in the foreground."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server serves its clients now."""

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """The id of the server's process."""
        return self._running_process().pid

    def start(self) -> None:
        """Start the server, on new data or its old data, and return when it answers."""
        if self.running:
            raise EmbeddedServerError(f"{self.name} already runs in {self.directory}")
        self.kill()  # closes the guard of a server that ended by itself
        self.directory.mkdir(parents=True, exist_ok=True)
        # A server whose parent was just killed may still be stopping.
        with locked(self.directory / "lock", limit_seconds=self.lock_seconds) as lock:
            self._settle_port()
            self._prepare()
            self._process = GuardedProcess(self._spec(), self.log, lock)
        self._wait_for_answer(self._process)

    def stop(self) -> None:
        """Stop the server cleanly, if it runs."""
        self._end(guard.STOP)

    def kill(self) -> None:
        """Kill all processes of the server at once, if it runs."""
        self._end(guard.KILL)

    def pause(self) -> None:
        """Freeze all processes of the server: it keeps its connections, but does not answer."""
        self._running_process().order(guard.PAUSE)

    def resume(self) -> None:
        """Let a paused server continue."""
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
        ready = wait_until(lambda: not process.running or self._answers(), SERVER_START_SECONDS)
        if ready and process.running:
            return
        fate = f"did not answer within {SERVER_START_SECONDS:g} s" if process.running else "ended"
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
        self._port_is_fixed = True  # clients may know it from now on

    def _prepare(self) -> None:
        if self.data.exists():
            return
        # Renamed last, so that a start that is killed leaves nothing that looks complete.
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
        """Run one of the server's tools as the server's account, and wait for its end."""
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

"""Runs this project's programs as processes, with settings and a log of their own."""

import os
import subprocess
import sys
from pathlib import Path

from workers.settings import Settings

PROCESS_STOP_SECONDS = 15
"""How long a process may take to stop before it is killed."""

TAIL_CHARACTERS = 4000


def start_program(
    settings: Settings, log: Path, module: str, *arguments: str
) -> "subprocess.Popen[bytes]":
    """Start `python -m MODULE ARGUMENTS` with these settings; its output is appended to a log."""
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=os.environ | settings.environment(),
            stdout=file,
            stderr=file,
        )


def stop_program(process: "subprocess.Popen[bytes]") -> None:
    """Wait until a process that was told to stop has ended; kill it if it takes too long."""
    try:
        process.wait(PROCESS_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def log_tail(log: Path) -> str:
    """Returns the end of a log."""
    return log.read_text(errors="replace")[-TAIL_CHARACTERS:]


class ProgramProcess:
    """A process of a program, which is started at once."""

    def __init__(self, settings: Settings, log: Path, module: str, *arguments: str) -> None:
        self._settings = settings
        self._log = log
        self._command = module, *arguments
        self.process = start_program(settings, log, *self._command)

    def kill_and_start_again(self) -> None:
        """Kill the process (SIGKILL), and start a new one in its place."""
        self.process.kill()
        self.process.wait()
        self.process = start_program(self._settings, self._log, *self._command)

    def stop(self) -> None:
        """Stop the process (SIGTERM); kill it if it takes too long."""
        self.process.terminate()
        stop_program(self.process)

    def check(self) -> None:
        """Raise RuntimeError if the process has ended."""
        if self.process.poll() is not None:
            status, tail = self.process.returncode, log_tail(self._log)
            raise RuntimeError(f"{self._command[0]} ended with {status}:\n{tail}")

    @property
    def peak_megabytes(self) -> float:
        """The most memory that the process ever had (Linux: VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

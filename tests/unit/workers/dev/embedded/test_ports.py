"""Ports for servers: no two processes choose the same one."""

import subprocess
import sys
from pathlib import Path

from workers.dev.embedded import ports

ROOT = Path(__file__).parents[5]

# Says which port it chose, where it may choose among so many, until its input ends.
CHOOSER = """
import sys
from workers.dev.embedded import ports

ports.FIRST_PORT, ports.LAST_PORT = int(sys.argv[1]), int(sys.argv[2])
try:
    print(ports.free_port(), flush=True)
except OSError as error:
    print(error, flush=True)
sys.stdin.read()
"""


def start_chooser(first: int, end: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", CHOOSER, str(first), str(end)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def choice_of(chooser: "subprocess.Popen[str]") -> str:
    assert chooser.stdout is not None
    return chooser.stdout.readline().strip()


def test_a_port_that_nobody_listens_on_yet_is_not_chosen_by_another_process() -> None:
    port = ports.free_port()
    assert ports.port_is_free(port)
    with start_chooser(port, port + 1) as chooser:
        assert choice_of(chooser) == f"no free port between {port} and {port + 1}"


def test_a_port_may_be_chosen_again_once_its_process_has_ended() -> None:
    with start_chooser(ports.FIRST_PORT, ports.LAST_PORT) as first:
        port = int(choice_of(first))
    with start_chooser(port, port + 1) as second:
        assert choice_of(second) == str(port)

"""Servers end when the process that started them is killed."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.harness.waiting import LIMIT_SECONDS
from workers.dev.embedded.guard import has_ended
from workers.dev.embedded.process import wait_until

ROOT = Path(__file__).parents[4]


PARENT = """
import sys
from pathlib import Path
from workers.dev.embedded.guard import has_ended
from workers.dev.embedded.kafka import EmbeddedKafka
from workers.dev.embedded.postgres import EmbeddedPostgres

directory = Path(sys.argv[1])
servers = [EmbeddedPostgres(directory / "postgres"), EmbeddedKafka(directory / "kafka")]
for server in servers:
    server.start()
print(*(server.pid for server in servers), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("paused", [False, True])
def test_the_servers_end_when_their_parent_is_killed(tmp_path: Path, paused: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        leaders = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(leaders) == 2
        processes = [
            each for leader in leaders for each in (leader, *leader.children(recursive=True))
        ]
        processes += [guard for leader in leaders if (guard := leader.parent())]
        for each in processes[:-2] if paused else ():
            each.suspend()
        parent.kill()
    assert wait_until(lambda: all(map(has_ended, processes)), LIMIT_SECONDS)

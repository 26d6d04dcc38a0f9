"""`inbox dev` plays the sales day, and leaves no process running, however it ends."""

import asyncio
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import psutil
import pytest

from tests.harness.command import environment_without_settings
from tests.harness.waiting import until
from workers.dev.embedded.ports import free_port

pytestmark = pytest.mark.seconds(85)

# A day that must fail: by its story, a message causes no notification.
WRONG_STORY = """
from workers.cli import main
from workers.dev.sales_day import day

step = day.STORY[0]
day.STORY = (step._replace(expected=(*step.expected[:2], "nobody is notified")),)
main()
"""

EVENTS = 25
"""The number of events in the log of one day."""

LIMIT_SECONDS = 180.0
RUNS = "It all runs until Ctrl-C."


class Dev:
    """A running `inbox dev`."""

    def __init__(self, process: asyncio.subprocess.Process, directory: Path) -> None:
        self.process = process
        self._directory = directory
        self.output = ""

    async def read_until(self, landmark: str) -> None:
        """Read the output until it contains a text."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT_SECONDS):
            while landmark not in self.output:
                line = await self.process.stdout.readline()
                assert line, f"it ended without {landmark!r}:\n{self.output}"
                self.output += line.decode()

    async def end(self) -> int:
        """Read the rest of the output, and return the exit status."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT_SECONDS):
            self.output += (await self.process.stdout.read()).decode()
            return await self.process.wait()

    async def nothing_runs(self) -> None:
        """Wait until no process runs that it started."""

        async def ended() -> bool:
            return not running_in(self._directory)

        await until(ended, "the end of all that it started", LIMIT_SECONDS)


@asynccontextmanager
async def dev(
    directory: Path, *options: str, program: tuple[str, ...] = ("-m", "workers")
) -> AsyncIterator[Dev]:
    """Run `inbox dev` in a data directory, and kill it at the end if it still runs."""
    settings = {"INBOX_DATA_DIR": str(directory), "INBOX_WEB_PORT": str(free_port())}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *program, "dev", *options),
        env=environment_without_settings() | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Dev(process, directory)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


class Running(NamedTuple):
    """A process."""

    pid: int
    command: list[str]


def running_in(directory: Path) -> list[Running]:
    """Returns the processes that have a directory in their command line or their settings."""
    found = []
    for process in psutil.process_iter():
        try:
            command, environment = process.cmdline(), process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        named = str(directory) in " ".join(command)
        data = Path(environment.get("INBOX_DATA_DIR", ""))
        if named or data.is_relative_to(directory):
            found.append(Running(process.pid, command))
    return found


def counted(output: str, label: str) -> int:
    """Returns a number of the summary."""
    row = re.search(rf"^\W*{label}\s+\W\s+(\d+) ", output, re.MULTILINE)
    assert row, f"no row {label!r} in:\n{output}"
    return int(row[1])


def note_events(output: str) -> list[tuple[str, int, str]]:
    """Returns each event of a note: the entity, the number of the note from 1, and the phrase."""
    numbers: dict[str, int] = {}
    return [
        (entity, numbers.setdefault(note, len(numbers) + 1), what)
        for note, entity, what in re.findall(r"note (\w{8}) on (\w+ \w+) (\w+, r.*)", output)
    ]


async def test_the_day_is_told_and_nothing_is_left_running(tmp_path: Path) -> None:
    async with dev(tmp_path, "--exit") as run:
        assert await run.end() == 0, run.output
        # No wait here: it stops every process before it ends.
        assert running_in(tmp_path) == []
    for landmark in (
        "Twilio posts that message once more: nothing changes",
        "a forged message: 403",
        'notification to ana (desktop), bo (desktop, email): "Olá! Quanto custa',
        'notification to ana (desktop), bo (desktop, email): "image/jpeg"',
        "notification to bo (desktop, email): assignment",
        "assigned to ana by ana, v3",
        "rejected: assignee_unavailable",
        'deal "Annual plan" requested by ana, v5',
        "linked to deal 4711 by ana, v6",
        "reply recorded v7",
        "accepted by the provider",
        "moved on: sent",
        "moved on: delivered",
        "moved on: read",
        "closed by ana, v8",
        "reopened by a new message, v10",
        "rejected: superseded",
        "rejected: window_closed",
        "rejected: not_installer",
        "deleted by ana, v6",
        "everything has stopped",
    ):
        assert landmark in run.output
    assert note_events(run.output) == [
        ("deal 4711", 1, "created, r1: 2 messages"),
        ("deal 4711", 1, "appended, r2: 1 message"),
        ("deal 4711", 1, "appended, r3: 1 message"),
        ("deal 4711", 2, "created, r1: 1 message"),
        ("lead 17", 3, "created, r1: 1 message"),
        ("lead 17", 4, "created, r1: 1 message"),
    ]
    assert {
        what: counted(run.output, what)
        for what in (
            "conversations unassigned",
            "conversations assigned_to_me",
            "conversations assigned_to_others",
            "conversations closed",
            "conversations deleted",
            "messages",
            "replies delivered",
            "links",
            "notes",
            "conversations events",
            "notifications",
            "results accepted",
            "results rejected",
        )
    } == {
        "conversations unassigned": 1,
        "conversations assigned_to_me": 1,
        "conversations assigned_to_others": 1,
        "conversations closed": 0,
        "conversations deleted": 1,
        "messages": 9,
        "replies delivered": 1,
        "links": 2,
        "notes": 4,
        "conversations events": EVENTS,
        "notifications": 11,
        "results accepted": 10,
        "results rejected": 4,
    }


async def until_replies_are_read(output: str, count: int) -> None:
    """Send a reply with the printed commands, and wait until so many replies are read."""
    hints = [line.strip() for line in output.partition("To look around")[2].splitlines()]
    exports = [hint for hint in hints if hint.startswith("export ")]
    (reply,) = [hint.partition("  (")[0] for hint in hints if "message.send" in hint]
    script = [*exports, reply, "exec inbox watch --from-start --topic messages.sent"]
    process = await asyncio.create_subprocess_exec(
        *("bash", "-ec", "\n".join(script)),
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    shown = ""
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while shown.count("moved on: read") < count:
                line = await process.stdout.readline()
                assert line, f"it ended:\n{shown}"
                shown += line.decode()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def users_of_the_api(output: str) -> list[str]:
    """Returns who the API says is asking, for each of the printed commands."""
    found = []
    commands = [line.split("  (")[0] for line in output.splitlines() if "/api/v1/me" in line]
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        for command in commands:
            _curl, _option, header, url = shlex.split(command)
            name, _, value = header.partition(": ")
            async with session.get(url, headers={name: value}) as answer:
                found.append((await answer.json())["user_id"])
    return found


async def test_it_runs_on_alone_in_its_directory_and_sends_until_ctrl_c(tmp_path: Path) -> None:
    async with dev(tmp_path) as run:
        await run.read_until(RUNS)
        # The reply of the day, and this one.
        await until_replies_are_read(run.output, 2)
        assert await users_of_the_api(run.output) == ["ana", "bo", "cleo"]
        async with dev(tmp_path, "--exit") as second:
            assert await second.end() == 1
            assert f"another `inbox dev` runs in {tmp_path}" in second.output

        run.process.send_signal(signal.SIGINT)
        assert await run.end() == 0, run.output
        assert running_in(tmp_path) == []


async def test_nothing_outlives_a_kill_and_the_day_works_on_what_is_kept(tmp_path: Path) -> None:
    async with dev(tmp_path) as killed:
        await killed.read_until("Ana takes Maria's conversation")
        assert len(running_in(tmp_path)) > 3
        killed.process.kill()
        await killed.end()
        await killed.nothing_runs()

    async with dev(tmp_path, "--exit") as again:
        assert await again.end() == 0, again.output
        assert counted(again.output, "conversations events") == EVENTS


async def test_ctrl_c_while_it_starts_leaves_nothing_running(tmp_path: Path) -> None:
    async with dev(tmp_path) as run:

        async def starting() -> bool:
            return (tmp_path / "dev" / "postgres" / "data").exists()

        await until(starting, "a server that starts")
        run.process.send_signal(signal.SIGINT)
        assert await run.end() == 130, run.output
        assert running_in(tmp_path) == []


async def test_an_event_that_the_story_does_not_know_fails_the_day(tmp_path: Path) -> None:
    async with dev(tmp_path, "--exit", program=("-c", WRONG_STORY)) as run:
        assert await run.end() == 1
        assert running_in(tmp_path) == []
    assert "“Maria writes on WhatsApp”: this should have come and nothing else" in run.output
    assert "message recorded v2" in run.output.partition("and this came:")[2]


async def test_it_fails_when_its_worker_is_lost(tmp_path: Path) -> None:
    async with dev(tmp_path) as run:
        await run.read_until(RUNS)
        (worker,) = [each for each in running_in(tmp_path) if "worker" in each.command]
        os.kill(worker.pid, signal.SIGKILL)
        assert await run.end() == 1
        assert "the worker ended" in run.output
        assert running_in(tmp_path) == []

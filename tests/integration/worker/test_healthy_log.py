"""A healthy worker logs no warning and no error, whatever its role, however long it runs."""

import asyncio
import subprocess
from dataclasses import replace
from typing import Self

import pytest

from bench.runs.processes import start_program
from tests.harness.hurried_worker import HOUR_SECONDS
from tests.harness.inbox import Owner
from tests.harness.input_events import channel, command, message, user
from tests.harness.log_lines import troubled_lines
from tests.harness.sending_inbox import SENDER
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port
from workers.settings import Settings

ROLES = ("ingest,relay,send,web", "ingest", "relay", "send", "web")
"""Of each worker of the run."""

IDLE_SECONDS = 480
"""Longer than the five minutes after which Faust takes a worker without work for a stuck one."""

CONTACTS = [f"whatsapp:+49{number}" for number in range(10)]


class HurriedWorker(Worker):
    """A worker for which an hour has HOUR_SECONDS."""

    def _fork(self) -> "subprocess.Popen[bytes]":  # type: ignore[override]
        module = "tests.harness.hurried_worker"
        return start_program(self.settings, self.log, module, "worker", "--roles", self._roles)


class Shift:
    """Workers with different roles, and the work that they do."""

    def __init__(
        self, kind: type[Worker], settings: Settings, topics: Topics, owner: Owner
    ) -> None:
        self._topics = topics
        self._owner = owner
        self._published = 0
        directory = settings.data_dir
        self.workers = [
            kind(replace(settings, web_port=free_port()), directory / f"{roles}.log", roles)
            for roles in ROLES
        ]

    async def __aenter__(self) -> Self:
        await self._topics.publish(user("ana"), channel(SENDER))
        for worker in self.workers:
            await worker.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self.workers:
            await worker.stop()

    async def work(self, rounds: int) -> None:
        """Publish messages and commands, and wait until all is applied and published."""
        for number in range(rounds):
            await self._topics.publish(
                *[message(contact, f"{number}") for contact in CONTACTS],
                command("assign", CONTACTS[number % len(CONTACTS)], "ana", assignee_id="ana"),
            )
        self._published += rounds * len(CONTACTS)

        async def done() -> bool:
            return bool(await self._owner.fetchval(_DONE, self._published))

        await until(done, "the work to be done")

    async def restart_all(self) -> None:
        """Stop each worker and start it again, one after the other, while there is work."""
        for worker in self.workers:
            await worker.stop()
            await asyncio.gather(worker.start(), self.work(2))

    def troubled_lines(self) -> list[str]:
        """Returns all lines of the workers' logs that tell of trouble."""
        return troubled_lines(*[worker.log for worker in self.workers])


_DONE = """
SELECT (SELECT count(*) FROM inbox.messages) >= $1 AND NOT EXISTS (SELECT FROM inbox.outbox)
"""


@pytest.mark.busy
@pytest.mark.seconds(60)
async def test_an_hour_of_healthy_work_has_no_warning(
    settings: Settings, topics: Topics, owner: Owner
) -> None:
    async with Shift(HurriedWorker, settings, topics, owner) as shift:
        await shift.work(20)
        # The hour itself, in which there is little to do.
        await asyncio.sleep(HOUR_SECONDS)
        await shift.restart_all()
        await shift.work(20)
    assert shift.troubled_lines() == []


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.seconds(500)
async def test_minutes_without_work_have_no_warning(
    settings: Settings, topics: Topics, owner: Owner
) -> None:
    async with Shift(Worker, settings, topics, owner) as shift:
        await shift.work(50)
        await asyncio.sleep(IDLE_SECONDS)
        await shift.work(50)
    assert shift.troubled_lines() == []

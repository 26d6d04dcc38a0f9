"""The checker finds each mutant, by the invariants that it breaks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from bench.load.input_events import ACCOUNT, command, message, removal
from bench.mock_twilio import CallbackRule, MockTwilio, faults
from bench.mock_twilio.account import SID, TOKEN
from bench.mock_twilio.callback_rules import callbacks_missing
from tests.faults import history
from tests.faults.checks import Findings, check
from tests.faults.fleet import Fleet
from tests.faults.monitor import Monitor
from tests.faults.mutants import MUTANTS
from tests.faults.points import Trap
from tests.faults.proxy import Proxy
from tests.faults.timing import QUICK
from tests.faults.traffic import Traffic
from tests.harness.waiting import Left, until
from workers.dev.embedded.ports import HOST
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.settings import Settings
from workers.settings.values import TwilioAccount

pytestmark = [pytest.mark.long, pytest.mark.seconds(90)]

CONTACT = "whatsapp:+4911"
TIMING = replace(QUICK, workers=1, session_seconds=6)


@dataclass
class SmallRun:
    """One worker, and everything that a scenario uses."""

    fleet: Fleet
    traffic: Traffic
    monitor: Monitor
    trap: Trap
    twilio: MockTwilio

    async def done(self) -> None:
        """Wait until all work is done."""

        async def left() -> Left:
            # In this order: a reply that was just sent makes callbacks, and they make work.
            work, pending = await self.monitor.open_work(), self.twilio.ledger.pending
            if not work.left and not pending:
                work = await self.monitor.open_work()
            return Left({"work": work.left and work, "callbacks": pending})

        await until(left, "all is done")

    async def write(self, sid: str, copy: str = "once") -> None:
        """Publish a message of the contact."""
        event = message(sid, CONTACT, datetime.now(UTC), copy)
        await self.traffic.publish("message", event, sid, CONTACT)

    async def command(self, kind: str, name: str, **fields: Any) -> None:
        """Publish a command of a user."""
        event = command(kind, CONTACT, name, datetime.now(UTC), **fields)
        await self.traffic.publish("command", event, name, CONTACT)

    async def killed(self, point: str) -> None:
        """Let the worker come to a point, and wait until it was killed there."""

        async def ended() -> bool:
            return bool(self.fleet.ends)

        self.trap.set(point, "kill")
        await self.write("SMkilled")
        await until(ended, f"a worker killed {point}")


async def repeats(small: SmallRun) -> None:
    """A message and a command come again in a later batch."""
    for copy in ("once", "twice"):
        await small.write("SM1", copy)
        await small.command("conversation.close", "close-1")
        await small.done()


async def killed_before_commit(small: SmallRun) -> None:
    """The worker dies within its transaction."""
    await small.killed("before the commit")
    await small.done()


async def killed_in_relay(small: SmallRun) -> None:
    """The worker dies after publishing and before deleting."""
    await small.killed("after the relay's commit, before the delete")
    await small.done()


async def receipts_in_reverse(small: SmallRun) -> None:
    """Receipts come in the wrong order."""
    # With pauses after the answer and between them, so that they are applied in that order.
    small.twilio.callback_rules.add(CallbackRule(order="reversed", pause_seconds=0.5))
    await small.write("SM1")
    await small.done()
    await small.command("message.send", "reply-1", body="Hello")
    await small.done()


async def answers_lost(small: SmallRun) -> None:
    """Twilio accepts a reply, but its answer is lost, and it posts no callbacks."""
    small.twilio.callback_rules.add(callbacks_missing())
    small.twilio.faults.add(faults.answer_lost(times=1))
    await small.write("SM1")
    await small.done()
    await small.command("message.send", "reply-1", body="Hello")
    await small.done()


async def assignee_leaves(small: SmallRun) -> None:
    """A user is removed, and then the contact of one of their conversations writes."""
    await small.write("SM1")
    await small.done()
    await small.command("conversation.assign", "assign-1", assignee_id="bo")
    await small.done()
    await small.traffic.publish("directory", removal("bo", "removal-1"), "removal-1")
    await small.done()
    await small.write("SM2")
    await small.done()


SCENARIOS: dict[str, Callable[[SmallRun], Awaitable[None]]] = {
    "no unique key": repeats,
    "offset outside the transaction": killed_before_commit,
    "last write wins on status": receipts_in_reverse,
    "POST again on time-out": answers_lost,
    "relay without fencing": killed_in_relay,
    "conversations stay with who is gone": assignee_leaves,
    "no history and no outcomes": assignee_leaves,
    "random event ids": repeats,
}


@asynccontextmanager
async def small_run(
    settings: Settings, postgres: EmbeddedPostgres, directory: Path, mutant: str
) -> AsyncIterator[SmallRun]:
    """One worker that knows the channel, with a mutant or without one."""
    written = history.History(directory / "history.jsonl")
    async with (
        MockTwilio(ledger_file=directory / "ledger.jsonl") as twilio,
        Proxy(lambda: fleet.ports()) as front,  # noqa: PLW0108  # there is no fleet yet
    ):
        settings = replace(
            settings,
            public_url=f"http://{HOST}:{front.port}",
            twilio_accounts={SID: TwilioAccount(account_id=ACCOUNT, auth_token=TOKEN)},
            twilio_api_url=twilio.url,
            send_rates={"": 1000.0},
        )
        fleet = Fleet(settings, directory, TIMING, mutant=mutant)
        database = urlsplit(str(settings.database_url)).path
        superuser_url = urlunsplit(urlsplit(postgres.superuser_url)._replace(path=database))
        monitor = Monitor(settings, superuser_url)
        supervising = asyncio.ensure_future(fleet.supervise())
        fleet.start(fleet.workers[0])
        try:
            async with Traffic(settings, written, seed=1) as traffic:
                small = SmallRun(fleet, traffic, monitor, Trap(directory / "trap"), twilio)
                await fleet.until_ready()
                await traffic.publish_directory()
                await small.done()
                yield small
        finally:
            supervising.cancel()
            await fleet.stop()
            await monitor.disconnect()
            written.close()


async def judged(settings: Settings, directory: Path) -> Findings:
    """Returns the findings of the checker."""
    findings = Findings()
    operations = list(history.read(directory / "history.jsonl"))
    await check(settings, directory / "ledger.jsonl", operations, findings)
    return findings


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_a_mutant_is_found_out(
    settings: Settings,
    owner: "asyncpg.Connection[asyncpg.Record]",
    postgres: EmbeddedPostgres,
    tmp_path: Path,
    mutant: str,
) -> None:
    for statement in MUTANTS[mutant].schema:
        await owner.execute(statement)
    async with small_run(settings, postgres, tmp_path, mutant) as small:
        await SCENARIOS[mutant](small)
    findings = await judged(settings, tmp_path)
    assert findings.broken >= MUTANTS[mutant].breaks, findings.violations


@pytest.mark.parametrize("scenario", dict.fromkeys(SCENARIOS.values()))
async def test_without_a_mutant_nothing_is_found(
    settings: Settings,
    postgres: EmbeddedPostgres,
    tmp_path: Path,
    scenario: Callable[[SmallRun], Awaitable[None]],
) -> None:
    async with small_run(settings, postgres, tmp_path, "") as small:
        await scenario(small)
    findings = await judged(settings, tmp_path)
    assert findings.holds, findings.violations

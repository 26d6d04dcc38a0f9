"""The checker finds out workers that break a promise, each by the invariant that it breaks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from bench.load.load import ACCOUNT, CHANNEL, INSTALLER, made, message
from bench.mock_twilio import MockTwilio, Telling, faults
from bench.mock_twilio.tellings import missing
from schemas.ids import conversation_id
from tests.faults import history
from tests.faults.checks import Verdict, check
from tests.faults.fleet import Fleet
from tests.faults.load import Load
from tests.faults.mutants import MUTANTS
from tests.faults.pace import QUICK
from tests.faults.points import Trap
from tests.faults.proxy import Proxy
from tests.faults.pulse import Pulse
from tests.harness.twilio import SID, TOKEN
from tests.harness.waiting import until
from workers.dev.embedded.ports import HOST
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.settings import Settings
from workers.settings.values import TwilioAccount

CONTACT = "whatsapp:+4911"
PACE = replace(QUICK, workers=1, session_seconds=6)
KEY = conversation_id(ACCOUNT, CHANNEL, CONTACT)


@dataclass
class Small:
    """One worker, and what it takes to have something happen to it."""

    fleet: Fleet
    load: Load
    pulse: Pulse
    trap: Trap
    twilio: MockTwilio

    async def done(self) -> None:
        """Wait until all that was asked for is done."""

        async def nothing_left() -> bool:
            work = await self.pulse.work()
            return not work.left and not self.twilio.ledger.pending

        await until(nothing_left, "all is done")

    async def write(self, sid: str, copy: str = "once") -> None:
        """The contact writes."""
        event = message(sid, CONTACT, datetime.now(UTC), copy)
        await self.load.publish("message", event, sid, CONTACT)

    async def command(self, kind: str, name: str, **fields: object) -> None:
        """A user asks for something."""
        data = {
            "account_id": ACCOUNT,
            "conversation_id": KEY,
            "actor_id": INSTALLER,
            **fields,
        }
        event = made(kind, data, KEY, name, datetime.now(UTC))
        await self.load.publish("command", event, name, CONTACT)

    async def killed(self, point: str) -> None:
        """Wait until the worker was killed at a point that it was told of."""

        async def ended() -> bool:
            return bool(self.fleet.ended)

        self.trap.arm(point, "kill")
        await self.write("SMkilled")
        await until(ended, f"a worker killed {point}")


async def repeats(small: Small) -> None:
    """A message and a command come again, in a later batch."""
    for copy in ("once", "twice"):
        await small.write("SM1", copy)
        await small.command("conversation.close", "close-1")
        await small.done()


async def killed_before_commit(small: Small) -> None:
    """A worker dies within its transaction."""
    await small.killed("before the commit")
    await small.done()


async def killed_in_relay(small: Small) -> None:
    """A worker dies between publishing and deleting."""
    await small.killed("after the relay's commit, before the delete")
    await small.done()


async def receipts_in_reverse(small: Small) -> None:
    """Receipts come in the wrong order."""
    # Each some time after the other, and after the answer, so that they are applied in that order.
    small.twilio.tellings.add(Telling(order="reversed", pause_seconds=0.5))
    await small.write("SM1")
    await small.done()
    await small.command("message.send", "reply-1", body="Hello")
    await small.done()


async def answers_lost(small: Small) -> None:
    """Twilio takes a reply, and nobody hears so, from no callback either."""
    small.twilio.tellings.add(missing())
    small.twilio.faults.add(faults.answer_lost(times=1))
    await small.write("SM1")
    await small.done()
    await small.command("message.send", "reply-1", body="Hello")
    await small.done()


SCENARIOS: dict[str, Callable[[Small], Awaitable[None]]] = {
    "no unique key": repeats,
    "offset outside the transaction": killed_before_commit,
    "last write wins on status": receipts_in_reverse,
    "POST again on time-out": answers_lost,
    "relay without fencing": killed_in_relay,
    "random event ids": repeats,
}


@asynccontextmanager
async def small_run(
    settings: Settings, postgres: EmbeddedPostgres, directory: Path, mutant: str
) -> AsyncIterator[Small]:
    """One worker with a mutant, or none, that knows the channel."""
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
        fleet = Fleet(settings, directory, PACE, mutant=mutant)
        database = urlsplit(str(settings.database_url)).path
        superuser_url = urlunsplit(urlsplit(postgres.superuser_url)._replace(path=database))
        pulse = Pulse(settings, superuser_url)
        supervising = asyncio.ensure_future(fleet.supervise())
        fleet.start(fleet.slots[0])
        try:
            async with Load(settings, written, seed=1) as load:
                small = Small(fleet, load, pulse, Trap(directory / "trap"), twilio)
                await fleet.until_ready()
                await load.introduce()
                await small.done()
                yield small
        finally:
            supervising.cancel()
            await fleet.stop()
            await pulse.forget()
            written.close()


async def judged(settings: Settings, directory: Path) -> Verdict:
    """What the checker says."""
    verdict = Verdict()
    operations = list(history.read(directory / "history.jsonl"))
    await check(settings, directory / "ledger.jsonl", operations, verdict)
    return verdict


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
    verdict = await judged(settings, tmp_path)
    assert verdict.broken >= MUTANTS[mutant].breaks, verdict.violations


@pytest.mark.parametrize("scenario", dict.fromkeys(SCENARIOS.values()))
async def test_without_a_mutant_nothing_is_found(
    settings: Settings,
    postgres: EmbeddedPostgres,
    tmp_path: Path,
    scenario: Callable[[Small], Awaitable[None]],
) -> None:
    async with small_run(settings, postgres, tmp_path, "") as small:
        await scenario(small)
    verdict = await judged(settings, tmp_path)
    assert verdict.holds, verdict.violations

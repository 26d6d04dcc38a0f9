"""Checks that replies are sent at most once while Twilio fails in every way and workers are killed.

    python -m bench.sending [--replies 2000] [--kills 20] [--seed 1]

Two workers share the replies. Each is killed at a POST, before it or after it, and started again,
until there were so many kills. Prints what was counted. Exits with 1 when a promise was broken.
"""

import argparse
import asyncio
import itertools
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from signal import SIGKILL

from bench.checkers.promises import expect
from bench.checkers.sent import check
from bench.checkers.tables import owner_connection
from bench.load.input_events import (
    ACCOUNT,
    USERS,
    InputEvent,
    command,
    directory,
    message,
    reply_bodies,
)
from bench.load.publishing import publish
from bench.mock_twilio import CallbackRule, Fault, Ledger, RemoteTwilio, faults
from bench.mock_twilio.account import SID, TOKEN
from bench.mock_twilio.callback_rules import callbacks_missing
from bench.runs.processes import log_tail, start_program
from bench.runs.workers import running_workers, until_applied
from workers.dev.embedded.ports import free_port
from workers.dev.stack import stack
from workers.settings import Settings
from workers.settings.values import TwilioAccount

REFUSALS, REFUSE_SECONDS = 3, 1.0
"""How many times, and for how long, the mock refuses connections."""

SETTLE_SECONDS = 600
"""The longest wait until all parts are settled."""

POLL_SECONDS = 0.2
REPLIES_PER_CONTACT = 4


def contacts(replies: int) -> list[str]:
    """Returns the addresses to which replies are sent."""
    return [f"whatsapp:+49{number:09d}" for number in range(-(-replies // REPLIES_PER_CONTACT))]


def first_messages(replies: int) -> Iterator[InputEvent]:
    """A message of each contact, which opens the window for replies."""
    for number, contact in enumerate(contacts(replies)):
        yield message(f"SM{number:032d}", contact, datetime.now(UTC))


def commands(replies: int, seed: int) -> Iterator[InputEvent]:
    """The replies: some have the same text, some have two parts."""
    chance = random.Random(seed)  # noqa: S311  # repeatable on purpose
    addresses = contacts(replies)
    for number in range(replies):
        body, actor_id = chance.choice(reply_bodies(number)), chance.choice(USERS)
        yield command(
            "message.send",
            addresses[number % len(addresses)],
            f"reply-{number}",
            datetime.now(UTC),
            actor_id=actor_id,
            body=body,
        )


async def switch_on_faults(twilio: RemoteTwilio, seed: int) -> None:
    """Switch on every fault, each for a few percent of the POSTs, together for a third."""
    makers: list[Callable[..., Fault]] = [
        faults.answer_lost,
        faults.answer_cut,
        faults.connection_closed,
        partial(faults.connection_reset, "before"),
        partial(faults.connection_reset, "after"),
        partial(faults.server_error, "before"),
        partial(faults.server_error, "after"),
        partial(faults.html_502, "before"),
        partial(faults.html_502, "after"),
        partial(faults.problem, "before", 503, 20503),
        faults.throttled,
        partial(faults.throttled, 1),
        partial(faults.refused, 21211),
        partial(faults.slow, 0.5),
    ]
    await twilio.add(
        *(make(probability=0.03, seed=seed + index) for index, make in enumerate(makers)),
        # A POST that hangs takes ten seconds.
        faults.hanging("before", probability=0.05, times=4, seed=seed),
        faults.hanging("after", probability=0.05, times=4, seed=seed + 1),
        Fault(act="answer", on="list", probability=0.1, seed=seed),
        callbacks_missing(probability=0.3, seed=seed),
        CallbackRule(order="reversed", probability=0.2, seed=seed + 1),
        CallbackRule(copies=2, probability=0.2, seed=seed + 2),
        CallbackRule(early=1, probability=0.2, seed=seed + 3),
    )


async def _expect_all_happened(twilio: RemoteTwilio, counted: dict[str, float]) -> None:
    """Check that every fault was applied: otherwise the run proves nothing."""
    for active in await twilio.counts():
        expect(active["hits"] > 0, f"not vacuous: {active['rule']}")
    for what in (
        "known by a receipt",
        "known by the list",
        "uncertain",
        "failed",
        "times without a connection",
    ):
        expect(counted[what] > 0, f"not vacuous: {what}")


class Senders:
    """Two sending workers that are killed again and again."""

    def __init__(self, settings: Settings, path: Path, kills: int, seed: int) -> None:
        self._settings = settings
        self._path = path
        self._kills_max = kills
        self._chance = random.Random(seed)  # noqa: S311  # repeatable on purpose
        self.kills: Counter[str] = Counter()
        """How many were killed so far, by `before` and `after` a POST."""
        self._dying: Counter[str] = Counter()
        self._when = itertools.cycle(("before", "after"))
        self._processes = [self._start(number) for number in range(2)]

    def _start(self, number: int) -> tuple[str, "subprocess.Popen[bytes]"]:
        # At one of the next POSTs, which will surely come, or at none; before and after in turn.
        dying = self.kills.total() + self._dying.total() < self._kills_max
        when = next(self._when)
        self._dying[when] += dying
        at = self._chance.randint(3, 30) if dying else sys.maxsize
        settings = replace(self._settings, web_port=free_port())
        program = "bench.runs.killed_sender"
        return when, start_program(settings, self._log(number), program, when, str(at))

    def _log(self, number: int) -> Path:
        return self._path / f"sender-{number}.log"

    def restart_killed(self) -> None:
        """Start those again that were killed. Raises RuntimeError if one ended otherwise."""
        for number, (when, process) in enumerate(self._processes):
            status = process.poll()
            if status is None:
                continue
            if status != -SIGKILL:
                tail = log_tail(self._log(number))
                raise RuntimeError(f"a sender ended with {status}:\n{tail}")
            self.kills[when] += 1
            self._dying[when] -= 1
            self._processes[number] = self._start(number)

    def stop(self) -> None:
        """Kill them (SIGKILL), and wait until they have ended."""
        for _, process in self._processes:
            process.kill()
            process.wait()


async def run(
    settings: Settings, path: Path, *, replies: int, kills: int, seed: int
) -> dict[str, float]:
    """Send, kill, settle and check. Returns what was counted.

    Raises bench.checkers.promises.Broken.
    """
    port = free_port()
    settings = replace(
        settings,
        web_port=port,
        public_url=f"http://127.0.0.1:{port}",
        twilio_accounts={SID: TwilioAccount(account_id=ACCOUNT, auth_token=TOKEN)},
        send_rates={"": 10_000.0},
        # A kill leaves the parts under way uncertain: so a few of them each time.
        sends_in_flight=8,
    )
    async with RemoteTwilio(path / "ledger.jsonl") as twilio:
        settings = replace(settings, twilio_api_url=twilio.url)
        with running_workers(settings, path, roles="ingest,relay,web", port=port) as workers:
            known = await publish(settings, directory())
            await until_applied(settings, workers, known)
            known += await publish(settings, first_messages(replies))
            await until_applied(settings, workers, known)
            await switch_on_faults(twilio, seed)
            began = time.monotonic()
            await publish(settings, commands(replies, seed))
            senders = Senders(settings, path, kills, seed)
            try:
                posted, refusals = await _send(settings, twilio, senders)
            finally:
                senders.stop()
            await _until_quiet(settings, twilio)
            ledger = Ledger.read(twilio.ledger_file)
            counted: dict[str, float] = {
                "replies per second": replies / (posted - began),
                "killed before a POST": senders.kills["before"],
                "killed after a POST": senders.kills["after"],
                "times without a connection": refusals,
                **await check(settings, ledger, {f"reply-{n}" for n in range(replies)}),
            }
            await _expect_all_happened(twilio, counted)
            return counted


async def _send(settings: Settings, twilio: RemoteTwilio, senders: Senders) -> tuple[float, int]:
    """Wait until all parts are sent and settled, and restart the senders meanwhile.

    Returns when the last part was posted (`time.monotonic`), and how many times connections were
    refused.
    """
    posted, refusals, refuse_at = None, 0, time.monotonic()
    deadline = time.monotonic() + SETTLE_SECONDS
    async with owner_connection(settings) as connection:
        while time.monotonic() < deadline:
            senders.restart_killed()
            left = await connection.fetchrow(_LEFT)
            assert left is not None
            if left["sends"] and not left["unposted"]:
                posted = posted or time.monotonic()
            if posted and not left["unsettled"]:
                return posted, refusals
            if refusals < REFUSALS and left["unposted"] and time.monotonic() >= refuse_at:
                refusals += 1
                refuse_at = time.monotonic() + 3 * REFUSE_SECONDS
                await twilio.refuse(REFUSE_SECONDS)
            await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError(f"not all is settled within {SETTLE_SECONDS} s")


_LEFT = """
SELECT count(*) AS sends,
       count(*) FILTER (WHERE state IN ('queued', 'posting')) AS unposted,
       count(*) FILTER (WHERE state = 'uncertain' AND NOT told_uncertain) AS unsettled
FROM inbox.sends
"""


async def _until_quiet(settings: Settings, twilio: RemoteTwilio) -> None:
    """Wait until every callback is posted and applied, and its events are published."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (await twilio.ledger()).pending:
        expect(time.monotonic() < deadline, "all callbacks are posted")
        await asyncio.sleep(POLL_SECONDS)
    async with owner_connection(settings) as connection:
        receipts, quiet_since = -1, time.monotonic()
        while time.monotonic() - quiet_since < 3:
            found = await connection.fetchval("SELECT count(*) FROM inbox.receipts")
            waiting = await connection.fetchval("SELECT EXISTS (SELECT FROM inbox.outbox)")
            if found != receipts or waiting:
                receipts, quiet_since = found, time.monotonic()
            await asyncio.sleep(POLL_SECONDS)


async def main() -> None:
    """Run at full size on an embedded stack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replies", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    settings = Settings.from_environment({"INBOX_PARTITIONS": "8"})
    with tempfile.TemporaryDirectory() as name:
        async with stack(settings, Path(name)) as settings:
            counted = await run(
                settings,
                Path(name),
                replies=given.replies,
                kills=given.kills,
                seed=given.seed,
            )
            for what, number in counted.items():
                print(f"{what}: {number:,.0f}")


if __name__ == "__main__":
    asyncio.run(main())

"""Replies against a Twilio that fails in every way, by workers that are killed: at most once each?

    python -m bench.sending [--replies 2000] [--kills 20] [--seed 1]

Two workers share the replies. Each is killed at a POST, before it or after it, and started again,
until there were so many kills. Prints what was counted; exits 1 when a promise was broken.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from bench.load import ACCOUNT, CHANNEL, USERS, Made, directory, made, message, publish
from bench.promises import expect, expect_once
from bench.topics import read
from bench.workers import running, until_applied
from domain.delivery import later
from schemas.ids import conversation_id
from tests.mock_twilio import Ledger, RemoteTwilio, Telling, faults
from tests.mock_twilio.tellings import missing
from tests.twilio import SID, TOKEN
from workers.embedded.ports import free_port
from workers.setting_values import TwilioAccount
from workers.settings import Settings, required
from workers.stack import stack

SETTLE_SECONDS = 600
POLL_SECONDS = 0.2
REPLIES_PER_CONTACT = 4

Part = tuple[str, int]
"""A message id and the number of the part."""


def contacts(replies: int) -> list[str]:
    """The addresses that are replied to."""
    return [f"whatsapp:+49{number:09d}" for number in range(-(-replies // REPLIES_PER_CONTACT))]


def first_messages(replies: int) -> Iterator[Made]:
    """A message of each contact, which opens their window."""
    for number, contact in enumerate(contacts(replies)):
        yield message(f"SM{number:032d}", contact, datetime.now(UTC))


def commands(replies: int, seed: int) -> Iterator[Made]:
    """The replies: some are equal, some are long enough for two parts."""
    chance = random.Random(seed)  # noqa: S311  # repeatable on purpose
    addresses = contacts(replies)
    for number in range(replies):
        key = conversation_id(ACCOUNT, CHANNEL, addresses[number % len(addresses)])
        body = chance.choice((f"Reply {number}", "Thank you!", f"Reply {number} " * 200))
        data = {
            "account_id": ACCOUNT,
            "conversation_id": key,
            "actor_id": chance.choice(USERS),
            "body": body,
        }
        yield made("message.send", data, key, f"reply-{number}", datetime.now(UTC))


async def disturb(twilio: RemoteTwilio, seed: int) -> None:
    """Switch on every fault, each for a few in a hundred: together for a third of all POSTs."""
    scope: dict[str, Any] = {"probability": 0.03}
    wrong = [
        faults.answer_lost,
        faults.answer_cut,
        faults.connection_closed,
        lambda **given: faults.connection_reset("before", **given),
        lambda **given: faults.connection_reset("after", **given),
        lambda **given: faults.server_error("before", **given),
        lambda **given: faults.server_error("after", **given),
        lambda **given: faults.html_502("before", **given),
        lambda **given: faults.html_502("after", **given),
        lambda **given: faults.problem("before", 503, 20503, **given),
        faults.throttled,
        lambda **given: faults.throttled(1, **given),
        lambda **given: faults.refused(21211, **given),
        lambda **given: faults.slow(0.5, **given),
    ]
    await twilio.add(*(make(**scope, seed=seed + index) for index, make in enumerate(wrong)))
    await twilio.add(
        faults.hanging("before", probability=0.002, seed=seed),
        faults.hanging("after", probability=0.002, seed=seed + 1),
        missing(probability=0.3, seed=seed),
        Telling(order="reversed", probability=0.2, seed=seed + 1),
        Telling(copies=2, probability=0.2, seed=seed + 2),
        Telling(early=1, probability=0.2, seed=seed + 3),
    )


class KilledSender:
    """A sending worker that is killed again and again."""

    def __init__(self, settings: Settings, log: Path, chance: random.Random) -> None:
        self._settings = replace(settings, web_port=free_port())
        self._log = log
        self._chance = chance
        self._process = self._start(killed=True)

    def _start(self, *, killed: bool) -> "subprocess.Popen[bytes]":
        # At a POST that will surely come, or at none.
        where = [self._chance.choice(("before", "after")), str(self._chance.randint(3, 30))]
        never = ["after", str(sys.maxsize)]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "bench.killed_sender", *(where if killed else never)],
                env=os.environ | self._settings.environment(),
                stdout=log,
                stderr=log,
            )

    def renew(self, *, killed: bool) -> bool:
        """Start it again if it was killed; whether it was. Raises RuntimeError if it failed."""
        status = self._process.poll()
        if status is None:
            return False
        if status != -SIGKILL:
            raise RuntimeError(f"a sender ended with {status}:\n{self._log.read_text()[-4000:]}")
        self._process = self._start(killed=killed)
        return True

    def stop(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()


async def run(
    settings: Settings, path: Path, *, replies: int, kills: int, seed: int
) -> dict[str, float]:
    """Send, kill, settle, check. Raises bench.promises.Broken; what was counted."""
    port = free_port()
    settings = replace(
        settings,
        web_port=port,
        public_url=f"http://127.0.0.1:{port}",
        twilio_accounts={SID: TwilioAccount(account_id=ACCOUNT, auth_token=TOKEN)},
        send_rates={"": 10_000.0},
        # What a kill finds under way is of unknown outcome: a few of them each time.
        sends_in_flight=8,
    )
    async with RemoteTwilio(path / "ledger.jsonl") as twilio:
        settings = replace(settings, twilio_api_url=twilio.url)
        with running(settings, path, roles="ingest,relay,web", port=port) as workers:
            known = await publish(settings, directory())
            await until_applied(settings, workers, known)
            known += await publish(settings, first_messages(replies))
            await until_applied(settings, workers, known)
            await disturb(twilio, seed)
            began = time.monotonic()
            await publish(settings, commands(replies, seed))
            seconds = await _send(settings, path, kills, seed) - began
            await _until_quiet(settings, twilio)
            counted = await check(settings, Ledger.read(twilio.ledger_file), replies)
    return {"replies per second": replies / seconds, "kills": kills, **counted}


async def _send(settings: Settings, path: Path, kills: int, seed: int) -> float:
    """Have it all sent by workers that are killed; when the last part was settled (monotonic)."""
    chance = random.Random(seed)  # noqa: S311  # repeatable on purpose
    senders = [KilledSender(settings, path / f"sender-{n}.log", chance) for n in range(2)]
    left, deadline = kills, time.monotonic() + SETTLE_SECONDS
    try:
        async with _database(settings) as connection:
            while time.monotonic() < deadline:
                for sender in senders:
                    left -= sender.renew(killed=left > len(senders))
                if await _all_settled(connection) and left <= len(senders):
                    return time.monotonic()
                await asyncio.sleep(POLL_SECONDS)
            raise TimeoutError(f"not all is settled within {SETTLE_SECONDS} s")
    finally:
        for sender in senders:
            sender.stop()


@asynccontextmanager
async def _database(settings: Settings) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(required(settings.migration_database_url, "database"))
    try:
        yield connection
    finally:
        await connection.close()


async def _all_settled(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    waiting: int = await connection.fetchval(
        "SELECT count(*) FROM inbox.sends WHERE state IN ('queued', 'posting')"
        " OR (state = 'uncertain' AND NOT told_uncertain)"
    )
    sends: int = await connection.fetchval("SELECT count(*) FROM inbox.sends")
    return sends > 0 and waiting == 0


async def _until_quiet(settings: Settings, twilio: RemoteTwilio) -> None:
    """Wait until every callback was posted, applied and published."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (await twilio.ledger()).pending:
        expect(time.monotonic() < deadline, "all callbacks are posted")
        await asyncio.sleep(POLL_SECONDS)
    async with _database(settings) as connection:
        receipts, quiet_since = -1, time.monotonic()
        while time.monotonic() - quiet_since < 3:
            found = await connection.fetchval("SELECT count(*) FROM inbox.receipts")
            waiting = await connection.fetchval("SELECT EXISTS (SELECT FROM inbox.outbox)")
            if found != receipts or waiting:
                receipts, quiet_since = found, time.monotonic()
            await asyncio.sleep(POLL_SECONDS)


async def check(settings: Settings, ledger: Ledger, replies: int) -> dict[str, int]:
    """Compare what was sent with what is known of it. Raises Broken."""
    async with _database(settings) as connection:
        rows = await connection.fetch(
            "SELECT message_id::text, part, state, provider_message_id, status FROM inbox.sends"
        )
        receipts = await connection.fetch("SELECT provider_message_id, status FROM inbox.receipts")
    sent: dict[Part, str] = {}
    for entry in ledger.sends:
        query = parse_qs(urlsplit(entry.status_callback or "").query)
        part = (query["mid"][0], int(query["a"][0]))
        expect(part not in sent, f"part {part} was sent once")
        sent[part] = entry.sid
    states = Counter(row["state"] for row in rows)
    for row in rows:
        part = (row["message_id"], row["part"])
        if row["state"] == "accepted":
            expect(sent.get(part) == row["provider_message_id"], "an accepted part has its own id")
            _check_status(row["status"], row["provider_message_id"], receipts)
        elif row["state"] == "failed":
            expect(part not in sent, "a failed part was not sent")
    expect(states.keys() <= {"accepted", "failed", "uncertain"}, "every part is settled")
    doubtful = sum((row["message_id"], row["part"]) in sent for row in rows) - states["accepted"]
    results = Counter([event["data"]["command_id"] async for event in read(settings, "results")])
    expect_once(results, {f"reply-{number}" for number in range(replies)}, "result of a reply")
    told = [event async for event in read(settings, "messages.sent")]
    accepted = Counter(_part(event) for event in told if ".accepted." in event["type"])
    wanted = {f"{row['message_id']}/{row['part']}" for row in rows if row["state"] == "accepted"}
    expect_once(accepted, wanted, "message.accepted of a part")
    return {
        "parts": len(rows),
        "sent": len(sent),
        "sent, but uncertain": doubtful,
        "receipts": len(receipts),
        **states,
    }


def _part(event: dict[str, Any]) -> str:
    return f"{event['data']['message_id']}/{event['data']['part']}"


def _check_status(status: str, sid: str, receipts: list[asyncpg.Record]) -> None:
    words = [row["status"] for row in receipts if row["provider_message_id"] == sid]
    expect(
        not any(later(status, word) for word in words), "a status is the maximum of its receipts"
    )


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

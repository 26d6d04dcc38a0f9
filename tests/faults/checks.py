"""The invariants I1 to I9, read from what a run left: Postgres, all topics, the ledger.

Each check is bench's where bench has it; what is here compares with the history.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from bench.checkers import messages as checker
from bench.checkers import sent as sent_checker
from bench.checkers.events import check_events, check_partitions
from bench.checkers.notes import check_notes
from bench.checkers.promises import Broken, expect
from bench.load.load import ACCOUNT, CHANNEL
from bench.load.topics import read_records
from bench.mock_twilio import Ledger
from schemas.catalog import INBOUND
from schemas.ids import inbound_message_id
from tests.faults.history import Operation
from workers.outbox.dead_letter import split_headers
from workers.settings import Settings, required

INVARIANTS = {
    "I1": "every acknowledged message has one row; no row is without a message",
    "I2": "one event per cause and rule, ids unique and derived",
    "I3": "versions without a gap, in order, on one partition",
    "I4": "one conversation per contact; nothing unseen in a closed one",
    "I5": "one result per command",
    "I6": "each message is in one note per entity, as it was written",
    "I7": "delivery status is the maximum of the receipts, and never goes back",
    "I8": "at most one send per part; what is of unknown outcome is told so, or known right",
    "I9": "poison is set aside once, unchanged; its partition goes on; forgeries are 403",
    "I10": "no lag, no outbox, no spool, nothing unsettled soon after healing",
    "I11": "not vacuous: every fault hit work in flight, and what it should cause happened",
}


@dataclass
class Verdict:
    """What was found of each invariant."""

    violations: dict[str, list[str]] = field(
        default_factory=lambda: {name: [] for name in INVARIANTS}
    )
    counted: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def of(self, invariant: str) -> Iterator[None]:
        """What is raised within is a violation of an invariant."""
        try:
            yield
        except (Broken, LookupError, ValueError) as error:
            self.violations[invariant].append(f"{type(error).__name__}: {error}")

    @property
    def holds(self) -> bool:
        """Whether nothing is violated."""
        return not any(self.violations.values())

    @property
    def broken(self) -> set[str]:
        """The invariants that are violated."""
        return {name for name, found in self.violations.items() if found}


async def check(
    settings: Settings, ledger_file: Path, history: list[Operation], verdict: Verdict
) -> None:
    """Check I1 to I9."""
    given, log = await checker.inputs(settings), checker.Log()
    with verdict.of("I3"):
        await checker.read_log(settings, given, log)
        await check_partitions(settings)
    with verdict.of("I1"):
        checker.check_recorded(given, log)
        verdict.counted["conversations"] = await checker.check_rows(settings, log)
    with verdict.of("I1"):
        await _check_messages(settings, given, history)
    with verdict.of("I2"):
        verdict.counted["events"] = await check_events(settings)
    with verdict.of("I2"):
        verdict.counted["notifications"] = await checker.check_notifications(settings, log)
    with verdict.of("I4"):
        checker.check_seen(log)
        await _check_conversations(settings)
    with verdict.of("I5"):
        verdict.counted["results"] = await checker.check_results(settings, given, log)
    with verdict.of("I5"):
        _check_commands(given, history)
    with verdict.of("I6"):
        verdict.counted["notes"] = await check_notes(settings, log.linked, given.bodies)
    await _check_sends(settings, ledger_file, verdict)
    with verdict.of("I9"):
        verdict.counted["dead letters"] = await _check_dead_letters(settings, history)
    with verdict.of("I9"):
        _check_hostile(history)
    verdict.counted["messages"] = log.recorded.total()
    verdict.counted["deleted conversations"] = len(log.deleted)
    for kind, count in Counter(each.invoked.kind for each in history).items():
        verdict.counted[f"asked: {kind}"] = count
    for outcome, count in Counter(each.outcome for each in history).items():
        verdict.counted[f"answered: {outcome}"] = count


async def _check_messages(
    settings: Settings, given: checker.Given, history: list[Operation]
) -> None:
    """What was acknowledged reached Kafka; what is recorded was written by somebody."""
    written = [each for each in history if each.invoked.kind == "message"]
    ids = {id(each): inbound_message_id(ACCOUNT, CHANNEL, each.invoked.name) for each in written}
    lost = {ids[id(each)] for each in written if each.outcome == "ok"} - given.messages.keys()
    expect(not lost, f"{len(lost)} acknowledged messages are lost, such as {sorted(lost)[:3]}")
    rows = await _fetch(
        settings, "SELECT message_id::text FROM inbox.messages WHERE direction = 'inbound'"
    )
    possible = {ids[id(each)] for each in written if each.may_have_happened}
    strange = {row[0] for row in rows} - possible
    expect(not strange, f"{len(strange)} rows are of messages that nobody wrote")


def _check_commands(given: checker.Given, history: list[Operation]) -> None:
    asked = [each for each in history if each.invoked.kind in {"command", "reply"}]
    lost = {each.invoked.name for each in asked if each.outcome == "ok"} - given.commands.keys()
    expect(not lost, f"{len(lost)} acknowledged commands are lost")
    strange = given.commands.keys() - {each.invoked.name for each in asked}
    expect(not strange, f"{len(strange)} commands were given by nobody")


async def _check_conversations(settings: Settings) -> None:
    rows = await _fetch(
        settings,
        "SELECT account_id, channel_id, contact_address FROM inbox.conversations"
        " GROUP BY 1, 2, 3 HAVING count(*) > 1",
    )
    expect(not rows, f"{len(rows)} contacts have two conversations")


async def _check_sends(settings: Settings, ledger_file: Path, verdict: Verdict) -> None:
    ledger = Ledger.read(ledger_file)
    rows, receipts = await sent_checker.sends(settings)
    told = await sent_checker.read_told(settings)
    with verdict.of("I7"):
        sent_checker.check_statuses(rows, receipts)
    with verdict.of("I7"):
        sent_checker.check_told(rows, told)
    with verdict.of("I8"):
        sent_checker.check_requests(ledger)
    with verdict.of("I8"):
        sent_checker.check_parts(rows, sent_checker.sent_parts(ledger))
    posts = [each for each in ledger.requests if each.route == "send"]
    states = Counter(row["state"] for row in rows)
    verdict.counted |= {"parts": len(rows), "POSTs": len(posts), "receipts": len(receipts)}
    verdict.counted |= {f"parts {state}": count for state, count in states.items()}


async def _check_dead_letters(settings: Settings, history: list[Operation]) -> int:
    """Poison and nothing else is set aside, each record once, as it was."""
    poison = await _poison(settings)
    found: dict[tuple[str, int, int], int] = defaultdict(int)
    changed = strange = 0
    async for record in read_records(settings, "dead-letters"):
        headers, origin = split_headers(record.headers)
        place = origin.topic, origin.partition, origin.offset
        found[place] += 1
        if place not in poison:
            strange += 1
        elif poison[place] != (record.key, record.value, tuple(headers)):
            changed += 1
    missing = len(poison.keys() - found.keys())
    doubled = sum(count > 1 for count in found.values())
    expect(
        missing == doubled == strange == changed == 0,
        f"poison is set aside once, unchanged, and nothing else: {missing} missing, {doubled} "
        f"doubled, {changed} changed, {strange} good ones",
    )
    came = {dict(headers)["trace"].decode() for _, _, headers in poison.values()}
    sent = {
        each.invoked.name.split()[0]
        for each in history
        if each.invoked.kind == "poison" and each.outcome == "ok"
    }
    expect(sent <= came, "what is poison is known by its header")
    return len(poison)


async def _poison(
    settings: Settings,
) -> dict[tuple[str, int, int], tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]]:
    """Each record that is to be set aside, by its place: key, value and headers."""
    found = {}
    for topic in INBOUND:
        async for record in read_records(settings, topic):
            headers = tuple((name, value or b"") for name, value in record.headers)
            if "trace" in dict(headers):
                place = record.topic, record.partition, record.offset
                found[place] = record.key, record.value, headers
    return found


def _check_hostile(history: list[Operation]) -> None:
    answers = [
        (each.invoked.name, *each.detail.split())
        for each in history
        if each.invoked.kind == "hostile" and each.outcome == "ok"
    ]
    wrong = [answer for answer in answers if answer[1] != answer[2]]
    expect(not wrong, f"{len(wrong)} webhooks are answered wrong, such as {wrong[:3]}")


async def _fetch(settings: Settings, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(required(settings.migration_database_url, "database"))
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()

"""Checks the invariants I1 to I9 on what a run left: Postgres, all topics, the ledger.

Most checks are those of bench.checkers. The others compare with the history.
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
from bench.checkers.history import check_history
from bench.checkers.notes import check_notes
from bench.checkers.promises import Broken, expect
from bench.checkers.tables import owner_connection
from bench.checkers.topics import read_records
from bench.load.input_events import message_id
from bench.mock_twilio import Ledger
from schemas.catalog import INBOUND
from schemas.dead_letters import split_headers
from tests.faults.history import Operation
from workers.settings import Settings

INVARIANTS = {
    "I1": "every acknowledged message has one row; no row is without a message",
    "I2": "one event per cause and rule, ids unique and derived; the history is what the log says",
    "I3": "versions without a gap, in order, on one partition",
    "I4": "one conversation per contact; nothing unseen in a closed one, or of a user who is gone",
    "I5": "one result per command, and its outcome is the same",
    "I6": "each message is in one note per entity, as it was written",
    "I7": "delivery status is the maximum of the receipts, and never goes back",
    "I8": "at most one send per part; one of unknown outcome gets its id, or an event says so",
    "I9": "poison is dead-lettered once, unchanged; its partition goes on; forgeries are 403",
    "I10": "no lag, no outbox, no spool, nothing unsettled soon after healing",
    "I11": "not vacuous: every fault hit work in flight, and had the effect that it should have",
}


@dataclass
class Findings:
    """The violations that were found, by invariant, and what was counted."""

    violations: dict[str, list[str]] = field(
        default_factory=lambda: {name: [] for name in INVARIANTS}
    )
    counted: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def checking(self, invariant: str) -> Iterator[None]:
        """Record an error that is raised within as a violation of an invariant."""
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
    settings: Settings, ledger_file: Path, history: list[Operation], findings: Findings
) -> None:
    """Check I1 to I9."""
    inputs, log = await checker.read_inputs(settings), checker.ConversationLog()
    with findings.checking("I3"):
        await checker.read_log(settings, inputs, log)
        await check_partitions(settings)
    with findings.checking("I1"):
        checker.check_recorded(inputs, log)
        findings.counted["conversations"] = await checker.check_rows(settings, log)
    with findings.checking("I1"):
        await _check_messages(settings, inputs, history)
    with findings.checking("I2"):
        findings.counted["events"] = await check_events(settings)
    with findings.checking("I2"):
        await check_history(settings, log.history)
    with findings.checking("I2"):
        findings.counted["notifications"] = await checker.check_notifications(settings, log)
    with findings.checking("I4"):
        checker.check_unseen(log)
        await _check_conversations(settings)
        await _check_assignees(settings)
    with findings.checking("I5"):
        findings.counted["results"] = await checker.check_results(settings, inputs, log)
    with findings.checking("I5"):
        _check_commands(inputs, history)
    with findings.checking("I6"):
        findings.counted["notes"] = await check_notes(settings, log.linked, inputs.bodies)
    await _check_sends(settings, ledger_file, findings)
    with findings.checking("I9"):
        findings.counted["dead letters"] = await _check_dead_letters(settings, history)
    with findings.checking("I9"):
        _check_bad_webhooks(history)
    findings.counted["messages"] = log.recorded.total()
    findings.counted["deleted conversations"] = len(log.deleted)
    findings.counted["conversations of users who were gone"] = len(log.left)
    for kind, count in Counter(each.start.kind for each in history).items():
        findings.counted[f"requested: {kind}"] = count
    for outcome, count in Counter(each.outcome for each in history).items():
        findings.counted[f"ended: {outcome}"] = count


async def _check_messages(
    settings: Settings, inputs: checker.Inputs, history: list[Operation]
) -> None:
    """Check that acknowledged messages are in Kafka, and that no other messages are recorded."""
    written = [
        (message_id(each.start.name), each) for each in history if each.start.kind == "message"
    ]
    acknowledged = {id_ for id_, each in written if each.outcome == "ok"}
    lost = acknowledged - inputs.messages.keys()
    expect(not lost, f"{len(lost)} acknowledged messages are lost, such as {sorted(lost)[:3]}")
    rows = await _fetch(
        settings, "SELECT message_id::text FROM inbox.messages WHERE direction = 'inbound'"
    )
    possible = {id_ for id_, each in written if each.may_have_happened}
    strange = {row[0] for row in rows} - possible
    expect(not strange, f"{len(strange)} rows are of messages that nobody wrote")


def _check_commands(inputs: checker.Inputs, history: list[Operation]) -> None:
    issued = [each for each in history if each.start.kind in {"command", "reply"}]
    lost = {each.start.name for each in issued if each.outcome == "ok"} - inputs.commands.keys()
    expect(not lost, f"{len(lost)} acknowledged commands are lost")
    strange = inputs.commands.keys() - {each.start.name for each in issued}
    expect(not strange, f"{len(strange)} commands were issued by nobody")


async def _check_conversations(settings: Settings) -> None:
    rows = await _fetch(
        settings,
        "SELECT account_id, channel_id, contact_address FROM inbox.conversations"
        " GROUP BY 1, 2, 3 HAVING count(*) > 1",
    )
    expect(not rows, f"{len(rows)} contacts have two conversations")


async def _check_assignees(settings: Settings) -> None:
    rows = await _fetch(
        settings,
        "SELECT FROM inbox.conversations AS c"
        " LEFT JOIN inbox.users AS u ON u.account_id = c.account_id AND u.user_id = c.assignee_id"
        " WHERE c.assignee_id IS NOT NULL AND u.inbox_access IS NOT TRUE",
    )
    expect(not rows, f"{len(rows)} conversations are assigned to users who are gone")


async def _check_sends(settings: Settings, ledger_file: Path, findings: Findings) -> None:
    ledger = Ledger.read(ledger_file)
    rows, receipts = await sent_checker.read_sends(settings)
    events = await sent_checker.read_part_events(settings)
    with findings.checking("I7"):
        sent_checker.check_statuses(rows, receipts)
    with findings.checking("I7"):
        sent_checker.check_part_events(rows, events)
    with findings.checking("I8"):
        sent_checker.check_requests(ledger)
    with findings.checking("I8"):
        sent_checker.check_parts(rows, sent_checker.sent_parts(ledger))
    with findings.checking("I8"):
        sent_checker.check_order(rows)
    posts = [each for each in ledger.requests if each.route == "send"]
    states = Counter(row["state"] for row in rows)
    findings.counted |= {"parts": len(rows), "POSTs": len(posts), "receipts": len(receipts)}
    findings.counted |= {f"parts {state}": count for state, count in states.items()}


async def _check_dead_letters(settings: Settings, history: list[Operation]) -> int:
    """Check that poison, and nothing else, is dead-lettered: each record once, unchanged.

    Returns how many poison records there are.
    """
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
        f"poison is dead-lettered once, unchanged, and nothing else: {missing} missing, {doubled} "
        f"doubled, {changed} changed, {strange} good ones",
    )
    received = {dict(headers)["trace"].decode() for _, _, headers in poison.values()}
    sent = {
        each.start.name.split()[0]
        for each in history
        if each.start.kind == "poison" and each.outcome == "ok"
    }
    expect(sent <= received, "all poison has the header by which it is found")
    return len(poison)


async def _poison(
    settings: Settings,
) -> dict[tuple[str, int, int], tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]]:
    """Returns key, value and headers of each poison record, by topic, partition and offset."""
    found = {}
    for topic in INBOUND:
        async for record in read_records(settings, topic):
            headers = tuple((name, value or b"") for name, value in record.headers)
            if "trace" in dict(headers):
                place = record.topic, record.partition, record.offset
                found[place] = record.key, record.value, headers
    return found


def _check_bad_webhooks(history: list[Operation]) -> None:
    answers = [
        (each.start.name, *each.detail.split())
        for each in history
        if each.start.kind == "bad webhook" and each.outcome == "ok"
    ]
    wrong = [answer for answer in answers if answer[1] != answer[2]]
    expect(not wrong, f"{len(wrong)} bad webhooks have a wrong answer, such as {wrong[:3]}")


async def _fetch(settings: Settings, query: str) -> list[asyncpg.Record]:
    async with owner_connection(settings) as connection:
        return await connection.fetch(query)

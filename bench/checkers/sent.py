"""Checks finished replies: the mock's ledger against the tables and the events of replies."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from bench.checkers.promises import expect, expect_once
from bench.checkers.tables import owner_connection
from bench.checkers.topics import kind_of, read
from bench.mock_twilio import Ledger
from domain.delivery import is_later
from workers.settings import Settings

Part = tuple[str, int]
"""A message id and the number of the part."""

PartEvents = dict[Part, list[dict[str, Any]]]
"""The events of each part, in order."""

SURELY_NOT_TAKEN = 429
"""The only status in a run after which a part is posted again; others that pass are not in it."""


async def check(settings: Settings, ledger: Ledger, commands: Collection[str]) -> dict[str, int]:
    """Check everything, and return what was counted. Raises bench.checkers.promises.Broken."""
    rows, receipts = await read_sends(settings)
    check_requests(ledger)
    sent = sent_parts(ledger)
    check_parts(rows, sent)
    check_order(rows)
    check_statuses(rows, receipts)
    results = Counter([event["data"]["command_id"] async for event in read(settings, "results")])
    expect_once(results, commands, "result of a reply")
    events = await read_part_events(settings)
    check_part_events(rows, events)
    states = Counter(row["state"] for row in rows)
    return {
        "parts": len(rows),
        "POSTs": len([each for each in ledger.requests if each.route == "send"]),
        "sent": len(sent),
        **states,
        "uncertain, though sent": len(sent) - states["accepted"],
        "receipts": len(receipts),
        **_settled_by(events.values()),
    }


async def read_sends(
    settings: Settings,
) -> tuple[list[asyncpg.Record], list[asyncpg.Record]]:
    """Read the rows of all parts, and of all receipts."""
    async with owner_connection(settings) as connection:
        rows = await connection.fetch(
            "SELECT message_id::text, part, state, attempts, provider_message_id, status"
            " FROM inbox.sends"
        )
        return rows, await connection.fetch(
            "SELECT provider_message_id, status FROM inbox.receipts"
        )


async def read_part_events(settings: Settings) -> PartEvents:
    """Read the events of all parts."""
    events: PartEvents = defaultdict(list)
    async for event in read(settings, "messages.sent"):
        events[event["data"]["message_id"], event["data"]["part"]].append(event)
    return events


def check_requests(ledger: Ledger) -> None:
    """Check that a part is posted again only after it was surely not taken. Raises Broken."""
    answers: dict[Part, list[int | None]] = defaultdict(list)
    for request in ledger.requests:
        if request.route == "send":
            [callback] = parse_qs(request.body)["StatusCallback"]
            answers[_part(callback)].append(request.status)
    for part, statuses in answers.items():
        again = set(statuses[:-1]) <= {SURELY_NOT_TAKEN}
        expect(again, f"part {part} is not posted again when it may have been taken: {statuses}")


def sent_parts(ledger: Ledger) -> dict[Part, str]:
    """Returns the id of each part that Twilio accepted. Raises Broken if one was sent twice."""
    sent: dict[Part, str] = {}
    for entry in ledger.sends:
        part = _part(entry.status_callback or "")
        expect(part not in sent, f"part {part} is sent at most once")
        sent[part] = entry.sid
    return sent


def _part(status_callback: str) -> Part:
    query = parse_qs(urlsplit(status_callback).query)
    return query["mid"][0], int(query["a"][0])


def check_parts(rows: Iterable[asyncpg.Record], sent: dict[Part, str]) -> None:
    """Check that the state of each part agrees with the ledger. Raises Broken."""
    for row in rows:
        sid = sent.get((row["message_id"], row["part"]))
        match row["state"]:
            case "accepted":
                expect(row["provider_message_id"] == sid, "an accepted part has its own id")
            case "failed":
                expect(sid is None, "a failed part was not sent")
            case state:
                expect(state == "uncertain", f"a part is settled or uncertain, not {state}")


def check_order(rows: Iterable[asyncpg.Record]) -> None:
    """Check that nothing follows a part that failed before its POST. Raises Broken.

    Of a part that failed after its POST, the tables do not show what was posted before it failed.
    """
    replies: dict[str, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        replies[row["message_id"]].append(row)
    for parts in replies.values():
        parts.sort(key=lambda row: row["part"])
        unposted = [row["state"] == "failed" and row["attempts"] == 0 for row in parts]
        first = unposted.index(True) if True in unposted else len(parts)
        expect(all(unposted[first:]), "what follows a part that failed unposted fails unposted")


def check_statuses(rows: Iterable[asyncpg.Record], receipts: Iterable[asyncpg.Record]) -> None:
    """Check that no receipt has a later status than its part. Raises Broken."""
    received: dict[str, list[str]] = defaultdict(list)
    for receipt in receipts:
        received[receipt["provider_message_id"]].append(receipt["status"])
    for row in rows:
        statuses = received[row["provider_message_id"]]
        missed = [status for status in statuses if is_later(status, row["status"])]
        expect(not missed, "a status is the maximum of its receipts")


def check_part_events(rows: Iterable[asyncpg.Record], part_events: PartEvents) -> None:
    """Check that the events of each part agree with its row, once and in order. Raises Broken."""
    ids = Counter(event["id"] for events in part_events.values() for event in events)
    expect(not ids or max(ids.values()) == 1, "every event is there once")
    for row in rows:
        events = part_events[row["message_id"], row["part"]]
        kinds = Counter(map(kind_of, events))
        for kind in ("accepted", "failed"):
            expect(
                kinds[kind] == (row["state"] == kind),
                f"only a part that is {kind} has that event, once",
            )
        expect(kinds["uncertain"] <= 1, "a part has at most one uncertain event")
        if row["state"] == "uncertain":
            expect(kinds["uncertain"] == 1, "a part that is uncertain has one uncertain event")
        statuses = [event["data"]["status"] for event in events if _has_status(event)]
        forward = all(is_later(after, before) for before, after in pairwise(statuses))
        expect(forward, f"the statuses of events never go back: {statuses}")
        if row["state"] == "accepted":
            expect(statuses[-1] == row["status"], "the last event has the present status")


def _has_status(event: dict[str, Any]) -> bool:
    return kind_of(event) in {"accepted", "status_changed"}


def _settled_by(part_events: Iterable[list[dict[str, Any]]]) -> dict[str, int]:
    """Returns how many parts were settled as accepted by an answer, by a receipt, by the list.

    The first status shows which: an answer of the mock always has `queued`, a receipt settles a
    part as `accepted`, and the list has the status that the message has reached by then.
    """
    first = Counter(
        event["data"]["status"]
        for events in part_events
        for event in events
        if kind_of(event) == "accepted"
    )
    by_answer, by_receipt = first.pop("queued", 0), first.pop("accepted", 0)
    return {
        "known by their answer": by_answer,
        "known by a receipt": by_receipt,
        "known by the list": first.total(),
    }

"""Checks finished replies: what Twilio's ledger has, against what is known and told of them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from bench.checkers.promises import expect, expect_once
from bench.load.topics import read
from bench.mock_twilio import Ledger
from domain.delivery import later
from workers.settings import Settings, required

Part = tuple[str, int]
"""A message id and the number of the part."""

SURELY_NOT_TAKEN = 429
"""The only answer after which a part may be posted again."""


async def check(settings: Settings, ledger: Ledger, commands: Collection[str]) -> dict[str, int]:
    """Check everything; what was counted. Raises bench.checkers.promises.Broken."""
    rows, receipts = await sends(settings)
    check_requests(ledger)
    sent = sent_parts(ledger)
    check_parts(rows, sent)
    check_statuses(rows, receipts)
    results = Counter([event["data"]["command_id"] async for event in read(settings, "results")])
    expect_once(results, commands, "result of a reply")
    told = await read_told(settings)
    check_told(rows, told)
    states = Counter(row["state"] for row in rows)
    return {
        "parts": len(rows),
        "POSTs": len([each for each in ledger.requests if each.route == "send"]),
        "sent": len(sent),
        **states,
        "uncertain, though sent": len(sent) - states["accepted"],
        "receipts": len(receipts),
        **_settled_by(told.values()),
    }


async def sends(settings: Settings) -> tuple[list[asyncpg.Record], list[asyncpg.Record]]:
    """The parts of all replies, and all receipts."""
    connection = await asyncpg.connect(required(settings.migration_database_url, "database"))
    try:
        rows = await connection.fetch(
            "SELECT message_id::text, part, state, provider_message_id, status FROM inbox.sends"
        )
        return rows, await connection.fetch(
            "SELECT provider_message_id, status FROM inbox.receipts"
        )
    finally:
        await connection.close()


async def read_told(settings: Settings) -> dict[Part, list[dict[str, Any]]]:
    """What was told of each part, in order."""
    told: dict[Part, list[dict[str, Any]]] = defaultdict(list)
    async for event in read(settings, "messages.sent"):
        told[event["data"]["message_id"], event["data"]["part"]].append(event)
    return told


def check_requests(ledger: Ledger) -> None:
    """A part is posted again only after it was surely not taken. Raises Broken."""
    answers: dict[Part, list[int | None]] = defaultdict(list)
    for request in ledger.requests:
        if request.route == "send":
            [callback] = parse_qs(request.body)["StatusCallback"]
            answers[_part(callback)].append(request.status)
    for part, statuses in answers.items():
        again = set(statuses[:-1]) <= {SURELY_NOT_TAKEN}
        expect(again, f"part {part} is not posted after what may have been taken: {statuses}")


def sent_parts(ledger: Ledger) -> dict[Part, str]:
    """The id of each part that Twilio took, each once. Raises Broken."""
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
    """What is known of each part is what Twilio has. Raises Broken."""
    for row in rows:
        became = sent.get((row["message_id"], row["part"]))
        match row["state"]:
            case "accepted":
                expect(row["provider_message_id"] == became, "an accepted part has its own id")
            case "failed":
                expect(became is None, "a failed part was not sent")
            case state:
                expect(state == "uncertain", f"a part is settled or uncertain, not {state}")


def check_statuses(rows: Iterable[asyncpg.Record], receipts: Iterable[asyncpg.Record]) -> None:
    """No receipt leads further than the status that a part has. Raises Broken."""
    words: dict[str, list[str]] = defaultdict(list)
    for receipt in receipts:
        words[receipt["provider_message_id"]].append(receipt["status"])
    for row in rows:
        behind = [word for word in words[row["provider_message_id"]] if later(row["status"], word)]
        expect(not behind, "a status is the maximum of its receipts")


def check_told(rows: Iterable[asyncpg.Record], told: dict[Part, list[dict[str, Any]]]) -> None:
    """What is told of each part is what became of it, once and in order. Raises Broken."""
    ids = Counter(event["id"] for events in told.values() for event in events)
    expect(not ids or max(ids.values()) == 1, "every event is there once")
    for row in rows:
        events = told[row["message_id"], row["part"]]
        kinds = Counter(event["type"].split(".")[-2] for event in events)
        for kind in ("accepted", "failed"):
            expect(kinds[kind] == (row["state"] == kind), f"what is {kind} is told to be so, once")
        expect(kinds["uncertain"] <= 1, "people are told once that nobody can tell")
        if row["state"] == "uncertain":
            expect(kinds["uncertain"] == 1, "people are told that nobody can tell")
        statuses = [event["data"]["status"] for event in events if _is_status(event)]
        forward = all(later(before, after) for before, after in pairwise(statuses))
        expect(forward, f"what is told of a status leads forward: {statuses}")
        if row["state"] == "accepted":
            expect(statuses[-1] == row["status"], "the status is the one that was told last")


def _is_status(event: dict[str, Any]) -> bool:
    return event["type"].split(".")[-2] in {"accepted", "status_changed"}


def _settled_by(told: Iterable[list[dict[str, Any]]]) -> dict[str, int]:
    """How it was known that parts were accepted.

    An answer says `queued`, as this Twilio makes all messages; a receipt leaves that open, and the
    list has what has become of a message by then.
    """
    first = Counter(
        event["data"]["status"]
        for events in told
        for event in events
        if event["type"].split(".")[-2] == "accepted"
    )
    by_answer, by_receipt = first.pop("queued", 0), first.pop("accepted", 0)
    return {
        "known by their answer": by_answer,
        "known by a receipt": by_receipt,
        "known by the list": first.total(),
    }

"""Checks every emitted event of a finished run: its id, its cause, its partition."""

from collections import Counter
from typing import Any

import msgspec

from bench.checkers.promises import Broken, expect
from bench.checkers.topics import read_records
from schemas.catalog import OUTBOUND
from schemas.ids import emitted_event_id
from workers.settings import Settings


async def check_events(settings: Settings) -> int:
    """Check that each id is there once and follows from its cause, and that no event is repeated.

    Returns how many events there are. Raises Broken.
    """
    ids: Counter[str] = Counter()
    emitted: Counter[tuple[str, ...]] = Counter()
    strange = 0
    for topic in OUTBOUND:
        async for record in read_records(settings, topic):
            event = msgspec.json.decode(record.value or b"")
            ids[event["id"]] += 1
            emitted[_cause_and_rule(event)] += 1
            strange += event["id"] != _derived_id(event)
    doubled = sum(count > 1 for count in ids.values())
    repeated = sum(count > 1 for count in emitted.values())
    expect(
        doubled == repeated == strange == 0,
        f"each event is there once: {doubled} ids are there twice, {repeated} causes have the same "
        f"event twice, {strange} ids do not follow from their causes",
    )
    return ids.total()


async def check_partitions(settings: Settings) -> None:
    """Check that each topic has a conversation's events on one partition. Raises Broken."""
    for topic in OUTBOUND:
        partitions: dict[str, int] = {}
        async for record in read_records(settings, topic):
            key = msgspec.json.decode(record.value or b"")["data"]["conversation_id"]
            if partitions.setdefault(key, record.partition) != record.partition:
                raise Broken(f"{topic}: conversation {key} is on two partitions")


def _part(event: dict[str, Any]) -> int | str:
    """Returns what distinguishes the events of one cause and type: see docs/contract.md, Ids."""
    data, kind = event["data"], event["type"].split(".")[1]
    if kind == "note":
        return str(data["note_id"])
    if kind == "message":
        return f"{data['message_id']}/{data['part']}/{data['status']}"
    return int(data.get("part", 1))


def _cause_and_rule(event: dict[str, Any]) -> tuple[str, ...]:
    where = event["data"]["account_id"], event["data"]["conversation_id"]
    return event["causationid"], event["type"], *where, str(_part(event))


def _derived_id(event: dict[str, Any]) -> str:
    data = event["data"]
    return emitted_event_id(
        event["causationid"],
        data["account_id"],
        data["conversation_id"],
        event["type"],
        data["version"],
        part=_part(event),
    )

"""`inbox rebuild-history`: writes what the history of conversations lacks, from the log."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click
from aiokafka import ConsumerRecord

from db.connect import AnyConnection, connect
from db.history import restore_history
from domain.history import HistoryEntry, history_entry
from schemas.catalog import OUTBOUND
from schemas.cloudevents import Decoders
from schemas.errors import InvalidRecord
from workers.cli.failures import expected_failures
from workers.cli.target import check_target
from workers.kafka.topic_admin import require_topics
from workers.kafka.topic_log import TopicLog
from workers.process.errors import CommandFailed
from workers.settings import Settings, required

TOPIC = "conversations"

RECORDS_MAX = 2_000
"""Records that are read at once."""

ENTRIES_MAX = 500
"""Entries of one transaction, so that it holds the locks of their conversations for a moment."""

_DECODERS = Decoders(OUTBOUND[TOPIC])


@click.command("rebuild-history")
def rebuild_history() -> None:
    """Write what the history of conversations lacks, from the topic `conversations`.

    Needed once, for what was done before the history was kept. It reads the topic from its start to
    its present end, and may run while workers run, and any number of times. Exit status 1 means
    that some records could not be read.
    """
    settings = Settings.from_environment()
    with expected_failures():
        count = asyncio.run(_rebuild(settings))
    click.echo(
        f"{count['read']} records read, {count['entries']} of them history: "
        f"{count['added']} entries added, {count['removed']} of deleted conversations removed"
    )
    if count["unreadable"]:
        raise CommandFailed(f"{count['unreadable']} records are no events of this version")


async def _rebuild(settings: Settings) -> Counter[str]:
    url = required(settings.database_url, "INBOX_DATABASE_URL")
    await check_target(settings, changes=True)
    await require_topics(settings, [TOPIC])
    count: Counter[str] = Counter()
    connection = await connect(url, "inbox rebuild-history")
    try:
        async with TopicLog(settings, TOPIC, records_max=RECORDS_MAX) as log:
            async for records in log.records():
                await _restore(connection, _entries(records, count), count)
    finally:
        await connection.close()
    return count


def _entries(records: Iterable[ConsumerRecord], count: Counter[str]) -> list[HistoryEntry]:
    """Returns the entries that records of the log make, and counts the records."""
    found = []
    for record in records:
        count["read"] += 1
        try:
            event = _DECODERS.decode(
                record.value, record.headers, record.timestamp, datetime.now(UTC)
            )
        except InvalidRecord:
            count["unreadable"] += 1
            continue
        entry = history_entry(event.data, event.time)
        if entry is not None:
            found.append(entry)
    count["entries"] += len(found)
    return found


async def _restore(
    connection: AnyConnection, entries: Sequence[HistoryEntry], count: Counter[str]
) -> None:
    for begin in range(0, len(entries), ENTRIES_MAX):
        restored = await restore_history(connection, entries[begin : begin + ENTRIES_MAX])
        count["added"] += restored.added
        count["removed"] += restored.removed

"""Writes conversations and messages into the tables, where a test needs more than a story makes."""

from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from tests.harness.input_events import ACCOUNT, CHANNEL

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def numbered(number: int) -> str:
    """Returns the id of the conversation with a number; ids are in the order of the numbers."""
    return str(UUID(int=number))


async def store_directory(owner: Owner, account: str = ACCOUNT) -> None:
    """Write the users ana and bo, and the channel wa1 of ana."""
    for user in ("ana", "bo"):
        await owner.execute(
            "INSERT INTO inbox.users VALUES ($1, $2, initcap($2), null, true, true, '{}')",
            account,
            user,
        )
    await owner.execute(
        "INSERT INTO inbox.channels (account_id, channel_id, provider, address, name, installed_by,"
        " removed, installed_at) VALUES ($1, $2, 'whatsapp', 'whatsapp:+1', 'Sales', 'ana', false,"
        " now())",
        account,
        CHANNEL,
    )


async def store_conversation(owner: Owner, number: int, **columns: Any) -> str:
    """Write a conversation, whose last message came so many seconds after `NOON`; returns its id.

    `columns` are those that differ from an unassigned conversation of the account acme.
    """
    conversation_id = columns.pop("conversation_id", numbered(number))
    row = {
        "account_id": ACCOUNT,
        "conversation_id": conversation_id,
        "channel_id": CHANNEL,
        "contact_address": f"whatsapp:+49{number:09d}",
        "contact_name": f"Contact {number}",
        "status": "open",
        "assignee_id": None,
        "version": 1,
        "message_count": 1,
        "last_message_at": NOON + timedelta(seconds=number),
        "created_at": NOON,
        "merged_into": None,
    } | columns
    if row["status"] == "closed":
        row["closed_at"] = NOON
    await _insert(owner, "conversations", row)
    return str(conversation_id)


async def store_message(
    owner: Owner, conversation_id: str, version: int, body: str = "Hello", **columns: Any
) -> None:
    """Write the contact's message that a version recorded, sent so many seconds after `NOON`."""
    row = {
        "account_id": ACCOUNT,
        "conversation_id": conversation_id,
        "message_id": UUID(int=UUID(conversation_id).int << 64 | version),
        "channel_id": CHANNEL,
        "direction": "inbound",
        "sender_address": "whatsapp:+49",
        "body": body,
        "media": "[]",
        "sent_at": NOON + timedelta(seconds=version),
        "historical": False,
        "recorded_at": NOON,
        "version": version,
    } | columns
    await _insert(owner, "messages", row)


async def _insert(owner: Owner, table: str, row: dict[str, Any]) -> None:
    await owner.copy_records_to_table(
        table, schema_name="inbox", columns=list(row), records=[tuple(row.values())]
    )

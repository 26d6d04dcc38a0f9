"""For tests of contacts with several addresses: their messages, and their conversations."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.harness.inbox import Inbox
from tests.harness.input_events import ACCOUNT, CHANNEL, Event, conversation, event
from tests.harness.topics import ReadRecord

PHONE, USER, THIRD = "whatsapp:+4915112345678", "whatsapp:DE.1349120865530", "whatsapp:+4922"
HOUR = timedelta(hours=1)


def message_from(address: str, *others: str, **fields: Any) -> Event:
    """Returns a message from an address, with other addresses of the same person."""
    data = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider_message_id": uuid.uuid4().hex,
        "contact": {"address": address, "identities": others},
        "body": f"from {address}",
        "sent_at": datetime.now(UTC) + HOUR,
    } | fields
    key = conversation(address, str(data["account_id"]), str(data["channel_id"]))
    return event("message.received", data, key=key)


async def message_counts(inbox: Inbox) -> dict[str, int]:
    """Returns how many messages each conversation has, by its own address."""
    rows = await inbox.owner.fetch(
        "SELECT c.contact_address, count(m.message_id), c.message_count"
        " FROM inbox.conversations AS c LEFT JOIN inbox.messages AS m USING (conversation_id)"
        " GROUP BY c.conversation_id, c.contact_address, c.message_count"
    )
    assert all(row[1] == row[2] for row in rows)
    return {row[0]: row[1] for row in rows}


async def aliases(inbox: Inbox) -> dict[str, str]:
    """Returns the address to whose conversation each address without one leads."""
    rows = await inbox.owner.fetch(
        "SELECT i.account_id, i.alias_id::text, i.channel_id, i.address, c.contact_address"
        " FROM inbox.identities AS i JOIN inbox.conversations AS c USING (conversation_id)"
    )
    for account_id, alias_id, channel_id, address, _ in rows:
        assert alias_id == conversation(address, account_id, channel_id)
    return {row[3]: row[4] for row in rows}


async def conversation_row(inbox: Inbox, address: str) -> dict[str, Any]:
    """Returns the row of an address's own conversation; {} without one."""
    row = await inbox.owner.fetchrow(
        "SELECT status, assignee_id, version, message_count, link_count, merged_into::text"
        " FROM inbox.conversations WHERE conversation_id = $1",
        conversation(address),
    )
    return dict(row or ())


async def log_of(inbox: Inbox, address: str) -> list[ReadRecord]:
    """Returns the events of an address's own conversation."""
    key = conversation(address).encode()
    return [read for read in await inbox.read("conversations") if read.key == key]

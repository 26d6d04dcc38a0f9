"""What contacts with several addresses are tested with: what they write, and where it went."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.harness.inbox import Inbox, Owner
from tests.harness.published import ACCOUNT, CHANNEL, Event, channel, conversation, event, user
from tests.harness.topics import Bus, Read
from workers.settings import Settings

PHONE, USER, THIRD = "whatsapp:+4915112345678", "whatsapp:DE.1349120865530", "whatsapp:+4922"
HOUR = timedelta(hours=1)


async def opened(settings: Settings, bus: Bus, owner: Owner) -> Inbox:
    """An inbox with two users, and a channel that ana installed; a worker has to run."""
    inbox = Inbox(settings, bus, owner)
    await inbox.apply(user("ana"), user("bo"), channel("whatsapp:+14155238886", "ana"))
    return inbox


def writes(address: str, *others: str, **fields: Any) -> Event:
    """A message from an address, that names other addresses of the same person."""
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


async def messages(inbox: Inbox) -> dict[str, int]:
    """How many messages each conversation has, by the address whose own it is."""
    rows = await inbox.owner.fetch(
        "SELECT c.contact_address, count(m.message_id), c.message_count"
        " FROM inbox.conversations AS c LEFT JOIN inbox.messages AS m USING (conversation_id)"
        " GROUP BY c.conversation_id, c.contact_address, c.message_count"
    )
    assert all(row[1] == row[2] for row in rows)
    return {row[0]: row[1] for row in rows}


async def aliases(inbox: Inbox) -> dict[str, str]:
    """The address whose conversation each address without one leads to."""
    rows = await inbox.owner.fetch(
        "SELECT i.account_id, i.alias_id::text, i.channel_id, i.address, c.contact_address"
        " FROM inbox.identities AS i JOIN inbox.conversations AS c USING (conversation_id)"
    )
    for account_id, alias_id, channel_id, address, _ in rows:
        assert alias_id == conversation(address, account_id, channel_id)
    return {row[3]: row[4] for row in rows}


async def state(inbox: Inbox, address: str) -> dict[str, Any]:
    """What the table says of an address's own conversation."""
    row = await inbox.owner.fetchrow(
        "SELECT status, assignee_id, version, message_count, link_count, merged_into::text"
        " FROM inbox.conversations WHERE conversation_id = $1",
        conversation(address),
    )
    return dict(row or ())


async def of(inbox: Inbox, address: str) -> list[Read]:
    """The log of an address's own conversation."""
    key = conversation(address).encode()
    return [read for read in await inbox.read("conversations") if read.key == key]

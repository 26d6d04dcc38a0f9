"""What deletions are tested with: a conversation to delete, and what is left of it."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.harness.inbox import Inbox, Owner
from tests.harness.published import (
    ACCOUNT,
    CHANNEL,
    Event,
    channel,
    command,
    conversation,
    event,
    link,
    message,
    note_changed,
    reply,
    user,
)
from tests.harness.topics import Bus, Read
from workers.settings import Settings

SENDER = "whatsapp:+14155238886"
MARIA, JONAS = "whatsapp:+4915199887766", "whatsapp:+4922"
MARIAS_ID = "whatsapp:DE.13491208655302741918"

NAME, BODY, REPLY = "Quendolyne Ypsilander", "Zwetschgenkompott", "Sauerampfersuppe"
FILE, REPLY_FILE = "https://files.example/ME77xylophon", "https://files.example/contrabassoon.pdf"
REQUESTED = "Xanthippe Holdings"
WORDS = (
    *(MARIA, MARIA.partition("+")[2], MARIAS_ID, MARIAS_ID.partition(".")[2], NAME),
    *(BODY, REPLY, FILE, REPLY_FILE, REQUESTED),
)
"""All that a table or log could tell of Maria, each unlike anything else."""

UNKNOWN = "unknown_conversation"
HOUR = timedelta(hours=1)


async def opened(settings: Settings, bus: Bus, owner: Owner) -> Inbox:
    """An inbox with two users, and a channel that ana installed; a worker has to run."""
    inbox = Inbox(settings, bus, owner)
    await inbox.apply(user("ana"), user("bo"), channel(SENDER, installed_by="ana"))
    return inbox


def earlier(**fields: Any) -> Event:
    """A message that Maria wrote an hour ago, with a file."""
    data = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider_message_id": uuid.uuid4().hex,
        "contact": {"address": MARIA, "name": NAME},
        "body": BODY,
        "media": [{"url": FILE, "content_type": "image/jpeg"}],
        "sent_at": datetime.now(UTC) - HOUR,
    }
    return event("message.received", data | fields, key=conversation(MARIA))


def later(**fields: Any) -> Event:
    """A message that Maria writes after whatever was deleted until now."""
    return message(MARIA, "I am back", **{"sent_at": datetime.now(UTC) + HOUR} | fields)


def request(contact: str = MARIA, **fields: Any) -> Event:
    """Ana asks the CRM for a deal."""
    entity = {"type": "deal", "name": REQUESTED, "fields": {"phone": contact}}
    return command("entity.request", contact, "ana", entity=entity, **fields)


def delete(contact: str = MARIA, actor: str = "ana", **fields: Any) -> Event:
    """The deletion of a contact's conversation."""
    return command("delete", contact, actor, **fields)


async def live(inbox: Inbox) -> None:
    """Give Maria's conversation something of everything."""
    await inbox.apply(earlier(provider_message_id="SM1"), link(MARIA, "deal:d1"))
    [created] = await inbox.read("notes")
    await inbox.apply(
        note_changed("edited", MARIA, created.data["note_id"]),
        link(MARIA, "person:p1"),
        request(request_id="r1"),
        link(MARIA, "deal:d2", request_id="r1"),
        request(request_id="r2"),
        reply(MARIA, REPLY, media_urls=[REPLY_FILE], id="reply"),
        earlier(
            provider_message_id="SM2",
            contact={"address": MARIA, "name": NAME, "identities": [MARIAS_ID]},
        ),
        command("assign", MARIA, "ana", assignee_id="bo"),
    )


async def of(inbox: Inbox, contact: str = MARIA) -> list[Read]:
    """The log of a contact's conversation."""
    key = conversation(contact).encode()
    return [read for read in await inbox.read("conversations") if read.key == key]


async def results(inbox: Inbox) -> dict[str, tuple[str | None, int]]:
    """The code, None when accepted, and the version that each command was answered."""
    found = await inbox.read("results")
    pairs = {
        read.data["command_id"]: (read.data.get("code"), read.data["version"]) for read in found
    }
    assert len(pairs) == len(found)
    return pairs


async def holding(owner: Owner, *words: str) -> set[str]:
    """The columns of the schema, written as table.column, with a row that holds one of these."""
    columns = await owner.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'inbox'"
    )
    found = set()
    for table, column in columns:
        for [text] in await owner.fetch(
            f'SELECT lower("{column}"::text) FROM inbox."{table}"'  # noqa: S608  # our own names
        ):
            if text is not None and any(word.lower() in text for word in words):
                found.add(f"{table}.{column}")
    return found


async def counted(owner: Owner, table: str, contact: str = MARIA) -> int:
    """How many rows of a table belong to a contact's conversation."""
    query = f"SELECT count(*) FROM inbox.{table} WHERE conversation_id = $1"  # noqa: S608
    count: int = await owner.fetchval(query, conversation(contact))
    return count


async def tombstone(owner: Owner) -> dict[str, Any]:
    """What stayed of Maria's conversation."""
    row = await owner.fetchrow(
        "SELECT * FROM inbox.tombstones WHERE conversation_id = $1", conversation(MARIA)
    )
    assert row is not None
    return dict(row)

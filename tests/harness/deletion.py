"""For tests of deletions: a conversation to delete, and what is left of it afterwards."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.harness.inbox import Inbox, Owner
from tests.harness.input_events import (
    ACCOUNT,
    CHANNEL,
    Event,
    command,
    conversation,
    event,
    link,
    message,
    note_changed,
    reply,
)
from tests.harness.topics import ReadRecord

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
"""All that a table or log could have of Maria; each is unlike any other text."""

UNKNOWN = "unknown_conversation"
HOUR = timedelta(hours=1)


def earlier(**fields: Any) -> Event:
    """Returns a message with a file that Maria wrote an hour ago."""
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
    """Returns a message that Maria writes after all deletions until now."""
    return message(MARIA, "I am back", **{"sent_at": datetime.now(UTC) + HOUR} | fields)


def request(contact: str = MARIA, **fields: Any) -> Event:
    """Returns a command with which ana requests a deal from the CRM."""
    entity = {"type": "deal", "name": REQUESTED, "fields": {"phone": contact}}
    return command("entity.request", contact, "ana", entity=entity, **fields)


def delete(contact: str = MARIA, actor: str = "ana", **fields: Any) -> Event:
    """Returns a command that deletes a contact's conversation."""
    return command("delete", contact, actor, **fields)


async def fill_conversation(inbox: Inbox) -> None:
    """Give Maria's conversation one of everything: messages, links, notes, requests, a reply."""
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


async def log_of(inbox: Inbox, contact: str = MARIA) -> list[ReadRecord]:
    """Returns the events of a contact's conversation."""
    key = conversation(contact).encode()
    return [read for read in await inbox.read("conversations") if read.key == key]


async def results(inbox: Inbox) -> dict[str, tuple[str | None, int]]:
    """Returns the code, None if it was accepted, and the version of each command's result."""
    found = await inbox.read("results")
    pairs = {
        read.data["command_id"]: (read.data.get("code"), read.data["version"]) for read in found
    }
    assert len(pairs) == len(found)
    return pairs


async def columns_holding(owner: Owner, *words: str) -> set[str]:
    """Returns the columns, written as table.column, of which a row has one of these words."""
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


async def count_rows(owner: Owner, table: str, contact: str = MARIA) -> int:
    """Returns how many rows of a table belong to a contact's conversation."""
    query = f"SELECT count(*) FROM inbox.{table} WHERE conversation_id = $1"  # noqa: S608
    count: int = await owner.fetchval(query, conversation(contact))
    return count


async def tombstone(owner: Owner) -> dict[str, Any]:
    """Returns the tombstone of Maria's conversation."""
    row = await owner.fetchrow(
        "SELECT * FROM inbox.tombstones WHERE conversation_id = $1", conversation(MARIA)
    )
    assert row is not None
    return dict(row)

"""A batch of received messages: careless ids of events, and answers to messages of the batch."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from msgspec import UNSET

from db.connect import Connection, connect
from db.links import LinkRow, insert_links
from db.queries import QUERIES
from domain.outgoing import Outgoing
from schemas.cloudevents import Incoming
from schemas.message_context import MessageContext
from schemas.messages import MessageReceived
from tests.harness.inbox import Owner
from tests.unit.domain.given.samples import (
    ACCOUNT,
    ADDRESS,
    CONVERSATION,
    linked,
    message,
    notes,
)
from workers.agents.directory_cache import DirectoryCache
from workers.agents.last_received import LastReceived
from workers.agents.received_messages import ReceivedMessages
from workers.settings import Settings, required

OTHER = "whatsapp:+4912"


@pytest.fixture
async def connection(database: Settings) -> AsyncIterator[Connection]:
    """A connection as a worker has it."""
    made = await connect(required(database.database_url, "database"), "worker")
    yield made
    await made.close()


async def apply(
    connection: Connection, *events: Incoming[MessageReceived]
) -> list[tuple[Outgoing, ...]]:
    """Record messages as one batch; what each of them emits."""
    batch = ReceivedMessages(DirectoryCache(), LastReceived(), "https://inbox.example.com")
    async with connection.transaction():
        await batch.load(connection, events)
        now = await connection.fetchval(QUERIES["clock"])
        emitted = [tuple(batch.decide(event, now)) for event in events]
        await batch.save(connection, now)
    return emitted


async def test_messages_of_one_batch_with_one_event_id_are_each_recorded_in_their_conversation(
    connection: Connection, owner: Owner
) -> None:
    events = [
        message(event_id="1", provider_message_id="SM1", address=ADDRESS),
        message(event_id="1", provider_message_id="SM2", address=ADDRESS),
        message(event_id="1", provider_message_id="SM3", address=OTHER),
        # The same message again, by the same id and by another one.
        message(event_id="1", provider_message_id="SM3", address=OTHER),
        message(event_id="2", provider_message_id="SM1", address=ADDRESS),
    ]
    emitted = await apply(connection, *events)
    assert [len(each) for each in emitted] == [2, 1, 2, 0, 0]
    rows = await owner.fetch(
        "SELECT provider_message_id, contact_address FROM inbox.messages"
        " JOIN inbox.conversations USING (conversation_id) ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("SM1", ADDRESS), ("SM2", ADDRESS), ("SM3", OTHER)]


def answer(number: int, to: str, **fields: Any) -> Incoming[MessageReceived]:
    """A message with its number that answers another one."""
    context = MessageContext(in_reply_to=to)
    names = {"event_id": f"m{number}", "provider_message_id": f"SM{number}"}
    return message(**names, context=context, **fields)


async def test_a_note_quotes_a_message_of_the_same_batch(
    connection: Connection, owner: Owner
) -> None:
    await apply(connection, message())
    link = linked(note_id=str(uuid4()))
    await insert_links(connection, [LinkRow((ACCOUNT, CONVERSATION), link)])
    await owner.execute("UPDATE inbox.conversations SET link_count = 1")
    emitted = await apply(
        connection,
        message(event_id="m2", provider_message_id="SM2", body="Shall I come? " * 20),
        answer(3, "SM2"),
        answer(4, "SM1"),
        answer(5, "SM6"),
        # What is in another conversation is not shown.
        message(event_id="m6", provider_message_id="SM6", address=OTHER, body="A secret"),
        answer(7, "SM6"),
        # Of the contact's own text nothing can be seen.
        message(event_id="m8", provider_message_id="SM8", body=" "),
        answer(9, "SM8"),
    )
    quoted = [shown.answered for each in emitted for note in notes(each) for shown in note.messages]
    start = ("Shall I come? " * 20)[:139] + "…"
    assert quoted == [UNSET, start, "Hello", UNSET, UNSET, UNSET, UNSET]

"""A batch of received messages whose event ids are careless: only the messages themselves count."""

from collections.abc import AsyncIterator

import pytest

from db.connect import Connection, connect
from db.queries import QUERIES
from tests.harness.inbox import Owner
from tests.unit.domain.given.samples import ADDRESS, message
from workers.agents.directory_cache import DirectoryCache
from workers.agents.received_messages import ReceivedMessages
from workers.settings import Settings, required

OTHER = "whatsapp:+4912"


@pytest.fixture
async def connection(database: Settings) -> AsyncIterator[Connection]:
    """A connection as a worker has it."""
    made = await connect(required(database.database_url, "database"), "worker")
    yield made
    await made.close()


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
    batch = ReceivedMessages(DirectoryCache(), "https://inbox.example.com")
    async with connection.transaction():
        await batch.load(connection, events)
        now = await connection.fetchval(QUERIES["clock"])
        emitted = [len(tuple(batch.decide(event, now))) for event in events]
        await batch.save(connection, now)
    assert emitted == [2, 1, 2, 0, 0]
    rows = await owner.fetch(
        "SELECT provider_message_id, contact_address FROM inbox.messages"
        " JOIN inbox.conversations USING (conversation_id) ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("SM1", ADDRESS), ("SM2", ADDRESS), ("SM3", OTHER)]

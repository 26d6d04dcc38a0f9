"""The main job in one test: a message in, state in Postgres, events out."""

import asyncpg

from tests.bus import Bus
from tests.events import conversation, message, user
from tests.worker import Worker


async def test_a_message_becomes_state_and_events(
    bus: Bus, worker: Worker, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await bus.publish(user("ana"), user("bo"))
    await bus.publish(message("whatsapp:+4911", "Is it still for sale?"))

    log = await bus.read_until("conversations", 2)
    assert [event.kind for event in log] == [
        "conversation.created",
        "conversation.message_recorded",
    ]
    row = await owner.fetchrow("SELECT * FROM inbox.conversations")
    assert row is not None
    assert str(row["conversation_id"]) == conversation("whatsapp:+4911")
    assert (row["version"], row["status"], row["message_count"]) == (2, "open", 1)

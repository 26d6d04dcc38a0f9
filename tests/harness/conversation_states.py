"""The state of every conversation: computed from the log, and read from the table."""

from typing import Any

import asyncpg
import msgspec

from domain.conversation import NOTHING, Folded, fold
from schemas.catalog import STRUCT_OF
from schemas.conversations import ConversationEvent, Snapshot
from tests.harness.topics import Topics


async def folded(topics: Topics) -> dict[str, Folded]:
    """Returns the state of every conversation, computed from the topic `conversations` alone."""
    states: dict[str, Folded] = {}
    for read in await topics.read("conversations"):
        data: Any = msgspec.convert(read.data, STRUCT_OF[read.event["type"]])
        assert isinstance(data, ConversationEvent)
        key = data.conversation_id
        states[key] = fold(states.get(key, NOTHING), data)
    return states


async def stored(owner: "asyncpg.Connection[asyncpg.Record]") -> dict[str, Folded]:
    """Returns the state of every conversation in the table."""
    rows = await owner.fetch(
        "SELECT conversation_id::text, version, message_count, status, assignee_id"
        " FROM inbox.conversations"
    )
    return {
        key: Folded(version, count, Snapshot(status, assignee_id))
        for key, version, count, status, assignee_id in rows
    }

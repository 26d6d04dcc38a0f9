"""Writes down what became of a POST, and publishes it."""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from db.connect import AnyConnection, Pool
from db.conversations import lock_conversations, save_conversations
from db.outbox import OutboxRow
from db.queries import QUERIES
from db.sends import (
    receipts_of,
    sends_by_message,
    sends_by_provider_id,
    unsettled_sends,
    update_sends,
)
from domain.conversation import Conversation
from domain.decision import Outgoing
from domain.delivery import OUTSIDE_WINDOW
from domain.receipts import apply
from domain.sending import (
    Listed,
    Moved,
    Outcome,
    Refused,
    Send,
    accept,
    after_post,
    found,
    look_again,
)
from workers import metrics
from workers.outgoing import Outbox
from workers.settings import Settings


class Settlement:
    """The transactions that end what a claim began, each under its conversation's lock."""

    def __init__(
        self, settings: Settings, pool: Pool, committed: Callable[[list[OutboxRow]], None]
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._committed = committed

    async def after_post(self, posted: Send, outcome: Outcome) -> None:
        """A POST has ended."""
        async with self._pool.acquire() as connection, connection.transaction():
            conversation, send = await _locked(connection, posted)
            # Gone: deleted with its conversation meanwhile. Another attempt: it is not ours.
            if conversation is None or send is None or send.attempts != posted.attempts:
                return
            now: datetime = await connection.fetchval(QUERIES["clock"])
            moved = after_post(send, outcome, now, conversation.version)
            if isinstance(outcome, Refused) and outcome.error_code == OUTSIDE_WINDOW:
                closed = replace(conversation, window_until=now)
                await save_conversations(connection, new=(), changed=[closed])
            rows = await self._save(connection, conversation, moved, now)
        self._committed(rows)

    async def after_look(self, looked: Send, listed: Sequence[Listed]) -> None:
        """The provider's list was read."""
        async with self._pool.acquire() as connection, connection.transaction():
            conversation, send = await _locked(connection, looked)
            if conversation is None or send is None or send.state != "uncertain":
                return
            key = (send.account_id, send.conversation_id)
            unsettled = (await unsettled_sends(connection, [key]))[key]
            claimed = {
                other.provider_message_id
                for other in await sends_by_provider_id(
                    connection,
                    [(send.account_id, message.provider_message_id) for message in listed],
                )
            }
            free = [message for message in listed if message.provider_message_id not in claimed]
            now: datetime = await connection.fetchval(QUERIES["clock"])
            message = found(send, unsettled, free)
            if message is None:
                moved = look_again(send, now, conversation.version)
            else:
                metrics.SETTLED.labels("list").inc()
                moved = accept(
                    send, message.provider_message_id, message.status, conversation.version
                )
            rows = await self._save(connection, conversation, moved, now)
        self._committed(rows)

    async def _save(
        self, connection: AnyConnection, conversation: Conversation, moved: Moved, now: datetime
    ) -> list[OutboxRow]:
        send, outgoing = moved
        said: list[Outgoing] = [*outgoing]
        if send.state == "accepted" and send.provider_message_id is not None:
            # Receipts may have been faster than the answer that says whose they are.
            for receipt in await receipts_of(connection, send.account_id, send.provider_message_id):
                send, more = apply(send, receipt, conversation.version)
                said += more
        await update_sends(connection, [send])
        outbox = Outbox(self._settings, now)
        for item in said:
            outbox.add(item)
        return await outbox.save(connection)


async def _locked(connection: AnyConnection, send: Send) -> tuple[Conversation | None, Send | None]:
    """A part as it is now, and its conversation, locked."""
    key = (send.account_id, send.conversation_id)
    conversation = (await lock_conversations(connection, [key])).get(key)
    parts = await sends_by_message(connection, [(send.account_id, send.message_id, send.part)])
    return conversation, parts[0] if parts else None

"""Settles parts of replies: records how their POSTs and checks ended, and emits the events."""

from collections.abc import Sequence
from datetime import datetime

from db.connect import AnyConnection, Pool
from db.conversations import conversation_key, lock_conversations, save_conversations
from db.errors import is_unique_violation
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
from domain.delivery import OUTSIDE_WINDOW, close_window
from domain.listed_messages import ListedMessage, find_listed
from domain.receipts import apply_all
from domain.sending import (
    Moved,
    PostOutcome,
    Send,
    Unknown,
    accept,
    after_post,
    check_again,
)
from workers.outbox.collector import OutboxCollector
from workers.process import metrics
from workers.process.hooks import Hooks
from workers.settings import Settings


class Settlement:
    """The transactions that end a claimed part's POST or check, under its conversation's lock."""

    def __init__(self, settings: Settings, pool: Pool, hooks: Hooks) -> None:
        self._settings = settings
        self._pool = pool
        self._hooks = hooks

    async def after_post(self, posted: Send, outcome: PostOutcome) -> None:
        """Record how a POST ended."""
        try:
            await self._after_post(posted, outcome)
        except Exception as error:
            if not is_unique_violation(error):
                raise
            # The answer holds the id of another part. Either that part was settled wrongly, or the
            # answer is wrong.
            await self._after_post(posted, Unknown())

    async def _after_post(self, posted: Send, outcome: PostOutcome) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            conversation, send = await _lock_part(connection, posted)
            # None: the conversation was deleted meanwhile. Another number of attempts: this
            # outcome is recorded already, and the part was claimed again since then.
            if conversation is None or send is None or send.attempts != posted.attempts:
                return
            now: datetime = await connection.fetchval(QUERIES["clock"])
            moved = after_post(send, outcome, now, conversation.version)
            rows = await self._save(connection, conversation, moved, now)
        self._hooks.committed(rows)

    async def after_check(self, checked: Send, listed: Sequence[ListedMessage]) -> None:
        """Record what the provider's list showed of an uncertain part."""
        async with self._pool.acquire() as connection, connection.transaction():
            conversation, send = await _lock_part(connection, checked)
            if conversation is None or send is None or send.state != "uncertain":
                return
            key = conversation_key(send)
            unsettled = (await unsettled_sends(connection, [key]))[key]
            message = find_listed(send, unsettled, await _unclaimed(connection, send, listed))
            now: datetime = await connection.fetchval(QUERIES["clock"])
            if message is None:
                moved = check_again(send, now, conversation.version)
            else:
                moved = accept(
                    send,
                    message.provider_message_id,
                    message.status,
                    conversation.version,
                    message.error_code,
                )
            rows = await self._save(connection, conversation, moved, now)
        self._hooks.committed(rows)
        metrics.SETTLED.labels("list").inc(message is not None)

    async def _save(
        self, connection: AnyConnection, conversation: Conversation, moved: Moved, now: datetime
    ) -> list[OutboxRow]:
        send, outgoing = moved
        events = [*outgoing]
        if outgoing and send.provider_message_id is not None:
            # Receipts may have come before the answer that identifies their part.
            key = (send.account_id, send.provider_message_id)
            early = await receipts_of(connection, [key])
            send, more = apply_all(send, early, conversation.version)
            events += more
        await update_sends(connection, [send])
        if send.error_code == OUTSIDE_WINDOW:
            closed = close_window(conversation, send.began_at, now)
            if closed is not conversation:
                await save_conversations(connection, new=(), changed=[closed])
        outbox = OutboxCollector(self._settings, now)
        for event in events:
            outbox.add(event)
        return await outbox.save(connection)


async def _lock_part(
    connection: AnyConnection, send: Send
) -> tuple[Conversation | None, Send | None]:
    """Lock a part's conversation. Returns both as they are now; None for what is deleted."""
    key = conversation_key(send)
    conversation = (await lock_conversations(connection, [key])).get(key)
    parts = await sends_by_message(connection, [(send.account_id, send.message_id, send.part)])
    return conversation, parts[0] if parts else None


async def _unclaimed(
    connection: AnyConnection, send: Send, listed: Sequence[ListedMessage]
) -> list[ListedMessage]:
    """Those messages of a list that are not known to be another part."""
    keys = [(send.account_id, message.provider_message_id) for message in listed]
    others = {
        claimed.provider_message_id for claimed in await sends_by_provider_id(connection, keys)
    }
    # Also the messages of parts that are deleted by now: their receipts are kept.
    others |= {
        receipt.provider_message_id
        for receipt in await receipts_of(connection, keys)
        if receipt.message_id is not None
        and (receipt.message_id, receipt.part) != (send.message_id, send.part)
    }
    return [message for message in listed if message.provider_message_id not in others]

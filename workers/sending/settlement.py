"""Writes down what became of a POST, and publishes it."""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from db.connect import AnyConnection, Pool
from db.conversations import lock_conversations, save_conversations
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
from domain.delivery import OUTSIDE_WINDOW, window_after_refusal
from domain.receipts import apply_all
from domain.sending import (
    Listed,
    Moved,
    Outcome,
    Send,
    Unknown,
    accept,
    after_post,
    found,
    look_again,
)
from workers.outbox.collector import Outbox
from workers.process import metrics
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
        try:
            await self._after_post(posted, outcome)
        except Exception as error:
            if not is_unique_violation(error):
                raise
            # Its id is another part's: either that part was settled wrongly, or this answer lies.
            await self._after_post(posted, Unknown())

    async def _after_post(self, posted: Send, outcome: Outcome) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            conversation, send = await _locked(connection, posted)
            # Gone: deleted with its conversation meanwhile. Another attempt: it is not ours.
            if conversation is None or send is None or send.attempts != posted.attempts:
                return
            now: datetime = await connection.fetchval(QUERIES["clock"])
            moved = after_post(send, outcome, now, conversation.version)
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
            message = found(send, unsettled, await _free(connection, send, listed))
            now: datetime = await connection.fetchval(QUERIES["clock"])
            if message is None:
                moved = look_again(send, now, conversation.version)
            else:
                moved = accept(
                    send,
                    message.provider_message_id,
                    message.status,
                    conversation.version,
                    message.error_code,
                )
            rows = await self._save(connection, conversation, moved, now)
        self._committed(rows)
        metrics.SETTLED.labels("list").inc(message is not None)

    async def _save(
        self, connection: AnyConnection, conversation: Conversation, moved: Moved, now: datetime
    ) -> list[OutboxRow]:
        send, outgoing = moved
        said = [*outgoing]
        if outgoing and send.provider_message_id is not None:
            # Receipts may have been faster than the answer that says whose they are.
            key = (send.account_id, send.provider_message_id)
            early = await receipts_of(connection, [key])
            send, more = apply_all(send, early, conversation.version)
            said += more
        await update_sends(connection, [send])
        if send.error_code == OUTSIDE_WINDOW:
            await _close_window(connection, conversation, send, now)
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


async def _free(connection: AnyConnection, send: Send, listed: Sequence[Listed]) -> list[Listed]:
    """Those messages of a list that are not known to be another part's."""
    keys = [(send.account_id, message.provider_message_id) for message in listed]
    others = {
        claimed.provider_message_id for claimed in await sends_by_provider_id(connection, keys)
    }
    # Those too of parts that are deleted by now: what their callbacks named is kept.
    others |= {
        receipt.provider_message_id
        for receipt in await receipts_of(connection, keys)
        if receipt.message_id is not None
        and (receipt.message_id, receipt.attempt) != (send.message_id, send.part)
    }
    return [message for message in listed if message.provider_message_id not in others]


async def _close_window(
    connection: AnyConnection, conversation: Conversation, send: Send, now: datetime
) -> None:
    posted_at = send.posting_at or send.created_at
    until = window_after_refusal(conversation.window_until, posted_at, now)
    if until != conversation.window_until:
        closed = replace(conversation, window_until=until)
        await save_conversations(connection, new=(), changed=[closed])

"""The agent of `messages.status`: every receipt is kept, and leads a reply's status forward."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.sends import record_receipts, sends_by_message, sends_by_provider_id, update_sends
from domain.decision import Outgoing
from domain.delivery import OUTSIDE_WINDOW
from domain.receipts import Receipt, apply
from domain.sending import Send
from schemas.cloudevents import Incoming
from schemas.fields import AccountId, ConversationId
from schemas.messages import MessageStatus
from workers import metrics
from workers.threads import Threads

SendKey = tuple[ConversationKey, int, int]
"""A conversation, and the version and the part."""


class Receipts:
    """One batch of delivery receipts."""

    def __init__(self) -> None:
        self._threads = Threads()
        self._sends: dict[SendKey, Send] = {}
        self._by_message: dict[tuple[AccountId, str, int], SendKey] = {}
        self._by_provider_id: dict[tuple[AccountId, str], SendKey] = {}
        self._changed: set[SendKey] = set()
        self._receipts: list[Receipt] = []

    async def load(
        self, connection: AnyConnection, events: Sequence[Incoming[MessageStatus]]
    ) -> None:
        """Find the parts that receipts are of, lock their conversations, and read them again."""
        found = await _parts(connection, events)
        keys = {(send.account_id, send.conversation_id) for send in found}
        # Where a receipt names a conversation, its lock keeps it from passing an answer that is
        # being written down right now.
        keys |= {
            (event.data.account_id, ConversationId(str(event.data.conversation_id)))
            for event in events
            if event.data.conversation_id is not None
        }
        await self._threads.load(connection, keys)
        for send in await _parts(connection, events):
            key = _key(send)
            self._sends[key] = send
            self._by_message[send.account_id, send.message_id, send.part] = key
            if send.provider_message_id is not None:
                self._by_provider_id[send.account_id, send.provider_message_id] = key

    def decide(self, event: Incoming[MessageStatus], now: datetime) -> Iterable[Outgoing]:
        """Keep a receipt, and move the part that it is of."""
        data = event.data
        receipt = Receipt(
            data.account_id,
            data.provider_message_id,
            event.id,
            data.status,
            data.error_code,
            str(data.message_id) if data.message_id else None,
            data.attempt,
        )
        self._receipts.append(receipt)
        key = self._by_provider_id.get((data.account_id, data.provider_message_id))
        if key is None and receipt.message_id and receipt.attempt:
            named = (data.account_id, receipt.message_id, receipt.attempt)
            key = self._by_message.get(named)
        if key is None:
            metrics.STRAY_RECEIPTS.inc()
            return ()
        return self._move(key, receipt, now)

    def _move(self, key: SendKey, receipt: Receipt, now: datetime) -> Iterable[Outgoing]:
        conversation = self._threads[key[0]].conversation
        if conversation is None:
            return ()
        before = self._sends[key]
        send, outgoing = apply(before, receipt, conversation.version)
        if send is not before:
            self._sends[key] = send
            self._changed.add(key)
            self._by_provider_id[send.account_id, receipt.provider_message_id] = key
            metrics.SETTLED.labels("receipt").inc(before.state == "uncertain")
        if receipt.error_code == OUTSIDE_WINDOW and conversation.window_until:
            thread = self._threads[key[0]]
            closed = replace(conversation, window_until=min(conversation.window_until, now))
            self._threads[key[0]] = replace(thread, conversation=closed)
        return outgoing

    async def save(self, connection: AnyConnection, now: datetime) -> None:
        """Write receipts and parts."""
        await self._threads.save(connection)
        await update_sends(connection, [self._sends[key] for key in sorted(self._changed)])
        await record_receipts(connection, self._receipts, now)


async def _parts(
    connection: AnyConnection, events: Sequence[Incoming[MessageStatus]]
) -> list[Send]:
    by_message: set[Any] = {
        (event.data.account_id, str(event.data.message_id), event.data.attempt)
        for event in events
        if event.data.message_id and event.data.attempt
    }
    by_id = {(event.data.account_id, event.data.provider_message_id) for event in events}
    return [
        *await sends_by_message(connection, by_message),
        *await sends_by_provider_id(connection, by_id),
    ]


def _key(send: Send) -> SendKey:
    return (send.account_id, send.conversation_id), send.version, send.part

"""The agent of `messages.status`: every receipt is kept, and leads a reply's status forward."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from msgspec.structs import replace

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.sends import (
    receipts_of,
    record_receipts,
    sends_by_message,
    sends_by_provider_id,
    update_sends,
)
from domain.decision import Outgoing
from domain.delivery import OUTSIDE_WINDOW, window_after_refusal
from domain.receipts import Receipt, apply_all
from domain.sending import Send
from schemas.cloudevents import Incoming
from schemas.fields import AccountId, ConversationId
from schemas.messages import MessageStatus
from workers.agents.conversation_states import Threads
from workers.process import metrics

log = logging.getLogger(__name__)

SendKey = tuple[ConversationKey, int, int]
"""A conversation, and the version and the part."""

ProviderKey = tuple[AccountId, str]
"""An account, and the provider's id of a message."""


class Receipts:
    """One batch of delivery receipts."""

    def __init__(self) -> None:
        self._threads = Threads()
        self._sends: dict[SendKey, Send] = {}
        self._by_message: dict[tuple[AccountId, str, int], SendKey] = {}
        self._by_provider_id: dict[ProviderKey, SendKey] = {}
        self._early: dict[ProviderKey, list[Receipt]] = defaultdict(list)
        """What came before anybody knew which part it was of."""
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
            if self._threads[key[0]].conversation is None:
                # To be tried again, as Postgres says of whatever was overtaken.
                raise asyncpg.SerializationError("a part got its id meanwhile")
            self._sends[key] = send
            self._by_message[send.account_id, send.message_id, send.part] = key
            if send.provider_message_id is not None:
                self._by_provider_id[send.account_id, send.provider_message_id] = key
        unclaimed = {
            (event.data.account_id, event.data.provider_message_id) for event in events
        } - self._by_provider_id.keys()
        for receipt in await receipts_of(connection, unclaimed):
            self._early[receipt.account_id, receipt.provider_message_id].append(receipt)

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
        key = self._part(receipt)
        if key is None:
            metrics.STRAY_RECEIPTS.inc()
            self._early[data.account_id, data.provider_message_id].append(receipt)
            return ()
        return self._move(key, receipt, now)

    def _part(self, receipt: Receipt) -> SendKey | None:
        """The part that a receipt is of: the one with its id, else the one that it names."""
        key = self._by_provider_id.get((receipt.account_id, receipt.provider_message_id))
        if key is None and receipt.message_id and receipt.attempt:
            named = (receipt.account_id, receipt.message_id, receipt.attempt)
            key = self._by_message.get(named)
        return key

    def _move(self, key: SendKey, receipt: Receipt, now: datetime) -> Iterable[Outgoing]:
        conversation = self._threads[key[0]].conversation
        assert conversation is not None
        before = self._sends[key]
        provider_key = (receipt.account_id, receipt.provider_message_id)
        if before.provider_message_id not in {None, receipt.provider_message_id}:
            log.warning("reply %s, part %d: the provider has it twice", before.message_id, key[2])
        early = self._early.pop(provider_key, ())
        send, outgoing = apply_all(before, (*early, receipt), conversation.version)
        if send is not before:
            self._sends[key] = send
            self._changed.add(key)
            self._by_provider_id[provider_key] = key
            metrics.SETTLED.labels("receipt").inc(before.state == "uncertain")
        if OUTSIDE_WINDOW in {each.error_code for each in (*early, receipt)}:
            self._close_window(key[0], before.posting_at or before.created_at, now)
        return outgoing

    def _close_window(self, key: ConversationKey, posted_at: datetime, now: datetime) -> None:
        thread = self._threads[key]
        assert thread.conversation is not None
        until = window_after_refusal(thread.conversation.window_until, posted_at, now)
        if until != thread.conversation.window_until:
            closed = replace(thread.conversation, window_until=until)
            self._threads[key] = replace(thread, conversation=closed)

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

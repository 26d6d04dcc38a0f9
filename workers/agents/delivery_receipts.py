"""The agent of `messages.status`: keep every receipt, and move the reply's status forward."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

import asyncpg
from msgspec.structs import replace

from db.connect import AnyConnection
from db.conversations import ConversationKey, conversation_key
from db.sends import (
    receipts_of,
    record_receipts,
    sends_by_message,
    sends_by_provider_id,
    update_sends,
)
from domain.delivery import OUTSIDE_WINDOW, close_window
from domain.outgoing import Outgoing
from domain.receipts import Receipt, apply_all
from domain.sending import Send
from schemas.cloudevents import Incoming
from schemas.fields import AccountId
from schemas.messages import MessageStatus
from workers.agents.conversation_states import ConversationStates
from workers.process import metrics

log = logging.getLogger(__name__)

SendKey = tuple[ConversationKey, int, int]
"""A conversation, the version of a reply, and the number of a part."""

ProviderKey = tuple[AccountId, str]
"""An account, and the provider's id of a message."""


class DeliveryReceipts:
    """One batch of delivery receipts."""

    def __init__(self) -> None:
        self._states = ConversationStates()
        self._sends: dict[SendKey, Send] = {}
        self._by_message: dict[tuple[AccountId, str, int], SendKey] = {}
        self._by_provider_id: dict[ProviderKey, SendKey] = {}
        self._early: dict[ProviderKey, list[Receipt]] = defaultdict(list)
        """Receipts that came before it was known of which part they are."""
        self._changed: set[SendKey] = set()
        self._receipts: list[Receipt] = []

    async def load(
        self, connection: AnyConnection, events: Sequence[Incoming[MessageStatus]]
    ) -> None:
        """Find the parts of the receipts, lock their conversations, and read the parts again."""
        receipts = [_receipt(event) for event in events]
        found = await _parts(connection, receipts)
        keys = {conversation_key(send) for send in found}
        # Lock also the conversation that a receipt carries. Otherwise the receipt could overtake a
        # transaction that is just writing which part has its id.
        keys |= {
            conversation_key(event.data)
            for event in events
            if event.data.conversation_id is not None
        }
        await self._states.load(connection, keys)
        for send in await _parts(connection, receipts):
            key = _send_key(send)
            if self._states[key[0]].conversation is None:
                # The same error as Postgres raises for a conflict: the batch is tried again.
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
        """Keep a receipt, and move its part forward."""
        receipt = _receipt(event)
        self._receipts.append(receipt)
        key = self._part(receipt)
        if key is None:
            metrics.STRAY_RECEIPTS.inc()
            self._early[receipt.account_id, receipt.provider_message_id].append(receipt)
            return ()
        return self._move(key, receipt, now)

    def _part(self, receipt: Receipt) -> SendKey | None:
        """Returns the part of a receipt: the part with its id, or else the part that it carries."""
        key = self._by_provider_id.get((receipt.account_id, receipt.provider_message_id))
        if key is None and receipt.message_id and receipt.part:
            key = self._by_message.get((receipt.account_id, receipt.message_id, receipt.part))
        return key

    def _move(self, key: SendKey, receipt: Receipt, now: datetime) -> Iterable[Outgoing]:
        conversation = self._states[key[0]].conversation
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
            closed = close_window(conversation, before.began_at, now)
            if closed is not conversation:
                self._states[key[0]] = replace(self._states[key[0]], conversation=closed)
        return outgoing

    async def save(self, connection: AnyConnection, now: datetime) -> None:
        """Write the receipts, the parts and the windows."""
        await self._states.save(connection)
        await update_sends(connection, [self._sends[key] for key in sorted(self._changed)])
        await record_receipts(connection, self._receipts, now)


def _receipt(event: Incoming[MessageStatus]) -> Receipt:
    """Returns the receipt of an event. The event's field `attempt` holds the number of the part."""
    data = event.data
    return Receipt(
        account_id=data.account_id,
        provider_message_id=data.provider_message_id,
        event_id=event.id,
        status=data.status,
        error_code=data.error_code,
        message_id=str(data.message_id) if data.message_id else None,
        part=data.attempt,
    )


async def _parts(connection: AnyConnection, receipts: Sequence[Receipt]) -> list[Send]:
    """Returns the parts that receipts carry, and the parts with their provider's ids."""
    by_message = {
        (receipt.account_id, receipt.message_id, receipt.part)
        for receipt in receipts
        if receipt.message_id and receipt.part
    }
    by_id = {(receipt.account_id, receipt.provider_message_id) for receipt in receipts}
    return [
        *await sends_by_message(connection, by_message),
        *await sends_by_provider_id(connection, by_id),
    ]


def _send_key(send: Send) -> SendKey:
    return conversation_key(send), send.version, send.part

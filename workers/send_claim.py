"""One claim of the sender: what is due in conversations that nobody else holds."""

from collections import Counter
from datetime import datetime, timedelta

from msgspec.structs import replace

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.outbox import OutboxRow
from db.sends import (
    due_conversations,
    lock_free_conversations,
    lock_rate,
    save_rate,
    unsettled_sends,
    update_sends,
)
from domain.rates import Bucket
from domain.sending import POST_SECONDS, Moved, Send, begin, doubt, next_step
from schemas.fields import AccountId
from workers.outgoing import Outbox
from workers.settings import Settings

SenderKey = tuple[AccountId, str]


class SendClaim:
    """One transaction: what is to be posted by this worker, and what it is to look for."""

    def __init__(self, settings: Settings, now: datetime) -> None:
        self._settings = settings
        self._now = now
        self._conversations: dict[ConversationKey, tuple[int, datetime | None]] = {}
        self._unsettled: dict[ConversationKey, list[Send]] = {}
        self._buckets: dict[SenderKey, Bucket] = {}
        self._waiting: Counter[SenderKey] = Counter()
        self._changed: list[Send] = []
        self._outbox = Outbox(settings, now)
        self.posts: list[Send] = []
        self.looks: list[Send] = []

    async def load(self, connection: AnyConnection, conversations_max: int) -> None:
        """Lock some conversations in which something is due, and then their senders' buckets."""
        keys = await due_conversations(connection, self._now, conversations_max)
        self._conversations = await lock_free_conversations(connection, keys)
        self._unsettled = await unsettled_sends(connection, self._conversations)
        senders = {
            (send.account_id, send.from_address)
            for sends in self._unsettled.values()
            for send in sends
            if send.state == "queued"
        }
        for sender in sorted(senders):
            next_at = await lock_rate(connection, *sender, self._now)
            self._buckets[sender] = Bucket(self._rate(sender[1]), next_at)

    def _rate(self, address: str) -> float:
        """Messages per second of a sender."""
        fitting = (begin for begin in self._settings.send_rates if address.startswith(begin))
        return self._settings.send_rates[max(fitting, key=len)]

    def decide(self) -> None:
        """Take the next step of each conversation."""
        for key, unsettled in self._unsettled.items():
            version, window_until = self._conversations[key]
            step = next_step(unsettled, self._now)
            for send in step.doubts:
                self._move(doubt(send, self._now))
            for send in step.looks:
                # Nobody else looks meanwhile.
                later = self._now + timedelta(seconds=POST_SECONDS)
                self._changed.append(replace(send, due_at=later))
                self.looks.append(send)
            if step.post is not None:
                self._post(step.post, version, window_until)

    def _post(self, send: Send, version: int, window_until: datetime | None) -> None:
        sender = (send.account_id, send.from_address)
        bucket = self._buckets[sender]
        free_at = bucket.free_at(self._waiting[sender])
        if free_at > self._now:
            self._waiting[sender] += 1
            self._changed.append(replace(send, due_at=free_at))
            return
        moved = self._move(begin(send, window_until, self._now, version))
        if moved.state == "posting":
            self._buckets[sender] = bucket.take(self._now)
            self.posts.append(moved)

    def _move(self, moved: Moved) -> Send:
        send, outgoing = moved
        self._changed.append(send)
        for item in outgoing:
            self._outbox.add(item)
        return send

    async def save(self, connection: AnyConnection) -> list[OutboxRow]:
        """Write it all; the outbox rows that are to be handed to the relay once it is committed."""
        await update_sends(connection, self._changed)
        for (account_id, from_address), bucket in self._buckets.items():
            await save_rate(connection, account_id, from_address, bucket.next_at)
        return await self._outbox.save(connection)

"""One claim of the sender: what is due in conversations that nobody else holds."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

from msgspec.structs import replace

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.outbox import OutboxRow
from db.queries import QUERIES
from db.sends import (
    SenderKey,
    lock_free_conversations,
    lock_rates,
    save_rates,
    unsettled_sends,
    update_sends,
)
from domain.rates import Bucket
from domain.sending import POST_SECONDS, Moved, Send, Step, begin, doubt, next_step
from workers.outbox.collector import Outbox
from workers.settings import Settings


class SendClaim:
    """One transaction: what is to be posted by this worker, and what it is to look for."""

    _now: datetime
    _outbox: Outbox

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._conversations: dict[ConversationKey, tuple[int, datetime | None]] = {}
        self._unsettled: dict[ConversationKey, list[Send]] = {}
        self._buckets: dict[SenderKey, Bucket] = {}
        self._waiting: Counter[SenderKey] = Counter()
        self._taken: set[SenderKey] = set()
        self._changed: list[Send] = []
        self.posts: list[Send] = []
        self.looks: list[Send] = []
        self.has_moved = False
        """Whether more may be due at once: a part made way for the one behind it."""
        self.wait_seconds: float | None = None
        """When a sender may send again that may not now; None: all that was due is under way."""

    async def load(self, connection: AnyConnection, keys: Collection[ConversationKey]) -> None:
        """Lock those conversations that are free, and their senders' buckets, and read them."""
        self._conversations = await lock_free_conversations(connection, keys)
        self._unsettled = await unsettled_sends(connection, self._conversations)
        queued = (
            send for sends in self._unsettled.values() for send in sends if send.state == "queued"
        )
        senders = {(send.account_id, send.from_address) for send in queued}
        for sender, next_at in (await lock_rates(connection, senders)).items():
            self._buckets[sender] = Bucket(self._rate(sender[1]), next_at)
        # Read once everything is locked: a window may have closed, or a token come, meanwhile.
        self._now = await connection.fetchval(QUERIES["clock"])
        self._outbox = Outbox(self._settings, self._now)

    def _rate(self, address: str) -> float:
        """Messages per second of a sender."""
        fitting = (begin for begin in self._settings.send_rates if address.startswith(begin))
        return self._settings.send_rates[max(fitting, key=len)]

    def decide(self, room: int) -> None:
        """Take the next step of each conversation, so many POSTs and looks at most."""
        steps = [
            (next_step(unsettled, self._now), key) for key, unsettled in self._unsettled.items()
        ]
        # Where a sender may not send all of them, those go first that have waited longest.
        steps.sort(key=lambda step: (_asked_at(step[0], self._now), step[1]))
        for step, key in steps:
            for send in step.doubts:
                self._move(doubt(send, self._now))
            for send in step.looks[: max(0, room - len(self.posts) - len(self.looks))]:
                # Nobody else looks meanwhile.
                later = self._now + timedelta(seconds=POST_SECONDS)
                self._changed.append(replace(send, due_at=later))
                self.looks.append(send)
            if step.post is not None and len(self.posts) + len(self.looks) < room:
                self._post(step.post, *self._conversations[key])

    def _post(self, send: Send, version: int, window_until: datetime | None) -> None:
        sender = (send.account_id, send.from_address)
        bucket = self._buckets[sender]
        free_at = bucket.free_at(self._waiting[sender])
        if free_at > self._now:
            self._waiting[sender] += 1
            self._changed.append(replace(send, due_at=free_at))
            wait_seconds = (free_at - self._now).total_seconds()
            self.wait_seconds = min(wait_seconds, self.wait_seconds or wait_seconds)
            return
        moved = self._move(begin(send, window_until, self._now, version))
        if moved.state == "posting":
            self._buckets[sender] = bucket.take(self._now)
            self._taken.add(sender)
            self.posts.append(moved)

    def _move(self, moved: Moved) -> Send:
        send, outgoing = moved
        self.has_moved = True
        self._changed.append(send)
        for item in outgoing:
            self._outbox.add(item)
        return send

    async def save(self, connection: AnyConnection) -> list[OutboxRow]:
        """Write it all; the outbox rows that are to be handed to the relay once it is committed."""
        await update_sends(connection, self._changed)
        await save_rates(
            connection, {sender: self._buckets[sender].next_at for sender in self._taken}
        )
        return await self._outbox.save(connection)


def _asked_at(step: Step, now: datetime) -> datetime:
    return step.post.created_at if step.post is not None else now

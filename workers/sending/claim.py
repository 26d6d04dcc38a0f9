"""One claim of the sender: takes what is due in conversations that nobody else has locked."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Self

from msgspec.structs import replace

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.outbox import OutboxRow
from db.queries import QUERIES
from db.sends import (
    PartKey,
    SenderKey,
    earlier_failures,
    lock_rates,
    part_key,
    save_rates,
    try_lock_conversations,
    unsettled_sends,
    update_sends,
)
from domain.rates import Bucket
from domain.sending import (
    POST_SECONDS,
    Failure,
    Moved,
    Send,
    Step,
    begin,
    mark_uncertain,
    next_step,
)
from workers.outbox.collector import OutboxCollector
from workers.settings import Settings


class SendClaim:
    """One transaction: the parts that this worker will post, and those that it will check."""

    def __init__(
        self,
        now: datetime,
        outbox: OutboxCollector,
        conversations: Mapping[ConversationKey, tuple[int, datetime | None]],
        unsettled: Mapping[ConversationKey, list[Send]],
        *,
        earlier: Mapping[PartKey, Failure],
        buckets: dict[SenderKey, Bucket],
    ) -> None:
        self._now = now
        self._outbox = outbox
        self._conversations = conversations
        """By conversation: its version, and until when its window is open."""
        self._unsettled = unsettled
        self._earlier = earlier
        """By queued part: the failure of an earlier part of its reply."""
        self._buckets = buckets
        self._waiting: Counter[SenderKey] = Counter()
        """How many parts of each sender have to wait for its rate."""
        self._taken: set[SenderKey] = set()
        self._changed: list[Send] = []
        self.posts: list[Send] = []
        """Parts to post."""
        self.checks: list[Send] = []
        """Uncertain parts to find in the provider's list."""
        self.has_moved = False
        """Whether more may be due at once, because a part made way for the one behind it."""
        self.wait_seconds: float | None = None
        """How soon a sender may send again that reached its rate; None: no sender did."""

    @classmethod
    async def load(
        cls,
        connection: AnyConnection,
        keys: Collection[ConversationKey],
        settings: Settings,
    ) -> Self:
        """Lock those conversations that nobody else has locked, and their senders' buckets."""
        conversations = await try_lock_conversations(connection, keys)
        unsettled = await unsettled_sends(connection, conversations)
        queued = [send for sends in unsettled.values() for send in sends if send.state == "queued"]
        earlier = await earlier_failures(
            connection, {part_key(send) for send in queued if send.part > 1}
        )
        senders = {(send.account_id, send.from_address) for send in queued}
        buckets = {
            sender: Bucket(_rate(settings, sender[1]), next_at)
            for sender, next_at in (await lock_rates(connection, senders)).items()
        }
        # Read after everything is locked: meanwhile a window may close, or a sender may send again.
        now: datetime = await connection.fetchval(QUERIES["clock"])
        outbox = OutboxCollector(settings, now)
        return cls(now, outbox, conversations, unsettled, earlier=earlier, buckets=buckets)

    def decide(self, room: int) -> None:
        """Take the next step of each conversation, with at most `room` POSTs and checks."""
        steps = [
            (next_step(unsettled, self._now), key) for key, unsettled in self._unsettled.items()
        ]
        # When a sender may not send all parts, those that have waited longest go first.
        steps.sort(key=lambda step: (_created_at(step[0], self._now), step[1]))
        for step, key in steps:
            for send in step.overdue:
                self._move(mark_uncertain(send, self._now))
            for send in step.checks[: max(0, room - len(self.posts) - len(self.checks))]:
                # Not due meanwhile, so that nobody else checks it too.
                later = self._now + timedelta(seconds=POST_SECONDS)
                self._changed.append(replace(send, due_at=later))
                self.checks.append(send)
            if step.post is not None and len(self.posts) + len(self.checks) < room:
                self._post(step.post, *self._conversations[key])

    def _post(self, send: Send, version: int, window_until: datetime | None) -> None:
        earlier = self._earlier.get(part_key(send))
        sender = (send.account_id, send.from_address)
        bucket = self._buckets[sender]
        free_at = bucket.free_at(self._waiting[sender])
        if earlier is None and free_at > self._now:
            self._waiting[sender] += 1
            self._changed.append(replace(send, due_at=free_at))
            wait_seconds = (free_at - self._now).total_seconds()
            self.wait_seconds = min(wait_seconds, self.wait_seconds or wait_seconds)
            return
        moved = self._move(begin(send, window_until, self._now, version, earlier))
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
        """Write all changes, and return the outbox rows: for the relay, after the commit."""
        await update_sends(connection, self._changed)
        await save_rates(
            connection, {sender: self._buckets[sender].next_at for sender in self._taken}
        )
        return await self._outbox.save(connection)


def _created_at(step: Step, now: datetime) -> datetime:
    return step.post.created_at if step.post is not None else now


def _rate(settings: Settings, address: str) -> float:
    """How many messages per second an address may send."""
    fitting = (prefix for prefix in settings.send_rates if address.startswith(prefix))
    return settings.send_rates[max(fitting, key=len)]

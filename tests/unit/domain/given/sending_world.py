"""A small world for the rules of sending: one conversation, workers that die, a bad provider."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import timedelta
from itertools import count
from typing import NamedTuple

from msgspec.structs import replace

from domain.delivery import FAILED
from domain.listed_messages import ListedMessage, find_listed
from domain.receipts import Receipt, apply
from domain.sending import (
    POST_SECONDS,
    Failure,
    Moved,
    NotTaken,
    PostOutcome,
    Refused,
    Send,
    Taken,
    Unknown,
    accept,
    after_post,
    begin,
    check_again,
    mark_uncertain,
    next_step,
)
from tests.unit.domain.given.reply_parts import OPEN, PartEvent, part_events
from tests.unit.domain.given.samples import ACCOUNT, NOON

PartKey = tuple[int, int]
"""The version of a reply, and the number of a part."""

LATE = timedelta(seconds=20)
"""A worker does not post a part that it claimed longer ago."""

WAITING = ("queued", "posting")
UNSETTLED = (*WAITING, "uncertain")


class Message(NamedTuple):
    """A message that the provider took, and the part that it is: only the test knows that."""

    listed: ListedMessage
    key: PartKey


class InFlight:
    """A POST whose worker does not know the outcome yet."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.is_sent = False
        """Whether the provider has received it."""
        self.message: Message | None = None
        """The message that it became, if the provider took it."""


class Check(NamedTuple):
    """A worker's check of an uncertain part: it has read the provider's list, and not used it."""

    key: PartKey
    listed: tuple[ListedMessage, ...]


class World:
    """The parts of a conversation in the table, the workers, and the provider."""

    def __init__(self, sends: Iterable[Send]) -> None:
        self.now = NOON
        self.sends = {(send.version, send.part): send for send in sends}
        self.flying: list[InFlight] = []
        self.checks: list[Check] = []
        self.messages: list[Message] = []
        self.hidden: set[str] = set()
        """Messages that the provider's list does not show at the moment."""
        self.emitted: dict[PartKey, list[PartEvent]] = defaultdict(list)
        self.event_ids: Counter[str] = Counter()
        self.begun: list[PartKey] = []
        self.doubtful: set[PartKey] = set()
        """Parts with a POST that the provider may have taken, as far as any worker knows."""
        self.stopped: dict[PartKey, Failure] = {}
        """Parts that were not sent, and the failure that an earlier part of their reply had."""
        self._numbers = count(1)

    def _move(self, moved: Moved) -> None:
        send, outgoing = moved
        key = (send.version, send.part)
        self.sends[key] = send
        self.emitted[key] += part_events(outgoing)
        self.event_ids.update(item.event_id for item in outgoing)

    def _unsettled(self) -> list[Send]:
        in_order = (self.sends[key] for key in sorted(self.sends))
        return [send for send in in_order if send.state in UNSETTLED]

    def claim(self) -> None:
        """A worker claims the next step: it begins checks, or a POST."""
        step = next_step(self._unsettled(), self.now)
        for send in step.overdue:
            self._move(mark_uncertain(send, self.now))
        for send in step.checks:
            self._check(send)
        if step.post is not None:
            self._begin(step.post)

    def _failure_before(self, send: Send) -> Failure | None:
        """How the first earlier part of the same reply failed; None if none did."""
        earlier = [self.sends[send.version, number] for number in range(1, send.part)]
        failed = [other for other in earlier if other.status in FAILED]
        return Failure(failed[0].error_code) if failed else None

    def _begin(self, send: Send) -> None:
        key = (send.version, send.part)
        failure = self._failure_before(send)
        self._move(begin(send, OPEN, self.now, 9, failure))
        if self.sends[key].state != "posting":
            if failure:
                self.stopped[key] = failure
            return
        earlier = {self.sends[send.version, number] for number in range(1, send.part)}
        assert not {other.status for other in earlier} & {*FAILED}, "posted after a failure"
        assert key not in self.doubtful, "posted after a POST that may have been taken"
        before = [other.state for where, other in self.sends.items() if where < key]
        assert not set(before) & set(WAITING), "posted before its turn"
        assert key >= max(self.begun, default=key), "posted after its turn"
        self.begun.append(key)
        self.doubtful.add(key)
        self.flying.append(InFlight(self.sends[key]))

    def receive(self, post: InFlight, *, takes: bool) -> None:
        """The provider receives a POST, unless it was sent too late."""
        assert post.send.posting_at is not None
        if post.is_sent or self.now - post.send.posting_at > LATE:
            return
        post.is_sent = True
        if takes:
            key = (post.send.version, post.send.part)
            status, created_at = "queued", self.now.replace(microsecond=0)
            # The ids have no order, like the provider's.
            sid = f"SM{next(self._numbers) * 7919 % 1000:03d}"
            listed = ListedMessage(sid, post.send.body, status, None, created_at)
            post.message = Message(listed, key)
            self.messages.append(post.message)

    def answer(self, post: InFlight, *, is_lost: bool, error_code: int | None) -> None:
        """A worker gets the outcome of its POST, and settles the part."""
        outcome: PostOutcome = Unknown()
        if not post.is_sent:
            outcome = NotTaken(0.1)
        elif is_lost:
            pass
        elif post.message is not None:
            outcome = Taken(post.message.listed.provider_message_id, "queued")
        else:
            outcome = Refused(error_code) if error_code else NotTaken(1)
        self.flying.remove(post)
        key = (post.send.version, post.send.part)
        if isinstance(outcome, NotTaken):
            self.doubtful.discard(key)
        send = self.sends[key]
        if send.attempts == post.send.attempts:
            self._move(after_post(send, outcome, self.now, 9))

    def crash(self, post: InFlight) -> None:
        """The worker of a POST dies."""
        self.flying.remove(post)

    def call_back(self, message: Message, word: str, *, with_message_id: bool) -> None:
        """The provider sends a receipt, with the id of our message or without it.

        Its code follows from the word.
        """
        sid, number = message.listed.provider_message_id, message.key[1]
        message_id = self.sends[message.key].message_id if with_message_id else None
        error_code = 30005 if word in FAILED else None
        receipt = Receipt(ACCOUNT, sid, f"{sid}/{word}", word, error_code, message_id, number)
        owners = [send for send in self.sends.values() if send.provider_message_id == sid]
        if not owners and with_message_id:
            owners = [self.sends[message.key]]
        for send in owners:
            self._move(apply(send, receipt, 9))

    def _check(self, send: Send) -> None:
        key = (send.version, send.part)
        self.sends[key] = replace(send, due_at=self.now + timedelta(seconds=POST_SECONDS))
        listed = (message.listed for message in self.messages)
        shown = (each for each in listed if each.provider_message_id not in self.hidden)
        self.checks.append(Check(key, tuple(shown)))

    def conclude(self, check: Check) -> None:
        """A worker searches for its part in the list that it read, perhaps long ago."""
        self.checks.remove(check)
        send = self.sends[check.key]
        if send.state != "uncertain":
            return
        claimed = {each.provider_message_id for each in self.sends.values()}
        free = [each for each in check.listed if each.provider_message_id not in claimed]
        message = find_listed(send, self._unsettled(), free)
        if message is None:
            self._move(check_again(send, self.now, 9))
        else:
            self._move(accept(send, message.provider_message_id, message.status, 9))

    def pass_time(self, seconds: float) -> None:
        """Let time pass in which nothing happens."""
        self.now += timedelta(seconds=seconds)

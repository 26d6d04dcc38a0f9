"""A conversation whose replies are posted by workers that die, to a provider that fails."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import timedelta
from itertools import count
from typing import NamedTuple

from msgspec.structs import replace

from domain.receipts import Receipt, apply
from domain.sending import (
    POST_SECONDS,
    Listed,
    Moved,
    NotTaken,
    Outcome,
    Refused,
    Send,
    Taken,
    Unknown,
    accept,
    after_post,
    begin,
    doubt,
    found,
    look_again,
    next_step,
)
from tests.unit.domain.given.events import ACCOUNT, NOON
from tests.unit.domain.given.sends import OPEN, Said, said

PartKey = tuple[int, int]
"""A version and a part."""

LATE = timedelta(seconds=20)
"""A worker posts nothing that it claimed longer ago."""

WAITING = ("queued", "posting")
UNSETTLED = (*WAITING, "uncertain")


class Message(NamedTuple):
    """A message that the provider took, and which part it is: nobody but the test knows that."""

    listed: Listed
    key: PartKey


class InFlight:
    """A POST of a worker that has not heard its outcome."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.is_sent = False
        """Whether the provider has read it."""
        self.message: Message | None = None
        """What it became, if the provider took it."""


class Look(NamedTuple):
    """The provider's list, as a worker has read it and not yet made anything of it."""

    key: PartKey
    listed: tuple[Listed, ...]


class World:
    """A conversation's parts as the table has them, the workers, and the provider."""

    def __init__(self, sends: Iterable[Send]) -> None:
        self.now = NOON
        self.sends = {(send.version, send.part): send for send in sends}
        self.flying: list[InFlight] = []
        self.looks: list[Look] = []
        self.messages: list[Message] = []
        self.hidden: set[str] = set()
        """Messages that the provider's list does not show now."""
        self.told: dict[PartKey, list[Said]] = defaultdict(list)
        self.event_ids: Counter[str] = Counter()
        self.begun: list[PartKey] = []
        self.doubtful: set[PartKey] = set()
        """Parts with a POST that the provider may have taken, for all that anybody heard."""
        self._numbers = count(1)

    def _move(self, moved: Moved) -> None:
        send, outgoing = moved
        key = (send.version, send.part)
        self.sends[key] = send
        self.told[key] += said(outgoing)
        self.event_ids.update(item.event_id for item in outgoing)

    def _unsettled(self) -> list[Send]:
        in_order = (self.sends[key] for key in sorted(self.sends))
        return [send for send in in_order if send.state in UNSETTLED]

    def claim(self) -> None:
        """Some worker takes the next step; it may be about to look, or to post."""
        step = next_step(self._unsettled(), self.now)
        for send in step.doubts:
            self._move(doubt(send, self.now))
        for send in step.looks:
            self._look(send)
        if step.post is not None:
            self._begin(step.post)

    def _begin(self, send: Send) -> None:
        key = (send.version, send.part)
        self._move(begin(send, OPEN, self.now, 9))
        if self.sends[key].state != "posting":
            return
        assert key not in self.doubtful, "posted after a POST that may have been taken"
        before = [other.state for where, other in self.sends.items() if where < key]
        assert not set(before) & set(WAITING), "posted before its turn"
        assert key >= max(self.begun, default=key), "posted after its turn"
        self.begun.append(key)
        self.doubtful.add(key)
        self.flying.append(InFlight(self.sends[key]))

    def read(self, post: InFlight, *, takes: bool) -> None:
        """A POST reaches the provider, if it does in time."""
        assert post.send.posting_at is not None
        if post.is_sent or self.now - post.send.posting_at > LATE:
            return
        post.is_sent = True
        if takes:
            key = (post.send.version, post.send.part)
            status, created_at = "queued", self.now.replace(microsecond=0)
            # In no order, as the provider's are.
            sid = f"SM{next(self._numbers) * 7919 % 1000:03d}"
            listed = Listed(sid, post.send.body, status, None, created_at)
            post.message = Message(listed, key)
            self.messages.append(post.message)

    def answer(self, post: InFlight, *, is_lost: bool, error_code: int | None) -> None:
        """A worker hears how its POST ended, and writes it down."""
        outcome: Outcome = Unknown()
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
        """The worker that posts dies."""
        self.flying.remove(post)

    def receipt(self, message: Message, word: str, *, names: bool) -> None:
        """The provider calls back, as the message was posted for, or without saying so."""
        sid, number = message.listed.provider_message_id, message.key[1]
        named = self.sends[message.key].message_id if names else None
        receipt = Receipt(ACCOUNT, sid, f"{sid}/{word}", word, None, named, number)
        owners = [send for send in self.sends.values() if send.provider_message_id == sid]
        if not owners and names:
            owners = [self.sends[message.key]]
        for send in owners:
            self._move(apply(send, receipt, 9))

    def _look(self, send: Send) -> None:
        key = (send.version, send.part)
        self.sends[key] = replace(send, due_at=self.now + timedelta(seconds=POST_SECONDS))
        listed = (message.listed for message in self.messages)
        shown = (each for each in listed if each.provider_message_id not in self.hidden)
        self.looks.append(Look(key, tuple(shown)))

    def conclude(self, look: Look) -> None:
        """A worker makes of the provider's list what it can; it may have been slow."""
        self.looks.remove(look)
        send = self.sends[look.key]
        if send.state != "uncertain":
            return
        claimed = {each.provider_message_id for each in self.sends.values()}
        free = [each for each in look.listed if each.provider_message_id not in claimed]
        message = found(send, self._unsettled(), free)
        if message is None:
            self._move(look_again(send, self.now, 9))
        else:
            self._move(accept(send, message.provider_message_id, message.status, 9))

    def pass_time(self, seconds: float) -> None:
        """Nothing happens for a while."""
        self.now += timedelta(seconds=seconds)

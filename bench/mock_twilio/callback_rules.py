"""Rules of status callbacks: which statuses a message gets, and how its callbacks are posted."""

import random
from collections.abc import Iterable
from typing import Literal, Unpack

import msgspec

from bench.mock_twilio.rules import Rule, Scope
from workers.dev.twilio_stand_in.callbacks import journey
from workers.dev.twilio_stand_in.messages import Message

FAILED = ("failed", "undelivered")


class CallbackRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which statuses a message gets, and how its callbacks are posted.

    Without a rule a message arrives, and each status is posted once, in order, after the answer.
    """

    statuses: tuple[str, ...] | None = None
    """The statuses that it gets, in order; any words. None: those of a message that arrives."""
    error_code: int | None = None
    """Posted with `failed` and `undelivered`."""
    missing: bool = False
    """The message gets its statuses, but no callback is posted."""
    order: Literal["forward", "reversed", "shuffled"] = "forward"
    copies: int = 1
    """How many times each callback is posted."""
    early: int = 0
    """How many callbacks are posted, and answered, before the send itself is answered."""
    retries: int = 0
    """How many times a callback is posted again that was answered 5xx, or not at all."""
    pause_seconds: float = 0.0
    """The pause before each callback."""

    def statuses_of(self, message: Message) -> tuple[str, ...]:
        """Returns the statuses that a message gets, in order."""
        return journey(message) if self.statuses is None else self.statuses

    def callbacks_of(self, message: Message) -> list[str]:
        """Returns the statuses of a message's callbacks, in the order in which they are posted."""
        if self.missing:
            return []
        callbacks = [status for status in self.statuses_of(message) for _ in range(self.copies)]
        match self.order:
            case "reversed":
                callbacks.reverse()
            case "shuffled":
                # Not by the sid, which is different in each run.
                seed = f"{self.seed} {message.to} {message.body}"
                random.Random(seed).shuffle(callbacks)  # noqa: S311
        return callbacks

    def code_of(self, status: str) -> int | None:
        """Returns the error code that is posted with a status."""
        return self.error_code if status in FAILED else None


def callbacks_missing(**scope: Unpack[Scope]) -> CallbackRule:
    """The message arrives, and no callback is posted."""
    return CallbackRule(missing=True, **scope)


def delivery_failing(
    error_code: int, status: str = "failed", **scope: Unpack[Scope]
) -> CallbackRule:
    """The message is accepted, and does not arrive."""
    return CallbackRule(statuses=("queued", status), error_code=error_code, **scope)


def decode(body: bytes) -> Iterable[CallbackRule]:
    """Decode rules from JSON, one or a list. Raises msgspec.MsgspecError."""
    rules = msgspec.json.decode(body, type=CallbackRule | list[CallbackRule])
    return [rules] if isinstance(rules, CallbackRule) else rules

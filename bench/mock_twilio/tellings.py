"""What becomes of a message, and what of that is told to its status callback, when and how."""

import random
from collections.abc import Iterable
from typing import Literal, Unpack

import msgspec

from bench.mock_twilio.rules import Rule, Scope
from workers.dev.twilio_stand_in.callbacks import journey
from workers.dev.twilio_stand_in.messages import Message

FAILED = ("failed", "undelivered")


class Telling(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How messages go on, and how that is told. Without one, a message arrives and all is told
    once, in order, after the answer.
    """

    statuses: tuple[str, ...] | None = None
    """What becomes of it, in order; any words. None: it arrives."""
    error_code: int | None = None
    """Told with `failed` and `undelivered`."""
    missing: bool = False
    """Nothing is told, although it happens."""
    order: Literal["forward", "reversed", "shuffled"] = "forward"
    copies: int = 1
    """How often each is told."""
    early: int = 0
    """How many callbacks are posted, and answered, before the send itself is answered."""
    retries: int = 0
    """How often a callback is posted again that was answered 5xx, or not at all."""
    pause_seconds: float = 0.0
    """Before each callback."""

    def happens(self, message: Message) -> tuple[str, ...]:
        """What becomes of a message."""
        return journey(message) if self.statuses is None else self.statuses

    def told(self, message: Message) -> list[str]:
        """The states in the order of the callbacks."""
        if self.missing:
            return []
        told = [status for status in self.happens(message) for _ in range(self.copies)]
        match self.order:
            case "reversed":
                told.reverse()
            case "shuffled":
                # Not by the sid, which no run has again.
                seed = f"{self.seed} {message.to} {message.body}"
                random.Random(seed).shuffle(told)  # noqa: S311
        return told

    def code_of(self, status: str) -> int | None:
        """The error that goes with a state."""
        return self.error_code if status in FAILED else None


def missing(**scope: Unpack[Scope]) -> Telling:
    """The message arrives, and nothing is told."""
    return Telling(missing=True, **scope)


def failing(error_code: int, status: str = "failed", **scope: Unpack[Scope]) -> Telling:
    """The message was taken, but does not arrive."""
    return Telling(statuses=("queued", status), error_code=error_code, **scope)


def decode(body: bytes) -> Iterable[Telling]:
    """Tellings as JSON, one or a list. Raises msgspec.MsgspecError."""
    tellings = msgspec.json.decode(body, type=Telling | list[Telling])
    return [tellings] if isinstance(tellings, Telling) else tellings

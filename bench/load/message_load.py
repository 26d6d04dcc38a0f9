"""A load of messages and commands, made from a seed: the same in each run."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from bench.load.input_events import USERS, InputEvent, command, message, message_id, random_fields

_KINDS = (*["assign", "close", "close", "reopen"] * 5, *["link"] * 4, "unlink", "delete")


@dataclass(frozen=True, kw_only=True)
class MessageLoad:
    """The size of a load, and what is in it."""

    messages: int
    conversations: int
    seed: int = 1
    doubled: float = 0.0
    """The share of messages that is published twice, each with its own event id."""
    commands: float = 0.0
    """Commands per message: mostly assignments, closes and reopens, some of each other kind."""
    series: int = 0
    """Loads of different series have neither contacts nor messages in common."""

    @property
    def contacts(self) -> list[str]:
        """The addresses of all contacts."""
        return [f"whatsapp:+49{self.series}{number:09d}" for number in range(self.conversations)]

    def provider_message_id(self, number: int) -> str:
        """Returns the provider's id of a message, which is counted from 0."""
        return f"SM{self.series}{number:031d}"

    def message_ids(self, first: int, count: int) -> list[str]:
        """Returns the ids with which some messages of the load are recorded."""
        numbers = range(first, first + count)
        return [message_id(self.provider_message_id(number)) for number in numbers]

    def events(self, first: int = 0) -> Iterator[InputEvent]:
        """The messages and commands in the order of publishing, without the first so many."""
        return islice(self._events(), first, None)

    def _events(self) -> Iterator[InputEvent]:
        chance = random.Random(self.seed)  # noqa: S311  # repeatable on purpose
        weights = zipf_weights(self.conversations)
        now = datetime.now(UTC)
        contacts = chance.choices(self.contacts, weights, k=self.messages)
        for number, contact in enumerate(contacts):
            id_ = self.provider_message_id(number)
            # Later than a deletion, so that conversations start afresh, and on several days, so
            # that there are several notes.
            sent_at = now + timedelta(hours=chance.choice((0, 20, 40))) if self.commands else now
            yield message(id_, contact, sent_at, "once")
            if chance.random() < self.doubled:
                yield message(id_, contact, sent_at, "twice")
            if chance.random() < self.commands:
                yield _command(chance, f"command-{number}", contact, now)


def zipf_weights(count: int, flattened_by: int = 10) -> list[float]:
    """Returns weights by which a few contacts write most of the messages (Zipf's law)."""
    return [1 / (rank + flattened_by) for rank in range(count)]


def _command(chance: random.Random, command_id: str, contact: str, now: datetime) -> InputEvent:
    actor_id = chance.choice(USERS)
    kind = f"conversation.{chance.choice(_KINDS)}"
    fields = random_fields(chance, kind)
    # Half of them were issued before the messages are recorded, half after.
    issued_at = now + timedelta(hours=chance.choice((-1, 1)))
    return command(kind, contact, command_id, issued_at, actor_id=actor_id, **fields)

"""The ids of events: `<epoch>-<number>`."""

import re
from secrets import token_hex
from typing import NamedTuple

_ID = re.compile(r"([0-9a-f]{16})-([0-9]{1,15})\Z")


class EventId(NamedTuple):
    """The id of an event, which a client sends as Last-Event-ID."""

    epoch: str
    """Names the time in which no event was missed: of one account, in one process."""
    number: int
    """Counts the events of the epoch from 1; 0 stands for a client that has to fetch first."""

    def __str__(self) -> str:
        return f"{self.epoch}-{self.number}"


def new_epoch() -> str:
    """Returns an epoch that no process has had."""
    return token_hex(8)


def parse_event_id(given: str | None) -> EventId | None:
    """Returns a given id; None for what cannot be one of ours."""
    found = _ID.match(given or "")
    return EventId(found[1], int(found[2])) if found else None

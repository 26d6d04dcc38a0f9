"""The field types that events share, and the base of every event's data."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, NewType
from uuid import UUID

from msgspec import Meta, Struct

AccountId = NewType("AccountId", str)
UserId = NewType("UserId", str)
ChannelId = NewType("ChannelId", str)
ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)

# `\Z` rather than `$`: the latter would let a trailing newline through.
_EXTERNAL_ID = Meta(
    pattern=r"^[A-Za-z0-9_.:@+-]{1,64}\Z",
    description="Text of 1 to 64 characters of [A-Za-z0-9_.:@+-].",
)
ExternalId = Annotated[str, _EXTERNAL_ID]
Account = Annotated[AccountId, _EXTERNAL_ID]
User = Annotated[UserId, _EXTERNAL_ID]
Channel = Annotated[ChannelId, _EXTERNAL_ID]
ADDRESS_CHARACTERS_MAX = 256
Address = Annotated[str, Meta(min_length=1, max_length=ADDRESS_CHARACTERS_MAX)]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset.")]
NonEmpty = Annotated[str, Meta(min_length=1)]

Status = Literal["open", "closed"]
Direction = Literal["inbound", "outbound"]

# Years outside overflow when they are moved to UTC or rounded; no message was sent then.
EARLIEST_YEAR, LATEST_YEAR = 1970, 9998


class EventData(Struct, frozen=True, kw_only=True):
    """Base of every event's `data`: frozen, unknown fields ignored, checked while decoded."""

    TYPE: ClassVar[str]
    """The CloudEvents type that carries this data."""

    account_id: Account


class Command(EventData, frozen=True, kw_only=True):
    """Base of every command: what a user asks for, answered by exactly one result."""

    conversation_id: UUID
    actor_id: User
    expected_version: Version | None = None


class Emitted(EventData, frozen=True, kw_only=True):
    """Base of what the system publishes about a conversation."""

    conversation_id: str
    version: Annotated[int, Meta(ge=0)]
    """The conversation's version that the event goes with."""


def check_year(name: str, moment: datetime) -> None:
    """Raise ValueError for a time that cannot be kept in UTC."""
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        raise ValueError(f"{name}: the year must be {EARLIEST_YEAR} to {LATEST_YEAR}")


def texts(value: Any) -> Iterator[str]:
    """Every text inside a plain JSON-like value, keys included, however deep it is nested."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, list | tuple):
            waiting += item

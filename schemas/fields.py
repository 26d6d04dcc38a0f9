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

# `\Z` rather than `$`: `$` would allow a newline at the end.
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

# Other years may overflow when a time is converted to UTC or rounded. No message has them.
EARLIEST_YEAR, LATEST_YEAR = 1970, 9998


class EventData(Struct, frozen=True, kw_only=True):
    """Base of every event's `data`: frozen, validated while decoded, unknown fields ignored."""

    TYPE: ClassVar[str]
    """The CloudEvents type that carries this data."""

    account_id: Account


class Command(EventData, frozen=True, kw_only=True):
    """Base of every command. A user issues it, and exactly one result answers it."""

    conversation_id: UUID
    actor_id: User
    expected_version: Version | None = None


class Emitted(EventData, frozen=True, kw_only=True):
    """Base of every event that the system emits about a conversation."""

    conversation_id: str
    version: Annotated[int, Meta(ge=0)]
    """The version of the conversation to which the event belongs."""


def check_year(name: str, moment: datetime) -> None:
    """Raise ValueError for a time that cannot be stored in UTC."""
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        raise ValueError(f"{name}: the year must be {EARLIEST_YEAR} to {LATEST_YEAR}")


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a plain JSON-like value, at any depth, keys of objects included."""
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

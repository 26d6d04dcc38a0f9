"""Messages of contacts, replies of users, and the delivery status of replies."""

from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.fields import (
    Address,
    Channel,
    Command,
    Emitted,
    EventData,
    ExternalId,
    Instant,
    NonEmpty,
    check_year,
)
from schemas.message_context import MessageContext

IDENTITIES_MAX = 20
"""The limit of addresses in one message: each of them costs a lookup."""


class Media(Struct, frozen=True):
    """A file of a message, kept by the provider."""

    url: NonEmpty
    content_type: NonEmpty


class Contact(Struct, frozen=True):
    """The outside person who wrote."""

    address: Address
    name: str | None = None
    identities: Annotated[tuple[Address, ...], Meta(max_length=IDENTITIES_MAX)] = ()
    """Other addresses of the same person."""


class MessageReceived(EventData, frozen=True, kw_only=True):
    """A contact wrote a message."""

    TYPE = "inbox.message.received.v1"

    channel_id: Channel
    provider_message_id: ExternalId
    contact: Contact
    body: str
    media: tuple[Media, ...] = ()
    sent_at: Instant
    historical: bool = False
    """An imported message: it is recorded, but neither reopens nor notifies."""
    context: MessageContext | None = None
    """What the message is about beside its text."""

    def __post_init__(self) -> None:
        check_year("sent_at", self.sent_at)


class MessageSend(Command, frozen=True, kw_only=True):
    """A user's reply, to be sent by the provider of the channel."""

    TYPE = "inbox.message.send.v1"

    body: str | UnsetType = UNSET
    media_urls: tuple[NonEmpty, ...] = ()
    content_sid: NonEmpty | UnsetType = UNSET
    content_variables: dict[str, str] | UnsetType = UNSET

    def __post_init__(self) -> None:
        # A body that is empty is an answer to give to the user: the command is rejected.
        if self.body is UNSET and not (self.media_urls or self.content_sid):
            raise ValueError("body, media_urls, content_sid: a reply needs one of them")


class MessageStatus(EventData, frozen=True, kw_only=True):
    """The provider sent a delivery receipt. Unknown status words are kept as they are."""

    TYPE = "inbox.message.status.v1"

    channel_id: Channel
    conversation_id: UUID | None = None
    message_id: UUID | None = None
    provider_message_id: ExternalId
    status: NonEmpty
    error_code: int | None = None
    attempt: Annotated[int, Meta(ge=1)] | None = None
    """The number of the part of the reply that the receipt is about, from 1; null if the callback
    does not carry it. The name is historical: it does not count the attempts to send."""


class _Sent(Emitted, frozen=True, kw_only=True):
    message_id: str
    provider_message_id: str | UnsetType = UNSET
    status: str
    error_code: int | UnsetType = UNSET
    part: int = 1
    """The number of the part, from 1: a long reply is sent in parts, and the provider has an id for
    each."""
    parts: int = 1


class MessageAccepted(_Sent, frozen=True, kw_only=True):
    """The provider took a reply and gave it an id."""

    TYPE = "inbox.message.accepted.v1"


class MessageStatusChanged(_Sent, frozen=True, kw_only=True):
    """A reply's delivery status moved forward."""

    TYPE = "inbox.message.status_changed.v1"


class MessageFailed(_Sent, frozen=True, kw_only=True):
    """A reply was not sent: it was refused, its window closed, or it waited too long."""

    TYPE = "inbox.message.failed.v1"


class MessageUncertain(_Sent, frozen=True, kw_only=True):
    """It is unknown whether a reply was sent: a person has to decide."""

    TYPE = "inbox.message.uncertain.v1"

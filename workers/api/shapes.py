"""What operations and events of the API say of conversations, and how a user sees one."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from db.listed_conversations import ListedConversation
from db.message_pages import PartStatus, StoredMessage
from domain.conversation import Section, section_of
from domain.directory import User
from schemas.directory import NotificationSettings
from schemas.fields import Direction, Status, UserId
from schemas.message_context import MessageContext
from workers.api.operation import PREFIX


class ConversationPath(Struct, frozen=True, forbid_unknown_fields=True):
    """The conversation that an operation is about."""

    id: UUID


PageLimit = Annotated[int, Meta(ge=1, le=100)]
"""How many items a page has at most."""


class UserName(Struct, frozen=True, kw_only=True):
    """A user, and what people call them."""

    user_id: str
    name: str | None
    """Null for a user who was removed from the account."""


class ChannelName(Struct, frozen=True, kw_only=True):
    """A channel, and what people call it."""

    channel_id: str
    name: str | None
    """Null, as `provider` is, for a channel that the directory does not have yet."""
    provider: str | None


class ContactName(Struct, frozen=True, kw_only=True):
    """A contact, as the provider tells of them."""

    name: str | None
    """Null where the provider never told one."""
    address: str


class LastMessage(Struct, frozen=True, kw_only=True):
    """The newest message of a conversation."""

    direction: Direction
    preview: str
    """The start of its text, or else the content types of its files or what it is about. At most
    140 characters."""


class Conversation(Struct, frozen=True, kw_only=True):
    """A conversation, as one user sees it."""

    conversation_id: str
    version: int
    section: Section
    status: Status
    assignee: UserName | None
    channel: ChannelName
    contact: ContactName
    last_message_at: datetime | None
    last_message: LastMessage | None
    message_count: int
    unseen: bool
    """Whether the contact wrote something that this user has not seen. Imported messages do not
    count."""
    window_until: datetime | None
    """Until when a free text may be sent; null where the provider has no such window."""


def seen_by(listed: ListedConversation, user_id: UserId, seen_version: int) -> Conversation:
    """Returns a conversation as a user sees it who has seen it up to a version; 0 is never."""
    return Conversation(
        conversation_id=listed.conversation_id,
        version=listed.version,
        section=section_of(listed.status, listed.assignee_id, user_id),
        status=listed.status,
        assignee=UserName(user_id=listed.assignee_id, name=listed.assignee_name)
        if listed.assignee_id is not None
        else None,
        channel=ChannelName(
            channel_id=listed.channel_id, name=listed.channel_name, provider=listed.provider
        ),
        contact=ContactName(name=listed.contact_name, address=listed.contact_address),
        last_message_at=listed.last_message_at,
        last_message=LastMessage(direction=listed.last_direction, preview=listed.preview)
        if listed.last_direction is not None
        else None,
        message_count=listed.message_count,
        unseen=listed.inbound_version > seen_version,
        window_until=listed.window_until,
    )


class MessageFile(Struct, frozen=True, kw_only=True):
    """A file of a message."""

    url: str
    """A path of this API."""
    content_type: str


class Message(Struct, frozen=True, kw_only=True):
    """A message, in or out."""

    message_id: str
    direction: Direction
    sender_name: str | None
    sender_address: str
    body: str
    media: list[MessageFile]
    sent_at: datetime
    version: int
    """The version of the conversation that recorded it."""
    historical: bool
    """Whether it was imported."""
    context: MessageContext | UnsetType = UNSET
    """What it is about beside its text; absent if nothing."""
    parts: list[PartStatus] | UnsetType = UNSET
    """Of a reply: what became of each part. Absent for a message of the contact."""


def media_path(message_id: str, number: int) -> str:
    """Returns the path at which the API has a file of a message, counted from 0."""
    return f"{PREFIX}/media/{message_id}/{number}"


def shown_message(message: StoredMessage) -> Message:
    """Returns a message as the API answers it."""
    return Message(
        message_id=message.message_id,
        direction=message.direction,
        sender_name=message.sender_name,
        sender_address=message.sender_address,
        body=message.body,
        media=[
            MessageFile(url=media_path(message.message_id, number), content_type=file.content_type)
            for number, file in enumerate(message.media)
        ],
        sent_at=message.sent_at,
        version=message.version,
        historical=message.historical,
        context=message.context or UNSET,
        parts=list(message.parts) if message.direction == "outbound" else UNSET,
    )


class Me(Struct, frozen=True, kw_only=True):
    """The user who asks."""

    account_id: str
    user_id: str
    name: str | None
    email: str | None
    available: bool
    notification_settings: NotificationSettings


def me_of(user: User) -> Me:
    """Returns a user as they are told of themselves."""
    return Me(
        account_id=user.account_id,
        user_id=user.user_id,
        name=user.name,
        email=user.email,
        available=user.available,
        notification_settings=user.settings,
    )

"""What operations and events of the API say of conversations, and how a user sees one."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from db.listed_conversations import ListedConversation
from domain.conversation import Section, section_of
from schemas.fields import Direction, Status, UserId


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
    name: str
    provider: str


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

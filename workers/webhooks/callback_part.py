"""Finds the reply that a status callback is about, when no channel has the callback's address.

The address of a channel may change after a reply was sent, and the provider may fall back to
another sender. The callback still names the reply in its URL, and the provider's id of the message.
"""

from uuid import UUID

from msgspec.structs import replace

from db.connect import AnyConnection
from db.sends import sends_by_message, sends_by_provider_id
from domain.sending import Send
from schemas.cloudevents import CloudEvent
from schemas.fields import ChannelId
from schemas.messages import MessageStatus


async def with_channel_of_reply(connection: AnyConnection, event: CloudEvent) -> CloudEvent | None:
    """The event of a status callback, with the channel and the conversation of its reply.

    None for another event, and when the account has no such reply.
    """
    status = event.data
    part = await _part(connection, status) if isinstance(status, MessageStatus) else None
    if part is None:
        return None
    conversation_id = part.conversation_id
    data = replace(
        status, channel_id=ChannelId(part.channel_id), conversation_id=UUID(conversation_id)
    )
    return replace(event, data=data, subject=conversation_id)


async def _part(connection: AnyConnection, status: MessageStatus) -> Send | None:
    """The part with the callback's id of the provider, or else the one that its URL names."""
    key = (status.account_id, status.provider_message_id)
    found = await sends_by_provider_id(connection, {key})
    if not found and status.message_id is not None and status.attempt is not None:
        part = (status.account_id, str(status.message_id), status.attempt)
        found = await sends_by_message(connection, {part})
    return found[0] if found else None

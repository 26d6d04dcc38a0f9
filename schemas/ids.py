"""Every id that the system derives: a replay of the same cause yields the same ids."""

from functools import lru_cache
from hashlib import sha1
from uuid import UUID

from schemas.fields import AccountId, ChannelId, ConversationId, MessageId

NAMESPACE = UUID("6f1d2c1e-5b0a-5a7e-9c58-2f1b7b0f6a11")
"""The namespace of all derived ids; publishers compute conversation ids with it."""

_HASHED_NAMESPACE = sha1(NAMESPACE.bytes, usedforsecurity=False)
# The two highest bits of this digit are 10, the variant of RFC 9562; the others are the hash's.
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def uuid5_text(name: str) -> str:
    """`str(uuid.uuid5(NAMESPACE, name))`, at a quarter of the cost (RFC 9562, section 5.5)."""
    hashed = _HASHED_NAMESPACE.copy()
    hashed.update(name.encode())
    h = hashed.hexdigest()
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"


# Conversations write many messages; so many of them cost about 10 MB at the most.
@lru_cache(maxsize=32_768)
def conversation_id(
    account_id: AccountId, channel_id: ChannelId, contact_address: str
) -> ConversationId:
    """The id of the one conversation of a contact on a channel."""
    return ConversationId(uuid5_text(f"{account_id}/{channel_id}/{contact_address}"))


def inbound_message_id(
    account_id: AccountId, channel_id: ChannelId, provider_message_id: str
) -> MessageId:
    """The id of a contact's message."""
    return MessageId(uuid5_text(f"{account_id}/{channel_id}/{provider_message_id}"))


def reply_message_id(account_id: AccountId, command_id: str) -> MessageId:
    """The id of the message that a `message.send` command asks for."""
    return MessageId(uuid5_text(f"{account_id}/{command_id}"))


def emitted_event_id(
    cause_id: str,
    account_id: AccountId,
    conversation_id: str,
    what: str,
    version: int,
    *,
    part: int | str = 1,
) -> str:
    """The id of an emitted event, of its cause, its conversation and its type.

    The account and the conversation's version keep apart what publishers with careless event ids
    would mix up: two accounts may use one command id, and name one conversation that neither has.
    `part` keeps apart what one cause says in one type: the number of a notification's part, or
    the id of a note.
    """
    return uuid5_text(f"{cause_id}/{account_id}/{conversation_id}/{what}/{version}/{part}")

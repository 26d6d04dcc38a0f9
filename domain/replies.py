"""The rule of replies: record a user's reply as an outbound message, and queue its parts."""

import re
from datetime import UTC
from mimetypes import MimeTypes

from msgspec.structs import replace

from domain.directory import Channel
from domain.notes import join_notes, note_context, note_message
from domain.outgoing import Message
from domain.parts import Part, TooLong, parts_of
from domain.sending import Send
from domain.verdict import Changed, CommandContext, Rejected, Verdict
from domain.windows import may_write
from schemas.codes import RejectionCode
from schemas.conversations import MessageRecorded
from schemas.ids import reply_message_id
from schemas.messages import Media

UNKNOWN_CONTENT = "application/octet-stream"
"""The content type of a file with an unknown or no extension."""

# Only Python's own table of types: a table of the machine could differ between workers.
_CONTENT_TYPES = MimeTypes()


def reply(context: CommandContext) -> Verdict:
    """Record a reply. It neither reopens a closed conversation nor notifies anybody."""
    before, channel, command = context.conversation, context.channel, context.command
    if channel is None or channel.removed:
        return Rejected(RejectionCode.UNKNOWN_CHANNEL, f"no channel {before.channel_id}")
    body = command.data.body or ""
    media = tuple(Media(url, _content_type(url)) for url in command.data.media_urls)
    is_template = bool(command.data.content_sid)
    try:
        parts = parts_of(before.contact_address, body, media, is_template=is_template)
    except TooLong as error:
        return Rejected(RejectionCode.TOO_LONG, str(error))
    if not parts:
        return Rejected(RejectionCode.EMPTY, "the text is blank, and there are no files")
    if not (is_template and len(parts) == 1) and not may_write(
        before.window_until, before.contact_address, context.now
    ):
        detail = "the contact's window is closed: only a template can be sent"
        return Rejected(RejectionCode.WINDOW_CLOSED, detail)
    sent_at = command.time.astimezone(UTC)
    last_message_at = before.last_message_at
    conversation = replace(
        before,
        version=before.version + 1,
        message_count=before.message_count + 1,
        last_message_at=max(last_message_at, sent_at) if last_message_at else sent_at,
        last_direction="outbound",
    )
    actor = context.directory.user(command.data.actor_id)
    message = Message(
        account_id=before.account_id,
        conversation_id=before.conversation_id,
        message_id=reply_message_id(before.account_id, command.id),
        channel_id=before.channel_id,
        provider_message_id=None,
        direction="outbound",
        sender_name=actor.name if actor else None,
        sender_address=channel.address,
        body=body,
        media=media,
        sent_at=sent_at,
        historical=False,
        version=conversation.version,
    )
    about = note_context(command.id, conversation, context.directory, context.app_url)
    links, notes = join_notes(about, context.state.links, note_message(message))
    state = replace(context.state, conversation=conversation, links=links)
    details = {
        "message_id": message.message_id,
        "provider_message_id": None,
        "direction": message.direction,
        "sent_at": sent_at,
        "historical": False,
    }
    sends = _sends(context, channel, message, parts)
    return Changed(state, MessageRecorded, details, notes, message, sends)


def _sends(
    context: CommandContext, channel: Channel, message: Message, parts: list[Part]
) -> tuple[Send, ...]:
    data = context.command.data
    return tuple(
        Send(
            account_id=message.account_id,
            conversation_id=message.conversation_id,
            version=message.version,
            part=number,
            parts=len(parts),
            message_id=message.message_id,
            command_id=context.command.id,
            channel_id=message.channel_id,
            from_address=message.sender_address,
            to_address=context.conversation.contact_address,
            body=part.body,
            media_urls=part.media_urls,
            # A template is the first part. The provider refuses variables without a template.
            content_sid=(number == 1 and data.content_sid) or None,
            content_variables=(number == 1 and data.content_sid and data.content_variables) or None,
            state="queued",
            attempts=0,
            created_at=context.now,
            due_at=context.now,
            provider_account_id=channel.provider_account_id,
            webhook_account_id=channel.webhook_account_id,
        )
        for number, part in enumerate(parts, start=1)
    )


def _content_type(url: str) -> str:
    """Returns the content type of a file, guessed from the name in its URL."""
    content_type, compressed = _CONTENT_TYPES.guess_type(re.split("[?#]", url, maxsplit=1)[0])
    return UNKNOWN_CONTENT if compressed or not content_type else content_type

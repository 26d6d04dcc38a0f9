"""The rule of replies: record a user's reply as an outbound message, and queue its parts."""

import re
from datetime import UTC
from mimetypes import MimeTypes

from msgspec.structs import replace

from domain.notes import join_notes, note_context, note_message
from domain.outgoing import Message
from domain.parts import PARTS_MAX, parts_of
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
    parts = parts_of("" if command.data.content_sid else command.data.body)
    if len(parts) > PARTS_MAX:
        detail = f"{len(command.data.body)} characters, at most {PARTS_MAX} parts are sent"
        return Rejected(RejectionCode.TOO_LONG, detail)
    window_until, address = before.window_until, before.contact_address
    if not command.data.content_sid and not may_write(window_until, address, context.now):
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
        body=command.data.body,
        media=tuple(Media(url, _content_type(url)) for url in command.data.media_urls),
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
    sends = _sends(context, message, parts)
    return Changed(state, MessageRecorded, details, notes, message, sends)


def _sends(context: CommandContext, message: Message, parts: list[str]) -> tuple[Send, ...]:
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
            body=body,
            # All files go out with the first part.
            media_urls=data.media_urls if number == 1 else (),
            content_sid=data.content_sid or None,
            # The provider refuses variables without a template.
            content_variables=(data.content_sid and data.content_variables) or None,
            state="queued",
            attempts=0,
            created_at=context.now,
            due_at=context.now,
            provider_account_id=context.channel.sending_account_id if context.channel else None,
        )
        for number, body in enumerate(parts, start=1)
    )


def _content_type(url: str) -> str:
    """Returns the content type of a file, guessed from the name in its URL."""
    content_type, compressed = _CONTENT_TYPES.guess_type(re.split("[?#]", url, maxsplit=1)[0])
    return UNKNOWN_CONTENT if compressed or not content_type else content_type

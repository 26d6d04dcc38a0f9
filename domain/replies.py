"""The rule of replying: a user's reply is recorded as an outbound message, to be sent."""

import re
from datetime import UTC
from mimetypes import MimeTypes

from msgspec.structs import replace

from domain.decision import Message
from domain.notes import join_notes, note_message, occasion
from domain.parts import PARTS_MAX, parts_of
from domain.sending import Send
from domain.verdict import Asked, Changed, Refused, Verdict
from domain.windows import may_write
from schemas.codes import Rejection
from schemas.conversations import MessageRecorded
from schemas.ids import reply_message_id
from schemas.messages import Media

UNKNOWN_CONTENT = "application/octet-stream"
"""The content type of a file whose name does not tell it."""

# With Python's own table alone: a machine's would make the same reply differ between workers.
_CONTENT = MimeTypes()


def reply(asked: Asked) -> Verdict:
    """Record a reply. It does not reopen a closed conversation, and nobody is notified of it."""
    before, channel, command = asked.conversation, asked.channel, asked.command
    if channel is None or channel.removed:
        return Refused(Rejection.UNKNOWN_CHANNEL, f"no channel {before.channel_id}")
    parts = parts_of("" if command.data.content_sid else command.data.body)
    if len(parts) > PARTS_MAX:
        detail = f"{len(command.data.body)} characters, at most {PARTS_MAX} parts are sent"
        return Refused(Rejection.TOO_LONG, detail)
    window_until, address = before.window_until, before.contact_address
    if not command.data.content_sid and not may_write(window_until, address, asked.now):
        detail = "the contact's window is closed: only a template can be sent"
        return Refused(Rejection.WINDOW_CLOSED, detail)
    sent_at = command.time.astimezone(UTC)
    last_message_at = before.last_message_at
    conversation = replace(
        before,
        version=before.version + 1,
        message_count=before.message_count + 1,
        last_message_at=max(last_message_at, sent_at) if last_message_at else sent_at,
        last_direction="outbound",
    )
    actor = asked.directory.user(command.data.actor_id)
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
    about = occasion(command.id, conversation, asked.directory, asked.app_url)
    links, notes = join_notes(about, asked.thread.links, note_message(message))
    thread = replace(asked.thread, conversation=conversation, links=links)
    details = {
        "message_id": message.message_id,
        "provider_message_id": None,
        "direction": message.direction,
        "sent_at": sent_at,
        "historical": False,
    }
    sends = _sends(asked, message, parts)
    return Changed(thread, MessageRecorded, details, notes, message, sends)


def _sends(asked: Asked, message: Message, parts: list[str]) -> tuple[Send, ...]:
    data = asked.command.data
    return tuple(
        Send(
            account_id=message.account_id,
            conversation_id=message.conversation_id,
            version=message.version,
            part=number,
            parts=len(parts),
            message_id=message.message_id,
            command_id=asked.command.id,
            channel_id=message.channel_id,
            from_address=message.sender_address,
            to_address=asked.conversation.contact_address,
            body=body,
            # Files go out with the first part.
            media_urls=data.media_urls if number == 1 else (),
            content_sid=data.content_sid or None,
            # Without a template the provider refuses them.
            content_variables=(data.content_sid and data.content_variables) or None,
            state="queued",
            attempts=0,
            created_at=asked.now,
            due_at=asked.now,
        )
        for number, body in enumerate(parts, start=1)
    )


def _content_type(url: str) -> str:
    """What a file is, as far as its name tells."""
    content_type, compressed = _CONTENT.guess_type(re.split("[?#]", url, maxsplit=1)[0])
    return UNKNOWN_CONTENT if compressed or not content_type else content_type

"""A contact writes: one message, once; a new conversation; auto-reopen; notes; whom to tell."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from domain.audience import message_audience, notifications, preview
from domain.conversation import Conversation
from domain.decision import Message, Outgoing, caused_by
from domain.directory import Directory
from domain.notes import join_notes, note_message, occasion
from domain.thread import Decision, Thread
from domain.windows import is_to_be_watched, window_after
from schemas.cloudevents import Incoming
from schemas.conversations import (
    ConversationCreated,
    ConversationReopened,
    MessageRecorded,
    Snapshot,
)
from schemas.fields import ConversationId, MessageId
from schemas.ids import conversation_id, inbound_message_id
from schemas.messages import MessageReceived

_OPEN_UNASSIGNED = Snapshot("open", None)


class Identity(NamedTuple):
    """What a received message is, and where it belongs."""

    conversation_id: ConversationId
    message_id: MessageId


def identify(event: MessageReceived) -> Identity:
    """The conversation and the message that an event is about, from its own data alone."""
    account_id, channel_id = event.account_id, event.channel_id
    return Identity(
        conversation_id(account_id, channel_id, event.contact.address),
        inbound_message_id(account_id, channel_id, event.provider_message_id),
    )


def is_erased(thread: Thread, event: MessageReceived) -> bool:
    """Whether a message belongs to what was deleted: it never brings that back."""
    if thread.conversation is not None:
        erased_until = thread.conversation.erased_until
    else:
        erased_until = thread.tombstone.deleted_at if thread.tombstone else None
    return erased_until is not None and event.sent_at <= erased_until


def decide_message(
    thread: Thread,
    event: Incoming[MessageReceived],
    now: datetime,
    directory: Directory,
    app_url: str,
    *,
    identity: Identity | None = None,
    opened_at: datetime | None = None,
    takes_over: bool = False,
) -> Decision:
    """Record a message that was not recorded before, and is not erased.

    `now` is when it is recorded; `identity` spares working it out again, and tells of a contact
    with several addresses which conversation it is. `opened_at` is when a new conversation counts
    as made, where that is not `now`. With `takes_over`, an open conversation of the same contact
    ends in favour of this one, which is open then: nothing open is lost sight of.

    The caller has made sure that the message is new: a repeat changes nothing and emits nothing,
    so it never comes here.
    """
    data = event.data
    identity = identity or identify(data)
    message_id = identity.message_id
    outgoing: list[Outgoing] = []
    conversation = thread.conversation
    if conversation is None:
        conversation, created = _open(identity.conversation_id, event, thread, opened_at or now)
        outgoing.append(created)
    conversation, recorded = _record(conversation, event, message_id, now)
    outgoing.append(recorded)
    message = message_row(data, identity, conversation.version)
    if conversation.status == "closed" and (takes_over or not data.historical):
        conversation, reopened = _reopen(conversation, event.id)
        outgoing.append(reopened)
    if not data.historical:
        outgoing += notifications(
            conversation,
            message_audience(conversation, directory),
            kind="message",
            cause_id=event.id,
            app_url=app_url,
            message=(message_id, preview(data.body, data.media)),
        )
    links = thread.links
    if links:
        about = occasion(event.id, conversation, directory, app_url)
        links, notes = join_notes(about, links, note_message(message))
        outgoing += notes
    return Decision(Thread(conversation, links=links), tuple(outgoing), message)


def _open(
    conversation_key: ConversationId,
    event: Incoming[MessageReceived],
    thread: Thread,
    opened_at: datetime,
) -> tuple[Conversation, Outgoing]:
    tombstone = thread.tombstone
    conversation = Conversation(
        account_id=event.data.account_id,
        conversation_id=conversation_key,
        channel_id=event.data.channel_id,
        contact_address=event.data.contact.address,
        version=thread.version + 1,
        erased_until=tombstone.deleted_at if tombstone else None,
        created_at=opened_at,
    )
    created = ConversationCreated(
        account_id=conversation.account_id,
        conversation_id=conversation_key,
        version=conversation.version,
        before=None,
        after=_OPEN_UNASSIGNED,
        actor_id=None,
        reason="inbound_message",
    )
    return conversation, caused_by(event.id, created)


def _record(
    before: Conversation, event: Incoming[MessageReceived], message_id: MessageId, now: datetime
) -> tuple[Conversation, Outgoing]:
    data = event.data
    last_message_at = before.last_message_at
    window_until = window_after(before.window_until, data.contact.address, data.sent_at, now)
    conversation = msgspec.structs.replace(
        before,
        version=before.version + 1,
        message_count=before.message_count + 1,
        contact_name=data.contact.name or before.contact_name,
        last_message_at=max(last_message_at, data.sent_at) if last_message_at else data.sent_at,
        last_inbound_at=before.last_inbound_at if data.historical else _later(before, now),
        window_until=window_until,
        window_watched=before.window_watched
        or (not data.historical and is_to_be_watched(before.window_until, window_until, now)),
        last_direction=before.last_direction if data.historical else "inbound",
    )
    snapshot = conversation.snapshot
    recorded = MessageRecorded(
        account_id=conversation.account_id,
        conversation_id=conversation.conversation_id,
        version=conversation.version,
        before=snapshot,
        after=snapshot,
        actor_id=None,
        reason="inbound_message",
        message_id=message_id,
        provider_message_id=data.provider_message_id,
        direction="inbound",
        sent_at=data.sent_at,
        historical=data.historical,
    )
    return conversation, caused_by(event.id, recorded)


def _later(before: Conversation, now: datetime) -> datetime:
    """A clock that was set back must not let a close pass that the contact's message refuses."""
    return max(before.last_inbound_at or now, now)


def _reopen(before: Conversation, cause_id: str) -> tuple[Conversation, Outgoing]:
    after = msgspec.structs.replace(
        before, version=before.version + 1, status="open", closed_at=None
    )
    reopened = ConversationReopened(
        account_id=after.account_id,
        conversation_id=after.conversation_id,
        version=after.version,
        before=before.snapshot,
        after=after.snapshot,
        actor_id=None,
        reason="inbound_message",
    )
    return after, caused_by(cause_id, reopened)


def message_row(data: MessageReceived, identity: Identity, version: int) -> Message:
    """What is recorded of a received message; `version` is its conversation's."""
    return Message(
        account_id=data.account_id,
        conversation_id=identity.conversation_id,
        message_id=identity.message_id,
        channel_id=data.channel_id,
        provider_message_id=data.provider_message_id,
        direction="inbound",
        sender_name=data.contact.name,
        sender_address=data.contact.address,
        body=data.body,
        media=data.media,
        sent_at=data.sent_at,
        historical=data.historical,
        version=version,
    )

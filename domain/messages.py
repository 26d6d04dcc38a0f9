"""A contact's message: record it once, open or reopen the conversation, notify, extend notes."""

from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from domain.audience import message_audience, notifications, preview
from domain.conversation import Conversation
from domain.conversation_state import ConversationState, Decision
from domain.directory import Directory
from domain.gone_assignees import unassign
from domain.notes import join_notes, note_context, note_message
from domain.outgoing import Message, Outgoing, caused_by, event_without_actor
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
from schemas.message_context import MessageContext
from schemas.messages import MessageReceived

_OPEN_UNASSIGNED = Snapshot("open", None)


class MessageIds(NamedTuple):
    """The id of a received message, and of the conversation that it belongs to."""

    conversation_id: ConversationId
    message_id: MessageId


def derive_ids(event: MessageReceived) -> MessageIds:
    """Returns the ids of an event's message and conversation, derived from its data alone.

    They depend on the account, the channel, the contact's address and the provider's id of the
    message, and on nothing else.
    """
    account_id, channel_id = event.account_id, event.channel_id
    return MessageIds(
        conversation_id(account_id, channel_id, event.contact.address),
        inbound_message_id(account_id, channel_id, event.provider_message_id),
    )


def is_erased(state: ConversationState, event: MessageReceived) -> bool:
    """Whether a message was sent before its conversation was deleted.

    Such a message is not recorded: it never brings the conversation back.
    """
    if state.conversation is not None:
        erased_until = state.conversation.erased_until
    else:
        erased_until = state.tombstone.deleted_at if state.tombstone else None
    return erased_until is not None and event.sent_at <= erased_until


def decide_message(
    state: ConversationState,
    event: Incoming[MessageReceived],
    now: datetime,
    directory: Directory,
    app_url: str,
    *,
    ids: MessageIds | None = None,
    opened_at: datetime | None = None,
    takes_over: bool = False,
    answered: str | None = None,
) -> Decision:
    """Record a message. The caller has checked that it is new, and not erased.

    `now` is when it is recorded. `ids` are those of the message and its conversation, if the caller
    knows them; for a contact with several addresses it must. `opened_at` is the creation time of a
    new conversation, if not `now`. With `takes_over`, an open conversation of the same contact ends
    in favour of this one; then this one is reopened if it is closed, so that the contact still has
    an open conversation. A message that wants to be seen takes the conversation from an assignee
    who is gone, before anybody is notified. `answered` are the first words of the message that this
    one answers.
    """
    data = event.data
    ids = ids or derive_ids(data)
    message_id = ids.message_id
    outgoing: list[Outgoing] = []
    conversation = state.conversation
    if conversation is None:
        conversation, created = _open(ids.conversation_id, event, state, opened_at or now)
        outgoing.append(created)
    conversation, recorded = _record(conversation, event, message_id, now)
    outgoing.append(recorded)
    message = message_row(data, ids, conversation.version)
    if conversation.status == "closed" and (takes_over or not data.historical):
        conversation, reopened = _reopen(conversation, event.id)
        outgoing.append(reopened)
    if not data.historical:
        if directory.is_gone(conversation.assignee_id):
            conversation, unassigned = unassign(conversation, event.id)
            outgoing.append(unassigned)
        outgoing += notifications(
            conversation,
            message_audience(conversation, directory),
            kind="message",
            cause_id=event.id,
            app_url=app_url,
            message=(message_id, preview(data.body, data.media, data.context)),
        )
    links = state.links
    if links:
        about = note_context(event.id, conversation, directory, app_url)
        links, notes = join_notes(about, links, note_message(message, answered))
        outgoing += notes
    return Decision(ConversationState(conversation, links=links), tuple(outgoing), message)


def _open(
    conversation_key: ConversationId,
    event: Incoming[MessageReceived],
    state: ConversationState,
    opened_at: datetime,
) -> tuple[Conversation, Outgoing]:
    tombstone = state.tombstone
    conversation = Conversation(
        account_id=event.data.account_id,
        conversation_id=conversation_key,
        channel_id=event.data.channel_id,
        contact_address=event.data.contact.address,
        version=state.version + 1,
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
        last_inbound_at=before.last_inbound_at if data.historical else _inbound_at(before, now),
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
        in_reply_to=(data.context and data.context.in_reply_to) or UNSET,
    )
    return conversation, caused_by(event.id, recorded)


def _inbound_at(before: Conversation, now: datetime) -> datetime:
    """Returns when the newest inbound message was recorded; never earlier than before.

    If a clock was set back, a close must still be rejected that is older than the newest message.
    """
    return max(before.last_inbound_at or now, now)


def _reopen(before: Conversation, cause_id: str) -> tuple[Conversation, Outgoing]:
    after = msgspec.structs.replace(
        before, version=before.version + 1, status="open", closed_at=None
    )
    return after, event_without_actor(
        ConversationReopened, before, after, "inbound_message", cause_id
    )


def message_row(data: MessageReceived, ids: MessageIds, version: int) -> Message:
    """Returns the message to record; `version` is the version of its conversation."""
    return Message(
        account_id=data.account_id,
        conversation_id=ids.conversation_id,
        message_id=ids.message_id,
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
        context=None if data.context == MessageContext() else data.context,
    )

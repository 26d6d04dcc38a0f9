"""The rules of assigning, closing, reopening and deleting a conversation."""

from msgspec.structs import replace

from domain.audience import assignment_audience, notifications
from domain.conversation import Tombstone
from domain.conversation_state import ConversationState
from domain.outgoing import Outgoing
from domain.verdict import Changed, CommandContext, Rejected, Verdict
from schemas.codes import RejectionCode
from schemas.conversations import (
    ConversationAssigned,
    ConversationClosed,
    ConversationDeleted,
    ConversationEvent,
    ConversationReopened,
    ConversationUnassigned,
)
from schemas.fields import UserId


def assign(context: CommandContext) -> Verdict:
    """Assign to an available user with inbox access, or to nobody.

    The present assignee may be unavailable by now, but not gone.
    """
    before, assignee_id = context.conversation, context.command.data.assignee_id
    if assignee_id is None:
        unassigned = _changed(context, ConversationUnassigned, assignee_id=None)
        return unassigned if before.assignee_id is not None else None
    assignee = context.directory.user(assignee_id)
    if assignee is None:
        return Rejected(RejectionCode.UNKNOWN_USER, f"no user {assignee_id}")
    if not assignee.inbox_access:
        return Rejected(RejectionCode.NO_INBOX_ACCESS, f"user {assignee_id} has no inbox access")
    if assignee_id == before.assignee_id:
        return None
    if not assignee.available:
        return Rejected(RejectionCode.ASSIGNEE_UNAVAILABLE, f"user {assignee_id} is not available")
    changed = _changed(context, ConversationAssigned, assignee_id=assignee_id)
    return changed._replace(also=_notifications(context, changed, assignee_id))


def close(context: CommandContext) -> Verdict:
    """Close, unless a message of the contact was recorded after the close was issued."""
    before = context.conversation
    if before.status == "closed":
        return None
    seen_at = before.last_inbound_at
    if seen_at is not None and context.command.time < seen_at:
        detail = "the contact wrote after the close was issued"
        return Rejected(RejectionCode.SUPERSEDED, detail)
    return _changed(context, ConversationClosed, status="closed", closed_at=context.now)


def reopen(context: CommandContext) -> Verdict:
    """Reopen."""
    if context.conversation.status == "open":
        return None
    return _changed(context, ConversationReopened, status="open", closed_at=None)


def delete(context: CommandContext) -> Verdict:
    """Delete for good. Only the user who installed the channel may do it."""
    before, channel, actor_id = context.conversation, context.channel, context.command.data.actor_id
    if channel is None:
        return Rejected(RejectionCode.UNKNOWN_CHANNEL, f"no channel {before.channel_id}")
    if actor_id != channel.installed_by:
        detail = f"user {actor_id} did not install channel {before.channel_id}"
        return Rejected(RejectionCode.NOT_INSTALLER, detail)
    tombstone = Tombstone(
        account_id=before.account_id,
        conversation_id=before.conversation_id,
        deleted_at=context.now,
        deleted_by=actor_id,
        version=before.version + 1,
    )
    return Changed(ConversationState(tombstone=tombstone), ConversationDeleted)


def _changed(context: CommandContext, event: type[ConversationEvent], **changes: object) -> Changed:
    before = context.conversation
    after = replace(before, version=before.version + 1, **changes)
    return Changed(replace(context.state, conversation=after), event)


def _notifications(
    context: CommandContext, changed: Changed, assignee_id: UserId
) -> tuple[Outgoing, ...]:
    conversation = changed.state.conversation
    assert conversation is not None
    return notifications(
        conversation,
        assignment_audience(assignee_id, context.command.data.actor_id, context.directory),
        kind="assignment",
        cause_id=context.command.id,
        app_url=context.app_url,
    )

"""The rules of assigning, closing, reopening and deleting a conversation."""

from msgspec.structs import replace

from domain.audience import assignment_audience, notifications
from domain.conversation import Tombstone
from domain.decision import Outgoing
from domain.thread import Thread
from domain.verdict import Asked, Changed, Refused, Verdict
from schemas.codes import Rejection
from schemas.conversations import (
    ConversationAssigned,
    ConversationClosed,
    ConversationDeleted,
    ConversationEvent,
    ConversationReopened,
    ConversationUnassigned,
)
from schemas.fields import UserId


def assign(asked: Asked) -> Verdict:
    """Assign to an available user with inbox access, or to nobody."""
    before, assignee_id = asked.conversation, asked.command.data.assignee_id
    if assignee_id == before.assignee_id:
        return None
    if assignee_id is None:
        return _changed(asked, ConversationUnassigned, assignee_id=None)
    assignee = asked.directory.user(assignee_id)
    if assignee is None:
        return Refused(Rejection.UNKNOWN_USER, f"no user {assignee_id}")
    if not assignee.inbox_access:
        return Refused(Rejection.NO_INBOX_ACCESS, f"user {assignee_id} has no inbox access")
    if not assignee.available:
        return Refused(Rejection.ASSIGNEE_UNAVAILABLE, f"user {assignee_id} is not available")
    changed = _changed(asked, ConversationAssigned, assignee_id=assignee_id)
    return changed._replace(also=_told(asked, changed, assignee_id))


def close(asked: Asked) -> Verdict:
    """Close, unless the contact wrote after the close was issued."""
    before = asked.conversation
    if before.status == "closed":
        return None
    seen_at = before.last_inbound_at
    if seen_at is not None and asked.command.time < seen_at:
        detail = "the contact wrote after the close was issued"
        return Refused(Rejection.SUPERSEDED, detail)
    return _changed(asked, ConversationClosed, status="closed", closed_at=asked.now)


def reopen(asked: Asked) -> Verdict:
    """Reopen."""
    if asked.conversation.status == "open":
        return None
    return _changed(asked, ConversationReopened, status="open", closed_at=None)


def delete(asked: Asked) -> Verdict:
    """Delete for good, if the user who asks is the one who installed the channel."""
    before, channel, actor_id = asked.conversation, asked.channel, asked.command.data.actor_id
    if channel is None:
        return Refused(Rejection.UNKNOWN_CHANNEL, f"no channel {before.channel_id}")
    if actor_id != channel.installed_by:
        detail = f"user {actor_id} did not install channel {before.channel_id}"
        return Refused(Rejection.NOT_INSTALLER, detail)
    tombstone = Tombstone(
        account_id=before.account_id,
        conversation_id=before.conversation_id,
        deleted_at=asked.now,
        deleted_by=actor_id,
        version=before.version + 1,
    )
    return Changed(Thread(tombstone=tombstone), ConversationDeleted)


def _changed(asked: Asked, event: type[ConversationEvent], **changes: object) -> Changed:
    before = asked.conversation
    state = replace(before, version=before.version + 1, **changes)
    return Changed(replace(asked.thread, conversation=state), event)


def _told(asked: Asked, changed: Changed, assignee_id: UserId) -> tuple[Outgoing, ...]:
    conversation = changed.thread.conversation
    assert conversation is not None
    return notifications(
        conversation,
        assignment_audience(assignee_id, asked.command.data.actor_id, asked.directory),
        kind="assignment",
        cause_id=asked.command.id,
        app_url=asked.app_url,
    )

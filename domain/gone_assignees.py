"""Assignees who are gone: removed from the account, or without inbox access. Their conversations
become unassigned.
"""

from msgspec.structs import replace

from domain.conversation import Conversation
from domain.outgoing import Outgoing, event_without_actor
from schemas.conversations import ConversationUnassigned
from schemas.ids import uuid5_text


def unassign(before: Conversation, cause_id: str | None) -> tuple[Conversation, Outgoing]:
    """Unassign a conversation whose assignee is gone; returns it, and the event to emit.

    `cause_id` is the id of the event that caused it: a contact's message, or the change of the
    directory. None: it is not known, and an id is derived from the change itself.
    """
    after = replace(before, version=before.version + 1, assignee_id=None)
    if cause_id is None:
        where = f"{after.account_id}/{after.conversation_id}"
        cause_id = uuid5_text(f"{where}/assignee_gone/{after.version}")
    return after, event_without_actor(
        ConversationUnassigned, before, after, "assignee_gone", cause_id
    )

"""How a user sees a conversation."""

from datetime import UTC, datetime
from typing import Any

import pytest

from db.listed_conversations import ListedConversation
from schemas.fields import ConversationId, UserId
from workers.api.shapes import LastMessage, UserName, seen_by

ANA = UserId("ana")


def conversation(**fields: Any) -> ListedConversation:
    whole: dict[str, Any] = {
        "conversation_id": ConversationId("c"),
        "version": 4,
        "status": "open",
        "assignee_id": None,
        "assignee_name": None,
        "channel_id": "wa1",
        "channel_name": "Sales",
        "provider": "whatsapp",
        "contact_name": None,
        "contact_address": "whatsapp:+49",
        "last_message_at": datetime(2026, 1, 1, tzinfo=UTC),
        "last_direction": "inbound",
        "preview": "Hello",
        "message_count": 2,
        "inbound_version": 3,
        "window_until": None,
    }
    return ListedConversation(**(whole | fields))


@pytest.mark.parametrize(
    ("fields", "section"),
    [
        ({}, "unassigned"),
        ({"assignee_id": UserId("ana")}, "assigned_to_me"),
        ({"assignee_id": UserId("bo")}, "assigned_to_others"),
        ({"assignee_id": UserId("ana"), "status": "closed"}, "closed"),
    ],
)
def test_the_section_is_that_of_the_user(fields: dict[str, Any], section: str) -> None:
    assert seen_by(conversation(**fields), ANA, 0).section == section


@pytest.mark.parametrize(("seen", "unseen"), [(0, True), (2, True), (3, False), (4, False)])
def test_what_the_contact_wrote_is_unseen_until_its_version_is_seen(
    seen: int, unseen: bool
) -> None:
    assert seen_by(conversation(), ANA, seen).unseen is unseen


def test_what_is_not_there_is_null() -> None:
    seen = seen_by(conversation(), ANA, 0)
    assert (seen.assignee, seen.contact.name) == (None, None)
    assert seen.last_message == LastMessage(direction="inbound", preview="Hello")
    gone = seen_by(conversation(assignee_id=UserId("gone"), last_direction=None), ANA, 0)
    assert gone.assignee == UserName(user_id="gone", name=None)
    assert gone.last_message is None

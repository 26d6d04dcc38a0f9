"""Assigning: who can be assigned, the events of it, and who is notified."""

import msgspec
import pytest

from domain.conversation import Conversation
from schemas.codes import RejectionCode
from schemas.conversations import Snapshot
from schemas.directory import NotificationSettings
from schemas.notifications import Recipient
from tests.unit.domain.given.samples import (
    APP_URL,
    CONVERSATION,
    assign,
    changes,
    conversation,
    directory,
    kinds,
    notified,
    user,
)
from tests.unit.domain.given.team_commands import ASSIGNED, CLOSED, decide, rejected


@pytest.mark.parametrize("before", [conversation(), CLOSED, ASSIGNED], ids=str)
@pytest.mark.parametrize("assignee_id", ["ana", "bo", None])
@pytest.mark.parametrize("actor_id", ["ana", "bo"])
def test_any_user_with_access_assigns_any_available_user_at_any_time(
    before: Conversation, assignee_id: str | None, actor_id: str
) -> None:
    after = decide(before, assign(assignee_id, actor_id=actor_id)).state.conversation
    changed = before.assignee_id != assignee_id
    assert after == msgspec.structs.replace(
        before, assignee_id=assignee_id, version=before.version + changed
    )


@pytest.mark.parametrize(
    ("assignee_id", "actor_id", "code"),
    [
        ("stranger", "ana", RejectionCode.UNKNOWN_USER),
        ("untold", "ana", RejectionCode.UNKNOWN_USER),
        ("outsider", "ana", RejectionCode.NO_INBOX_ACCESS),
        ("away", "ana", RejectionCode.ASSIGNEE_UNAVAILABLE),
        ("away", "away", RejectionCode.ASSIGNEE_UNAVAILABLE),
    ],
)
def test_who_cannot_be_assigned(assignee_id: str, actor_id: str, code: RejectionCode) -> None:
    answer = rejected(conversation(), assign(assignee_id, actor_id=actor_id))
    assert answer.code == code
    assert assignee_id in str(answer.detail)


@pytest.mark.parametrize(
    ("assignee_id", "code"),
    [
        ("stranger", RejectionCode.UNKNOWN_USER),
        ("untold", RejectionCode.UNKNOWN_USER),
        ("outsider", RejectionCode.NO_INBOX_ACCESS),
    ],
)
def test_the_present_assignee_cannot_be_assigned_again_once_they_are_gone(
    assignee_id: str, code: RejectionCode
) -> None:
    assert rejected(conversation(assignee_id=assignee_id), assign(assignee_id)).code == code


def test_an_unavailable_users_conversation_can_be_taken_from_them() -> None:
    before = conversation(assignee_id="away")
    assert decide(before, assign(None)).state.conversation == conversation(
        assignee_id=None, version=3
    )
    assert decide(before, assign("bo")).state.conversation == conversation(
        assignee_id="bo", version=3
    )


def test_an_assignment_is_one_event_with_before_and_after() -> None:
    decision = decide(ASSIGNED, assign("ana", actor_id="bo"))
    (event,) = changes(decision.outgoing)
    assert kinds(decision.outgoing) == [
        "conversation.assigned",
        "notification.requested",
        "command.accepted",
    ]
    assert (event.version, event.actor_id, event.reason) == (4, "bo", "command")
    assert event.before == Snapshot("open", "bo")
    assert event.after == Snapshot("open", "ana")


def test_an_unassignment_is_one_event_and_notifies_nobody() -> None:
    decision = decide(ASSIGNED, assign(None))
    assert kinds(decision.outgoing) == ["conversation.unassigned", "command.accepted"]
    (event,) = changes(decision.outgoing)
    assert (event.before, event.after) == (Snapshot("open", "bo"), Snapshot("open", None))


def test_an_assignment_notifies_the_assignee() -> None:
    (event,) = notified(decide(conversation(), assign("bo")).outgoing)
    assert (event.kind, event.version, event.message) == ("assignment", 3, None)
    assert event.recipients == (Recipient("bo", "assignment", ("desktop", "email")),)
    assert event.inbox_url == f"{APP_URL}/conversations/{CONVERSATION}"
    assert event.contact_name == "Ana"


def test_nobody_is_notified_of_assigning_themselves() -> None:
    assert notified(decide(conversation(), assign("ana", actor_id="ana")).outgoing) == []


def test_an_assignee_who_wants_no_notification_gets_none() -> None:
    off = msgspec.convert({"assignment": {"desktop": False, "email": False}}, NotificationSettings)
    known = directory("ana", user("bo", settings=off))
    assert notified(decide(conversation(), assign("bo"), known).outgoing) == []

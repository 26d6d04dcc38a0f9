"""An assignee who is gone: removed from the account, or without inbox access."""

from typing import Any

import pytest

from domain.conversation import Conversation
from domain.conversation_state import ConversationState, Decision
from domain.directory import Directory
from domain.gone_assignees import unassign
from domain.messages import decide_message
from domain.outgoing import Outgoing
from schemas.conversations import ConversationUnassigned, Snapshot
from schemas.directory import BOTH, NotificationSettings
from schemas.fields import Status
from schemas.notifications import Recipient
from tests.unit.domain.given.samples import (
    ACCOUNT,
    APP_URL,
    CONVERSATION,
    NOON,
    SECOND,
    changes,
    conversation,
    directory,
    kinds,
    linked,
    message,
    notes,
    notified,
    other_account,
    user,
)

CURIOUS = NotificationSettings(assigned_to_others=BOTH)
TEAM = directory(
    user("ana", settings=CURIOUS),
    "bo",
    user("refused", inbox_access=False),
    user("untold", name=None, email=None),
)
GONE = ["removed", "refused", "untold"]


def written(before: Conversation, known: Directory = TEAM, **fields: Any) -> Decision:
    """The contact of a linked conversation writes."""
    state = ConversationState(before, links=(linked(),))
    return decide_message(state, message(**fields), NOON + SECOND, known, APP_URL)


@pytest.mark.parametrize("assignee_id", GONE)
@pytest.mark.parametrize(
    ("status", "log"),
    [
        ("open", ["message_recorded", "unassigned"]),
        ("closed", ["message_recorded", "reopened", "unassigned"]),
    ],
)
def test_a_message_unassigns_the_conversation_of_an_assignee_who_is_gone(
    assignee_id: str, status: str, log: list[str]
) -> None:
    before = conversation(assignee_id=assignee_id, status=status, version=7)
    state, outgoing, recorded, _ = written(before)
    assert kinds(outgoing) == [
        *[f"conversation.{change}" for change in log],
        "notification.requested",
        "note.appended",
    ]
    last = changes(outgoing)[-1]
    assert isinstance(last, ConversationUnassigned)
    assert (last.before, last.after) == (Snapshot("open", assignee_id), Snapshot("open", None))
    assert (last.actor_id, last.reason) == (None, "assignee_gone")
    assert [change.version for change in changes(outgoing)] == list(range(8, 8 + len(log)))
    assert state.conversation is not None
    assert (state.conversation.assignee_id, state.version) == (None, 7 + len(log))
    assert recorded is not None
    assert recorded.version == 8
    assert {item.cause_id for item in outgoing} == {"m1"}


def test_those_are_notified_who_are_told_of_unassigned_conversations() -> None:
    _, outgoing, *_ = written(conversation(assignee_id="removed"))
    (told,) = notified(outgoing)
    assert told.version == 4
    assert told.recipients == (
        Recipient("ana", "unassigned", ("desktop",)),
        Recipient("bo", "unassigned", ("desktop",)),
    )
    (note,) = notes(outgoing)
    assert note.assignee is None


def test_an_assignee_who_is_only_unavailable_keeps_the_conversation() -> None:
    known = directory("ana", user("away", available=False))
    state, outgoing, *_ = written(conversation(assignee_id="away"), known)
    assert kinds(outgoing)[:2] == ["conversation.message_recorded", "notification.requested"]
    assert state.conversation is not None
    assert state.conversation.assignee_id == "away"


@pytest.mark.parametrize("status", ["open", "closed"])
def test_an_imported_message_leaves_the_assignment_as_it_is(status: str) -> None:
    before = conversation(assignee_id="removed", status=status)
    state, outgoing, *_ = written(before, historical=True)
    assert kinds(outgoing) == ["conversation.message_recorded", "note.appended"]
    assert state.conversation is not None
    assert (state.conversation.assignee_id, state.conversation.status) == ("removed", status)


def unassigned(cause_id: str | None, **fields: Any) -> tuple[Conversation, Outgoing]:
    """Unassigns a conversation whose assignee is gone."""
    return unassign(conversation(**{"assignee_id": "removed", "version": 7} | fields), cause_id)


@pytest.mark.parametrize("status", ["open", "closed"])
def test_without_a_message_an_unassignment_changes_nothing_else(status: Status) -> None:
    state, outgoing = unassigned("d1", status=status)
    assert state == conversation(assignee_id=None, version=8, status=status)
    assert outgoing.cause_id == "d1"
    event = outgoing.data
    assert isinstance(event, ConversationUnassigned)
    assert (event.account_id, event.conversation_id) == (ACCOUNT, CONVERSATION)
    assert (event.version, event.actor_id, event.reason) == (8, None, "assignee_gone")
    assert (event.before, event.after) == (Snapshot(status, "removed"), Snapshot(status, None))


def test_without_a_known_cause_each_unassignment_has_a_cause_of_its_own() -> None:
    assert unassigned(None) == unassigned(None)
    others = [
        unassign(other_account(conversation(assignee_id="removed", version=7)), None),
        unassigned(None, conversation_id="another"),
        unassigned(None, version=8),
    ]
    every = [unassigned(None), *others]
    assert len({item.cause_id for _, item in every}) == len(every)
    assert len({item.event_id for _, item in every}) == len(every)

"""The state of a conversation, its section, and folding its log."""

from typing import Any

import msgspec
import pytest

from domain.conversation import NOTHING, Folded, fold
from schemas.conversations import ConversationAssigned, MessageRecorded, Snapshot
from schemas.fields import Status
from tests.unit.domain.given.samples import ACCOUNT, CONVERSATION, NOON, conversation

OPEN, MINE = Snapshot("open", None), Snapshot("open", "ana")


@pytest.mark.parametrize(
    ("status", "assignee_id", "section"),
    [
        ("open", None, "unassigned"),
        ("open", "ana", "assigned_to_me"),
        ("open", "bo", "assigned_to_others"),
        ("closed", None, "closed"),
        ("closed", "ana", "closed"),
        ("closed", "bo", "closed"),
    ],
)
def test_a_conversation_is_in_exactly_one_section_as_each_user_sees_it(
    status: Status, assignee_id: str | None, section: str
) -> None:
    state = conversation(status=status, assignee_id=assignee_id)
    assert state.section("ana") == section
    assert state.snapshot == Snapshot(status, assignee_id)


def assigned(**fields: Any) -> ConversationAssigned:
    usual: dict[str, Any] = {
        "account_id": ACCOUNT,
        "conversation_id": CONVERSATION,
        "version": 3,
        "before": OPEN,
        "after": MINE,
        "actor_id": "ana",
        "reason": "command",
    }
    return ConversationAssigned(**(usual | fields))


def test_folding_takes_the_state_afterwards() -> None:
    assert fold(Folded(2, 1, OPEN), assigned()) == Folded(3, 1, MINE)


def test_folding_counts_messages() -> None:
    recorded = MessageRecorded(
        **msgspec.structs.asdict(assigned(after=OPEN)),
        message_id="m",
        provider_message_id="SM1",
        direction="inbound",
        sent_at=NOON,
        historical=False,
    )
    assert fold(Folded(2, 1, OPEN), recorded) == Folded(3, 2, OPEN)


@pytest.mark.parametrize("version", [2, 4])
def test_a_consumer_sees_by_itself_that_it_missed_or_repeated_an_event(version: int) -> None:
    with pytest.raises(ValueError, match=f"version {version} after 2"):
        fold(Folded(2, 1, OPEN), assigned(version=version))


def test_a_consumer_sees_that_the_state_before_is_another() -> None:
    with pytest.raises(ValueError, match="not the state"):
        fold(Folded(2, 1, MINE), assigned())


def test_a_log_that_starts_in_the_middle_is_refused() -> None:
    with pytest.raises(ValueError, match="version 3 after 0"):
        fold(NOTHING, assigned())

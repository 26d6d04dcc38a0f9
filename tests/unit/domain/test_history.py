"""Of which events the history of a conversation consists, and what it keeps of each."""

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.history import HistoryEntry, history_entry
from schemas.commands import CommandAccepted
from schemas.conversations import (
    ConversationAssigned,
    ConversationClosed,
    ConversationCreated,
    ConversationDeleted,
    ConversationEvent,
    ConversationLinked,
    ConversationReopened,
    ConversationUnassigned,
    ConversationUnlinked,
    Snapshot,
)
from schemas.fields import AccountId
from schemas.links import Entity

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
ACCOUNT = AccountId("acme")
OPEN, OF_BO = Snapshot("open", None), Snapshot("open", "bo")


def event(struct: type[ConversationEvent], **fields: Any) -> ConversationEvent:
    """Returns the event of version 7, by ana if `fields` do not say otherwise."""
    common: dict[str, Any] = {
        "account_id": ACCOUNT,
        "conversation_id": "c1",
        "version": 7,
        "before": OPEN,
        "after": OPEN,
        "actor_id": "ana",
        "reason": "command",
    }
    return struct(**common | fields)


@pytest.mark.parametrize(
    ("made", "kept"),
    [
        (
            event(ConversationAssigned, after=OF_BO),
            ("assigned", AT, "ana", "command", "bo", None, None),
        ),
        (
            event(ConversationUnassigned, actor_id=None, reason="assignee_gone"),
            ("unassigned", AT, None, "assignee_gone", None, None, None),
        ),
        (
            event(ConversationClosed, after=Snapshot("closed", "bo")),
            ("closed", AT, "ana", "command", "bo", None, None),
        ),
        (
            event(ConversationReopened, actor_id=None, reason="inbound_message"),
            ("reopened", AT, None, "inbound_message", None, None, None),
        ),
        (
            event(ConversationLinked, after=OF_BO, entity=Entity("deal", "d1")),
            ("linked", AT, "ana", "command", "bo", "deal", "d1"),
        ),
        (
            event(ConversationUnlinked, entity=Entity("person", "p1")),
            ("unlinked", AT, "ana", "command", None, "person", "p1"),
        ),
    ],
)
def test_an_entry_says_what_was_done_and_who_did_it_and_why(
    made: ConversationEvent, kept: tuple[object, ...]
) -> None:
    assert history_entry(made, AT) == HistoryEntry(ACCOUNT, "c1", 7, *kept)  # type: ignore[arg-type]


def test_no_other_event_is_in_the_history() -> None:
    accepted = CommandAccepted(
        account_id=ACCOUNT, conversation_id="c1", version=7, command_id="1", command_type="close"
    )
    assert history_entry(accepted, AT) is None
    assert history_entry(event(ConversationCreated, before=None), AT) is None
    assert history_entry(event(ConversationDeleted, after=None), AT) is None

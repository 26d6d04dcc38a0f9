"""Every kind of event has a phrase that a person can read."""

import pytest

from schemas import commands, conversations, messages, notes, notifications
from schemas.catalog import OUTBOUND
from schemas.codes import RejectionCode
from schemas.fields import Emitted
from schemas.links import RequestedEntity
from schemas.notifications import Recipient
from tests.unit.workers.follow.given import (
    BOS,
    BY_ANA,
    BY_CONTACT,
    ID,
    MESSAGE,
    NOTE,
    NOTIFIED,
    OPEN,
    PERSON,
    RESULT,
    SENT,
)
from workers.follow.phrases import PHRASES

EXAMPLES: list[tuple[Emitted, str]] = [
    (conversations.ConversationCreated(**BY_CONTACT), "created, v5"),
    (conversations.MessageRecorded(**MESSAGE), "message recorded v5"),
    (
        conversations.MessageRecorded(**MESSAGE | {"direction": "outbound"}),
        "reply recorded v5",
    ),
    (
        conversations.MessageRecorded(**MESSAGE | {"historical": True}),
        "historical message recorded v5",
    ),
    (conversations.ConversationAssigned(**BY_ANA), "assigned to bo by ana, v5"),
    (conversations.ConversationUnassigned(**BY_ANA), "unassigned by ana, v5"),
    (
        conversations.ConversationUnassigned(
            **BY_CONTACT | {"before": BOS, "after": OPEN, "reason": "assignee_gone"}
        ),
        "unassigned, since bo is gone, v5",
    ),
    (conversations.ConversationClosed(**BY_ANA), "closed by ana, v5"),
    (
        conversations.ConversationClosed(**BY_CONTACT, merged_into=ID),
        "closed in favour of 0a1b2c3d, v5",
    ),
    (conversations.ConversationReopened(**BY_ANA), "reopened by ana, v5"),
    (conversations.ConversationReopened(**BY_CONTACT), "reopened by a new message, v5"),
    (conversations.ConversationDeleted(**BY_ANA), "deleted by ana, v5"),
    (
        conversations.ConversationLinked(**BY_ANA, entity=PERSON),
        "linked to person p1 by ana, v5",
    ),
    (
        conversations.ConversationUnlinked(**BY_ANA, entity=PERSON),
        "unlinked from person p1 by ana, v5",
    ),
    (
        conversations.EntityRequested(
            **BY_ANA, entity=RequestedEntity("deal", "Annual plan"), request_id="r1"
        ),
        'deal "Annual plan" requested by ana, v5',
    ),
    (
        notifications.NotificationRequested(**NOTIFIED),
        'notification to ana (desktop, email), bo (desktop): "Olá! 👋"',
    ),
    (
        notifications.NotificationRequested(
            **NOTIFIED | {"kind": "assignment", "message": None, "part": 1, "parts": 2}
        ),
        "notification to ana (desktop, email), bo (desktop): assignment (part 1 of 2)",
    ),
    (
        notifications.NotificationRequested(
            **NOTIFIED
            | {"recipients": tuple(Recipient(f"u{n}", "unassigned", ("email",)) for n in range(8))}
        ),
        "notification to u0 (email), u1 (email), u2 (email), u3 (email), u4 (email), 3 more: "
        '"Olá! 👋"',
    ),
    (commands.CommandAccepted(**RESULT), "accepted: conversation.assign"),
    (
        commands.CommandRejected(
            **RESULT, code=RejectionCode.ASSIGNEE_UNAVAILABLE, detail="user cleo is not available"
        ),
        "rejected: assignee_unavailable (conversation.assign: user cleo is not available)",
    ),
    (
        commands.CommandRejected(**RESULT, code=RejectionCode.SUPERSEDED),
        "rejected: superseded (conversation.assign)",
    ),
    (notes.NoteCreated(**NOTE), "note 0a1b2c3d on person p1 created, r2: 1 message"),
    (
        notes.NoteAppended(**NOTE | {"messages": NOTE["messages"] * 3}),
        "note 0a1b2c3d on person p1 appended, r2: 3 messages",
    ),
    (
        notes.NoteCreated(**NOTE | {"revision": 1}, continues="9f8e7d6c-0000-5000-8000"),
        "note 0a1b2c3d on person p1 created, r1: 1 message, continuing 9f8e7d6c",
    ),
    (messages.MessageAccepted(**SENT), "reply 0a1b2c3d accepted by the provider: queued"),
    (messages.MessageStatusChanged(**SENT), "reply 0a1b2c3d moved on: queued"),
    (
        messages.MessageStatusChanged(
            **SENT | {"status": "undelivered"}, error_code=63024, part=2, parts=3
        ),
        "reply 0a1b2c3d, part 2 of 3, moved on: undelivered, error 63024",
    ),
    (
        messages.MessageFailed(**SENT | {"status": "failed"}, error_code=63016),
        "reply 0a1b2c3d failed, error 63016",
    ),
    (messages.MessageUncertain(**SENT | {"status": "uncertain"}), "reply 0a1b2c3d uncertain"),
]


@pytest.mark.parametrize(("data", "phrase"), EXAMPLES, ids=[phrase for _, phrase in EXAMPLES])
def test_an_event_says_what_happened(data: Emitted, phrase: str) -> None:
    assert PHRASES[data.TYPE](data) == phrase


def test_every_kind_of_event_has_its_phrase() -> None:
    published = {struct.TYPE for structs in OUTBOUND.values() for struct in structs}
    assert set(PHRASES) == published
    assert {data.TYPE for data, _ in EXAMPLES} == published

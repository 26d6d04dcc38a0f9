"""A contact's message joins the notes last, after everything else that it does."""

from domain.conversation_state import ConversationState
from domain.messages import decide_message
from domain.notes import note_message
from schemas.messages import Media
from schemas.notes import Assignee, NoteMessage
from tests.unit.domain.given.samples import (
    ADDRESS,
    APP_URL,
    HOUR,
    NOON,
    SECOND,
    conversation,
    directory,
    kinds,
    linked,
    message,
    notes,
)


def test_a_message_joins_after_all_that_it_does_to_the_conversation() -> None:
    before = conversation(status="closed", version=4, assignee_id="ana")
    state = ConversationState(before, links=(linked(),))
    file = Media("https://a.b/1", "image/png")
    event = message(body="Look", media=(file,), sent_at=NOON + HOUR)
    decision = decide_message(state, event, NOON + SECOND, directory("ana"), APP_URL)
    assert kinds(decision.outgoing) == [
        "conversation.message_recorded",
        "conversation.reopened",
        "notification.requested",
        "note.appended",
    ]
    (note,) = notes(decision.outgoing)
    assert note.version == decision.state.version == 6
    assert note.assignee == Assignee("ana", "Ana")
    assert decision.message is not None
    assert note.messages == (note_message(decision.message),)
    assert note.messages == (
        NoteMessage(
            message_id=decision.message.message_id,
            direction="inbound",
            sender_name="Ana",
            sender_address=ADDRESS,
            sent_at=NOON + HOUR,
            body="Look",
            media=(file,),
        ),
    )
    assert decision.outgoing[-1].cause_id == "m1"
    assert decision.state.links == (
        linked(revision=2, message_count=2, character_count=5 + 4 + 13 + 9),
    )


def test_a_historical_message_joins_too() -> None:
    state = ConversationState(conversation(), links=(linked(),))
    event = message(historical=True)
    decision = decide_message(state, event, NOON, directory("ana"), APP_URL)
    assert kinds(decision.outgoing) == ["conversation.message_recorded", "note.appended"]


def test_without_links_there_are_no_notes() -> None:
    decision = decide_message(
        ConversationState(conversation()), message(), NOON, directory(), APP_URL
    )
    assert notes(decision.outgoing) == []
    assert decision.state.links == ()

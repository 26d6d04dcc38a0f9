"""The contents of a note: senders, the assignee, the conversation, and times."""

from datetime import UTC, timezone

import pytest

from domain.conversation_state import ConversationState
from domain.messages import decide_message
from domain.notes import begin_notes, join_notes, note_context, note_name
from schemas.notes import Assignee
from tests.unit.domain.given.note_steps import begin, join
from tests.unit.domain.given.samples import (
    ACCOUNT,
    APP_URL,
    CONVERSATION,
    HOUR,
    NOON,
    conversation,
    directory,
    entity,
    linked,
    message,
    notes,
    shown,
    user,
)

BERLIN = timezone(HOUR)


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        (None, None),
        ("", ""),
        ("x" * 256, "x" * 256),
        ("x" * 257, "x" * 255 + "…"),
        ("👍" * 10_000, "👍" * 255 + "…"),
        ("x" * 254 + "👍🏽x", "x" * 254 + "…"),
    ],
)
def test_a_long_name_of_a_sender_is_cut(name: str | None, cut: str | None) -> None:
    decision = decide_message(
        ConversationState(conversation(), links=(linked(),)),
        message(name=name),
        NOON,
        directory(),
        APP_URL,
    )
    (note,) = notes(decision.outgoing)
    assert note.messages[0].sender_name == note_name(name) == cut
    assert decision.message is not None
    assert decision.message.sender_name == name, "only the note cuts it"


@pytest.mark.parametrize(
    ("assignee_id", "assignee"),
    [
        (None, None),
        ("bo", Assignee("bo", "Bo B.")),
        ("nameless", Assignee("nameless", "nameless")),
        ("untold", Assignee("untold", "untold")),
        ("removed", Assignee("removed", "removed")),
    ],
)
def test_a_note_names_the_assignee_by_their_id_if_there_is_no_name(
    assignee_id: str | None, assignee: Assignee | None
) -> None:
    known = directory(
        user("bo", name="Bo B."), user("nameless", name=""), user("untold", name=None)
    )
    context = note_context("m1", conversation(assignee_id=assignee_id), known, APP_URL)
    assert context.assignee == assignee
    for _, outgoing in (
        join_notes(context, [linked()], shown()),
        join_notes(context, [linked(left_alone=True)], shown()),
        begin_notes(context, entity(), NOON, [shown()]),
    ):
        assert [note.assignee for note in notes(outgoing)] == [assignee]


def test_a_note_says_whose_it_is_and_where_the_conversation_is() -> None:
    for left_alone in (False, True):
        _, note = join(linked(left_alone=left_alone), shown())
        assert (note.account_id, note.conversation_id, note.version) == (ACCOUNT, CONVERSATION, 7)
        assert (note.entity, note.messages) == (entity(), (shown(),))
        assert note.inbox_url == f"{APP_URL}/conversations/{CONVERSATION}"


def test_times_are_said_in_utc() -> None:
    moment = NOON.astimezone(BERLIN)
    link, (created,) = begin(shown(), linked_at=moment)
    decision = decide_message(
        ConversationState(conversation(), links=(linked(left_alone=True),)),
        message(sent_at=moment),
        NOON,
        directory(),
        APP_URL,
    )
    (note,) = notes(decision.outgoing)
    for time in (
        link.linked_at,
        link.note.starts_at,
        created.starts_at,
        created.ends_at,
        note.starts_at,
        note.messages[0].sent_at,
    ):
        assert time.tzinfo is UTC

"""The notes of any history are the notes of a slow model that follows the contract's words."""

from collections import Counter

import pytest
from hypothesis import given, settings

from tests.unit.domain.given.histories import NOTE_HISTORIES, History
from tests.unit.domain.given.memory_inbox import played
from tests.unit.domain.given.note_checks import check_each_message_is_in_one_note, compare
from tests.unit.domain.given.note_model import Limits, NoteModel

# Many examples: coverage would take most of their time. The example tests reach all lines.
pytestmark = [pytest.mark.no_cover, pytest.mark.seconds(35)]

HISTORIES_COUNT = 600

FULL_SIZE, SMALL = Limits(), Limits(messages=5, characters=60)

MUST_HAPPEN = {
    "a message after the end",
    "a message at the very end",
    "a message before the start",
    "a message after an edited note",
    "a report about an older note",
    "a historical message in a linked conversation",
    "a reply in a linked conversation",
    "a double",
    "a link of what is linked",
    "a link again",
    "a link with more messages than its note takes",
    "a link whose first note is continued",
    "a continuation",
    "a message longer than a note",
    "an unlink",
    "a deletion with links",
    "a message not later than the deletion",
    "a fresh start",
}


@pytest.mark.parametrize("limits", [FULL_SIZE, SMALL], ids=["full size", "small"])
def test_notes_are_those_that_the_model_expects(
    limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.notes.MESSAGES_MAX", limits.messages)
    monkeypatch.setattr("domain.notes.CHARACTERS_MAX", limits.characters)
    met: Counter[str] = Counter()

    @settings(max_examples=HISTORIES_COUNT)
    @given(NOTE_HISTORIES)
    def check(history: History) -> None:
        model, applied = NoteModel(limits), played(history).applied
        compare(applied, model)
        check_each_message_is_in_one_note(applied)
        met.update(case for case, count in model.met.items() if count)

    check()
    seldom = {case: met[case] for case in MUST_HAPPEN if met[case] < HISTORIES_COUNT // 100}
    assert seldom == {}, "these happened in too few histories to be tested"

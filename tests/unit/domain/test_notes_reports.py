"""Reports of the CRM: a note that was edited or deleted there is left alone."""

import pytest

from domain.notes import NOTE_SPAN, leave_alone
from tests.unit.domain.given.note_steps import join
from tests.unit.domain.given.samples import NOON, linked, shown


@pytest.mark.parametrize(("name", "left_alone"), [("deal:1", True), ("deal:2", False)])
def test_a_report_is_about_the_link_whose_newest_note_it_names(name: str, left_alone: bool) -> None:
    links = (linked("deal:1", message_count=3), linked("person:1"))
    assert leave_alone(links, f"note of {name}") == (
        linked("deal:1", message_count=3, left_alone=left_alone),
        linked("person:1"),
    )


def test_a_report_about_an_older_note_changes_nothing() -> None:
    before = linked()
    after, _ = join(before, shown(sent_at=NOON + 2 * NOTE_SPAN))
    (same,) = leave_alone((after,), before.note.note_id)
    assert same is after


def test_a_report_that_is_repeated_changes_nothing() -> None:
    once = leave_alone((linked(),), "note of deal:1")
    assert leave_alone(once, "note of deal:1") == once

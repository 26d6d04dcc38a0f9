"""The ids of events."""

import pytest

from workers.api.events.ids import EventId, new_epoch, parse_event_id


def test_an_id_is_read_as_it_was_written() -> None:
    id_ = EventId(new_epoch(), 12)
    assert parse_event_id(str(id_)) == id_
    assert new_epoch() != new_epoch()


@pytest.mark.parametrize(
    "given", [None, "", "1", "x-1", "0123456789abcdef-", "0123456789abcdef-1\n", "-1", "9" * 5000]
)
def test_what_is_no_id_of_ours_is_none(given: str | None) -> None:
    assert parse_event_id(given) is None

"""The place of a message, which may come from a cursor that a client made."""

import msgspec
import pytest

from db.message_pages import NEWEST, MessagePlace

DECODER = msgspec.json.Decoder(MessagePlace)


def test_a_place_is_decoded_as_it_was_encoded() -> None:
    assert DECODER.decode(msgspec.json.encode(NEWEST)) == NEWEST


@pytest.mark.parametrize(
    "place",
    [
        '["2026-01-01T00:00:00",1]',  # at no offset
        '["2026-01-01T00:00:00Z",0]',
        '["2026-01-01T00:00:00Z",2147483648]',
        '["0001-01-01T00:00:00+14:00",1]',  # before Python's first year, in UTC
        '["9999-12-31T23:59:59-14:00",1]',
    ],
)
def test_a_place_that_postgres_or_python_cannot_hold_is_refused(place: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        DECODER.decode(place)

"""Cursors of lists."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import pytest
from msgspec import Meta

from workers.api.cursor import read_cursor, write_cursor
from workers.api.problem import Problem


class MessagePlace(NamedTuple):
    """A place."""

    at: Annotated[datetime, Meta(tz=True)]
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]


PLACE = MessagePlace(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), 7)


def test_a_cursor_leads_back_to_its_place() -> None:
    cursor = write_cursor(PLACE)
    assert read_cursor(cursor, MessagePlace) == PLACE
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert read_cursor(None, MessagePlace) is None


def made(json: bytes) -> str:
    return urlsafe_b64encode(json).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "żółw",
        "\ud800",
        made(b"7"),
        made(b"\xff"),
        made(b'["2026-01-01T00:00:00Z"]'),
        made(b'["2026-01-01T00:00:00",1]'),  # at no offset
        made(b'["2026-01-01T00:00:00Z",0]'),
        made(b'["2026-01-01T00:00:00Z",2147483648]'),
        made(b"[" * 190),
        "A" * 100_000,
    ],
    ids=range(11),
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as refused:
        read_cursor(cursor, MessagePlace)
    assert refused.value.code == "invalid_request"

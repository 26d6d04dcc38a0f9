"""What is logged of a bug."""

import asyncpg

from workers.process.bugs import bug


def test_a_bug_has_its_type_and_its_place_and_not_its_message() -> None:
    message = "invalid input for query argument $1: 's3cret'"
    try:
        raise asyncpg.DataError(message)
    except asyncpg.DataError as error:
        described = bug(error)
    assert described.startswith("a bug: DataError\n")
    assert "test_bugs.py" in described
    assert "s3cret" not in described

"""The error of an invalid record holds its code and what is wrong."""

from schemas.codes import DeadLetterCode
from schemas.errors import InvalidRecord


def test_an_invalid_record_says_its_code_and_what_is_wrong() -> None:
    error = InvalidRecord(DeadLetterCode.TOO_LARGE, "300000 bytes")
    assert str(error) == "too_large: 300000 bytes"
    assert (error.code, error.detail) == (DeadLetterCode.TOO_LARGE, "300000 bytes")

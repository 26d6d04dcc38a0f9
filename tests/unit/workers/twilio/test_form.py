"""What the forms of both webhooks have in common."""

import pytest

from schemas.message_context import context_bytes
from workers.twilio.form import FIELDS_MAX, parse_form, start_of


def test_a_form_of_too_many_fields_is_a_value_error() -> None:
    assert len(parse_form(b"&".join([b"a=1"] * FIELDS_MAX))) == FIELDS_MAX
    with pytest.raises(ValueError, match="fields"):
        parse_form(b"&".join([b"a=1"] * (FIELDS_MAX + 1)))


FAMILY = "\U0001f9d1\u200d\U0001f4bb"


@pytest.mark.parametrize("text", ["x", "é", "\x01", '"', FAMILY, "e\u0301", "\U0001f1e9\U0001f1ea"])
@pytest.mark.parametrize("bytes_max", [64, 100, 1_000, 9_999])
def test_a_text_is_cut_to_bytes_of_json_between_two_characters(text: str, bytes_max: int) -> None:
    whole = text * 10_000
    start = start_of(whole, bytes_max)
    assert context_bytes(start) <= bytes_max < context_bytes(start[:-1] + text + "…")
    assert start.endswith("…")
    assert (len(start) - 1) % len(text) == 0
    assert whole.startswith(start[:-1])


@pytest.mark.parametrize("text", ["", "x" * 98, "é" * 49, "\x01" * 16])
def test_a_text_that_fits_stays_as_it_is(text: str) -> None:
    assert start_of(text, 100) == text

"""The field types that events share."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fields import ExternalId, check_year, texts

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
)


@pytest.mark.parametrize("text", ["a", "A9_.:@+-", "x" * 64, "whatsapp:+4911", "-"])
def test_an_id_from_outside_is_any_text_of_these_characters(text: str) -> None:
    assert msgspec.convert(text, ExternalId) == text


@pytest.mark.parametrize("text", ["", "x" * 65, "a b", "a/b", "a\n", "\na", "é", "a\0", "a%"])
def test_an_id_from_outside_has_no_other_characters(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, ExternalId)


@pytest.mark.parametrize("year", [1970, 2026, 9998])
def test_a_year_that_can_be_kept_is_taken(year: int) -> None:
    check_year("time", datetime(year, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_a_year_that_cannot_be_kept_is_refused_by_the_fields_name(year: int) -> None:
    with pytest.raises(ValueError, match="sent_at: the year must be 1970 to 9998"):
        check_year("sent_at", datetime(year, 1, 1, tzinfo=UTC))


@given(PLAIN)
def test_texts_are_all_strings_inside_keys_included(value: Any) -> None:
    def walk(item: Any) -> list[str]:
        if isinstance(item, str):
            return [item]
        if isinstance(item, dict):
            return [text for pair in item.items() for part in pair for text in walk(part)]
        return [text for part in item for text in walk(part)] if isinstance(item, list) else []

    assert sorted(texts(value)) == sorted(walk(value))


def test_texts_are_found_however_deep() -> None:
    value: Any = "deep"
    for _ in range(100_000):
        value = [value]
    assert list(texts(value)) == ["deep"]
    while isinstance(value, list):  # taken apart, for freeing it at once would recurse as deep
        value = value[0]

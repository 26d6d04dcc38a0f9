"""A text that is too long for one message is cut into parts at good places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.parts import BREAK_CHARACTERS, PART_CHARACTERS_MAX, parts_of

MAX = PART_CHARACTERS_MAX
EMOJI = "\U0001f44b"

# Long texts from few draws: runs of one character or another.
BODIES = st.lists(
    st.tuples(st.sampled_from(["x", " ", "\n", "\u00a0", "ü", EMOJI]), st.integers(1, 1700)),
    max_size=6,
).map(lambda runs: "".join(character * count for character, count in runs))


def units(text: str) -> int:
    """Returns the length in UTF-16 units, where an emoji counts two."""
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize(
    ("body", "lengths"),
    [
        ("", [0]),
        ("x", [1]),
        ("x" * MAX, [MAX]),
        ("x" * (MAX + 1), [MAX, 1]),
        (" " * (MAX + 1), [MAX, 1]),
        ("x" * (3 * MAX), [MAX, MAX, MAX]),
        # Cut after the last space or line end that is near the end of the part.
        ("x" * (MAX - 3) + " xx xx", [MAX - 2, 5]),
        ("x" * (MAX - 1) + " xx", [MAX, 2]),
        ("x" * (MAX - 2) + "\n\nxx", [MAX, 2]),
        ("x " * MAX, [MAX, MAX]),
        # Not after one that is far from the end.
        ("x" * (MAX - BREAK_CHARACTERS) + " " + "x" * MAX, [MAX - BREAK_CHARACTERS + 1, MAX]),
        ("x" * (MAX - BREAK_CHARACTERS - 1) + " " + "x" * MAX, [MAX, MAX - BREAK_CHARACTERS]),
        # An emoji counts twice, and is not cut in two.
        (EMOJI * (MAX // 2), [MAX // 2]),
        (EMOJI * (MAX // 2 + 1), [MAX // 2, 1]),
        ("x" + EMOJI * (MAX // 2), [MAX // 2, 1]),
    ],
)
def test_a_body_is_cut_at_spaces_into_as_much_as_the_provider_takes(
    body: str, lengths: list[int]
) -> None:
    assert [len(part) for part in parts_of(body)] == lengths


@given(BODIES)
def test_parts_are_the_body_and_none_is_too_long(body: str) -> None:
    parts = parts_of(body)
    assert "".join(parts) == body
    assert max(units(part) for part in parts) <= MAX
    # No part is wasted: each but the last is nearly full.
    assert all(units(part) >= MAX - 2 * BREAK_CHARACTERS for part in parts[:-1])
    assert parts == [""] or all(parts)


def test_half_a_character_which_json_may_hold_is_no_obstacle() -> None:
    assert "".join(parts_of("\ud83d" * (MAX + 1))) == "\ud83d" * (MAX + 1)

"""A text is cut between characters as people see them, and blank texts are known as such."""

import re
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from domain.graphemes import cuts, is_blank, shorten

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
GERMANY, ITALY = "\U0001f1e9\U0001f1ea", "\U0001f1ee\U0001f1f9"
ACCENTED = "e\u0301"
KSHA = "\u0915\u094d\u0937"

CONFORMANCE = Path(__file__).parent / "given" / "GraphemeBreakTest.txt"
"""The test of the Unicode Consortium, without its comments on each line."""

# Characters that join others, in any order.
TEXTS = st.text(
    st.sampled_from(
        [*"ae \r\n", *FAMILY[:2], *GERMANY, "\u0301", "\u0600", *KSHA, "\u1100", "\u1161", "\ufe0f"]
    ),
    max_size=60,
)


def conformance() -> list[list[str]]:
    """Returns the clusters of each line of the Unicode Consortium's test."""
    lines = CONFORMANCE.read_text("utf-8").splitlines()
    return [
        [
            "".join(chr(int(code, 16)) for code in re.findall("[0-9A-F]+", cluster))
            for cluster in line.strip("÷").split("÷")
        ]
        for line in lines
        if not line.startswith("#")
    ]


def test_the_cuts_are_those_of_the_unicode_standard() -> None:
    cases = conformance()
    assert len(cases) > 800
    for clusters in cases:
        text = "".join(clusters)
        assert cuts(text, len(text)) == list(accumulate(map(len, clusters))), clusters


@pytest.mark.parametrize(
    ("text", "longest", "places"),
    [
        ("abc", 2, [1, 2]),
        ("abc", 5, [1, 2, 3]),
        (f"a{ACCENTED}b", 2, [1]),
        (f"a{ACCENTED}b", 3, [1, 3]),
        (f"a{FAMILY}", 5, [1]),
        (f"a{FAMILY}", 6, [1, 6]),
        (GERMANY + ITALY, 3, [2]),
        # Flags are pairs, counted from the first one; a line end is no part of a pair.
        ("\n" + GERMANY + ITALY, 4, [1, 3]),
        ("a\r\nb", 2, [1]),
        (f"{KSHA}a", 2, [2]),
        (f"a{KSHA}", 3, [1]),
        # A sign that is shown before the next character belongs to it.
        ("a\u06001", 2, [1]),
        # A single cluster that is too long is cut all the same.
        ("e" + 10_000 * "\u0301", 140, [140]),
        (5_000 * "\U0001f468\u200d", 1_600, [1_600]),
    ],
)
def test_a_text_is_cut_between_clusters(text: str, longest: int, places: list[int]) -> None:
    assert cuts(text, longest) == places


@given(TEXTS.filter(bool), st.integers(1, 70))
def test_no_cut_is_within_a_cluster_that_fits(text: str, longest: int) -> None:
    places = cuts(text, longest)
    assert all(0 < one < other for one, other in pairwise([*places, longest + 1]))
    ends = set(accumulate(map(len, iter_graphemes(text))))
    assert set(places) == {end for end in ends if end <= longest} or places == [longest]
    if places == [longest]:
        assert longest in ends or min(ends) > longest


@given(TEXTS, st.integers(2, 30))
def test_a_short_text_is_the_start_of_a_long_one(text: str, longest: int) -> None:
    short = shorten(text, longest)
    assert len(short) <= longest
    if len(text) <= longest:
        assert short == text
    else:
        assert short[-1] == "…"
        assert text.startswith(short[:-1])


@pytest.mark.parametrize(
    ("text", "longest", "short"),
    [
        ("", 3, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("a\r\nb", 3, "a…"),
        ("a\r\nbc", 4, "a\r\n…"),
        ("abü", 2, "a…"),
        ("a\u0301x", 2, "a…"),
        (f"a{FAMILY}b", 6, "a…"),
        (f"{GERMANY}{ITALY}", 3, f"{GERMANY}…"),
        ("e" + 10 * "\u0301", 4, "e\u0301\u0301…"),
    ],
)
def test_a_text_that_is_too_long_ends_with_an_ellipsis(text: str, longest: int, short: str) -> None:
    assert shorten(text, longest) == short


BLANK = [
    "",
    " ",
    "\t\r\n\x0b\x0c",
    "\u00a0\u2003\u3000",
    "\u2028\u2029",
    "\u200b\u200d\u2060\ufeff",
    "\u00ad",
    "\ufe0f",
    "\u2800",
    "\u3164",
    "\x00\x1b\x85",
    "\U000e0041",
    " \u200e\u202e \u2069",
]


@pytest.mark.parametrize("text", BLANK)
def test_a_text_without_anything_to_see_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize(
    "text", [".", " a ", "\u200b0", "\u0301", "\u0600", FAMILY, "\u2764\ufe0f", "\ud83d", "\ufffd"]
)
def test_a_text_with_anything_to_see_is_not_blank(text: str) -> None:
    assert not is_blank(text)

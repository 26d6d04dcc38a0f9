"""Texts as people see them: where one may be cut, and whether there is anything to see.

What a person sees as one character is a grapheme cluster: a letter with its accents, a flag, a
family of emoji (Unicode Standard Annex 29). A cut within one shows other characters than were
written. docs/decisions/0011-text-is-cut-between-grapheme-clusters.md says why the library is this
one.
"""

import re
from itertools import accumulate

from wcwidth import iter_graphemes

_UNSEEN = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\u2800"
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)
"""White space, control characters, the blank pattern of Braille, and in the last three lines the
characters that are not shown by default (Unicode's property Default_Ignorable_Code_Point)."""


def is_blank(text: str) -> bool:
    """Returns whether a text has nothing that can be seen."""
    return _UNSEEN.fullmatch(text) is not None


def cuts(text: str, longest: int) -> list[int]:
    """Returns the places at which a text may be cut, in ascending order: at least one.

    A place is the number of characters (code points) before it, from 1 to `longest`. All places
    are ends of grapheme clusters. Only if the first cluster is longer than `longest`, the one place
    is within it: a letter may have ten thousand accents, and has to be limited all the same.
    """
    # Whether a cluster ends before a character depends on this character, and on none after it.
    ends = accumulate(map(len, iter_graphemes(text[: longest + 1])))
    return [end for end in ends if end <= longest] or [longest]


def shorten(text: str, longest: int) -> str:
    """Returns a text of at most `longest` characters, which ends with an ellipsis if it was cut."""
    if len(text) <= longest:
        return text
    head = text[:longest]
    if head.isascii() and "\r\n" not in head:  # the usual case, and each message has a preview
        return head[:-1] + "…"
    return text[: cuts(text, longest - 1)[-1]] + "…"

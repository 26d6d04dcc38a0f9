"""A reply's text in parts that the provider takes."""

import re
from collections.abc import Iterator

PART_CHARACTERS_MAX = 1_600
"""Twilio takes no longer body (its error 21617)."""

PARTS_MAX = 10
"""A reply that would need more is rejected, `too_long`."""

BREAK_CHARACTERS = 200
"""A part ends at a space or a line's end, if there is one among so many last characters."""


def parts_of(body: str) -> list[str]:
    """A body in parts that the provider takes; put together they are the body."""
    return list(_cut(body)) or [""]


def _cut(body: str) -> Iterator[str]:
    while len(body) > PART_CHARACTERS_MAX:
        near = body[PART_CHARACTERS_MAX - BREAK_CHARACTERS : PART_CHARACTERS_MAX]
        breaks = [found.end() for found in re.finditer(r"\s", near)]
        end = PART_CHARACTERS_MAX - BREAK_CHARACTERS + breaks[-1] if breaks else PART_CHARACTERS_MAX
        yield body[:end]
        body = body[end:]
    if body:
        yield body

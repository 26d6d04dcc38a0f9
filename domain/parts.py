"""A reply's text in parts that the provider takes."""

import re
from collections.abc import Iterator

PART_CHARACTERS_MAX = 1_600
"""Twilio takes no longer body (its error 21617). Those of UTF-16, where an emoji is two, in case
that Twilio counts so: who has fewer of these has fewer of any."""

PARTS_MAX = 10
"""A reply that would need more is rejected, `too_long`."""

BREAK_CHARACTERS = 200
"""A part ends at a space or a line's end, if there is one among so many last characters."""


def parts_of(body: str) -> list[str]:
    """A body in parts that the provider takes; put together they are the body."""
    return list(_cut(body)) or [""]


def _cut(body: str) -> Iterator[str]:
    while body:
        part = _longest(body)
        if len(part) < len(body):
            part = part[: _end(part)]
        yield part
        body = body[len(part) :]


def _longest(body: str) -> str:
    """As much as the provider takes."""
    part = body[:PART_CHARACTERS_MAX]
    while (excess := _units(part) - PART_CHARACTERS_MAX) > 0:
        # Each character taken away is one or two of them, so that this is never too much.
        part = part[: -((excess + 1) // 2)]
    return part


def _units(text: str) -> int:
    """Characters of UTF-16."""
    return len(text) + sum(character > "\uffff" for character in text)


def _end(part: str) -> int:
    """Where a part that is not the last one best ends."""
    near = len(part) - BREAK_CHARACTERS
    breaks = [found.end() for found in re.finditer(r"\s", part[near:])]
    return near + breaks[-1] if breaks else len(part)

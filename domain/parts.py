"""Cuts the text of a reply into parts that the provider takes."""

import re
from collections.abc import Iterator

PART_CHARACTERS_MAX = 1_600
"""Twilio refuses a longer body (error 21617). Counted as UTF-16, where an emoji counts two: this
count is never the smaller one, however Twilio counts."""

PARTS_MAX = 10
"""A reply that would need more parts is rejected, `too_long`."""

BREAK_CHARACTERS = 200
"""A part ends after a space or a line end, if there is one among its last so many characters."""


def parts_of(body: str) -> list[str]:
    """Returns a body in parts that the provider takes; joined they are the body again."""
    return list(_cut(body)) or [""]


def _cut(body: str) -> Iterator[str]:
    while body:
        part = _longest(body)
        if len(part) < len(body):
            part = part[: _end(part)]
        yield part
        body = body[len(part) :]


def _longest(body: str) -> str:
    """Returns as much of a body as the provider takes in one part."""
    part = body[:PART_CHARACTERS_MAX]
    while (excess := _units(part) - PART_CHARACTERS_MAX) > 0:
        # Each character that is cut off is one or two units, so this never cuts off too much.
        part = part[: -((excess + 1) // 2)]
    return part


def _units(text: str) -> int:
    """Returns the length of a text in UTF-16 units."""
    return len(text) + sum(character > "\uffff" for character in text)


def _end(part: str) -> int:
    """Returns the best place to end a part that is not the last one."""
    near = len(part) - BREAK_CHARACTERS
    breaks = [found.end() for found in re.finditer(r"\s", part[near:])]
    return near + breaks[-1] if breaks else len(part)

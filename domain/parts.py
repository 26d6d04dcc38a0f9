"""Cuts a reply into parts: each is one message that its channel takes whole.

| channel | files of a message | its text beside a file | source |
| --- | --- | --- | --- |
| SMS and MMS | ten | as long as any | errors 21623 and 21617 |
| WhatsApp | one | a caption of pictures and videos | "Sending and Receiving Media with WhatsApp" |
| Messenger | one | none | Meta's Send API takes a text or an attachment |
| RCS | one | none | RCS for Business takes a text or a file |

The errors and the page of WhatsApp are Twilio's (twilio.com/docs/api/errors, help.twilio.com). What
a message has too much, the provider drops without an error. So the cautious rule, that of
Messenger, holds for every channel that is not in the table.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from domain.graphemes import cuts, is_blank
from schemas.messages import Media

PART_CHARACTERS_MAX = 1_600
"""Twilio refuses a longer body on any channel (errors 21617 and 21658). Counted as UTF-16, where an
emoji counts two: this count is never the smaller one, however Twilio counts."""

CAPTION_CHARACTERS_MAX = 1_024
"""WhatsApp takes no longer caption (Meta's Cloud API, image and video messages). Counted as
UTF-16."""

PARTS_MAX = 10
"""A reply that would need more parts is rejected, `too_long`."""

FILES_MAX = 10
"""More files in one message are refused (Twilio's error 21623). Where a message has one file, ten
files are as many as there may be parts."""

BREAK_CHARACTERS = 200
"""A part ends after a space or a line end, if there is one among its last so many characters."""

_CAPTIONED = re.compile("image/(?!webp)|video/")
"""The content types of pictures and videos. WhatsApp shows `image/webp` as a sticker, without a
caption; documents and voice notes have none at Twilio ("Guidance on WhatsApp Media Messages")."""


class Part(NamedTuple):
    """What one message of a reply contains."""

    body: str = ""
    media_urls: tuple[str, ...] = ()


class TooLong(ValueError):
    """A reply needs more parts, or has more files, than are sent."""


def parts_of(
    address: str, body: str, media: Sequence[Media], *, is_template: bool = False
) -> list[Part]:
    """Returns a reply to an address in parts. There are none if it has nothing that can be seen.

    Everything is in one part, in order: joined, the texts are the body again, without those parts
    of it that are blank, which the provider refuses. The provider makes the text of a template, so
    a template has an empty part of its own, before the files. Raises TooLong.
    """
    if len(media) > FILES_MAX:
        raise TooLong(f"{len(media)} files, at most {FILES_MAX} are sent")
    parts = list(_parts(address, body, media, is_template))
    if len(parts) > PARTS_MAX:
        files = f" and {len(media)} files" if media else ""
        raise TooLong(f"{len(body)} characters{files}, at most {PARTS_MAX} parts are sent")
    return parts


def _parts(address: str, body: str, media: Sequence[Media], is_template: bool) -> Iterator[Part]:
    urls = tuple(file.url for file in media)
    texts = [] if is_template else _texts(body)
    if is_template:
        yield Part()
    if ":" not in address:  # a telephone number
        first, *more = texts or [""]
        if first or urls:
            yield Part(first, urls)
        yield from map(Part, more)
        return
    captioned = _captioned(address, texts, media)
    if captioned is None:
        yield from map(Part, texts)
    for number, url in enumerate(urls):
        yield Part(texts[0] if number == captioned else "", (url,))


def _captioned(address: str, texts: Sequence[str], media: Sequence[Media]) -> int | None:
    """Returns which file has the whole text as its caption; None where the text goes apart."""
    if not address.startswith("whatsapp:") or len(texts) != 1:
        return None
    if _units(texts[0]) > CAPTION_CHARACTERS_MAX:
        return None
    files = enumerate(media)
    return next((number for number, file in files if _CAPTIONED.match(file.content_type)), None)


def _texts(body: str) -> list[str]:
    return [text for text in _cut(body) if not is_blank(text)]


def _cut(body: str) -> Iterator[str]:
    while body:
        longest = _longest(body)
        text = body if longest == len(body) else body[: _end(body, longest)]
        yield text
        body = body[len(text) :]


def _longest(body: str) -> int:
    """Returns how many characters of a body the provider takes in one part."""
    part = body[:PART_CHARACTERS_MAX]
    while (excess := _units(part) - PART_CHARACTERS_MAX) > 0:
        # Each character that is cut off is one or two units, so this never cuts off too much.
        part = part[: -((excess + 1) // 2)]
    return len(part)


def _units(text: str) -> int:
    """Returns the length of a text in UTF-16 units."""
    return len(text) + sum(character > "\uffff" for character in text)


def _end(body: str, longest: int) -> int:
    """Returns the best place to end a part that is not the last one."""
    places = cuts(body, longest)
    near = longest - BREAK_CHARACTERS
    breaks = [place for place in places if place > near and body[place - 1].isspace()]
    return breaks[-1] if breaks else places[-1]

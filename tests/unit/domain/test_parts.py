"""A reply is cut into parts that its channel takes whole: files, captions, lengths."""

from itertools import accumulate

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from domain.graphemes import is_blank
from domain.parts import (
    BREAK_CHARACTERS,
    CAPTION_CHARACTERS_MAX,
    FILES_MAX,
    PART_CHARACTERS_MAX,
    PARTS_MAX,
    Part,
    TooLong,
    parts_of,
)
from schemas.messages import Media

MAX = PART_CHARACTERS_MAX
EMOJI = "\U0001f44b"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
GERMANY = "\U0001f1e9\U0001f1ea"

SMS, WHATSAPP, MESSENGER, RCS = "+15550001111", "whatsapp:+4911", "messenger:17", "rcs:+4911"
ADDRESSES = (SMS, WHATSAPP, MESSENGER, RCS, "new-channel:17")

TYPES = {
    "picture": "image/jpeg",
    "video": "video/mp4",
    "sticker": "image/webp",
    "voice": "audio/ogg",
    "document": "application/pdf",
    "unknown": "application/octet-stream",
}

# Long texts from few draws: runs of one piece or another.
BODIES = st.lists(
    st.tuples(
        st.sampled_from(["x", " ", "\n", "\r\n", "\u00a0", "\u200b", "ü", EMOJI, FAMILY, GERMANY])
        | st.sampled_from(["e\u0301", "\u0301", "\u0915\u094d", " \u0308", "\u0600"]),
        st.integers(1, 1700),
    ),
    max_size=6,
).map(lambda runs: "".join(piece * count for piece, count in runs))

FILES = st.lists(st.sampled_from([*TYPES]), max_size=12).map(lambda kinds: files(*kinds))


def files(*kinds: str) -> list[Media]:
    """Returns files of these kinds; the number is in the URL."""
    return [Media(f"https://a.b/{number}", TYPES[kind]) for number, kind in enumerate(kinds, 1)]


def shown(parts: list[Part]) -> list[tuple[str, ...]]:
    """Returns the text and the numbers of the files of each part."""
    return [(part.body, *(url[-1] for url in part.media_urls)) for part in parts]


def texts(body: str) -> list[str]:
    """Returns the texts of the parts of a body without files."""
    return [part.body for part in parts_of(WHATSAPP, body, ())]


def units(text: str) -> int:
    """Returns the length in UTF-16 units, where an emoji counts two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@pytest.mark.parametrize(
    ("body", "lengths"),
    [
        ("", []),
        ("x", [1]),
        ("x" * MAX, [MAX]),
        ("x" * (MAX + 1), [MAX, 1]),
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
        # What is seen as one character stays together.
        ("x" * (MAX - 1) + "e\u0301", [MAX - 1, 2]),
        ("x" * (MAX - 3) + FAMILY, [MAX - 3, len(FAMILY)]),
        ("x" * (MAX - 1) + GERMANY + GERMANY, [MAX - 1, 4]),
        ("x" * (MAX - 1) + "\r\nxx", [MAX - 1, 4]),
        # A space with an accent is no space.
        ("x" * (MAX - 3) + " \u0308xxx", [MAX, 2]),
        # Unless it is longer than a part.
        ("e" + "\u0301" * (MAX + 4), [MAX, 5]),
        ("xxx" + "e" + "\u0301" * MAX, [3, MAX, 1]),
        # The provider refuses a part without anything to see: its whole reply would fail.
        ("x" * MAX + " \n\u200b", [MAX]),
        (" " * (MAX + 1), []),
        (" " * MAX + "x", [1]),
    ],
)
def test_a_body_is_cut_at_spaces_into_as_much_as_the_provider_takes(
    body: str, lengths: list[int]
) -> None:
    assert [len(text) for text in texts(body)] == lengths


@pytest.mark.parametrize(
    ("kinds", "parts"),
    [
        ([], [("Hi",)]),
        (["picture"], [("Hi", "1")]),
        (["picture"] * 3, [("Hi", "1"), ("", "2"), ("", "3")]),
        (["video", "document"], [("Hi", "1"), ("", "2")]),
        # The first that can carry a caption.
        (["voice", "picture", "video"], [("", "1"), ("Hi", "2"), ("", "3")]),
        # Else apart, before the files.
        (["voice"], [("Hi",), ("", "1")]),
        (["document", "sticker", "unknown"], [("Hi",), ("", "1"), ("", "2"), ("", "3")]),
    ],
)
def test_whatsapp_takes_one_file_a_message_and_captions_of_pictures_and_videos(
    kinds: list[str], parts: list[tuple[str, ...]]
) -> None:
    assert shown(parts_of(WHATSAPP, "Hi", files(*kinds))) == parts


@pytest.mark.parametrize("address", [MESSENGER, RCS, "new-channel:17"])
def test_other_channels_take_a_text_or_a_file(address: str) -> None:
    parts = parts_of(address, "Hi", files("picture", "voice"))
    assert shown(parts) == [("Hi",), ("", "1"), ("", "2")]


@pytest.mark.parametrize("kind", [*TYPES])
def test_sms_takes_ten_files_in_one_message_with_the_text(kind: str) -> None:
    media = files(*[kind] * FILES_MAX)
    urls = tuple(file.url for file in media)
    assert parts_of(SMS, "Hi", media) == [Part("Hi", urls)]
    assert parts_of(SMS, " ", media) == [Part("", urls)]
    assert parts_of(SMS, "x" * 1_700, media) == [Part("x" * 1_600, urls), Part("x" * 100)]


@pytest.mark.parametrize(
    ("length", "together"), [(CAPTION_CHARACTERS_MAX, True), (CAPTION_CHARACTERS_MAX + 1, False)]
)
def test_a_text_too_long_for_a_caption_goes_apart_before_the_files(
    length: int, together: bool
) -> None:
    body = "x" * length
    apart = [(body,), ("", "1"), ("", "2")]
    wanted = [(body, "1"), ("", "2")] if together else apart
    assert shown(parts_of(WHATSAPP, body, files("picture", "picture"))) == wanted
    assert shown(parts_of(WHATSAPP, "x" * 1_500, files("picture", "picture"))) == [
        ("x" * 1_500,),
        ("", "1"),
        ("", "2"),
    ]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_template_is_a_part_of_its_own_before_the_files(address: str) -> None:
    assert parts_of(address, "Hi" * 9_000, (), is_template=True) == [Part()]
    parts = shown(parts_of(address, "Hi", files("picture", "video"), is_template=True))
    assert parts == [("",), *([("", "1", "2")] if address == SMS else [("", "1"), ("", "2")])]


@pytest.mark.parametrize(
    ("address", "body", "count", "detail"),
    [
        (SMS, "Hi", 11, "11 files, at most 10 are sent"),
        (WHATSAPP, "", 11, "11 files, at most 10 are sent"),
        (MESSENGER, "Hi", 10, "2 characters and 10 files, at most 10 parts are sent"),
        (SMS, "x" * 16_001, 0, "16001 characters, at most 10 parts are sent"),
        (WHATSAPP, "x" * 14_401, 1, "14401 characters and 1 files, at most 10 parts are sent"),
    ],
)
def test_more_than_ten_parts_or_files_are_too_long(
    address: str, body: str, count: int, detail: str
) -> None:
    with pytest.raises(TooLong, match=f"^{detail}$"):
        parts_of(address, body, files(*["picture"] * count))
    parts_of(address, body[:-1], files(*["picture"] * min(count, 9)))


@given(st.sampled_from(ADDRESSES), BODIES, FILES)
def test_nothing_is_lost_the_order_is_kept_and_so_are_the_limits(
    address: str, body: str, media: list[Media]
) -> None:
    try:
        parts = parts_of(address, body, media)
    except TooLong:
        event("too long")
        return
    assert len(parts) <= PARTS_MAX
    assert (parts == []) == (is_blank(body) and not media)
    assert [url for part in parts for url in part.media_urls] == [file.url for file in media]
    _check_text(body, [part.body for part in parts if part.body])
    by_url = {file.url: file.content_type for file in media}
    for part in parts:
        assert part.body or part.media_urls
        assert units(part.body) <= MAX
        assert len(part.media_urls) <= (FILES_MAX if address == SMS else 1)
        if part.body and part.media_urls and address != SMS:
            assert address == WHATSAPP
            assert units(part.body) <= CAPTION_CHARACTERS_MAX
            assert by_url[part.media_urls[0]] in {"image/jpeg", "video/mp4"}


def _check_text(body: str, bodies: list[str]) -> None:
    """Check that bodies are a whole body without blank pieces, and cut between clusters only."""
    ends = {0, *accumulate(map(len, iter_graphemes(body)))}
    # A cluster longer than a part is cut within, and what follows it is cut from there.
    longest = max(map(len, iter_graphemes(body)), default=0)
    at = 0
    for text in bodies:
        found = body.find(text, at)
        assert found >= 0
        assert is_blank(body[at:found])
        at = found + len(text)
        assert longest > MAX // 2 or at in ends
    assert is_blank(body[at:])


@given(BODIES.filter(lambda body: not any(character.isspace() for character in body)))
def test_no_part_is_wasted(body: str) -> None:
    try:
        bodies = texts(body)
    except TooLong:
        return
    longest = max(map(units, iter_graphemes(body)), default=0)
    assert all(units(text) > MAX - longest for text in bodies[:-1] if longest <= MAX)


def test_half_a_character_which_json_may_hold_is_no_obstacle() -> None:
    assert "".join(texts("\ud83d" * (MAX + 1))) == "\ud83d" * (MAX + 1)

"""Notes as HTML: only the tags of the renderer, and all texts of contacts as text."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from msgspec.structs import replace

from schemas.context_text import context_lines
from schemas.message_context import MessageContext, Referral
from schemas.messages import Media
from schemas.note_html import as_html
from schemas.note_text import ShownNote, as_text
from tests.unit.schemas.given.shown_notes import (
    HEADING,
    NOTES,
    about,
    created,
    example,
    folded,
    note_message,
    visible,
    visible_line,
)

ALLOWED: dict[str, set[str]] = {
    "p": set(),
    "br": set(),
    "strong": set(),
    "blockquote": set(),
    "a": {"href", "rel"},
}


class Fragment(HTMLParser):
    """Parses a fragment as a browser would; asserts that it has no other tags than notes have."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.blocks: list[tuple[str, str]] = []
        """The tag and the text of each paragraph and quotation."""
        self.strong: list[str] = []
        self.links: list[str | None] = []
        assert not re.search("<[!?]", text), "neither comments nor declarations"
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert {name for name, _ in attributes} == ALLOWED[tag]
        if tag == "br":
            self.handle_data("\n")
            return
        self.open.append(tag)
        if tag == "strong":
            self.strong.append("")
        elif tag == "a":
            given = dict(attributes)
            assert given["rel"] == "noopener noreferrer nofollow"
            self.links.append(given["href"])
        else:
            assert self.open == [tag], "blocks do not nest"
            self.blocks.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open:
            assert data == "\n", "text outside of the blocks"
            return
        tag, text = self.blocks[-1]
        self.blocks[-1] = (tag, text + data)
        if "strong" in self.open:
            self.strong[-1] += data


def test_the_examples_are_shown_like_this() -> None:
    account = "https://api.twilio.com/2010-04-01/Accounts/AC" + "0" * 32
    picture = f"{account}/Messages/SM{2:032}/Media/ME{1:032}"
    inbox = "https://inbox.example.com/conversations/9c2a538f-6a94-5a0a-8c2a-c532bd7bb918"
    relation = "noopener noreferrer nofollow"
    assert as_html(example()).split("\n")[:4] == [
        "<p>Note on person person-4711<br>Assigned to Carl Berg<br>"
        "The 24 hours from 2026-03-02 09:30:00 UTC to 2026-03-03 09:30:00 UTC<br>"
        f'Conversation: <a href="{inbox}" rel="{relation}">{inbox}</a></p>',
        "<p><strong>2026-03-02 09:15:00 UTC, contact Ana Müller 👋 at whatsapp:+4915112345678 "
        "wrote to the inbox:</strong></p>",
        "<blockquote>Olá, preço? 👍</blockquote>",
        f'<p>Attached image/jpeg: <a href="{picture}" rel="{relation}">{picture}</a></p>',
    ]


def test_lines_of_a_body_stay_lines_and_a_body_without_text_is_left_out() -> None:
    note = folded(created(note_message("a\r\n <b>\r\u2028&"), note_message("\0")))
    assert [block for block in as_html(note).split("\n") if "strong" not in block][1:] == [
        "<blockquote>a<br> &lt;b&gt;<br><br>&amp;</blockquote>"
    ]


LINKS = [
    "https://api.twilio.com/2010-04-01/Accounts/AC1/Media/ME1",
    "http://127.0.0.1:8080",
    "https://a.example?q=1&r='%20'#top",
    "HTTPS://A.example/(x);y,z=[1]~*!$+@",
]
NO_LINKS = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)//https://a.example",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "\x01javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "ftp://a.example/",
    "//a.example/",
    "/conversations/1",
    "a.example",
    "",
    "http:a.example",
    "https:///a.example",
    "https://",
    "https://bank.example@a.example/",
    "https://a.example\\@b.example",
    "https://a.example:port/",
    "https://a.example/ b",
    " https://a.example/",
    "https://a.example/\n",
    "https://a.example/\0",
    "ht\ntps://a.example/",
    "https://a.example/\u202egnp.exe",
    'https://a.example/" onclick="alert(1)',
    "https://a.example/<b>",
    "https://аpple.example/",  # noqa: RUF001 - a Cyrillic letter on purpose
]


@pytest.mark.parametrize("url", LINKS)
def test_a_file_at_a_web_address_becomes_a_link(url: str) -> None:
    note = folded(created(note_message("", 0, Media(url, "image/png")), inbox_url=url))
    assert Fragment(as_html(note)).links == [url, url]


@pytest.mark.parametrize("url", NO_LINKS)
def test_whatever_is_no_plain_web_address_is_shown_and_becomes_no_link(url: str) -> None:
    note = folded(created(note_message("", 0, Media(url, "image/png")), inbox_url=url))
    fragment = Fragment(as_html(note))
    assert fragment.links == []
    assert fragment.blocks[-1] == ("p", f"Attached image/png: {visible_line(url)}")


@pytest.mark.parametrize("url", [*LINKS, *filter(None, NO_LINKS)])
def test_an_ad_is_linked_only_where_its_address_is_a_plain_web_address(url: str) -> None:
    context = MessageContext(referral=Referral(headline="20 % <off>", source_url=url))
    note = folded(created(replace(note_message("Hi"), context=context)))
    fragment = Fragment(as_html(note))
    assert fragment.links[1:] == ([url] if url in LINKS else [])
    assert fragment.blocks[-1] == ("p", f"From the ad: 20 % <off>: {visible_line(url)}")


@given(NOTES)
def test_html_has_only_the_renderers_own_tags_and_all_of_the_text(note: ShownNote) -> None:
    fragment = Fragment(as_html(note))
    headings = [line for line in as_text(note).split("\n") if HEADING.match(line)]
    assert fragment.strong == headings
    expected = []
    for message, heading in zip(note.messages, headings, strict=True):
        expected.append(("p", heading))
        if body := visible(message.body):
            expected.append(("blockquote", body))
        expected += [("p", line) for line in about(message)]
        for file in message.media:
            what, url = visible_line(file.content_type), visible_line(file.url)
            expected.append(("p", f"Attached {what}: {url}"))
    (tag, head), *blocks = fragment.blocks
    assert blocks == expected
    assert (tag, head.split("\n")) == ("p", as_text(note).split("\n")[: head.count("\n") + 1])


@given(NOTES)
def test_only_web_addresses_become_links(note: ShownNote) -> None:
    links = Fragment(as_html(note)).links
    given = {note.inbox_url, *(file.url for each in note.messages for file in each.media)}
    given |= {
        line.url
        for each in note.messages
        for line in context_lines(each.context, each.body, each.answered)
        if line.url
    }
    assert given.issuperset(links)
    assert all(link and re.match("https?://", link) for link in links)


@given(NOTES)
def test_html_holds_nothing_that_turns_a_line_around_or_is_not_utf_8(note: ShownNote) -> None:
    shown = as_html(note)
    assert visible(shown) == shown
    assert shown.encode().decode() == shown
    assert '"' not in re.sub(r'<a href="[^"]*" rel="[^"]*">', "", shown)

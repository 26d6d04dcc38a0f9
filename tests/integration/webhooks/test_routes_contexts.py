"""What a form says beside its text reaches the event, the row, the notes and the previews."""

import json
from itertools import count
from typing import Any

import pytest

from schemas.message_context import MessageContext
from schemas.note_html import as_html
from schemas.note_text import as_text
from tests.harness.identities import aliases, message_counts
from tests.harness.inbox import Inbox, open_inbox
from tests.harness.input_events import ACCOUNT, link, message, reply
from tests.harness.topics import Topics
from tests.harness.twilio import CHANNELS, Twilio, form
from tests.harness.waiting import until
from tests.harness.webhook_forms import install, messages
from tests.harness.worker import Worker
from workers.settings import Settings

ANA = "whatsapp:+4911"
FLOW = {
    "flow_token": "x1",
    "pages": [{"items": [{"label": "E-mail", "value": "dana@example.com"}]}],
}
AD = {
    "MessageType": "text",
    "Body": "",
    "ReferralSourceId": "120210",
    "ReferralSourceType": "ad",
    "ReferralHeadline": "20 % off",
    "ReferralSourceUrl": "https://fb.example/ad1",
    "ReferralCtwaClid": "c1",
}
BUTTON = {
    "MessageType": "button",
    "Body": "Yes, book it",
    "ButtonText": "Yes, book it",
    "ButtonPayload": "book-42",
    "OriginalRepliedMessageSid": "SMa",
}
CAFE = {
    "MessageType": "location",
    "Body": "Cafe",
    "Label": "Cafe",
    "Address": "Square 1",
    "Latitude": "52.52",
    "Longitude": "13.40",
}
_NUMBERS = count(1)


def given(**fields: str) -> str:
    """A form of the contact, each with an id of its own."""
    return form(**({"MessageSid": f"SM{next(_NUMBERS):04d}", "From": ANA} | fields))


@pytest.fixture
async def inbox(settings: Settings, topics: Topics, worker: Worker, owner: Any) -> Inbox:
    """An inbox with two users, and the channels installed."""
    opened = await open_inbox(settings, topics, owner)
    await install(topics, owner, CHANNELS)
    return opened


async def post(twilio: Twilio, inbox: Inbox, *forms: dict[str, str]) -> list[dict[str, Any]]:
    """Post forms one by one; the messages of all contacts then, with `kept`, their contexts."""
    before = len(await inbox.owner.fetch("SELECT FROM inbox.messages"))
    for number, fields in enumerate(forms, start=1):
        assert await twilio.post(given(**fields)) == 204

        async def is_recorded(expected: int = before + number) -> bool:
            found = await inbox.owner.fetchval("SELECT count(*) FROM inbox.messages")
            return bool(found == expected)

        await until(is_recorded, "the message to be recorded")
    rows = await inbox.owner.fetch(
        "SELECT body, context::text AS kept FROM inbox.messages ORDER BY version"
    )
    return [
        {"body": row["body"], "kept": json.loads(row["kept"]) if row["kept"] else None}
        for row in rows
    ]


async def test_what_a_message_is_about_is_in_its_text_its_event_and_its_row(
    twilio: Twilio, inbox: Inbox
) -> None:
    flow = {"MessageType": "interactive", "Body": "", "InteractiveData": json.dumps(FLOW)}
    rows = await post(twilio, inbox, flow, AD, BUTTON, CAFE, {"Body": "Hello"})
    referral = {
        "source_id": "120210",
        "source_type": "ad",
        "source_url": "https://fb.example/ad1",
        "headline": "20 % off",
        "click_id": "c1",
    }
    place = {"latitude": 52.52, "longitude": 13.4, "label": "Cafe", "address": "Square 1"}
    assert rows == [
        {"body": "[form] E-mail: dana@example.com", "kept": {"form": FLOW}},
        {"body": "[from the ad: 20 % off]", "kept": {"referral": referral}},
        {"body": "Yes, book it", "kept": {"in_reply_to": "SMa", "button_payload": "book-42"}},
        {"body": "Cafe, Square 1 (52.52, 13.40)", "kept": {"location": place}},
        {"body": "Hello", "kept": None},
    ]
    received = await inbox.topics.read("messages.received")
    assert [read.data["context"] for read in received] == [row["kept"] for row in rows]
    previews = [read.data["message"]["preview"] for read in await inbox.read("notifications")]
    assert previews == [row["body"] for row in rows]
    # The log keeps the id of the message that was answered, and no word of the contact.
    log = await inbox.read("conversations")
    answers = [read.data.get("in_reply_to") for read in log]
    assert [answer for answer in answers if answer] == ["SMa"]
    for secret in ("dana", "20 % off", "book", "Cafe"):
        assert not any(secret in json.dumps(read.data) for read in log)
    await inbox.assert_exact()


async def test_a_message_without_anything_to_show_says_so(twilio: Twilio, inbox: Inbox) -> None:
    like = {"From": "messenger:27456897512", "To": CHANNELS["fb1"], "Body": ""}
    unsupported = {"MessageType": "unsupported", "Body": "", "NumMedia": "0"}
    await post(twilio, inbox, unsupported, like)
    bodies = [row["body"] for row in await messages(inbox.owner, 2)]
    assert bodies == ["[unsupported message]"] * 2
    previews = [read.data["message"]["preview"] for read in await inbox.read("notifications")]
    assert previews == bodies


async def test_a_note_shows_what_was_answered(twilio: Twilio, inbox: Inbox) -> None:
    """Whether the message came before the link or after it, and in text as in HTML."""
    answer = {"Body": "Yes", "OriginalRepliedMessageSid": "SMfirst", "ButtonPayload": "<b>"}
    first = {"MessageSid": "SMfirst", "Body": "Shall I <come>?"}
    elsewhere = {"MessageSid": "SMother", "From": "whatsapp:+4922", "Body": "A secret"}
    await post(twilio, inbox, first, answer, elsewhere)
    await inbox.apply(link(ANA, "deal:d1"))
    await post(
        twilio,
        inbox,
        answer | AD | {"Body": "And this"},
        {"Body": "Of another", "OriginalRepliedMessageSid": "SMother"},
        {"Body": "Of nobody", "OriginalRepliedMessageSid": "SMnone", "Forwarded": "true"},
    )
    (note,) = await inbox.notes("deal:d1")
    assert [message.body for message in note.messages] == [
        "Shall I <come>?",
        "Yes",
        "And this",
        "Of another",
        "Of nobody",
    ]
    text, html = as_text(note), as_html(note)
    assert "    Yes\n  In reply to: Shall I <come>?\n  Button: <b>" in text
    assert "    And this\n  In reply to: Shall I <come>?\n  Button: <b>\n" in text
    assert "  From the ad: 20 % off: https://fb.example/ad1" in text
    assert "    Of another\n  In reply to: message SMother" in text
    assert "    Of nobody\n  In reply to: message SMnone\n  Forwarded" in text
    assert "A secret" not in text + html
    assert html.count("<p>In reply to: Shall I &lt;come&gt;?</p>") == 2
    assert "<b>" not in html
    assert '<a href="https://fb.example/ad1"' in html
    await inbox.assert_exact()


async def test_a_note_quotes_the_reply_that_was_answered(twilio: Twilio, inbox: Inbox) -> None:
    await post(twilio, inbox, {"Body": "Hello"})
    await inbox.apply(reply(ANA, "Shall we meet? " * 20), link(ANA, "deal:d1"))
    # As if Twilio had taken the reply: no worker sends here.
    await inbox.owner.execute(
        "UPDATE inbox.sends SET state = 'accepted', provider_message_id = 'SMreply'"
    )
    await post(twilio, inbox, BUTTON | {"OriginalRepliedMessageSid": "SMreply"})
    (note,) = await inbox.notes("deal:d1")
    quoted = note.messages[-1].answered
    assert isinstance(quoted, str)
    assert quoted.startswith("Shall we meet? Shall we meet?")
    assert quoted.endswith("…")
    assert len(quoted) == 140


async def test_a_publishers_context_is_kept_and_one_that_is_too_large_is_a_dead_letter(
    inbox: Inbox,
) -> None:
    context = {"form": {"E-mail": "dana@example.com"}, "forwarded": True}
    await inbox.apply(message("+4933", "", context=context), link("+4933", "lead:l1"))
    kept = await inbox.owner.fetchval("SELECT context::text FROM inbox.messages")
    assert json.loads(kept) == context
    (notified,) = await inbox.read("notifications")
    assert notified.data["message"]["preview"] == "Form: E-mail: dana@example.com; Forwarded"
    (note,) = await inbox.notes("lead:l1")
    assert "  Form: E-mail: dana@example.com\n  Forwarded" in as_text(note)
    await inbox.apply(message("+4933", "", context={"form": "x" * 16_400}))
    (letter,) = await inbox.read("dead-letters")
    assert letter.header("dl_code") == "invalid_data"
    assert "`$.data.context`" in str(letter.header("dl_error"))


async def test_no_number_of_a_form_keeps_a_message_from_being_recorded(inbox: Inbox) -> None:
    kept = {
        "page_id": 10158292394857612,
        "large": [12345678901234567890, 2**64, -(2**63) - 1, 10**400],
        "fractions": [0.1, 1e-6, 2.0**53, -1.5, 0.0],
    }
    texts = {"small": "1e-07", "huge": ["1e+300"]}
    form = kept | {"small": 1e-7, "huge": [1e300]}
    await inbox.apply(message("+4933", "", context={"form": form}), link("+4933", "lead:l1"))
    stored = await inbox.owner.fetchval("SELECT context::text FROM inbox.messages")
    assert json.loads(stored)["form"] == kept | texts
    (note,) = await inbox.notes("lead:l1")
    (shown,) = note.messages
    assert isinstance(shown.context, MessageContext)
    assert shown.context.form == kept | texts
    assert "page_id: 10158292394857612" in as_text(note)
    assert await inbox.read("dead-letters") == []


NINE, EIGHT = (
    {"From": f"whatsapp:+{number}", "WaId": "551187654321"}
    for number in ("5511987654321", "551187654321")
)


@pytest.mark.parametrize(
    ("first", "second"), [(NINE, EIGHT), (EIGHT, NINE)], ids=["nine digits first", "eight first"]
)
async def test_a_person_with_two_numbers_has_one_conversation(
    twilio: Twilio, inbox: Inbox, first: dict[str, str], second: dict[str, str]
) -> None:
    await post(twilio, inbox, first, second, first)
    assert await message_counts(inbox) == {first["From"]: 3}
    assert await aliases(inbox) == {second["From"]: first["From"]}
    # A reply goes to the address that a message came from, which the provider takes.
    await inbox.apply(reply(first["From"], "Hello"))
    addressed = await inbox.owner.fetch("SELECT account_id, to_address FROM inbox.sends")
    assert [tuple(row) for row in addressed] == [(ACCOUNT, first["From"])]
    await inbox.assert_exact()

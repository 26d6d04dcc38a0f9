"""What a form says beside its text is kept as the context, and said in the text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.graphemes import is_blank
from schemas.message_context import (
    CONTEXT_BYTES_MAX,
    Location,
    MessageContext,
    Referral,
    context_bytes,
)
from tests.unit.workers.twilio.test_inbound_form import message
from workers.twilio.form_fields import MESSAGE_FIELDS

BESIDE_BODY = [
    field.name
    for field in MESSAGE_FIELDS
    if field.name in ("MessageType", "FlowData", "ReferralBody")
    or (field.name != "Body" and ("`body`" in field.use or "context" in field.use))
]
"""The fields that say something beside the text, which is in `Body`."""

AD = {
    "ReferralSourceId": "120210",
    "ReferralSourceType": "ad",
    "ReferralHeadline": "20 % off",
    "ReferralSourceUrl": "https://fb.example/ad1",
    "ReferralCtwaClid": "c1",
}
CAFE = {"Label": "Cafe", "Address": "Square 1", "Latitude": "52.52", "Longitude": "13.40"}


def said(**fields: str) -> str:
    return message(**fields).body


def kept(**fields: str) -> MessageContext:
    context = message(**fields).context
    assert context is not None
    return context


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"Body": ""}, "[from the ad: 20 % off]"),
        ({"Body": "Hello"}, "Hello"),
        ({"Body": "", "ReferralSourceType": "post"}, "[from the post: 20 % off]"),
        ({"Body": "", "ReferralHeadline": ""}, "[from the ad]"),
        ({"Body": "", "ReferralHeadline": "", "ReferralBody": "Write!"}, "[from the ad: Write!]"),
        ({"NumMedia": "1", "MediaUrl0": "u"}, "[from the ad: 20 % off]"),
    ],
    ids=str,
)
def test_an_ad_is_kept_and_is_the_text_of_a_message_without_one(
    fields: dict[str, str], body: str
) -> None:
    made = message(**(AD | {"MessageType": "text"} | fields))
    assert made.body == body
    assert made.context is not None
    assert made.context.referral is not None
    assert made.context.referral.source_url == "https://fb.example/ad1"


def test_all_of_an_ad_is_kept() -> None:
    referral = Referral("120210", "ad", "https://fb.example/ad1", "20 % off", "c1")
    assert kept(**AD) == MessageContext(referral=referral)
    # This field is on ordinary messages too.
    assert message(Body="Hi", ReferralNumMedia="0").context is None


@pytest.mark.parametrize(
    ("fields", "body", "context"),
    [
        (
            {
                "Body": "Yes, book it",
                "ButtonText": "Yes, book it",
                "ButtonPayload": "book-42",
                "OriginalRepliedMessageSid": "MM111",
                "Forwarded": "false",
            },
            "Yes, book it",
            MessageContext(in_reply_to="MM111", button_payload="book-42"),
        ),
        ({"ButtonText": "Yes"}, "Yes", None),
        ({"ButtonPayload": "b1"}, "b1", MessageContext(button_payload="b1")),
        (
            {"Body": "Hi", "ButtonText": "Yes", "ButtonPayload": "b1"},
            "Hi\nYes",
            MessageContext(button_payload="b1"),
        ),
        ({"Body": "Yesterday", "ButtonText": "Yes"}, "Yesterday\nYes", None),
        ({"ListTitle": "Monday", "ListId": "l1"}, "Monday", MessageContext(list_id="l1")),
        ({"ListId": "l1"}, "l1", MessageContext(list_id="l1")),
        ({"Body": "Hi", "Forwarded": "true"}, "Hi", MessageContext(forwarded=True)),
        ({"Body": "Hi", "FrequentlyForwarded": "True"}, "Hi", MessageContext(forwarded=True)),
        ({"Body": "ARRET", "OptOutType": "STOP"}, "ARRET\n[opted out]", None),
        ({"Body": "start", "OptOutType": "start"}, "start\n[opted in]", None),
        ({"Body": "", "OptOutType": "HELP"}, "[asked for help]", None),
        ({"Body": "Hi", "OptOutType": "\0"}, "Hi", None),
        ({"Body": "Hi", "OriginalRepliedMessageSid": "a b"}, "Hi", None),
        ({"Body": "Hi", "OriginalRepliedMessageSid": "M" * 65}, "Hi", None),
        ({"Body": "Hi", "ButtonPayload": "b" * 2000}, "Hi", None),
        (
            {"Body": "Hi", "ButtonPayload": "a\0"},
            "Hi",
            MessageContext(button_payload="a\ufffd"),
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_was_answered_and_chosen_is_kept(
    fields: dict[str, str], body: str, context: MessageContext | None
) -> None:
    made = message(**fields)
    assert (made.body, made.context) == (body, context)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"Body": "Cafe"}, "Cafe, Square 1 (52.52, 13.40)"),
        ({"Body": "Square 1"}, "Cafe, Square 1 (52.52, 13.40)"),
        ({"Body": "Cafe, Square 1 "}, "Cafe, Square 1 (52.52, 13.40)"),
        ({"Body": "See you here"}, "See you here\nCafe, Square 1 (52.52, 13.40)"),
        ({"Body": ""}, "Cafe, Square 1 (52.52, 13.40)"),
        ({"Body": "at Cafe, Square 1 (52.52, 13.40)!"}, "at Cafe, Square 1 (52.52, 13.40)!"),
    ],
    ids=str,
)
def test_a_place_is_kept_and_said(fields: dict[str, str], body: str) -> None:
    made = message(**(CAFE | fields))
    assert made.body == body
    assert made.context == MessageContext(location=Location(52.52, 13.4, "Cafe", "Square 1"))


@pytest.mark.parametrize("more", [{}, AD], ids=["", "from an ad"])
@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"Body": "Cafe", "Label": "Cafe"}, "Cafe"),
        ({"Body": "Cafe", "Label": "Cafe", "Latitude": "52.5"}, "Cafe"),
        ({"Body": "Square 1", "Address": "Square 1"}, "Square 1"),
        ({"Body": "Cafe", "Label": "Cafe", "Address": "Square 1"}, "Cafe, Square 1"),
    ],
    ids=str,
)
def test_a_text_that_says_all_of_a_place_is_kept(
    fields: dict[str, str], body: str, more: dict[str, str]
) -> None:
    assert said(**(more | fields)) == body


def test_a_place_of_which_nothing_can_be_seen_is_none() -> None:
    made = message(Label="\u200b", Address="\u2800")
    assert (made.body, made.context) == ("[unsupported message]", None)


WORDS = st.sampled_from(["", " ", "Cafe", "Square 1", "Cafe, Square 1", "52.5", "1", "Yes"])
FORMS = st.sampled_from(["", "{}", '{"x": 1}', '{"x": "Cafe"}', '"Cafe"', "Cafe"])
TEXTS = WORDS | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(
    TEXTS,
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(BESIDE_BODY, TEXTS),
            **dict.fromkeys(("InteractiveData", "FlowData"), FORMS | TEXTS),
        },
    ),
)
def test_the_contacts_own_words_are_always_in_the_text(body: str, fields: dict[str, str]) -> None:
    text = said(**(fields | {"Body": body}))
    assert is_blank(body) or body.strip() in text


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"Latitude": "52.52", "Longitude": "-13"}, Location(52.52, -13)),
        ({"Label": "Cafe"}, Location(label="Cafe")),
        ({"Latitude": "91", "Longitude": "0", "Label": "Cafe"}, Location(label="Cafe")),
        ({"Latitude": "0", "Longitude": "181", "Label": "Cafe"}, Location(label="Cafe")),
        ({"Latitude": "52", "Label": "Cafe"}, Location(label="Cafe")),
        *(
            ({"Latitude": text, "Longitude": "1", "Label": "Cafe"}, Location(label="Cafe"))
            for text in ("nan", "inf", "1e1", "1_0", "\u0665", "5\0", "1." + "1" * 40, "52,5", "")
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_only_numbers_that_are_on_earth_are_kept(
    fields: dict[str, str], location: Location
) -> None:
    assert kept(**fields).location == location


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({}, "[unsupported message]"),
        ({"MessageType": "unsupported", "NumMedia": "0"}, "[unsupported message]"),
        ({"MessageType": "unsupported", "Body": " \n"}, "[unsupported message]"),
        ({"From": "messenger:1", "Body": ""}, "[unsupported message]"),
        ({"Body": "\u200b\u2800\x01"}, "[unsupported message]"),
        ({"MessageType": "text"}, "[unsupported message]"),
        ({"MessageType": "reaction"}, "[unsupported message: reaction]"),
        ({"MessageType": "Sticker"}, "[unsupported message: sticker]"),
        ({"MessageType": "<b>"}, "[unsupported message]"),
        ({"MessageType": "x" * 21}, "[unsupported message]"),
        ({"NumMedia": "1"}, "[unsupported message]"),
        ({"OriginalRepliedMessageSid": "MM1"}, "[unsupported message]"),
        ({"MessageType": "reaction", "Body": "👍"}, "👍"),
        (
            {
                "MessageType": "contacts",
                "NumMedia": "1",
                "MediaUrl0": "https://a.example/1",
                "MediaContentType0": "text/vcard",
            },
            "",
        ),
        ({"Body": "\u200b", "NumMedia": "1", "MediaUrl0": "https://a.example/1"}, ""),
    ],
    ids=str,
)
def test_a_message_that_cannot_be_shown_says_so(fields: dict[str, str], body: str) -> None:
    assert said(**fields) == body


def test_a_context_is_cut_so_that_its_message_is_taken() -> None:
    long = "\x01é" * 5_000
    context = kept(
        InteractiveData=json.dumps({f"question {number}": long for number in range(100)}),
        Label=long,
        Address=long,
        ReferralHeadline=long,
        ReferralSourceUrl="https://fb.example/" + long,
        ReferralSourceId=long,
        ReferralCtwaClid="c1",
        ListId=long,
        ButtonPayload="b" * 1000,
        OriginalRepliedMessageSid="MM1",
    )
    assert context_bytes(context) <= CONTEXT_BYTES_MAX
    assert (context.in_reply_to, context.button_payload, context.list_id) == (
        "MM1",
        "b" * 1000,
        None,
    )
    assert context.referral is not None
    assert context.referral.source_id is context.referral.source_url is None
    assert context.referral.click_id == "c1"
    assert context.location is not None
    for words in (context.referral.headline, context.location.label, context.location.address):
        assert words is not None
        assert words.startswith("\x01é")
        assert words.endswith("…")
    assert 10 < len(context.form) < 100
    assert {*context.form[0]} == {"label", "value"}

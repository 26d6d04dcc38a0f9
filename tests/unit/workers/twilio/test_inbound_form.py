"""The form of an inbound webhook becomes the event of the message that the contact wrote.

The bodies are Twilio's own examples, and forms as its channels send them.
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import CONTENT_TYPE_HEADER, CloudEvent, Decoders, encode
from schemas.codes import DeadLetterCode
from schemas.errors import InvalidRecord
from schemas.fields import AccountId, ChannelId
from schemas.ids import NAMESPACE
from schemas.messages import Media, MessageReceived
from tests.harness.signed_forms import MESSENGER, SMS, WHATSAPP
from workers.twilio.form import BadForm, check_fields, parse_form
from workers.twilio.form_fields import MESSAGE_FIELDS
from workers.twilio.inbound_form import REQUIRED_FIELDS, received_event

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def event(**fields: str) -> CloudEvent:
    """The event of a form with these fields and those of every form."""
    usual = {"MessageSid": "SM1", "From": "whatsapp:+4911", "To": "whatsapp:+1"}
    form = parse_form(urlencode(usual | fields).encode())
    return received_event(form, AccountId("acme"), ChannelId("wa1"), NOW)


def message(**fields: str) -> MessageReceived:
    data = event(**fields).data
    assert isinstance(data, MessageReceived)
    return data


@pytest.mark.parametrize(
    ("body", "provider_id", "address", "name", "text"),
    [
        (SMS, "SM00000000000000000000000000000001", "+16505551111", None, "you got it! 3"),
        (
            WHATSAPP,
            "SM00000000000000000000000000000002",
            "whatsapp:+4915112345678",
            "Ana Müller 👋",
            "Olá, preço? 👍",
        ),
        (
            MESSENGER,
            "SM00000000000000000000000000000005",
            "messenger:27456897512",
            None,
            "is this still available?",
        ),
    ],
    ids=["SMS", "WhatsApp", "Messenger"],
)
def test_a_form_becomes_an_event_that_the_workers_read(
    body: bytes, provider_id: str, address: str, name: str | None, text: str
) -> None:
    made = received_event(parse_form(body), AccountId("acme"), ChannelId("ch1"), NOW)
    read = Decoders([MessageReceived]).decode(encode(made), [CONTENT_TYPE_HEADER], 0, NOW)
    assert read.data == made.data
    assert (read.type, read.time, read.data.sent_at) == (MessageReceived.TYPE, NOW, NOW)
    assert (read.data.account_id, read.data.channel_id) == ("acme", "ch1")
    assert read.data.provider_message_id == provider_id
    assert (read.data.contact.address, read.data.contact.name) == (address, name)
    assert (read.data.body, read.data.media, read.data.historical) == (text, (), False)


def test_twilios_repeats_are_one_event_under_the_conversations_key() -> None:
    first, again = (event(**{"I-Twilio-Idempotency-Token": token}) for token in ("1", "2"))
    assert first.id == again.id == str(uuid5(NAMESPACE, "acme/wa1/SM1"))
    assert first.subject == str(uuid5(NAMESPACE, "acme/wa1/whatsapp:+4911"))
    assert first.source == "/inbox/twilio"


@pytest.mark.parametrize("missing", ["MessageSid", "From", "To"])
@pytest.mark.parametrize("how", ["left out", "blank"])
def test_a_form_without_what_every_message_has_is_bad(missing: str, how: str) -> None:
    form = parse_form(SMS)
    del form[missing]
    if how == "blank":
        form.add(missing, "")
    with pytest.raises(BadForm, match=f"{missing} is missing"):
        check_fields(form, REQUIRED_FIELDS)
    with pytest.raises(BadForm, match=f"{missing} is missing"):
        received_event(form, AccountId("acme"), ChannelId("wa1"), NOW)


@pytest.mark.parametrize(
    "fields",
    [{"MessageSid": "a b"}, {"MessageSid": "S" * 65}, {"MessageSid": "\0"}, {"From": "x" * 257}],
    ids=str,
)
def test_a_form_with_ids_that_are_none_is_bad(fields: dict[str, str]) -> None:
    with pytest.raises(BadForm):
        event(**fields)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({}, "[unsupported message]"),
        ({"Body": ""}, "[unsupported message]"),
        ({"Body": "a\0b"}, "a\ufffdb"),
        ({"Latitude": "52.5", "Longitude": "13.4"}, "52.5, 13.4"),
        (
            {"Latitude": "52.5", "Longitude": "13.4", "Label": "Office", "Address": "Road 1"},
            "Office, Road 1 (52.5, 13.4)",
        ),
        ({"Latitude": "52.5", "Longitude": "13.4", "Address": "Road 1"}, "Road 1 (52.5, 13.4)"),
        ({"Latitude": "52.5", "Longitude": "13.4", "Body": "Here I am"}, "Here I am\n52.5, 13.4"),
        ({"Latitude": "52.5"}, "[unsupported message]"),
        ({"Latitude": "5\0", "Longitude": "\0", "Label": "\0"}, "\ufffd (5\ufffd, \ufffd)"),
    ],
    ids=str,
)
def test_the_body_is_the_text_or_where_the_contact_is(fields: dict[str, str], body: str) -> None:
    assert message(**fields).body == body


NUMBERS = {
    "Brazil": ("5511987654321", "551187654321"),
    "Mexico": ("5215512345678", "525512345678"),
    "Argentina": ("5491123456789", "541123456789"),
}


@pytest.mark.parametrize("country", NUMBERS)
def test_a_number_with_and_without_its_mobile_digit_is_one_person(country: str) -> None:
    long, short = NUMBERS[country]
    for number, wa_id in ((long, short), (short, long)):
        contact = message(From=f"whatsapp:+{number}", WaId=wa_id).contact
        # A reply goes to the address that the contact wrote from, never to the other one.
        assert contact.address == f"whatsapp:+{number}"
        assert contact.identities == (f"whatsapp:+{wa_id}",)


@pytest.mark.parametrize(
    ("fields", "name"),
    [({}, None), ({"ProfileName": ""}, None), ({"ProfileName": "A\0"}, "A\ufffd")],
    ids=str,
)
def test_a_contact_has_the_profiles_name_if_there_is_one(
    fields: dict[str, str], name: str | None
) -> None:
    assert message(**fields).contact.name == name


@pytest.mark.parametrize(
    ("fields", "identities"),
    [
        ({}, ()),
        ({"ExternalUserId": ""}, ()),
        ({"ExternalUserId": "US.1349"}, ("whatsapp:US.1349",)),
        ({"ExternalUserId": "whatsapp:US.1349"}, ("whatsapp:US.1349",)),
        ({"ExternalUserId": "US.1349", "From": "whatsapp:US.1349"}, ()),
        ({"ExternalUserId": "US.1349", "From": "+16505551111"}, ()),
        ({"ExternalUserId": "U" * 256}, ()),
        ({"WaId": "4911111"}, ("whatsapp:+4911111",)),
        ({"WaId": "+4911111"}, ("whatsapp:+4911111",)),
        ({"WaId": "whatsapp:+4911111"}, ("whatsapp:+4911111",)),
        ({"WaId": "4911111", "From": "whatsapp:+4911111"}, ()),
        ({"WaId": "4911111", "From": "whatsapp:US.1349"}, ("whatsapp:+4911111",)),
        ({"WaId": "4911111", "From": "+4911111"}, ()),
        ({"WaId": "4911111", "From": "rcs:+4911112"}, ()),
        ({"WaId": "4911111", "From": "messenger:4911112"}, ()),
        (
            {"WaId": "4911111", "ExternalUserId": "whatsapp:ID.45"},
            ("whatsapp:ID.45", "whatsapp:+4911111"),
        ),
        ({"WaId": "4911111", "ExternalUserId": "+4911111"}, ("whatsapp:+4911111",)),
        ({"WaId": ""}, ()),
        ({"WaId": "US.1349"}, ()),
        ({"WaId": "4911 111"}, ()),
        ({"WaId": "٤٩١١١١١"}, ()),
        ({"WaId": "0911111"}, ()),
        ({"WaId": "4911111\n"}, ()),
        ({"WaId": "4" * 16}, ()),
        ({"WaId": "4" * 10_000}, ()),
    ],
    ids=lambda value: str(value)[:60],
)
def test_the_providers_id_of_a_contact_is_another_address_of_theirs(
    fields: dict[str, str], identities: tuple[str, ...]
) -> None:
    assert message(**fields).contact.identities == identities


ONE = {"MediaUrl0": "https://api.twilio.com/1", "MediaContentType0": "image/jpeg"}
TWO = ONE | {"MediaUrl1": "https://api.twilio.com/2", "MediaContentType1": "audio/ogg"}
JPEG, OGG = (
    Media("https://api.twilio.com/1", "image/jpeg"),
    Media("https://api.twilio.com/2", "audio/ogg"),
)


@pytest.mark.parametrize(
    ("fields", "media"),
    [
        (TWO | {"NumMedia": "2"}, (JPEG, OGG)),
        (TWO | {"NumMedia": "1"}, (JPEG,)),
        (ONE | {"NumMedia": "2"}, (JPEG,)),
        (ONE | {"NumMedia": "9999"}, (JPEG,)),
        (ONE | {"NumMedia": "0"}, ()),
        (ONE | {"NumMedia": "-1"}, ()),
        (ONE | {"NumMedia": ""}, ()),
        (ONE | {"NumMedia": "²"}, ()),
        (ONE | {"NumMedia": "1e9"}, ()),
        (ONE | {"NumMedia": "9" * 10_000}, ()),
        (ONE, ()),
        ({"NumMedia": "3"}, ()),
        (
            {"NumMedia": "1", "MediaUrl0": "https://api.twilio.com/1"},
            (Media("https://api.twilio.com/1", "application/octet-stream"),),
        ),
        ({"NumMedia": "1", "MediaUrl0": "\0"}, (Media("\ufffd", "application/octet-stream"),)),
        ({"NumMedia": "2", "MediaUrl0": "", **{k: TWO[k] for k in TWO if "1" in k}}, (OGG,)),
    ],
    ids=lambda value: str(value)[:60],
)
def test_media_are_those_that_are_there_whatever_their_number_says(
    fields: dict[str, str], media: tuple[Media, ...]
) -> None:
    assert message(**fields).media == media


def test_media_are_bounded() -> None:
    urls = {f"MediaUrl{number}": "u" for number in range(300)}
    assert len(message(NumMedia="300", **urls).media) == 100


NAMES = st.sampled_from([field.name.replace("{n}", "0") for field in MESSAGE_FIELDS])
TEXTS = st.binary(max_size=20) | st.text(max_size=20).map(
    lambda text: text.encode(errors="surrogatepass")
)


@given(st.dictionaries(NAMES, TEXTS))
def test_any_form_is_an_event_that_can_be_read_or_a_bad_form(fields: dict[str, Any]) -> None:
    given_fields = {"MessageSid": b"SM1", "From": b"+49", "To": b"+1"} | fields
    form = parse_form(urlencode(given_fields).encode())
    try:
        made = received_event(form, AccountId("acme"), ChannelId("wa1"), NOW)
    except BadForm:
        return
    try:
        read = Decoders([MessageReceived]).decode(encode(made), [CONTENT_TYPE_HEADER], 0, NOW)
    except InvalidRecord as error:
        # An address identifies the contact, so that its NUL is not replaced as in a text.
        assert error.code == DeadLetterCode.UNSTORABLE
        assert "\0" in form["From"]
    else:
        assert read.data == made.data

"""A Twilio webhook's form: who signed it, and what the contact wrote.

The bodies and signatures are Twilio's own examples, and forms as its channels send them.
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from schemas.cloudevents import CONTENT_TYPE_HEADER, CloudEvent, Decoders, encode
from schemas.codes import DeadLetter
from schemas.errors import InvalidRecord
from schemas.fields import AccountId, ChannelId
from schemas.ids import NAMESPACE
from schemas.messages import Media, MessageReceived
from workers.setting_values import TwilioAccount, TwilioAccounts
from workers.twilio_form import (
    FIELDS_MAX,
    BadForm,
    check_form,
    parse_form,
    received_event,
    signer,
)

SID = "AC00000000000000000000000000000000"
URL = "https://inbox.example.com/twilio/inbound"
ACME = TwilioAccount(account_id=AccountId("acme"), auth_token="12345")
ACCOUNTS: TwilioAccounts = {SID: ACME}
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SHARED_KEY = "key=k1,algorithm=HMAC_SHA256"

SMS = (
    b"ToCountry=US&ToState=CA&SmsMessageSid=SM00000000000000000000000000000001&NumMedia=0"
    b"&ToCity=SAN+BRUNO&FromZip=&SmsSid=SM00000000000000000000000000000001&FromState=CA"
    b"&SmsStatus=received&FromCity=&Body=you+got+it%21+3&FromCountry=US&To=%2B16505552222"
    b"&ToZip=94030&NumSegments=1&ReferralNumMedia=0"
    b"&MessageSid=SM00000000000000000000000000000001"
    b"&AccountSid=AC00000000000000000000000000000000&From=%2B16505551111&ApiVersion=2010-04-01"
)
WHATSAPP = (
    b"SmsMessageSid=SM00000000000000000000000000000002&NumMedia=0"
    b"&ProfileName=Ana+M%C3%BCller+%F0%9F%91%8B&MessageType=text"
    b"&SmsSid=SM00000000000000000000000000000002&WaId=4915112345678&SmsStatus=received"
    b"&Body=Ol%C3%A1%2C+pre%C3%A7o%3F+%F0%9F%91%8D&To=whatsapp%3A%2B14155238886&NumSegments=1"
    b"&ReferralNumMedia=0&MessageSid=SM00000000000000000000000000000002"
    b"&AccountSid=AC00000000000000000000000000000000&From=whatsapp%3A%2B4915112345678"
    b"&ApiVersion=2010-04-01"
)
MESSENGER = (
    b"SmsMessageSid=SM00000000000000000000000000000005&NumMedia=0"
    b"&SmsSid=SM00000000000000000000000000000005&SmsStatus=received"
    b"&Body=is+this+still+available%3F&To=messenger%3A103800709108123&NumSegments=1"
    b"&ReferralNumMedia=0&MessageSid=SM00000000000000000000000000000005"
    b"&AccountSid=AC00000000000000000000000000000000&From=messenger%3A27456897512"
    b"&ApiVersion=2010-04-01"
)
STATUS_URL = "https://inbox.example.com/twilio/status?mid=0190a719-ac96-7eb9-a837-cac215164834&t=7"
STATUS = (
    b"EventType=READ&SmsSid=SM00000000000000000000000000000003&SmsStatus=read&MessageStatus=read"
    b"&ChannelToAddress=%2B4915112XXXXX&To=whatsapp%3A%2B4915112345678&ChannelPrefix=whatsapp"
    b"&MessageSid=SM00000000000000000000000000000003"
    b"&AccountSid=AC00000000000000000000000000000000&From=whatsapp%3A%2B14155238886"
    b"&ApiVersion=2010-04-01"
)
SIGNED = [
    pytest.param(URL, SMS, "fQM4t1AXrSdOng1K7Z7mJsy3khM=", id="SMS"),
    pytest.param(URL, WHATSAPP, "sRBs4PexKyxBvFbg20R/5WObZMM=", id="WhatsApp"),
    pytest.param(URL, MESSENGER, "r2aN34SyFt++N1/9frcMWuXP/9c=", id="Messenger"),
    pytest.param(STATUS_URL, STATUS, "sbnUWsWvSbCk9UpJjRaRsnLkI+s=", id="a status callback"),
]
SMS_SIGNATURE = "fQM4t1AXrSdOng1K7Z7mJsy3khM="

CALL_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
CALL = (
    b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212"
    b"&Caller=%2B14158675309"
)
CALL_SHA1, CALL_SHA256 = (
    "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s=",
)


def signature(secret: str, form: MultiDict[str], algorithm: str, url: str = URL) -> str:
    """A form's signature, as Twilio's own library makes it."""
    made: str = RequestValidator(secret).compute_signature(url, form, algorithm)
    return made


@pytest.mark.parametrize(("url", "body", "signed"), SIGNED)
def test_a_signed_form_is_its_accounts(url: str, body: bytes, signed: str) -> None:
    assert signer(ACCOUNTS, parse_form(body), url, signed, "") is ACME


@pytest.mark.parametrize(
    ("settings", "signed"),
    [
        ("", CALL_SHA1),
        ("algorithm=HMAC_SHA1", CALL_SHA1),
        ("algorithm=HMAC_SHA256", CALL_SHA256),
        (" algorithm = HMAC_SHA256 ", CALL_SHA256),
    ],
)
def test_the_algorithm_is_the_one_that_the_header_names(settings: str, signed: str) -> None:
    # Twilio's example is of a call and names no account.
    assert signer({"": ACME}, parse_form(CALL), CALL_URL, signed, settings) is ACME


@pytest.mark.parametrize(
    ("settings", "signed"),
    [
        ("", CALL_SHA256),
        ("algorithm=HMAC_SHA256", CALL_SHA1),
        ("algorithm=HMAC_MD5", CALL_SHA1),
        ("algorithm=none", CALL_SHA1),
        ("algorithm=hmac_sha1", CALL_SHA1),
        ("key=k1", CALL_SHA1),
        (SHARED_KEY, CALL_SHA256),
    ],
)
def test_another_algorithm_or_an_unknown_key_is_refused(settings: str, signed: str) -> None:
    assert signer({"": ACME}, parse_form(CALL), CALL_URL, signed, settings) is None


def test_a_shared_key_signs_in_place_of_the_token() -> None:
    account = TwilioAccount(account_id=AccountId("acme"), signing_keys={"k1": "12345", "k2": "x"})
    form = parse_form(CALL)
    assert signer({"": account}, form, CALL_URL, CALL_SHA256, SHARED_KEY) is account
    other = "algorithm=HMAC_SHA256,key=k2"
    assert signer({"": account}, form, CALL_URL, CALL_SHA256, other) is None
    assert signer({"": account}, form, CALL_URL, CALL_SHA256, "algorithm=HMAC_SHA256") is None


def test_a_token_does_not_sign_where_a_key_is_named() -> None:
    account = TwilioAccount(
        account_id=AccountId("acme"), auth_token="12345", signing_keys={"k1": "other"}
    )
    assert signer({"": account}, parse_form(CALL), CALL_URL, CALL_SHA256, SHARED_KEY) is None


@pytest.mark.parametrize(
    ("token", "previous", "taken"),
    [
        ("12345", (), True),
        ("new", ("12345",), True),
        ("new", ("older", "12345"), True),
        ("", ("12345",), True),
        ("new", ("older",), False),
    ],
)
def test_previous_tokens_sign_while_they_are_rotated(
    token: str, previous: tuple[str, ...], taken: bool
) -> None:
    account = TwilioAccount(
        account_id=AccountId("acme"),
        auth_token=token,
        previous_auth_tokens=previous,
        signing_keys={"k": "s"},
    )
    found = signer({SID: account}, parse_form(SMS), URL, SMS_SIGNATURE, "")
    assert found is (account if taken else None)


def test_an_empty_secret_signs_nothing() -> None:
    account = TwilioAccount(
        account_id=AccountId("acme"), previous_auth_tokens=("",), signing_keys={"k1": "", "k2": "s"}
    )
    form = parse_form(SMS)
    for settings in ("", SHARED_KEY):
        for algorithm in ("HMAC_SHA1", "HMAC_SHA256"):
            signed = signature("", form, algorithm)
            assert signer({SID: account}, form, URL, signed, settings) is None


@pytest.mark.parametrize(("url", "body", "signed"), SIGNED)
@pytest.mark.parametrize(
    ("old", "new"),
    [(b"MessageSid=SM0", b"MessageSid=SM1"), (b"From=", b"From=1"), (b"ApiVersion=", b"Api=")],
)
def test_a_changed_form_is_not_signed(
    url: str, body: bytes, signed: str, old: bytes, new: bytes
) -> None:
    assert old in body
    assert signer(ACCOUNTS, parse_form(body.replace(old, new)), url, signed, "") is None


@pytest.mark.parametrize(
    ("url", "signed", "accounts"),
    [
        ("https://inbox.example.com/twilio/status", SMS_SIGNATURE, ACCOUNTS),
        ("http://inbox.example.com/twilio/inbound", SMS_SIGNATURE, ACCOUNTS),
        (URL + "?x=1", SMS_SIGNATURE, ACCOUNTS),
        (URL, "", ACCOUNTS),
        (URL, "x", ACCOUNTS),
        (URL, SMS_SIGNATURE[:-1], ACCOUNTS),
        (URL, SMS_SIGNATURE.lower(), ACCOUNTS),
        (URL, SMS_SIGNATURE, {}),
        (URL, SMS_SIGNATURE, {"AC1": ACME}),
        (URL, SMS_SIGNATURE, {SID: TwilioAccount(account_id=AccountId("a"), auth_token="x")}),
    ],
)
def test_another_url_signature_account_or_token_is_refused(
    url: str, signed: str, accounts: TwilioAccounts
) -> None:
    assert signer(accounts, parse_form(SMS), url, signed, "") is None


def test_blank_and_repeated_fields_are_signed() -> None:
    form = parse_form(b"AccountSid=" + SID.encode() + b"&Blank=&Twice=1&Twice=2")
    assert form.getall("Blank") == [""]
    assert form.getall("Twice") == ["1", "2"]
    signed = signature("12345", form, "HMAC_SHA1")
    assert signer(ACCOUNTS, form, URL, signed, "") is ACME
    del form["Blank"]
    assert signer(ACCOUNTS, form, URL, signed, "") is None


def test_a_form_of_too_many_fields_is_a_value_error() -> None:
    assert len(parse_form(b"&".join([b"a=1"] * FIELDS_MAX))) == FIELDS_MAX
    with pytest.raises(ValueError, match="fields"):
        parse_form(b"&".join([b"a=1"] * (FIELDS_MAX + 1)))


HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(
        ["key=", "key", "=", ",,", "algorithm=", "bodySHA256=", "?bodySHA256", "#", "["]
    ),
)


@given(st.binary(), HOSTILE, HOSTILE, HOSTILE)
def test_hostile_input_is_refused_or_a_value_error(
    body: bytes, query: str, signed: str, settings: str
) -> None:
    prefixed = b"AccountSid=" + SID.encode() + b"&" + body
    for form in (body, prefixed):
        try:
            found = signer(ACCOUNTS, parse_form(form), f"{URL}?{query}", signed, settings)
        except ValueError:
            continue
        assert found is None


def event(**fields: str) -> CloudEvent:
    """The event of a form with these fields beside those that every form has."""
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
    read = Decoders([MessageReceived]).decode(encode(made), [CONTENT_TYPE_HEADER], 0)
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
        check_form(form)
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
        ({}, ""),
        ({"Body": ""}, ""),
        ({"Body": "a\0b"}, "a\ufffdb"),
        ({"Latitude": "52.5", "Longitude": "13.4"}, "52.5, 13.4"),
        (
            {"Latitude": "52.5", "Longitude": "13.4", "Label": "Office", "Address": "Road 1"},
            "Office, Road 1 (52.5, 13.4)",
        ),
        ({"Latitude": "52.5", "Longitude": "13.4", "Address": "Road 1"}, "Road 1 (52.5, 13.4)"),
        ({"Latitude": "52.5", "Longitude": "13.4", "Body": "Here I am"}, "Here I am"),
        ({"Latitude": "52.5"}, ""),
        ({"Latitude": "5\0", "Longitude": "\0", "Label": "\0"}, "\ufffd (5\ufffd, \ufffd)"),
    ],
    ids=str,
)
def test_the_body_is_the_text_or_where_the_contact_is(fields: dict[str, str], body: str) -> None:
    assert message(**fields).body == body


@pytest.mark.parametrize(
    ("fields", "name"),
    [({}, None), ({"ProfileName": ""}, None), ({"ProfileName": "A\0"}, "A\ufffd")],
    ids=str,
)
def test_a_contact_has_the_profiles_name_if_there_is_one(
    fields: dict[str, str], name: str | None
) -> None:
    assert message(**fields).contact.name == name


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


READ = ("MessageSid", "From", "To", "Body", "ProfileName", "Label", "Latitude", "Longitude")
MEDIA = ("NumMedia", "MediaUrl0", "MediaContentType0")
NAMES = st.sampled_from(READ + MEDIA)
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
        read = Decoders([MessageReceived]).decode(encode(made), [CONTENT_TYPE_HEADER], 0)
    except InvalidRecord as error:
        # An address is the contact's identity: it is not mended as a text is.
        assert error.code == DeadLetter.UNSTORABLE
        assert "\0" in form["From"]
    else:
        assert read.data == made.data

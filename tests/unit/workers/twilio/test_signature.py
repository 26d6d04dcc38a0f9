"""The account of ours that signed a webhook, if any did.

The bodies and signatures are Twilio's own examples, and forms as its channels send them.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from schemas.fields import AccountId
from tests.harness.signed_forms import MESSENGER, SMS, STATUS, STATUS_URL, WHATSAPP
from workers.settings.values import TwilioAccount, TwilioAccounts
from workers.twilio.form import parse_form
from workers.twilio.signature import authenticate, signing_account

SID = "AC00000000000000000000000000000000"
URL = "https://inbox.example.com/twilio/inbound"
ACME = TwilioAccount(account_id=AccountId("acme"), auth_token="12345")
ACCOUNTS: TwilioAccounts = {SID: ACME}
SHARED_KEY = "key=k1,algorithm=HMAC_SHA256"

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
    assert signing_account(ACCOUNTS, parse_form(body), url, signed, "") is ACME


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
    # Twilio's example is about a phone call, without an AccountSid.
    assert signing_account({"": ACME}, parse_form(CALL), CALL_URL, signed, settings) is ACME


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
    assert signing_account({"": ACME}, parse_form(CALL), CALL_URL, signed, settings) is None


def test_a_shared_key_signs_in_place_of_the_token() -> None:
    account = TwilioAccount(account_id=AccountId("acme"), signing_keys={"k1": "12345", "k2": "x"})
    form = parse_form(CALL)
    assert signing_account({"": account}, form, CALL_URL, CALL_SHA256, SHARED_KEY) is account
    other = "algorithm=HMAC_SHA256,key=k2"
    assert signing_account({"": account}, form, CALL_URL, CALL_SHA256, other) is None
    assert (
        signing_account({"": account}, form, CALL_URL, CALL_SHA256, "algorithm=HMAC_SHA256") is None
    )


def test_a_token_does_not_sign_where_a_key_is_named() -> None:
    account = TwilioAccount(
        account_id=AccountId("acme"), auth_token="12345", signing_keys={"k1": "other"}
    )
    assert (
        signing_account({"": account}, parse_form(CALL), CALL_URL, CALL_SHA256, SHARED_KEY) is None
    )


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
    found = signing_account({SID: account}, parse_form(SMS), URL, SMS_SIGNATURE, "")
    assert found is (account if taken else None)


def test_an_empty_secret_signs_nothing() -> None:
    account = TwilioAccount(
        account_id=AccountId("acme"), previous_auth_tokens=("",), signing_keys={"k1": "", "k2": "s"}
    )
    form = parse_form(SMS)
    for settings in ("", SHARED_KEY):
        for algorithm in ("HMAC_SHA1", "HMAC_SHA256"):
            signed = signature("", form, algorithm)
            assert signing_account({SID: account}, form, URL, signed, settings) is None


@pytest.mark.parametrize(("url", "body", "signed"), SIGNED)
@pytest.mark.parametrize(
    ("old", "new"),
    [(b"MessageSid=SM0", b"MessageSid=SM1"), (b"From=", b"From=1"), (b"ApiVersion=", b"Api=")],
)
def test_a_changed_form_is_not_signed(
    url: str, body: bytes, signed: str, old: bytes, new: bytes
) -> None:
    assert old in body
    assert signing_account(ACCOUNTS, parse_form(body.replace(old, new)), url, signed, "") is None


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
    assert signing_account(accounts, parse_form(SMS), url, signed, "") is None


def test_blank_and_repeated_fields_are_signed() -> None:
    form = parse_form(b"AccountSid=" + SID.encode() + b"&Blank=&Twice=1&Twice=2")
    assert form.getall("Blank") == [""]
    assert form.getall("Twice") == ["1", "2"]
    signed = signature("12345", form, "HMAC_SHA1")
    assert signing_account(ACCOUNTS, form, URL, signed, "") is ACME
    del form["Blank"]
    assert signing_account(ACCOUNTS, form, URL, signed, "") is None


HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(
        ["key=", "key", "=", ",,", "algorithm=", "bodySHA256=", "?bodySHA256", "#", "["]
    ),
)


@given(st.binary(), HOSTILE, HOSTILE, HOSTILE)
def test_hostile_input_is_refused(body: bytes, query: str, signed: str, settings: str) -> None:
    headers = {
        "X-Twilio-Signature": signed,
        "X-Twilio-Webhooks-Signature-Settings": settings,
    }
    for sent in (body, b"AccountSid=" + SID.encode() + b"&" + body):
        assert authenticate(ACCOUNTS, f"{URL}?{query}", headers, sent) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://inbox.example.com:99999/twilio/inbound",
        "https://[::/twilio/inbound",
        URL + "?bodySHA256=" + "0" * 64,
        URL + "?\udcff",
    ],
)
def test_what_twilios_validator_raises_on_is_refused(url: str) -> None:
    assert authenticate(ACCOUNTS, url, {"X-Twilio-Signature": SMS_SIGNATURE}, SMS) is None


def test_the_fields_and_the_account_of_a_signed_body_are_told() -> None:
    told = authenticate(ACCOUNTS, URL, {"X-Twilio-Signature": SMS_SIGNATURE}, SMS)
    assert told == (parse_form(SMS), "acme")
    assert authenticate(ACCOUNTS, URL, {}, SMS) is None

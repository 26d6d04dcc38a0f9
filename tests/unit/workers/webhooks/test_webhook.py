"""A verified webhook is the same after it was stored on disk."""

from datetime import UTC, datetime

import msgspec
import pytest

from schemas.cloudevents import encode
from schemas.fields import AccountId, ChannelId
from schemas.messages import MessageReceived, MessageStatus
from schemas.topics import RECORD_BYTES_MAX
from tests.harness.signed_forms import SMS, STATUS, WHATSAPP
from workers.twilio.form import BadForm, parse_form
from workers.webhooks.routes import BODY_BYTES_MAX
from workers.webhooks.spool.frames import framed
from workers.webhooks.webhook import INBOUND_WEBHOOK, STATUS_WEBHOOK, Webhook, WebhookKind, kind_of

NOW = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
CHANNEL = ChannelId("wa1")


def webhook(kind: WebhookKind, body: bytes, query: str = "") -> Webhook:
    """A webhook of an account."""
    return Webhook(
        kind=kind,
        account_id=AccountId("acme"),
        body=body,
        form=parse_form(body),
        query=query,
        received_at=NOW,
    )


@pytest.mark.parametrize(
    "made",
    [webhook(INBOUND_WEBHOOK, WHATSAPP), webhook(STATUS_WEBHOOK, STATUS, "mid=%FF&a=1")],
    ids=["a message", "a status"],
)
def test_it_is_the_same_after_it_was_on_disk(made: Webhook) -> None:
    read = Webhook.from_bytes(made.to_bytes())
    assert read == made
    assert read.event(CHANNEL) == made.event(CHANNEL)
    assert read.event(CHANNEL).time == NOW


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode({"topic": "x"}),
        webhook(INBOUND_WEBHOOK, SMS).to_bytes()[:-1],
        webhook(INBOUND_WEBHOOK._replace(topic="messages.unknown"), SMS).to_bytes(),
    ],
)
def test_what_is_no_webhook_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Webhook.from_bytes(data)


def test_a_field_that_a_newer_program_added_does_no_harm() -> None:
    made = webhook(INBOUND_WEBHOOK, SMS)
    newer = msgspec.msgpack.decode(made.to_bytes()) | {"added": [1, 2]}
    assert Webhook.from_bytes(msgspec.msgpack.encode(newer)) == made


def test_our_address_and_the_contacts_are_the_other_way_round_in_a_status() -> None:
    inbound, status = webhook(INBOUND_WEBHOOK, WHATSAPP), webhook(STATUS_WEBHOOK, STATUS)
    assert inbound.our_address == status.our_address == "whatsapp:+14155238886"
    assert isinstance(inbound.event(CHANNEL).data, MessageReceived)
    assert isinstance(status.event(CHANNEL).data, MessageStatus)
    assert inbound.event(CHANNEL).subject == status.event(CHANNEL).subject


def test_what_is_no_event_is_bad_whatever_its_channel() -> None:
    webhook(INBOUND_WEBHOOK, SMS).check()
    webhook(STATUS_WEBHOOK, STATUS).check()
    with pytest.raises(BadForm, match="From is missing"):
        webhook(INBOUND_WEBHOOK, SMS.replace(b"&From=", b"&Form=")).check()
    with pytest.raises(BadForm, match="MessageStatus is missing"):
        webhook(STATUS_WEBHOOK, b"MessageSid=SM1&From=a&To=b").check()


EITHER = (INBOUND_WEBHOOK, STATUS_WEBHOOK)


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        (SMS, INBOUND_WEBHOOK),
        (WHATSAPP, INBOUND_WEBHOOK),
        (STATUS, STATUS_WEBHOOK),
        (b"SmsStatus=received&Body=", INBOUND_WEBHOOK),
        (b"SmsStatus=received&NumMedia=0", INBOUND_WEBHOOK),
        (b"MessageStatus=receiving&Body=Hi", INBOUND_WEBHOOK),
        (b"SmsStatus=+RECEIVED+&Body=Hi", INBOUND_WEBHOOK),
        (b"MessageStatus=delivered", STATUS_WEBHOOK),
        (b"SmsStatus=undelivered", STATUS_WEBHOOK),
        (b"MessageStatus=a+new+word", STATUS_WEBHOOK),
        (b"MessageStatus=sent&Body=Hi&NumMedia=0", STATUS_WEBHOOK),
        (b"MessageStatus=received&SmsStatus=delivered&Body=Hi", STATUS_WEBHOOK),
        (b"MessageStatus=delivered&SmsStatus=received&Body=Hi", STATUS_WEBHOOK),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_form_is_what_its_fields_say_whatever_its_path(form: bytes, kind: WebhookKind) -> None:
    for path_kind in EITHER:
        assert kind_of(parse_form(form), path_kind) is kind


@pytest.mark.parametrize(
    "form",
    [b"", b"Body=Hi&NumMedia=0", b"SmsStatus=received", b"MessageStatus=+&SmsStatus=&Body=Hi"],
)
def test_a_form_that_says_neither_is_what_its_path_is_for(form: bytes) -> None:
    # A contact's status without Body and NumMedia is a report about a message, which itself comes
    # elsewhere: if it counted as the message, the message would be lost as its repeat.
    for path_kind in EITHER:
        assert kind_of(parse_form(form), path_kind) is path_kind


@pytest.mark.parametrize("body", [SMS, STATUS], ids=["a message", "a status"])
@pytest.mark.parametrize("path_kind", EITHER, ids=lambda kind: kind.topic)
def test_what_an_earlier_version_spooled_by_its_path_is_what_its_fields_say(
    body: bytes, path_kind: WebhookKind
) -> None:
    read = Webhook.from_bytes(webhook(path_kind, body, "mid=x").to_bytes())
    assert read.kind is (INBOUND_WEBHOOK if body is SMS else STATUS_WEBHOOK)
    assert read == webhook(read.kind, body, "mid=x")


def test_the_status_word_about_a_message_of_ours_counts() -> None:
    body = STATUS.replace(b"MessageStatus=read", b"MessageStatus=received")
    made = webhook(STATUS_WEBHOOK, body).event(CHANNEL).data
    assert isinstance(made, MessageStatus)
    assert made.status == "read"


def test_a_webhook_as_large_as_may_be_fits_into_the_spool_and_its_event_into_a_record() -> None:
    head = SMS + b"&MessageStatus="
    body = head + b"x" * (BODY_BYTES_MAX - len(head))
    query = "q" * 8_190
    made = webhook(STATUS_WEBHOOK, body, query)
    assert len(framed(made.to_bytes())) > BODY_BYTES_MAX
    event = made.event(CHANNEL)
    assert len(encode(event)) <= RECORD_BYTES_MAX
    assert event.data.status == "x" * 64

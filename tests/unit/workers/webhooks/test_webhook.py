"""A verified webhook is the same after it was stored on disk."""

from datetime import UTC, datetime

import msgspec
import pytest

from schemas.fields import AccountId, ChannelId
from schemas.messages import MessageReceived, MessageStatus
from tests.harness.signed_forms import SMS, STATUS, WHATSAPP
from workers.twilio.form import BadForm, parse_form
from workers.webhooks.webhook import INBOUND_WEBHOOK, STATUS_WEBHOOK, Webhook, WebhookKind

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

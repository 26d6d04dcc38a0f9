"""Codec and webhooks accept or refuse any input; and the inputs that once raised other errors."""

import pytest

from schemas.cloudevents import encode
from schemas.fields import ChannelId
from schemas.ids import conversation_id
from tests.fuzz.run import feed, one
from tests.fuzz.webhooks import ACCOUNTS, DECODERS, NOW
from tests.harness.signed_forms import STATUS, WHATSAPP
from workers.twilio.form import parse_form
from workers.webhooks.webhook import INBOUND_WEBHOOK, STATUS_WEBHOOK, Webhook, WebhookKind

(ACCOUNT,) = (account.account_id for account in ACCOUNTS.values())
CHANNEL = ChannelId("wa1")


def test_of_many_hostile_inputs_each_is_taken_or_refused_in_order() -> None:
    report = feed(seed=1, count=20_000)
    assert report.findings == []
    # The test proves nothing unless there are inputs with each outcome.
    assert {name.split()[-1] for name in report.outcomes} == {
        "taken",
        "400",
        "403",
        "not_json",
        "not_cloudevent",
        "unknown_type",
        "invalid_data",
        "unstorable",
    }


def test_an_input_follows_from_its_number() -> None:
    assert one(7, 11) == one(7, 11)
    assert one(7, 11) != one(8, 11)


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        (INBOUND_WEBHOOK, WHATSAPP, b"From=whatsapp%3A"),
        (INBOUND_WEBHOOK, WHATSAPP + b"&ExternalUserId=DE.1", b"From=whatsapp%3A"),
        (STATUS_WEBHOOK, STATUS, b"To=whatsapp%3A"),
    ],
)
def test_a_webhook_with_nul_in_an_address_is_an_event_that_can_be_kept(
    kind: WebhookKind, body: bytes, field: bytes
) -> None:
    assert field in body
    given = body.replace(field, field + b"%00")
    webhook = Webhook(
        kind=kind,
        account_id=ACCOUNT,
        body=given,
        form=parse_form(given),
        query="",
        received_at=NOW,
    )
    event = webhook.event(CHANNEL)
    assert DECODERS[kind].decode(encode(event), (), 0, NOW).data == event.data
    assert event.subject == conversation_id(ACCOUNT, CHANNEL, "whatsapp:\ufffd+4915112345678")

"""A message of Twilio's list becomes the event that its webhook would have become."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from domain.directory import Channel
from schemas.cloudevents import encode
from schemas.fields import AccountId, ChannelId, UserId
from tests.harness.twilio import form
from workers.twilio.client import TwilioMedia, TwilioMessage
from workers.twilio.form import BadForm, parse_form
from workers.twilio.inbound_form import received_event
from workers.webhooks.reconcile import SOURCE, event_of, targets

ACCOUNT, CHANNEL = AccountId("acme"), ChannelId("wa1")
SENT_AT = datetime(2026, 3, 1, 10, 2, tzinfo=UTC)
SID = "MM00000000000000000000000000000009"


def listed(**fields: Any) -> TwilioMessage:
    """A message as Twilio lists it."""
    message = TwilioMessage(
        sid=SID,
        direction="inbound",
        from_address="whatsapp:+4911",
        to_address="whatsapp:+14155238886",
        body="Olá 👍",
        status="received",
        media_count=0,
        created_at=SENT_AT,
        sent_at=SENT_AT,
    )
    return message._replace(**fields)


@pytest.mark.parametrize(
    ("fields", "form_fields"),
    [
        ({}, {}),
        ({"body": "\0a"}, {"Body": "\0a"}),
        ({"body": ""}, {"Body": ""}),
        ({"from_address": "+4911\0"}, {"From": "+4911\0"}),
    ],
    ids=str,
)
def test_a_listed_message_is_the_event_of_its_webhook(
    fields: dict[str, object], form_fields: dict[str, str]
) -> None:
    given = {"MessageSid": SID, "Body": "Olá 👍"} | form_fields
    of_webhook = received_event(parse_form(form(**given).encode()), ACCOUNT, CHANNEL, SENT_AT)
    assert event_of(listed(**fields), (), ACCOUNT, CHANNEL) == replace(of_webhook, source=SOURCE)


def test_so_it_is_with_files_whatever_their_type() -> None:
    given = {
        "MessageSid": SID,
        "Body": "",
        "NumMedia": "2",
        "MediaUrl0": "https://api.twilio.com/1",
        "MediaContentType0": "image/jpeg",
        "MediaUrl1": "https://api.twilio.com/2",
    }
    of_webhook = received_event(parse_form(form(**given).encode()), ACCOUNT, CHANNEL, SENT_AT)
    media = [
        TwilioMedia("https://api.twilio.com/1", "image/jpeg"),
        TwilioMedia("https://api.twilio.com/2", ""),
    ]
    event = event_of(listed(body="", media_count=2), media, ACCOUNT, CHANNEL)
    assert event == replace(of_webhook, source=SOURCE)
    assert len(event.data.media) == 2


def test_half_a_character_does_not_keep_a_message_from_being_published() -> None:
    message = listed(body="a\ud83d", from_address="whatsapp:\udc4d")
    event = event_of(message, (), ACCOUNT, CHANNEL)
    assert (event.data.body, event.data.contact.address) == ("a\ufffd", "whatsapp:\ufffd")
    assert encode(event)


def test_a_message_that_has_no_time_of_sending_yet_was_sent_when_it_was_made() -> None:
    assert event_of(listed(sent_at=None), (), ACCOUNT, CHANNEL).data.sent_at == SENT_AT


@pytest.mark.parametrize(
    "fields", [{"from_address": ""}, {"sid": "S M"}, {"from_address": "+" * 300}], ids=str
)
def test_what_no_event_can_be_made_of_is_named_without_its_values(fields: dict[str, str]) -> None:
    with pytest.raises(BadForm) as caught:
        event_of(listed(**fields), (), ACCOUNT, CHANNEL)
    assert not any(value and value in str(caught.value) for value in fields.values())


def test_of_channels_with_one_address_the_newest_installed_gets_its_messages() -> None:
    def channel(channel_id: str, address: str, *, removed: bool = False) -> Channel:
        return Channel(
            account_id=ACCOUNT,
            channel_id=ChannelId(channel_id),
            provider="whatsapp",
            address=address,
            name="",
            installed_by=UserId("ana"),
            removed=removed,
        )

    found = targets(
        [
            channel("z", "+1"),
            channel("b", "+2"),
            channel("a", "+1"),
            channel("c", "+3", removed=True),
        ]
    )
    assert [(target.name, target.others) for target in found] == [
        ("acme/b", ("z", "a", "c")),
        ("acme/z", ("b", "a", "c")),
    ]
    assert targets([]) == []

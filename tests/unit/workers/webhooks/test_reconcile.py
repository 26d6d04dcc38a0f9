"""A message of Twilio's list is the event that its webhook would be; since when is asked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click import ClickException
from click.testing import CliRunner
from msgspec.structs import replace

from domain.directory import Channel
from schemas.cloudevents import encode
from schemas.fields import AccountId, ChannelId, UserId
from tests.harness.twilio import form
from workers.cli import inbox
from workers.cli.reconcile import Since
from workers.twilio.client import TwilioMedia, TwilioMessage
from workers.twilio.form import BadForm, parse_form, received_event
from workers.webhooks.reconcile import SOURCE, event_of, targets

ACCOUNT, CHANNEL = AccountId("acme"), ChannelId("wa1")
SENT_AT = datetime(2026, 3, 1, 10, 2, tzinfo=UTC)
SID = "MM00000000000000000000000000000009"


def listed(**fields: Any) -> TwilioMessage:
    """A message as it is listed."""
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
    told = received_event(parse_form(form(**given).encode()), ACCOUNT, CHANNEL, SENT_AT)
    assert event_of(listed(**fields), (), ACCOUNT, CHANNEL) == replace(told, source=SOURCE)


def test_so_it_is_with_files_whatever_their_type() -> None:
    given = {
        "MessageSid": SID,
        "Body": "",
        "NumMedia": "2",
        "MediaUrl0": "https://api.twilio.com/1",
        "MediaContentType0": "image/jpeg",
        "MediaUrl1": "https://api.twilio.com/2",
    }
    told = received_event(parse_form(form(**given).encode()), ACCOUNT, CHANNEL, SENT_AT)
    media = [
        TwilioMedia("https://api.twilio.com/1", "image/jpeg"),
        TwilioMedia("https://api.twilio.com/2", ""),
    ]
    event = event_of(listed(body="", media_count=2), media, ACCOUNT, CHANNEL)
    assert event == replace(told, source=SOURCE)
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


def test_since_is_a_time_with_an_offset_or_an_age() -> None:
    def since(text: str) -> datetime:
        return Since().convert(text, None, None)

    assert since("2026-01-31T09:00:00+01:00") == datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert since("2026-01-31T09:00:00.5Z").microsecond == 500_000
    for text, age in (
        ("90m", timedelta(minutes=90)),
        ("2h", timedelta(hours=2)),
        ("3d", timedelta(days=3)),
    ):
        before = datetime.now(UTC)
        assert before - age <= since(text) <= datetime.now(UTC) - age


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("yesterday", "yesterday is neither a time such as 2026-01-31T09:00:00+01:00"),
        ("", "is neither a time such as"),
        ("3w", "nor an age such as 90m, 2h or 3d"),
        ("0h", "nor an age such as"),
        ("-2h", "nor an age such as"),
        ("2026-01-31", "is neither a time such as"),
        ("2026-02-31T09:00:00Z", "is neither a time such as"),
        ("2026-01-31T09:00:00", "has no offset, such as Z or +01:00"),
        ("9000-01-31T09:00:00Z", "9000-01-31T09:00:00Z is in the future"),
        ("1969-01-31T09:00:00Z", "the year must be 1970 to 9998"),
        ("9999-12-31T23:59:59-12:00", "the year must be 1970 to 9998"),
        ("99999d", "99999d: the year must be 1970 to 9998"),
    ],
)
def test_what_is_wrong_with_since_is_said(text: str, wrong: str) -> None:
    with pytest.raises(ClickException) as caught:
        Since().convert(text, None, None)
    assert wrong in caught.value.message

    refused = CliRunner().invoke(inbox, ["reconcile", "--since", text])
    assert refused.exit_code == 2
    assert "Invalid value for '--since'" in refused.output

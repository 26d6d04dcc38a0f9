"""A webhook's form is redriven as the event that it would have been, or not at all."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from db.connect import AnyConnection
from schemas.cloudevents import CloudEvent
from schemas.codes import DeadLetterCode
from schemas.dead_letters import Header, Origin, split_headers, webhook_headers
from schemas.errors import InvalidRecord
from schemas.fields import AccountId, ChannelId
from schemas.messages import MessageReceived, MessageStatus
from tests.harness.signed_forms import STATUS, WHATSAPP
from workers.dead_letters import webhook_form
from workers.dead_letters.reader import DeadLetterRecord
from workers.dead_letters.webhook_form import CannotRedrive, event_of_form
from workers.twilio.form import parse_form
from workers.webhooks.webhook import INBOUND_WEBHOOK, STATUS_WEBHOOK, Webhook, WebhookKind

RECEIVED_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
ACCOUNT = AccountId("acme")
CHANNEL = ChannelId("wa1")
QUERY = "mid=0190a719-ac96-7eb9-a837-cac215164834&t=7"
CONNECTION: AnyConnection = None  # type: ignore[assignment]  # the query is replaced


def dead_letter(
    kind: WebhookKind, body: bytes | None, *own: Header
) -> tuple[DeadLetterRecord, Origin]:
    """A form that was dead-lettered, with further headers of its own."""
    error = InvalidRecord(DeadLetterCode.UNKNOWN_CHANNEL, "no channel")
    headers = (*own, *webhook_headers(f"test.{kind.topic}", ACCOUNT, error, RECEIVED_AT))
    own_headers, origin = split_headers(headers)
    return DeadLetterRecord(3, 7, 0, None, body, headers, own_headers, origin), origin


@pytest.fixture(autouse=True)
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, bool]]:
    """The look-ups of channels: account, address, and whether removed ones count."""
    made: list[tuple[str, str, bool]] = []

    async def channel_by_address(
        _: AnyConnection, account_id: AccountId, address: str, *, removed: bool
    ) -> ChannelId | None:
        made.append((account_id, address, removed))
        return CHANNEL if address == "whatsapp:+14155238886" else None

    async def with_channel_of_reply(*_: object) -> None:
        pass

    monkeypatch.setattr(webhook_form, "channel_by_address", channel_by_address)
    monkeypatch.setattr(webhook_form, "with_channel_of_reply", with_channel_of_reply)
    return made


@pytest.mark.parametrize(
    ("kind", "body", "query"),
    [(INBOUND_WEBHOOK, WHATSAPP, ""), (STATUS_WEBHOOK, STATUS, QUERY)],
    ids=["a message", "a status"],
)
async def test_a_form_becomes_the_event_that_it_would_have_been(
    lookups: list[tuple[str, str, bool]], kind: WebhookKind, body: bytes, query: str
) -> None:
    own: list[Header] = [("query", query.encode())] if query else []
    record, origin = dead_letter(kind, body, *own)
    event = await event_of_form(CONNECTION, record, origin, kind.topic)
    webhook = Webhook(
        kind=kind,
        account_id=ACCOUNT,
        body=body,
        form=parse_form(body),
        query=query,
        received_at=RECEIVED_AT,
    )
    assert event == webhook.event(CHANNEL)
    assert lookups == [(ACCOUNT, "whatsapp:+14155238886", kind.removed_channels)]


@pytest.mark.parametrize(
    ("path_kind", "body", "type_"),
    [
        (STATUS_WEBHOOK, WHATSAPP, MessageReceived),
        (INBOUND_WEBHOOK, STATUS, MessageStatus),
    ],
    ids=["a message", "a status"],
)
async def test_a_form_that_came_to_the_other_path_becomes_what_its_fields_say(
    path_kind: WebhookKind, body: bytes, type_: type
) -> None:
    record, origin = dead_letter(path_kind, body)
    event = await event_of_form(CONNECTION, record, origin, path_kind.topic)
    assert isinstance(event.data, type_)


async def test_a_form_whose_channel_is_still_unknown_cannot_be_redriven() -> None:
    body = WHATSAPP.replace(b"14155238886", b"14155230000")
    record, origin = dead_letter(INBOUND_WEBHOOK, body)
    with pytest.raises(CannotRedrive, match=r"still no channel of account acme .* in To"):
        await event_of_form(CONNECTION, record, origin, INBOUND_WEBHOOK.topic)


@pytest.mark.parametrize(
    "body", [None, b"", b"\xff", WHATSAPP.replace(b"MessageSid", b"Sid")], ids=str
)
async def test_what_is_no_form_of_a_webhook_cannot_be_redriven(body: bytes | None) -> None:
    record, origin = dead_letter(INBOUND_WEBHOOK, body)
    with pytest.raises(CannotRedrive):
        await event_of_form(CONNECTION, record, origin, INBOUND_WEBHOOK.topic)


async def test_only_forms_on_the_topics_of_webhooks_become_events(
    lookups: list[tuple[str, str, bool]],
) -> None:
    record, origin = dead_letter(INBOUND_WEBHOOK, WHATSAPP)
    with pytest.raises(CannotRedrive, match="no webhook's form"):
        await event_of_form(CONNECTION, record, origin, "assignments")
    bare = DeadLetterRecord(3, 7, 0, None, WHATSAPP, (), (), origin)
    with pytest.raises(CannotRedrive, match="no webhook's form"):
        await event_of_form(CONNECTION, bare, origin, INBOUND_WEBHOOK.topic)
    assert lookups == []


async def test_a_status_without_a_channel_is_redriven_to_the_reply_that_it_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def with_channel_of_reply(_: AnyConnection, event: CloudEvent) -> CloudEvent:
        return replace(event, subject="the reply's conversation")

    monkeypatch.setattr(webhook_form, "with_channel_of_reply", with_channel_of_reply)
    record, origin = dead_letter(STATUS_WEBHOOK, STATUS.replace(b"14155238886", b"14155230000"))
    event = await event_of_form(CONNECTION, record, origin, STATUS_WEBHOOK.topic)
    assert event.subject == "the reply's conversation"

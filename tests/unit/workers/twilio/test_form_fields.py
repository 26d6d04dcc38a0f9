"""The list of fields holds what the code reads, and nothing else has a use in it."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from multidict import MultiDict

from schemas.fields import AccountId, ChannelId
from tests.harness.signed_forms import SMS, STATUS
from workers.settings.values import TwilioAccount
from workers.twilio.form import parse_form
from workers.twilio.form_fields import MESSAGE_FIELDS, STATUS_FIELDS, FormField
from workers.twilio.signature import signing_account
from workers.webhooks.webhook import INBOUND_WEBHOOK, STATUS_WEBHOOK, Webhook, WebhookKind, kind_of

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class ReadForm(MultiDict[str]):
    """A form that knows which of its fields were read by name."""

    read: set[str]

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> str:
        self.read.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.read.add(str(key))
        return super().__contains__(key)


def read_fields(kind: WebhookKind, forms: Iterable[dict[str, str]]) -> set[str]:
    """The names of all fields that the code reads of some forms."""
    read: set[str] = set()
    for fields in forms:
        body = SMS if kind is INBOUND_WEBHOOK else STATUS
        form = ReadForm(parse_form(body))
        form.update(fields)
        form.read = read
        account = TwilioAccount(account_id=AccountId("acme"), auth_token="t")
        signing_account({"AC1": account}, form, "https://inbox.example.com", "forged", "")
        assert kind_of(form, kind) is kind
        webhook = Webhook(
            kind=kind,
            account_id=AccountId("acme"),
            body=b"",
            form=form,
            query="",
            received_at=NOW,
        )
        assert webhook.our_address
        assert webhook.contact
        webhook.event(ChannelId("ch1"))
    return {re.sub(r"(?<=Media)(Url|ContentType)\d+$", r"\1{n}", name) for name in read}


def used(fields: Iterable[FormField]) -> set[str]:
    return {field.name for field in fields if field.use}


def messages() -> Iterator[dict[str, str]]:
    """Forms of messages of all kinds."""
    yield {"NumMedia": "1", "MediaUrl0": "https://a.example/1"}
    yield {"From": "whatsapp:+4911", "Body": "", "MessageType": "reaction"}
    yield {"Body": "", "ReferralSourceId": "1", "InteractiveData": "{}"}
    yield {"SmsStatus": "", "FlowData": "{}", "Latitude": "1", "Longitude": "1"}


def test_the_fields_with_a_use_are_those_that_are_read_of_a_message() -> None:
    assert read_fields(INBOUND_WEBHOOK, messages()) == used(MESSAGE_FIELDS)


def test_the_fields_with_a_use_are_those_that_are_read_of_a_callback() -> None:
    forms = [{}, {"MessageSid": "", "MessageStatus": "", "ErrorCode": "30003"}]
    read = read_fields(STATUS_WEBHOOK, forms)
    assert read == used(STATUS_FIELDS)


def test_each_field_is_listed_once_with_its_meaning_and_those_of_twilios_examples_are() -> None:
    for fields, example in ((MESSAGE_FIELDS, SMS), (STATUS_FIELDS, STATUS)):
        names = [field.name for field in fields]
        assert len(names) == len(set(names))
        assert all(field.meaning for field in fields)
        assert set(parse_form(example)) <= set(names)

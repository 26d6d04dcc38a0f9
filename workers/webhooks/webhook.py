"""A verified webhook of Twilio: its event, and its bytes while it waits on disk for Kafka."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self

import msgspec
from multidict import MultiDict

from schemas.cloudevents import CloudEvent
from schemas.fields import AccountId, ChannelId
from workers.twilio.form import parse_form
from workers.twilio.inbound_form import received_event
from workers.twilio.status_form import is_receipt, status_event

ANY_CHANNEL = ChannelId("any")
"""Stands for a channel that is not known yet."""


class WebhookKind(NamedTuple):
    """One of the two kinds of webhooks of Twilio: a contact's message, or a status."""

    topic: str
    """The topic of its events, without the prefix."""
    our_field: str
    """The form's field with our address, which identifies the channel."""
    contact_field: str
    """The form's field with the contact's address."""
    event: Callable[[MultiDict[str], str, AccountId, ChannelId, datetime], CloudEvent]
    """Makes the event of a form, the query of its URL, the account, the channel, and the time of
    receipt. Raises BadForm."""
    removed_channels: bool
    """Whether its channel may be one that was removed meanwhile."""


def _inbound_event(
    form: MultiDict[str], _query: str, account_id: AccountId, channel_id: ChannelId, at: datetime
) -> CloudEvent:
    return received_event(form, account_id, channel_id, at)


INBOUND_WEBHOOK = WebhookKind(
    "messages.received", "To", "From", _inbound_event, removed_channels=False
)
# Statuses of a message may still come long after its channel was removed.
STATUS_WEBHOOK = WebhookKind("messages.status", "From", "To", status_event, removed_channels=True)


def kind_of(form: MultiDict[str], path_kind: WebhookKind) -> WebhookKind:
    """The kind of a form, by its fields; `path_kind` is the kind of the path that it came to.

    Whoever configures Twilio may give the path of one webhook for the other.
    """
    receipt = is_receipt(form, by_its_path=path_kind is STATUS_WEBHOOK)
    return STATUS_WEBHOOK if receipt else INBOUND_WEBHOOK


WEBHOOK_KINDS = {kind.topic: kind for kind in (INBOUND_WEBHOOK, STATUS_WEBHOOK)}
"""The webhooks by topic, without the prefix."""


class _Spooled(msgspec.Struct, frozen=True):
    """A webhook as the spool stores it. Fields may be added, but none may be removed: another
    version of this program may have written what is on the disk."""

    topic: str
    account_id: AccountId
    received_at: datetime
    query: str
    body: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Spooled).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook that one of our accounts at Twilio signed."""

    kind: WebhookKind
    account_id: AccountId
    body: bytes
    """The form as it came."""
    form: MultiDict[str]
    """The body's fields."""
    query: str
    """The query of the URL, as it came."""
    received_at: datetime

    @property
    def our_address(self) -> str:
        """The address of its channel."""
        return self.form.get(self.kind.our_field, "")

    @property
    def receiving_account_id(self) -> str | None:
        """The account at Twilio that owns our address, since a message to it came from there.

        None for a status callback.
        """
        return self.form.get("AccountSid") if self.kind is INBOUND_WEBHOOK else None

    @property
    def contact(self) -> str:
        """Identifies its contact: webhooks of one contact go to Kafka in the order they came."""
        contact = self.form.get(self.kind.contact_field, "")
        return f"{self.kind.topic} {self.account_id} {self.our_address} {contact}"

    def event(self, channel_id: ChannelId) -> CloudEvent:
        """The event of this webhook. Raises BadForm."""
        return self.kind.event(self.form, self.query, self.account_id, channel_id, self.received_at)

    def check(self) -> None:
        """Raise BadForm when no event can be made of it, on any channel."""
        self.event(ANY_CHANNEL)

    def to_bytes(self) -> bytes:
        """The bytes that the spool stores."""
        return _encode(
            _Spooled(self.kind.topic, self.account_id, self.received_at, self.query, self.body)
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The webhook of which `to_bytes` made these bytes. Raises ValueError."""
        spooled = _decode(data)
        kind = WEBHOOK_KINDS.get(spooled.topic)
        if kind is None:
            raise ValueError("a webhook of an unknown kind")
        form = parse_form(spooled.body)
        return cls(
            # An earlier version of this program went by the path alone.
            kind=kind_of(form, kind),
            account_id=spooled.account_id,
            body=spooled.body,
            form=form,
            query=spooled.query,
            received_at=spooled.received_at,
        )

"""A verified webhook of Twilio: what it says, and how it waits on disk until Kafka takes it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self

import msgspec
from multidict import MultiDict

from schemas.cloudevents import CloudEvent
from schemas.fields import AccountId, ChannelId
from workers.twilio.form import parse_form, received_event
from workers.twilio.status_form import status_event

_ANY_CHANNEL = ChannelId("any")


class Kind(NamedTuple):
    """One of the two webhooks."""

    topic: str
    """Where its events go, without the prefix."""
    our_field: str
    """The form's field with our address, which tells the channel."""
    contact_field: str
    event: Callable[[MultiDict[str], str, AccountId, ChannelId, datetime], CloudEvent]
    """Of a form, the query of the URL, the account, the channel and the time of receipt."""
    removed_channels: bool
    """Whether the channel may be one that was removed since."""


def _received(
    form: MultiDict[str], _query: str, account_id: AccountId, channel_id: ChannelId, at: datetime
) -> CloudEvent:
    return received_event(form, account_id, channel_id, at)


INBOUND = Kind("messages.received", "To", "From", _received, removed_channels=False)
# What was sent may be answered for long after its channel was removed.
STATUS = Kind("messages.status", "From", "To", status_event, removed_channels=True)

KINDS = {kind.topic: kind for kind in (INBOUND, STATUS)}


class _Spooled(msgspec.Struct, frozen=True):
    """A webhook as it stands in the spool; fields may be added, none taken away."""

    topic: str
    account_id: AccountId
    received_at: datetime
    query: str
    body: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Spooled).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook that one of our accounts signed."""

    kind: Kind
    account_id: AccountId
    body: bytes
    """The form as it came."""
    form: MultiDict[str]
    """The body's fields."""
    query: str
    """That of the URL, as it came."""
    received_at: datetime

    @property
    def our_address(self) -> str:
        """The address of the channel it is about."""
        return self.form.get(self.kind.our_field, "")

    @property
    def contact(self) -> str:
        """Webhooks with this in common are passed on in the order they came."""
        contact = self.form.get(self.kind.contact_field, "")
        return f"{self.kind.topic} {self.account_id} {self.our_address} {contact}"

    def event(self, channel_id: ChannelId) -> CloudEvent:
        """Its event. Raises BadForm."""
        return self.kind.event(self.form, self.query, self.account_id, channel_id, self.received_at)

    def check(self) -> None:
        """Raise BadForm when it is no event, whatever its channel is."""
        self.event(_ANY_CHANNEL)

    def to_bytes(self) -> bytes:
        """As it is kept on disk."""
        return _encode(
            _Spooled(self.kind.topic, self.account_id, self.received_at, self.query, self.body)
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote. Raises ValueError."""
        spooled = _decode(data)
        kind = KINDS.get(spooled.topic)
        if kind is None:
            raise ValueError("a webhook of an unknown kind")
        return cls(
            kind=kind,
            account_id=spooled.account_id,
            body=spooled.body,
            form=parse_form(spooled.body),
            query=spooled.query,
            received_at=spooled.received_at,
        )

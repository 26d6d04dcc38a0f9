"""Twilio's Message resource: its fields, its JSON, and the change of its status."""

import mimetypes
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

API_VERSION = "2010-04-01"

Direction: TypeAlias = Literal["inbound", "outbound-api"]
Resource: TypeAlias = dict[str, object]

UNSENT = ("accepted", "queued", "scheduled", "sending")
"""A message with one of these statuses has no time of sending yet."""


@dataclass(frozen=True, slots=True)
class Media:
    """One file of a message."""

    sid: str
    url: str
    content_type: str


@dataclass(kw_only=True, slots=True)
class Message:
    """A message at Twilio. `from_` is None while a messaging service has to choose the sender."""

    sid: str
    account_sid: str
    to: str
    from_: str | None
    body: str
    direction: Direction
    status: str
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None = None
    media: tuple[Media, ...] = ()
    content_sid: str | None = None
    content_variables: str | None = None
    messaging_service_sid: str | None = None
    status_callback: str | None = None
    error_code: int | None = field(default=None)

    @property
    def channel(self) -> str | None:
        """`whatsapp` or `messenger`; None for a phone number."""
        return channel_of(self.to)

    @property
    def uri(self) -> str:
        """The path of the resource, without `.json`."""
        return f"/{API_VERSION}/Accounts/{self.account_sid}/Messages/{self.sid}"

    def move(self, status: str, error_code: int | None = None) -> None:
        """Change the status now."""
        self.status = status
        self.error_code = error_code
        self.updated_at = now()
        if self.sent_at is None and status not in UNSENT:
            self.sent_at = self.updated_at

    def resource(self) -> Resource:
        """Returns the resource as the API answers it."""
        return {
            "account_sid": self.account_sid,
            "api_version": API_VERSION,
            "body": self.body,
            "date_created": _rfc2822(self.created_at),
            "date_sent": _rfc2822(self.sent_at),
            "date_updated": _rfc2822(self.updated_at),
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": None,
            "from": self.from_,
            "messaging_service_sid": self.messaging_service_sid,
            "num_media": str(len(self.media)),
            "num_segments": self._num_segments(),
            "price": None,
            "price_unit": None,
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{self.uri}/Media.json"},
            "to": self.to,
            "uri": f"{self.uri}.json",
        }

    def media_resources(self) -> list[Resource]:
        """Returns the message's files as the API answers them."""
        return [
            {
                "account_sid": self.account_sid,
                "content_type": media.content_type,
                "date_created": _rfc2822(self.created_at),
                "date_updated": _rfc2822(self.created_at),
                "parent_sid": self.sid,
                "sid": media.sid,
                "uri": f"{self.uri}/Media/{media.sid}.json",
            }
            for media in self.media
        ]

    def _num_segments(self) -> str:
        if self.from_ is None:
            return "0"
        # Nearly as a phone network counts. Its short alphabet has a few letters beyond ASCII too.
        single, joined = (160, 153) if self.body.isascii() else (70, 67)
        units = len(self.body.encode("utf-16-le")) // 2
        long_sms = self.channel is None and units > single
        return str(-(-units // joined) if long_sms else 1)


def new_sid(prefix: str) -> str:
    """Returns a new id in the form of Twilio's ids."""
    return prefix + secrets.token_hex(16)


def new_media(urls: Iterable[str], content_type: str | None = None) -> tuple[Media, ...]:
    """Returns files at these URLs. Without a content type it is guessed from the file's name."""
    return tuple(Media(new_sid("ME"), url, content_type or _guessed_type(url)) for url in urls)


def _guessed_type(url: str) -> str:
    return mimetypes.guess_type(urlsplit(url).path)[0] or "image/jpeg"


def channel_of(address: str) -> str | None:
    """Returns the channel of an address; None for a phone number or the name of a sender."""
    prefix, colon, _ = address.partition(":")
    return prefix if colon else None


def now() -> datetime:
    """Returns the present time in whole seconds, as precise as the API's times are."""
    return datetime.now(UTC).replace(microsecond=0)


def _rfc2822(time: datetime | None) -> str | None:
    return format_datetime(time) if time else None

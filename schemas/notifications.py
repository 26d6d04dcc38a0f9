"""Whom to tell of what, and by which media."""

from typing import Literal

from msgspec import Struct

from schemas.fields import Emitted

RECIPIENTS_MAX = 500
"""More recipients than these are told in numbered parts."""

PREVIEW_CHARACTERS_MAX = 140
"""A preview is at most this long, in characters."""

NotificationKind = Literal["message", "assignment", "window_closing"]
Why = Literal["assigned_to_me", "assigned_to_others", "unassigned", "assignment"]
MediumName = Literal["desktop", "email"]


class Recipient(Struct, frozen=True):
    """A user to tell, with the setting that says so."""

    user_id: str
    reason: Why
    media: tuple[MediumName, ...]


class MessagePreview(Struct, frozen=True):
    """The message that a notification is about."""

    message_id: str
    preview: str


class NotificationRequested(Emitted, frozen=True, kw_only=True):
    """Somebody should be told. One event for a message or an assignment names all recipients."""

    TYPE = "inbox.notification.requested.v1"

    kind: NotificationKind
    recipients: tuple[Recipient, ...]
    contact_name: str | None
    message: MessagePreview | None
    """Null for an assignment."""
    inbox_url: str
    part: int = 1
    parts: int = 1

"""Notifications: which users are to be notified, of what, and on which media."""

from typing import Literal

from msgspec import Struct

from schemas.fields import Emitted

RECIPIENTS_MAX = 500
"""One event holds at most so many recipients; more recipients are split into numbered parts."""

PREVIEW_CHARACTERS_MAX = 140
"""The maximum length of a preview, in characters."""

NotificationKind = Literal["message", "assignment", "window_closing"]
RecipientReason = Literal["assigned_to_me", "assigned_to_others", "unassigned", "assignment"]
MediumName = Literal["desktop", "email"]


class Recipient(Struct, frozen=True):
    """A user to notify; `reason` is the setting that asks for it."""

    user_id: str
    reason: RecipientReason
    media: tuple[MediumName, ...]


class MessagePreview(Struct, frozen=True):
    """The message of a notification."""

    message_id: str
    preview: str


class NotificationRequested(Emitted, frozen=True, kw_only=True):
    """Users are to be notified. One event for a message or an assignment lists all recipients."""

    TYPE = "inbox.notification.requested.v1"

    kind: NotificationKind
    recipients: tuple[Recipient, ...]
    contact_name: str | None
    message: MessagePreview | None
    """Null for an assignment."""
    inbox_url: str
    part: int = 1
    parts: int = 1

"""The window in which a contact may be sent a free text, and the one warning before it closes."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from domain.audience import message_audience, notifications
from domain.conversation import Conversation
from domain.directory import Directory
from domain.outgoing import Outgoing
from schemas.fields import MessageId
from schemas.ids import uuid5_text

WINDOW = timedelta(hours=24)
"""How long after a contact's last message the provider takes a free text (Twilio; the rule is
WhatsApp's)."""

MARGIN = timedelta(minutes=1)
"""The last minute of a window is not used, since the provider's clock may differ from ours."""

WARN_BEFORE = timedelta(hours=1)
"""How long before a window closes users are warned."""

_WINDOWED = ("whatsapp:", "messenger:")


def is_windowed(address: str) -> bool:
    """Whether the provider of an address has a window."""
    return address.startswith(_WINDOWED)


def window_after(
    until: datetime | None, address: str, sent_at: datetime, now: datetime
) -> datetime | None:
    """Returns until when a window is open, after a message from an address. None: no window.

    A `sent_at` in the future does not make the window longer. An address without a window leaves
    the window of the contact's other addresses as it is.
    """
    if not is_windowed(address):
        return until
    opened = min(sent_at, now) + WINDOW
    return max(until, opened) if until else opened


def may_write(until: datetime | None, address: str, now: datetime) -> bool:
    """Whether a free text may be sent now."""
    return not is_windowed(address) or (until is not None and now < until - MARGIN)


def is_to_be_watched(before: datetime | None, until: datetime | None, now: datetime) -> bool:
    """Whether a window has to be watched after a contact's message, which is not historical.

    `before` and `until` are the ends of the window before and after the message. If the message
    did not move the end, and the last hour has begun, the warning may have been emitted already.
    """
    if until is None or until <= now:
        return False
    return until != before or now < until - WARN_BEFORE


class WindowCheck(NamedTuple):
    """The result of a check of a watched window."""

    next_check_at: datetime | None
    """When to check it next; None: it is not watched any longer."""
    must_warn: bool = False
    """Whether users are to be warned, now and only once."""


def check_window(conversation: Conversation, now: datetime) -> WindowCheck:
    """Check a window whose check is due.

    If the check comes late and the window is closed already, there is no warning: it would be
    useless.
    """
    until = conversation.window_until
    if not conversation.window_watched or until is None:
        return WindowCheck(None)
    if now < until - WARN_BEFORE:
        # The contact wrote again meanwhile.
        return WindowCheck(until - WARN_BEFORE)
    return WindowCheck(None, now < until and _is_waiting(conversation))


def _is_waiting(conversation: Conversation) -> bool:
    """Whether the contact waits for a reply."""
    return (
        conversation.last_direction == "inbound"
        and conversation.status == "open"
        and conversation.merged_into is None
    )


def warn(
    conversation: Conversation,
    directory: Directory,
    app_url: str,
    message: tuple[MessageId, str] | None,
) -> tuple[Outgoing, ...]:
    """Warn the assignee that a window is about to close.

    Without an assignee, the users are warned who are notified of unassigned conversations.
    `message` is the id and the preview of the contact's newest message. The id of the warning is
    derived from the end of the window, so that a window has one warning.
    """
    until = conversation.window_until
    assert until is not None
    where = f"{conversation.account_id}/{conversation.conversation_id}"
    recipients = message_audience(conversation, directory)
    return notifications(
        conversation,
        tuple(one for one in recipients if one.reason != "assigned_to_others"),
        kind="window_closing",
        cause_id=uuid5_text(f"{where}/window/{until.astimezone(UTC).isoformat()}"),
        app_url=app_url,
        message=message,
    )

"""The window in which a contact may be sent a free text, and the one warning before it closes."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from domain.audience import message_audience, notifications
from domain.conversation import Conversation
from domain.decision import Outgoing
from domain.directory import Directory
from schemas.fields import MessageId
from schemas.ids import uuid5_text

WINDOW = timedelta(hours=24)
"""How long after a contact's last message a free text is taken (Twilio, WhatsApp's rule)."""

MARGIN = timedelta(minutes=1)
"""Clocks differ: the last minute of a window is not relied on."""

NOTICE = timedelta(hours=1)
"""How long before a window closes somebody is told."""

_WINDOWED = ("whatsapp:", "messenger:")


def is_windowed(address: str) -> bool:
    """Whether the provider of an address has a window."""
    return address.startswith(_WINDOWED)


def window_after(
    until: datetime | None, address: str, sent_at: datetime, now: datetime
) -> datetime | None:
    """Until when a window is open, once a contact wrote from an address. None where there is none.

    What a publisher's clock says of the future does not make a window longer. An address without a
    window leaves that of the contact's other addresses as it is.
    """
    if not is_windowed(address):
        return until
    opened = min(sent_at, now) + WINDOW
    return max(until, opened) if until else opened


def may_write(until: datetime | None, address: str, now: datetime) -> bool:
    """Whether a free text may be sent now."""
    return not is_windowed(address) or (until is not None and now < until - MARGIN)


def is_to_be_watched(before: datetime | None, until: datetime | None, now: datetime) -> bool:
    """Whether a contact's message, one that wants to be seen, is reason to watch a window.

    `before` is until when the window was open without it. One that the message left as it was,
    and that is in its last hour, may have been told of already.
    """
    if until is None or until <= now:
        return False
    return until != before or now < until - NOTICE


class Look(NamedTuple):
    """What comes of looking at a window."""

    again_at: datetime | None
    """When to look next; None: it is watched no longer."""
    is_closing: bool = False
    """Whether somebody is to be told, now and never again."""


def look_at(conversation: Conversation, now: datetime) -> Look:
    """Decide what comes of a window that was due to be looked at.

    Whoever looks late may find it closed: a warning would be of no use any more.
    """
    until = conversation.window_until
    if not conversation.window_watched or until is None:
        return Look(None)
    if now < until - NOTICE:
        # The contact wrote again meanwhile.
        return Look(until - NOTICE)
    return Look(None, now < until and _is_waiting(conversation))


def _is_waiting(conversation: Conversation) -> bool:
    """Whether a contact waits for an answer in it."""
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
    """Tell that a window is about to close: the assignee, or who is told of what is unassigned.

    `message` is the contact's newest, and the start of it. The id follows from the window.
    """
    until = conversation.window_until
    assert until is not None
    where = f"{conversation.account_id}/{conversation.conversation_id}"
    told = message_audience(conversation, directory)
    return notifications(
        conversation,
        tuple(one for one in told if one.reason != "assigned_to_others"),
        kind="window_closing",
        cause_id=uuid5_text(f"{where}/window/{until.astimezone(UTC).isoformat()}"),
        app_url=app_url,
        message=message,
    )

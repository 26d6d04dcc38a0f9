"""The window in which a contact may be sent a free text, as WhatsApp and Messenger have it."""

from datetime import datetime, timedelta

WINDOW = timedelta(hours=24)
"""How long after a contact's last message a free text is taken (Twilio, WhatsApp's rule)."""

MARGIN = timedelta(minutes=1)
"""Clocks differ: the last minute of a window is not relied on."""

_WINDOWED = ("whatsapp:", "messenger:")


def is_windowed(address: str) -> bool:
    """Whether the provider of an address has a window."""
    return address.startswith(_WINDOWED)


def window_after(
    until: datetime | None, address: str, sent_at: datetime, now: datetime
) -> datetime | None:
    """Until when a window is open, once a contact wrote. None where there is none.

    What a publisher's clock says of the future does not make a window longer.
    """
    if not is_windowed(address):
        return None
    opened = min(sent_at, now) + WINDOW
    return max(until, opened) if until else opened


def may_write(until: datetime | None, address: str, now: datetime) -> bool:
    """Whether a free text may be sent now."""
    return not is_windowed(address) or (until is not None and now < until - MARGIN)

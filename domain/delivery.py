"""The delivery status of a reply: a lattice in which receipts only ever lead forward.

    scheduled < accepted < queued < sending < sent
              < canceled, failed, undelivered < delivered < read

Receipts come in any order, twice, or not at all, so the status is their maximum: whatever order
they come in, it ends the same. What could not be delivered is final, unless the provider says
that it was delivered after all.
"""

from datetime import datetime

from domain.windows import WINDOW

_ORDER = (
    "scheduled",
    "accepted",
    "queued",
    "sending",
    "sent",
    "canceled",
    "failed",
    "undelivered",
    "delivered",
    "read",
)
_RANKS = {word: rank for rank, word in enumerate(_ORDER)}

ACCEPTED = "accepted"
"""What a message surely is that the provider says anything of."""

OUTSIDE_WINDOW = 63016
"""The provider's code for a free text outside the contact's window, which is closed, then."""


def is_known(word: str) -> bool:
    """Whether a receipt's word has a place in the order. Others are kept, and change nothing."""
    return word in _RANKS


def later(status: str | None, word: str) -> bool:
    """Whether a receipt leads forward from a status; None is before all of them."""
    if word not in _RANKS:
        return False
    return status not in _RANKS or _RANKS[word] > _RANKS[status]


def window_after_refusal(
    until: datetime | None, posted_at: datetime, now: datetime
) -> datetime | None:
    """Until when a window is open, once the provider said that a text of then was outside it.

    A contact who wrote since then has opened it again, whatever is said late.
    """
    if until is None or posted_at < until - WINDOW:
        return until
    return min(until, now)

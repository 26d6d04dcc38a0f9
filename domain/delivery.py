"""The delivery status of a reply: a lattice in which receipts only ever lead forward.

    scheduled < accepted < queued < sending < sent
              < canceled, failed, undelivered < delivered < read

Receipts come in any order, twice, or not at all, so the status is their maximum: whatever order
they come in, it ends the same. What could not be delivered is final, unless the provider says
that it was delivered after all.
"""

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

"""The delivery status of a reply: receipts move it forward, and never back.

    scheduled < accepted < queued < sending < sent
              < canceled, failed, undelivered < delivered < read

Receipts come in any order, twice, or not at all. The status is the maximum of what they report, so
it ends the same whatever order they come in. `undelivered` and its equals are final, unless the
provider reports a delivery after all.
"""

from datetime import datetime

from msgspec.structs import replace

from domain.conversation import Conversation
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
"""The least status of a message that the provider knows at all."""

FAILED = ("canceled", "failed", "undelivered")
"""The statuses of a message that does not reach the contact, as far as is known."""

OUTSIDE_WINDOW = 63016
"""The provider's error code for a free text outside the contact's window: it is closed."""


def is_known(word: str) -> bool:
    """Whether a receipt's status word has a rank. Other words are kept, and change nothing."""
    return word in _RANKS


def is_later(word: str, than: str | None) -> bool:
    """Whether a receipt's word is later than a status. Every known word is later than None."""
    if word not in _RANKS:
        return False
    return than not in _RANKS or _RANKS[word] > _RANKS[than]


def close_window(conversation: Conversation, posted_at: datetime, now: datetime) -> Conversation:
    """Returns a conversation after the provider refused a text as outside the window.

    `posted_at` is when that text was posted. The result is the same object if the window stays.
    """
    until = window_after_refusal(conversation.window_until, posted_at, now)
    if until == conversation.window_until:
        return conversation
    return replace(conversation, window_until=until)


def window_after_refusal(
    until: datetime | None, posted_at: datetime, now: datetime
) -> datetime | None:
    """Returns until when a window is open, after a text posted at `posted_at` was outside it.

    A contact who wrote after that has opened the window again: a late refusal does not close it.
    """
    if until is None or posted_at < until - WINDOW:
        return until
    return min(until, now)

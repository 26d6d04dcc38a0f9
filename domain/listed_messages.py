"""The messages in the provider's list, and which of them an uncertain part became."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.sending import POST_SECONDS, Send

CLOCKS_APART = timedelta(minutes=1)
"""How far the provider's clock may differ from ours."""

_FITTING_FROM = -CLOCKS_APART
_FITTING_TO = timedelta(seconds=POST_SECONDS) + CLOCKS_APART


class ListedMessage(NamedTuple):
    """A message in the provider's own list: the provider took it."""

    provider_message_id: str
    body: str
    status: str
    error_code: int | None
    created_at: datetime


def find_listed(
    send: Send, unsettled: Iterable[Send], listed: Iterable[ListedMessage]
) -> ListedMessage | None:
    """Returns the listed message that an uncertain part became, if that is certain; else None.

    `unsettled` are the unsettled parts of its conversation. `listed` are the messages from its
    sender to its contact that do not belong to another part already.

    It is certain if exactly one message fits, and that message cannot be another part. Of two equal
    texts it cannot be known which one was taken or, if both were, which is which. The text of a
    template is made by the provider: it may be any text, so templates are never matched.
    """
    if send.content_sid is not None or any(_is_rival(send, other) for other in unsettled):
        return None
    fitting = [message for message in listed if _fits(send, message)]
    return fitting[0] if len(fitting) == 1 else None


def _is_rival(send: Send, other: Send) -> bool:
    """Whether another part may have become a message that fits this part."""
    return (
        (other.version, other.part) != (send.version, send.part)
        and other.state in {"posting", "uncertain"}
        and (other.content_sid is not None or _is_same_text(other.body, send.body))
        and abs(other.began_at - send.began_at) <= _FITTING_TO - _FITTING_FROM
    )


def _fits(send: Send, message: ListedMessage) -> bool:
    after = message.created_at - send.began_at
    return _FITTING_FROM <= after <= _FITTING_TO and _is_same_text(message.body, send.body)


def _is_same_text(one: str, other: str) -> bool:
    # The provider may cut off white space at the ends.
    return one.strip() == other.strip()

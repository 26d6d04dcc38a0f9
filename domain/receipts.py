"""What the provider says became of a reply's part."""

from msgspec import Struct

from domain.sending import Moved, Send, accept, receive
from schemas.fields import AccountId


class Receipt(Struct, frozen=True):
    """A delivery receipt."""

    account_id: AccountId
    provider_message_id: str
    event_id: str
    status: str
    """The provider's word, known or not."""
    error_code: int | None
    message_id: str | None
    """The reply that the callback named."""
    attempt: int | None
    """The part that the callback named."""


def apply(send: Send, receipt: Receipt, version: int) -> Moved:
    """A part after a receipt.

    One that nobody knew to be accepted is so now, however its POST ended: nobody else would call
    back. A receipt that names another message of the provider's says nothing of this one.
    """
    if send.provider_message_id is None:
        return accept(send, receipt.provider_message_id, receipt.status, version)
    if send.provider_message_id != receipt.provider_message_id:
        return send, ()
    return receive(send, receipt.event_id, receipt.status, receipt.error_code, version)

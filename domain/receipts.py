"""What the provider says became of a reply's part."""

from collections.abc import Iterable

from msgspec import Struct

from domain.decision import Outgoing
from domain.delivery import ACCEPTED
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
    accepted: tuple[Outgoing, ...] = ()
    if send.provider_message_id is None:
        send, accepted = accept(send, receipt.provider_message_id, ACCEPTED, version)
    elif send.provider_message_id != receipt.provider_message_id:
        return send, ()
    send, moved = receive(send, receipt.event_id, receipt.status, receipt.error_code, version)
    return send, (*accepted, *moved)


def apply_all(send: Send, receipts: Iterable[Receipt], version: int) -> Moved:
    """A part after several receipts, in any order."""
    said: list[Outgoing] = []
    for receipt in receipts:
        send, outgoing = apply(send, receipt, version)
        said += outgoing
    return send, tuple(said)

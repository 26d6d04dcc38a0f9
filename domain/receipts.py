"""Delivery receipts: how the provider's receipts change the part of a reply."""

from collections.abc import Iterable

from msgspec import Struct

from domain.delivery import ACCEPTED
from domain.outgoing import Outgoing
from domain.sending import Moved, Send, accept, move_forward
from schemas.fields import AccountId


class Receipt(Struct, frozen=True):
    """A delivery receipt."""

    account_id: AccountId
    provider_message_id: str
    event_id: str
    status: str
    """The provider's status word, known or not."""
    error_code: int | None
    message_id: str | None
    """The reply that the callback is about, if it carries that."""
    part: int | None
    """The part of the reply that the callback is about, if it carries that."""


def apply(send: Send, receipt: Receipt, version: int) -> Moved:
    """Returns a part after a receipt of it, and the events to emit.

    A receipt proves that the provider took the part, whatever became of its POST: so the part is
    accepted first, if it was not yet. A receipt with the id of another message of the provider
    changes nothing.
    """
    accepted: tuple[Outgoing, ...] = ()
    if send.provider_message_id is None:
        send, accepted = accept(send, receipt.provider_message_id, ACCEPTED, version)
    elif send.provider_message_id != receipt.provider_message_id:
        return send, ()
    send, moved = move_forward(send, receipt.event_id, receipt.status, receipt.error_code, version)
    return send, (*accepted, *moved)


def apply_all(send: Send, receipts: Iterable[Receipt], version: int) -> Moved:
    """Returns a part after several receipts of it, in any order, and the events to emit."""
    outgoing: list[Outgoing] = []
    for receipt in receipts:
        send, more = apply(send, receipt, version)
        outgoing += more
    return send, tuple(outgoing)

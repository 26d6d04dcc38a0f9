"""Rebuilds the event of a webhook's form that was dead-lettered, for a redrive."""

from db.connect import AnyConnection
from db.directory import channel_by_address
from schemas.cloudevents import CloudEvent
from schemas.dead_letters import FORM, Origin
from schemas.fields import AccountId
from workers.dead_letters.reader import DeadLetterRecord
from workers.twilio.form import parse_form
from workers.webhooks.callback_part import with_channel_of_reply
from workers.webhooks.webhook import ANY_CHANNEL, WEBHOOK_KINDS, Webhook, kind_of


class CannotRedrive(Exception):
    """A dead letter cannot be redriven now. The message gives the reason without its content."""


async def event_of_form(
    connection: AnyConnection, record: DeadLetterRecord, origin: Origin, topic: str
) -> CloudEvent:
    """Returns the event of a form. `topic`, without its prefix, is where the form was to go.

    Its type says where it goes now: an earlier version went by the path of the webhook alone. The
    form's channel was not installed when the form came. Raises CannotRedrive when it is not
    installed now either, or when the dead letter is no form of this topic.
    """
    headers = dict(record.own_headers)
    path_kind = WEBHOOK_KINDS.get(topic)
    if path_kind is None or headers.get("content-type") != FORM:
        raise CannotRedrive("it came from no partition, and is no webhook's form")
    account_id = AccountId((headers.get("account_id") or b"").decode(errors="replace"))
    try:
        body = record.value or b""
        form = parse_form(body)
        kind = kind_of(form, path_kind)
        webhook = Webhook(
            kind=kind,
            account_id=account_id,
            body=body,
            form=form,
            query=(headers.get("query") or b"").decode(errors="replace"),
            received_at=origin.at,
        )
        channel_id = await channel_by_address(
            connection,
            account_id,
            webhook.our_address,
            removed=kind.removed_channels,
        )
        event = webhook.event(channel_id or ANY_CHANNEL)
        if channel_id is not None:
            return event
        if event_of_reply := await with_channel_of_reply(connection, event):
            return event_of_reply
        raise CannotRedrive(
            f"still no channel of account {account_id} has the address in {kind.our_field}"
        )
    except ValueError as error:
        raise CannotRedrive(f"its form is no event: {error}") from error

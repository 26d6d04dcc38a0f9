"""Performs the acts of the sales day: contacts write to the webhook, services to Kafka."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never
from uuid import UUID

from schemas.commands import ConversationAssign, ConversationClose, ConversationDelete
from schemas.fields import Command, ConversationId, UserId
from schemas.ids import conversation_id
from schemas.links import ConversationLink, EntityRequest, RequestedEntity
from schemas.messages import Contact, MessageReceived, MessageSend
from workers.dev.sales_day.acts import (
    Act,
    Assigns,
    Closes,
    Deletes,
    Edits,
    Forges,
    Imports,
    Leaves,
    Links,
    Repeats,
    Replies,
    Requests,
    UserCommand,
    Writes,
)
from workers.dev.sales_day.crm import Crm, note_ids, request_ids
from workers.dev.sales_day.directory import AccountDirectory
from workers.dev.sales_day.story import ACCOUNT, CHANNEL, CONTACTS
from workers.dev.sales_day.webhook import Webhook, whatsapp_form
from workers.dev.twilio_stand_in.callbacks import Form
from workers.follow.follower import FollowedRecord
from workers.kafka.publisher import Publisher
from workers.process.errors import CommandFailed

TWO_DAYS = timedelta(days=2)
NO_CONTENT, FORBIDDEN = 204, 403


class Actors:
    """The people of one day.

    Each day has contacts of its own, because a kept inbox has the conversations of earlier days.
    """

    def __init__(
        self,
        *,
        webhook: Webhook,
        publisher: Publisher,
        directory: AccountDirectory,
        crm: Crm,
        auth_token: str,
    ) -> None:
        self._webhook = webhook
        self._publisher = publisher
        self._directory = directory
        self._crm = crm
        self._auth_token = auth_token
        self._addresses = {
            name: f"whatsapp:+49151{secrets.randbelow(10**8):08d}" for name in CONTACTS
        }
        self.names = {self._conversation(name): name for name in CONTACTS}
        """The contact of each conversation of the day."""
        self._last_forms: dict[str, Form] = {}
        self._before_last_message: dict[str, datetime] = {}

    def _conversation(self, contact: str) -> ConversationId:
        return conversation_id(ACCOUNT, CHANNEL, self._addresses[contact])

    async def perform(self, act: Act, records: Sequence[FollowedRecord]) -> None:
        """Perform an act. Raises CommandFailed when the webhook does not answer as it must.

        `records` are all records of the day so far.
        """
        match act:
            case Writes(contact, body, picture):
                self._before_last_message[contact] = datetime.now(UTC)
                form = whatsapp_form(self._addresses[contact], contact, body, picture=picture)
                self._last_forms[contact] = form
                await self._post(form, self._auth_token, NO_CONTENT)
            case Repeats(contact):
                await self._post(self._last_forms[contact], self._auth_token, NO_CONTENT)
            case Forges(contact):
                address = self._addresses[contact]
                form = whatsapp_form(address, contact, "Pay me instead", picture=False)
                await self._post(form, "not the token", FORBIDDEN)
            case Imports():
                await self._publisher.publish(self._imported(act), datetime.now(UTC))
            case Leaves(user_id):
                await self._directory.leave(user_id)
            case Edits(contact):
                conversation = self._conversation(contact)
                await self._crm.edit_note(conversation, note_ids(records, conversation)[-1])
            case _:
                await self._publisher.publish(self._command(act, records), self._issued_at(act))

    async def _post(self, form: Form, auth_token: str, expected: int) -> None:
        status = await self._webhook.post(form, auth_token)
        if status != expected:
            raise CommandFailed(f"the webhook answered {status}, not {expected}")

    def _imported(self, act: Imports) -> MessageReceived:
        return MessageReceived(
            account_id=ACCOUNT,
            channel_id=CHANNEL,
            provider_message_id="SM" + secrets.token_hex(16),
            contact=Contact(self._addresses[act.contact], act.contact),
            body=act.body,
            sent_at=datetime.now(UTC) - TWO_DAYS,
            historical=True,
        )

    def _issued_at(self, act: UserCommand) -> datetime:
        if isinstance(act, Closes) and act.before_last_message:
            return self._before_last_message[act.contact]
        if isinstance(act, Links) and act.two_days_ago:
            return datetime.now(UTC) - TWO_DAYS
        return datetime.now(UTC)

    def _command(self, act: UserCommand, records: Sequence[FollowedRecord]) -> Command:
        conversation = self._conversation(act.contact)
        common: dict[str, Any] = {
            "account_id": ACCOUNT,
            "conversation_id": UUID(conversation),
            "actor_id": UserId(act.actor_id),
        }
        match act:
            case Assigns():
                return ConversationAssign(**common, assignee_id=UserId(act.assignee_id))
            case Closes():
                return ConversationClose(**common)
            case Deletes():
                return ConversationDelete(**common)
            case Requests():
                entity = RequestedEntity(act.entity_type, act.name)
                return EntityRequest(**common, entity=entity)
            case Links():
                request_id = request_ids(records, conversation)[-1] if act.answers else None
                return ConversationLink(**common, entity=act.entity, request_id=request_id)
            case Replies():
                return MessageSend(**common, body=act.body)
            case _:
                assert_never(act)

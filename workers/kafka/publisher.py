"""Publishes commands and events of the directory, each under the key of its topic."""

import uuid
from datetime import datetime
from types import TracebackType
from typing import Self

from schemas.catalog import TOPIC_OF
from schemas.cloudevents import CONTENT_TYPE_HEADER, CloudEvent, encode
from schemas.fields import Command, EventData
from schemas.ids import conversation_id, inbound_message_id
from schemas.messages import MessageReceived, MessageStatus
from schemas.notes import NoteDeleted, NoteEdited
from workers.kafka.clients import new_producer
from workers.settings import Settings


class Publisher:
    """A service's end of Kafka."""

    def __init__(self, settings: Settings, source: str) -> None:
        """`source` is what its events name as theirs."""
        self._settings = settings
        self._source = source
        self._producer = new_producer(settings)

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._producer.stop()

    async def publish(self, data: EventData, time: datetime) -> str:
        """Publish an event; its id, once Kafka has it. Raises KafkaError."""
        event = CloudEvent(str(uuid.uuid4()), data.TYPE, time, data, source=self._source)
        await self.publish_event(event)
        return event.id

    async def publish_event(self, event: CloudEvent) -> None:
        """Publish an event as it is, its id and source too. Raises KafkaError."""
        await self._producer.send_and_wait(
            self._settings.topic(TOPIC_OF[event.type]),
            encode(event),
            key=record_key(event.data).encode(),
            headers=[CONTENT_TYPE_HEADER],
        )


def record_key(data: EventData) -> str:
    """The key of the record that carries an inbound event: what its topic is partitioned by.

    A delivery receipt that does not name its conversation is keyed by an id derived from the
    provider's, so that at least all receipts of one message keep their order.
    """
    if isinstance(data, MessageReceived):
        return conversation_id(data.account_id, data.channel_id, data.contact.address)
    if isinstance(data, Command | NoteEdited | NoteDeleted):
        return str(data.conversation_id)
    if isinstance(data, MessageStatus):
        if data.conversation_id is not None:
            return str(data.conversation_id)
        return inbound_message_id(data.account_id, data.channel_id, data.provider_message_id)
    return data.account_id

"""Publishes inbound events and commands, as other services do, with the keys of their topics."""

import uuid
from datetime import datetime
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
    """Publishes the events of one source. Use it as a context manager."""

    def __init__(self, settings: Settings, source: str) -> None:
        """`source` is the `source` attribute of the events."""
        self._settings = settings
        self._source = source
        self._producer = new_producer(settings)

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def publish(self, data: EventData, time: datetime) -> str:
        """Publish an event, and return its id when Kafka has it. Raises KafkaError."""
        event = CloudEvent(str(uuid.uuid4()), data.TYPE, time, data, source=self._source)
        await self.publish_event(event)
        return event.id

    async def publish_event(self, event: CloudEvent) -> None:
        """Publish an event with its own id and source. Raises KafkaError."""
        await self._producer.send_and_wait(
            self._settings.topic(TOPIC_OF[event.type]),
            encode(event),
            key=record_key(event.data).encode(),
            headers=[CONTENT_TYPE_HEADER],
        )


def record_key(data: EventData) -> str:
    """Returns the key of the record of an inbound event, by which its topic is partitioned.

    A delivery receipt without a conversation id gets a key derived from the provider's message id,
    so that at least the receipts of one message keep their order.
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

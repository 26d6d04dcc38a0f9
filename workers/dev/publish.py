"""Publishes commands and events of the directory, as the services beside the inbox would."""

import uuid
from datetime import datetime
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer

from schemas.catalog import TOPIC_OF
from schemas.cloudevents import CONTENT_TYPE_HEADER, CloudEvent, encode
from schemas.fields import Command, EventData
from workers.settings import Settings, required

SOURCE = "/inbox/dev"


class Publisher:
    """Another service's end of Kafka."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = AIOKafkaProducer(
            bootstrap_servers=list(required(settings.kafka, "INBOX_KAFKA")), acks="all"
        )

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

    async def publish(self, data: EventData, time: datetime) -> None:
        """Publish an event; returns once Kafka has it. Raises KafkaError."""
        subject = str(data.conversation_id) if isinstance(data, Command) else None
        event = CloudEvent(str(uuid.uuid4()), data.TYPE, time, data, source=SOURCE)
        await self._producer.send_and_wait(
            self._settings.topic(TOPIC_OF[data.TYPE]),
            encode(event),
            key=(subject or data.account_id).encode(),
            headers=[CONTENT_TYPE_HEADER],
        )

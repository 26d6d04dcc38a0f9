"""Publishes the events of the API: through one idempotent producer, in limited time."""

import asyncio

from aiokafka.structs import RecordMetadata

from schemas.catalog import TOPIC_OF
from schemas.cloudevents import EVENT_HEADERS, CloudEvent, encode
from schemas.topics import RECORD_BYTES_MAX
from workers.api.problem import Problem
from workers.kafka.kept_producer import KeptProducer
from workers.kafka.publisher import record_key
from workers.settings import Settings

PUBLISH_SECONDS = 3.0
"""How long Kafka may take for an event."""

REQUEST_MILLISECONDS = 10_000
"""How long a request to a broker may take: longer than anyone waits for it."""


class Publishing:
    """Publishes events, each acknowledged by all in-sync replicas."""

    def __init__(self, settings: Settings, checked: asyncio.Event) -> None:
        """Nothing is published before `checked` is set: the database may be of other topics."""
        self._settings = settings
        self._producer = KeptProducer(
            settings,
            checked,
            "api",
            hands_over=True,
            enable_idempotence=True,
            max_request_size=2 * RECORD_BYTES_MAX,
            request_timeout_ms=REQUEST_MILLISECONDS,
        )

    async def run(self) -> None:
        """Keep the producer running, for ever."""
        await self._producer.keep()

    async def publish(self, event: CloudEvent) -> RecordMetadata:
        """Return where Kafka has an event, once it has it.

        Raises KafkaError and TimeoutError: then Kafka may have it or not. Raises Problem for an
        event that no topic takes. A caller that is cancelled does not stop it.
        """
        value = encode(event)
        if len(value) > RECORD_BYTES_MAX:
            raise Problem("body_too_large", f"the event has more than {RECORD_BYTES_MAX} bytes")
        return await asyncio.shield(asyncio.ensure_future(self._send(event, value)))

    async def _send(self, event: CloudEvent, value: bytes) -> RecordMetadata:
        topic = self._settings.topic(TOPIC_OF[event.type])
        key = record_key(event.data).encode()
        async with asyncio.timeout(PUBLISH_SECONDS):
            producer = await self._producer.get()
            try:
                sent = await producer.send(topic, value, key=key, headers=EVENT_HEADERS)
                return await sent
            except BaseException:
                # An idempotent producer tries again for ever. So it is replaced, or the event could
                # be published long after the answer that it was not.
                self._producer.renew(producer)
                raise

"""A Kafka producer that is kept running. A worker starts and goes on while Kafka is down."""

import asyncio
import logging
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from workers.kafka.clients import new_producer, stop_producer
from workers.settings import Settings

log = logging.getLogger(__name__)

# At DEBUG aiokafka logs each record, which holds the texts of contacts and users.
logging.getLogger("aiokafka.producer.producer").setLevel(logging.INFO)

PRODUCER_START_SECONDS = 15.0
"""How long a producer may take to start."""

PRODUCER_PAUSE_SECONDS = 1.0
"""How long to wait before the next producer is made."""


class KeptProducer:
    """Makes a producer, and the next one whenever it does not start, fails, or is renewed."""

    def __init__(self, settings: Settings, checked: asyncio.Event, name: str, **given: Any) -> None:
        """The first producer is made once `checked` is set. `name` begins log lines, and names the
        producer to Kafka; `given` are further arguments of aiokafka's producer."""
        self._settings = settings
        self._checked = checked
        self._name = name
        self._given = given
        self._producer: AIOKafkaProducer | None = None
        self._started = asyncio.Event()
        self._unfit = asyncio.Event()

    async def get(self) -> AIOKafkaProducer:
        """Wait until a producer has started, and return it."""
        while self._producer is None:
            await self._started.wait()
        return self._producer

    def renew(self, unfit: AIOKafkaProducer | None = None) -> None:
        """Replace the producer, because Kafka takes nothing through it.

        With `unfit`, only if that is still the present one.
        """
        if unfit is None or unfit is self._producer:
            self._unfit.set()

    async def keep(self) -> None:
        """Keep a producer running, for ever."""
        await self._checked.wait()
        while True:
            producer = self._new()
            try:
                async with asyncio.timeout(PRODUCER_START_SECONDS):
                    await producer.start()
                await self._serve(producer)
            except (KafkaError, OSError, TimeoutError) as error:
                log.info("%s: no producer yet: %s", self._name, type(error).__name__)
            finally:
                self._producer = None
                self._started.clear()
                await stop_producer(producer)
            await asyncio.sleep(PRODUCER_PAUSE_SECONDS)

    def _new(self) -> AIOKafkaProducer:
        return new_producer(self._settings, client_id=f"inbox-{self._name}", **self._given)

    async def _serve(self, producer: AIOKafkaProducer) -> None:
        """Return when `renew` was called, or when the producer's sender task ended.

        aiokafka does not report the end of that task.
        """
        self._unfit.clear()
        self._producer = producer
        self._started.set()
        unfit = asyncio.ensure_future(self._unfit.wait())
        try:
            await asyncio.wait(
                [unfit, producer._sender.sender_task], return_when=asyncio.FIRST_COMPLETED
            )
            log.warning("%s: a new producer", self._name)
        finally:
            unfit.cancel()

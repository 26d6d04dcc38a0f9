"""A Kafka producer that is there whenever Kafka is, so that a worker starts and goes on without."""

import asyncio
import logging

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from workers.kafka.clients import new_producer, stop_producer
from workers.settings import Settings

log = logging.getLogger(__name__)

# At DEBUG it logs each record, and whatever contacts wrote with it.
logging.getLogger("aiokafka.producer.producer").setLevel(logging.INFO)

START_SECONDS = 15.0
START_AGAIN_SECONDS = 1.0

REQUEST_MILLISECONDS = 10_000
"""After this a record is no longer tried; whoever waited for it has put it into the spool."""

BATCH_BYTES_MAX = 256 * 1024
REQUEST_BYTES_MAX = 8 * 1024 * 1024


class KeptProducer:
    """Makes producers, one after the other, until one starts; and a new one when it fails."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._started = asyncio.Event()
        self._unfit = asyncio.Event()

    async def get(self) -> AIOKafkaProducer:
        """The producer, once there is one."""
        while self._producer is None:
            await self._started.wait()
        return self._producer

    def renew(self) -> None:
        """Have a new producer in place of one that takes nothing."""
        self._unfit.set()

    async def keep(self) -> None:
        """Keep a producer, for ever."""
        while True:
            producer = self._new()
            try:
                async with asyncio.timeout(START_SECONDS):
                    await producer.start()
                await self._serve(producer)
            except (KafkaError, OSError, TimeoutError) as error:
                log.info("webhooks: no producer yet: %s", type(error).__name__)
            finally:
                self._producer = None
                self._started.clear()
                await stop_producer(producer)
            await asyncio.sleep(START_AGAIN_SECONDS)

    def _new(self) -> AIOKafkaProducer:
        return new_producer(
            self._settings,
            client_id="inbox-webhooks",
            max_batch_size=BATCH_BYTES_MAX,
            max_request_size=REQUEST_BYTES_MAX,
            request_timeout_ms=REQUEST_MILLISECONDS,
        )

    async def _serve(self, producer: AIOKafkaProducer) -> None:
        """Until it is said to be unfit, or its sender ends, which aiokafka tells nobody."""
        self._unfit.clear()
        self._producer = producer
        self._started.set()
        unfit = asyncio.ensure_future(self._unfit.wait())
        try:
            await asyncio.wait(
                [unfit, producer._sender.sender_task], return_when=asyncio.FIRST_COMPLETED
            )
            log.warning("webhooks: a new producer")
        finally:
            unfit.cancel()

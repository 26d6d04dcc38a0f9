"""The Kafka producer of the webhooks. A worker starts and goes on while Kafka is down."""

import asyncio
import logging

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from workers.kafka.clients import new_producer, stop_producer
from workers.settings import Settings

log = logging.getLogger(__name__)

# At DEBUG aiokafka logs each record, which holds the texts of contacts.
logging.getLogger("aiokafka.producer.producer").setLevel(logging.INFO)

PRODUCER_START_SECONDS = 15.0
"""How long a producer may take to start."""

PRODUCER_PAUSE_SECONDS = 1.0
"""How long to wait before the next producer is made."""

WEBHOOK_REQUEST_MILLISECONDS = 10_000
"""How long aiokafka retries a record. By then its webhook is in the spool, too."""

WEBHOOK_BATCH_BYTES_MAX = 256 * 1024
WEBHOOK_REQUEST_BYTES_MAX = 8 * 1024 * 1024


class WebhookProducer:
    """Makes a producer, and the next one whenever it does not start, fails, or is renewed."""

    def __init__(self, settings: Settings, checked: asyncio.Event) -> None:
        """The first producer is made once `checked` is set."""
        self._settings = settings
        self._checked = checked
        self._producer: AIOKafkaProducer | None = None
        self._started = asyncio.Event()
        self._unfit = asyncio.Event()

    async def get(self) -> AIOKafkaProducer:
        """Wait until a producer has started, and return it."""
        while self._producer is None:
            await self._started.wait()
        return self._producer

    def renew(self) -> None:
        """Replace the producer, because Kafka takes nothing through it."""
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
                log.info("webhooks: no producer yet: %s", type(error).__name__)
            finally:
                self._producer = None
                self._started.clear()
                await stop_producer(producer)
            await asyncio.sleep(PRODUCER_PAUSE_SECONDS)

    def _new(self) -> AIOKafkaProducer:
        return new_producer(
            self._settings,
            client_id="inbox-webhooks",
            max_batch_size=WEBHOOK_BATCH_BYTES_MAX,
            max_request_size=WEBHOOK_REQUEST_BYTES_MAX,
            request_timeout_ms=WEBHOOK_REQUEST_MILLISECONDS,
        )

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
            log.warning("webhooks: a new producer")
        finally:
            unfit.cancel()

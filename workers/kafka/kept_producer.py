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

HANDOVER_SECONDS = 3.0
"""How long the next producer may take to start while the present one goes on."""

PRODUCER_PAUSE_SECONDS = 1.0
"""How long to wait before the next producer is made."""


class KeptProducer:
    """Makes a producer, and the next one whenever it does not start, fails, or is renewed."""

    def __init__(
        self,
        settings: Settings,
        checked: asyncio.Event,
        name: str,
        *,
        hands_over: bool = False,
        **given: Any,
    ) -> None:
        """The first producer is made once `checked` is set. `name` begins log lines, and names the
        producer to Kafka; `given` are further arguments of aiokafka's producer.

        With `hands_over` the next producer starts before the present one is stopped, so that one
        partition without a leader does not stop the others. What the present one still has may
        then be published after what the next one gets. Without it, never.
        """
        self._settings = settings
        self._checked = checked
        self._name = name
        self._hands_over = hands_over
        self._given = given
        self._producer: AIOKafkaProducer | None = None
        self._stopping: asyncio.Task[None] | None = None
        """Stops the producer before the present one."""
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
        try:
            while True:
                await self._replace()
                if self._producer is None:
                    await asyncio.sleep(PRODUCER_PAUSE_SECONDS)
                else:
                    await self._until_unfit(self._producer)
        finally:
            await self._swap(None)

    async def _replace(self) -> None:
        """Start the next producer, if Kafka answers, and stop the present one."""
        if self._producer is not None:
            # One whose sender task ended sends nothing any more.
            if not self._hands_over or self._producer._sender.sender_task.done():
                await self._swap(None)
            await asyncio.sleep(PRODUCER_PAUSE_SECONDS)
        await self._stopped()
        seconds = PRODUCER_START_SECONDS if self._producer is None else HANDOVER_SECONDS
        await self._swap(await self._start(seconds))

    async def _start(self, seconds: float) -> AIOKafkaProducer | None:
        """Returns a producer that started within so many seconds; None if it did not."""
        producer = self._new()
        try:
            async with asyncio.timeout(seconds):
                await producer.start()
        except BaseException as error:
            await stop_producer(producer)
            if not isinstance(error, KafkaError | OSError | TimeoutError):
                raise
            log.info("%s: no producer yet: %s", self._name, type(error).__name__)
            return None
        return producer

    async def _swap(self, following: AIOKafkaProducer | None) -> None:
        """Put a producer into the place of the present one, which is stopped behind it. Without one
        that follows, wait until all are stopped."""
        old, self._producer = self._producer, following
        if following is None:
            self._started.clear()
        else:
            self._unfit.clear()
            self._started.set()
        if old is not None:
            self._stopping = asyncio.create_task(_stop_after(self._stopping, old))
        if following is None:
            await self._stopped()

    async def _stopped(self) -> None:
        """Wait until the producer before the present one is stopped: there is one at a time."""
        if self._stopping is not None:
            await asyncio.wait([self._stopping])

    def _new(self) -> AIOKafkaProducer:
        return new_producer(self._settings, client_id=f"inbox-{self._name}", **self._given)

    async def _until_unfit(self, producer: AIOKafkaProducer) -> None:
        """Return when `renew` was called, or when the producer's sender task ended.

        aiokafka does not report the end of that task.
        """
        unfit = asyncio.ensure_future(self._unfit.wait())
        try:
            await asyncio.wait(
                [unfit, producer._sender.sender_task], return_when=asyncio.FIRST_COMPLETED
            )
            log.warning("%s: a new producer", self._name)
        finally:
            unfit.cancel()


async def _stop_after(another: "asyncio.Task[None] | None", producer: AIOKafkaProducer) -> None:
    if another is not None:
        await asyncio.wait([another])
    await stop_producer(producer)

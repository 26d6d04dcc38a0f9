"""The named points of the product at which a worker can be made to die or to freeze.

They are put into a worker's process from outside: the product has no switches for this.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from aiokafka import AIOKafkaProducer

from tests.faults.observations import ObservationWriter
from tests.faults.product_functions import ProductFunction
from workers.ingest.batch_loop import BatchLoop
from workers.outbox import shard
from workers.twilio.client import Twilio
from workers.webhooks.delivery import Delivery
from workers.webhooks.receiver import Receiver

Act = Literal["kill", "stop"]
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class Point(NamedTuple):
    """A moment in the product: before or after a function, which is a coroutine."""

    function: ProductFunction
    when: Literal["before", "after"]


_APPLY_ONCE = ProductFunction(BatchLoop, "_apply_once")
_APPLY_WITHIN = ProductFunction(BatchLoop, "_apply_within")
_COMMIT = ProductFunction(AIOKafkaProducer, "commit_transaction")
_TRANSACT = ProductFunction(shard, "transact")
_POST = ProductFunction(Twilio, "post")
_DELIVER = ProductFunction(Delivery, "deliver")
_DRAIN = ProductFunction(Receiver, "_drain_chunk")

POINTS = {
    # The batch loop.
    "before the claim": Point(_APPLY_ONCE, "before"),
    "before the commit": Point(_APPLY_WITHIN, "after"),
    "after the commit, before the ack": Point(_APPLY_ONCE, "after"),
    # The relay.
    "after the relay's sends, before its commit": Point(_COMMIT, "before"),
    "after the relay's commit, before the delete": Point(_TRANSACT, "after"),
    # The sender.
    "after posting, before the POST": Point(_POST, "before"),
    "after the POST, before it is stored": Point(_POST, "after"),
    # The receiver.
    "after Kafka has a webhook, before the answer": Point(_DELIVER, "after"),
    "after the drain, before it is forgotten": Point(_DRAIN, "after"),
}
"""All points. Each name says what has happened already, and what has not happened yet."""


class Trap:
    """A file that workers read whenever they come to a point; the run sets it from outside.

    The first worker that comes to the point of the file dies or freezes there.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def set(self, point: str, act: Act) -> None:
        """Make the next worker that comes to this point die or freeze."""
        unfinished = self.file.with_suffix(".unfinished")
        unfinished.write_text(f"{act}\n{point}")
        unfinished.rename(self.file)

    def remove(self) -> None:
        """Let workers pass all points."""
        self.file.unlink(missing_ok=True)

    def enter(self, point: str, observations: ObservationWriter) -> None:
        """Pass a point, or kill or freeze this process if the trap is set for the point."""
        try:
            act, _, trapped = self.file.read_text().partition("\n")
        except FileNotFoundError:
            return
        if trapped != point:
            return
        try:
            self.file.unlink()
        except FileNotFoundError:
            # Another worker was faster.
            return
        observations.write("point", point)
        os.kill(os.getpid(), _SIGNALS[act])


def install(trap: Trap, observations: ObservationWriter) -> None:
    """Put all points into this process."""
    for name, (function, when) in POINTS.items():
        function.replace(_wrapped(function.get(), name, when, trap, observations))


def _wrapped(
    function: Callable[..., Awaitable[Any]],
    name: str,
    when: str,
    trap: Trap,
    observations: ObservationWriter,
) -> Callable[..., Awaitable[Any]]:
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            trap.enter(name, observations)
        result = await function(*args, **kwargs)
        if when == "after":
            trap.enter(name, observations)
        return result

    return wrapped

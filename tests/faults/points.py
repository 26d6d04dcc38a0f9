"""The named points of the product at which a worker can be made to die or to freeze.

They are put into a child process from outside: the product has no switches for this.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tests.faults.observed import Observations

Act = Literal["kill", "stop"]
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class Point(NamedTuple):
    """Where in the product, and whether before or after."""

    module: str
    owner: str
    """A class of the module; "" for the module itself."""
    function: str
    when: Literal["before", "after"]


POINTS = {
    # The batch loop.
    "before the claim": Point("workers.ingest.batch_loop", "BatchLoop", "_apply_once", "before"),
    "before the commit": Point("workers.ingest.batch_loop", "BatchLoop", "_apply_within", "after"),
    "after the commit, before the ack": Point(
        "workers.ingest.batch_loop", "BatchLoop", "_apply_once", "after"
    ),
    # The relay.
    "after the relay's sends, before its commit": Point(
        "aiokafka", "AIOKafkaProducer", "commit_transaction", "before"
    ),
    "after the relay's commit, before the delete": Point(
        "workers.outbox.shard", "", "transact", "after"
    ),
    # The sender.
    "after posting, before the POST": Point("workers.twilio.client", "Twilio", "post", "before"),
    "after the POST, before it is stored": Point(
        "workers.twilio.client", "Twilio", "post", "after"
    ),
    # The receiver.
    "after Kafka has a webhook, before the answer": Point(
        "workers.webhooks.delivery", "Delivery", "deliver", "after"
    ),
    "after the drain, before it is forgotten": Point(
        "workers.webhooks.receiver", "Receiver", "_drain_chunk", "after"
    ),
}
"""Each by what has happened and what has not."""


class Trap:
    """What workers look at each time they come to a point. Armed from outside, by a file; the
    first to come there is caught."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def arm(self, point: str, act: Act) -> None:
        """Have the worker die or freeze the next time it comes to this point."""
        unfinished = self.file.with_suffix(".unfinished")
        unfinished.write_text(f"{act}\n{point}")
        unfinished.rename(self.file)

    def disarm(self) -> None:
        """Let it live."""
        self.file.unlink(missing_ok=True)

    def spring(self, point: str, observations: Observations) -> None:
        """End or freeze this process, if this is the point that it is to happen at."""
        try:
            act, _, armed = self.file.read_text().partition("\n")
        except FileNotFoundError:
            return
        if armed != point:
            return
        try:
            self.file.unlink()
        except FileNotFoundError:
            # Another worker was faster.
            return
        observations.write("point", point)
        os.kill(os.getpid(), _SIGNALS[act])


def install(trap: Trap, observations: Observations) -> None:
    """Put all points into this process. Raises AttributeError when the product has none such."""
    for name, point in POINTS.items():
        module = __import__(point.module, fromlist=["_"])
        owner = getattr(module, point.owner) if point.owner else module
        wrapped = _wrapped(getattr(owner, point.function), name, point.when, trap, observations)
        setattr(owner, point.function, wrapped)


def _wrapped(
    function: Callable[..., Awaitable[Any]],
    name: str,
    when: str,
    trap: Trap,
    observations: Observations,
) -> Callable[..., Awaitable[Any]]:
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            trap.spring(name, observations)
        result = await function(*args, **kwargs)
        if when == "after":
            trap.spring(name, observations)
        return result

    return wrapped

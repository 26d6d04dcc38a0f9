"""The time from a contact's message to its frame in a stream, under a steady load."""

import time
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from bench.latency import output, percentile, process
from bench.load.input_events import USERS
from bench.load.message_load import MessageLoad
from bench.load.pacer import Paced
from bench.runs.measurement import worker_cpu_seconds
from bench.runs.workers import WorkerProcess
from bench.streams.client import Client, connect, until
from workers.settings import Settings

GOAL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure."""

    rate: float = 200.0
    """Messages per second."""
    seconds: float = 20.0
    warm_up_seconds: float = 3.0
    conversations: int = 5_000


@dataclass(frozen=True, kw_only=True)
class FrameLatency:
    """The seconds from when a message was due to be published until a stream had it."""

    rate: float
    messages: int
    p50: float
    p99: float
    max: float
    api_cpu: float
    """The share of a core that the process of the API took."""
    resets: int
    """How often the client was to fetch again, beside the first time."""

    def lines(self) -> list[str]:
        """What to print."""
        met = "met" if self.p99 < GOAL_SECONDS and not self.resets else "MISSED"
        return [
            f"{self.messages} messages, {self.rate:,.0f} per second, published to frame: "
            f"p50 {self.p50:.3f} s, p99 {self.p99:.3f} s, max {self.max:.3f} s, "
            f"{self.resets} resets, the API at {self.api_cpu:.0%} of a core "
            f"({met}: p99 < {GOAL_SECONDS:.0f} s)"
        ]


class _Message(Struct):
    message_id: str


_DECODER = msgspec.json.Decoder(_Message)


async def latency(settings: Settings, api: WorkerProcess, plan: Plan) -> FrameLatency:
    """Send messages at a steady rate, and follow them with one stream."""
    arrived: dict[str, float] = {}

    def take(name: str, data: bytes) -> None:
        if name == "message":
            arrived[_DECODER.decode(data).message_id] = time.time()

    client = Client(USERS[0], take=take)
    await connect(api.url, client)
    await until(lambda: "reset" in client.counts)
    count = int((plan.warm_up_seconds + plan.seconds) * plan.rate)
    arguments = (0, count, plan.conversations, plan.rate)
    cpu_seconds = worker_cpu_seconds(api)
    async with process(settings, "bench.load.pacer", *arguments) as sender:
        paced = msgspec.json.decode(await output(sender), type=Paced)
    cpu_seconds = worker_cpu_seconds(api) - cpu_seconds
    ids = MessageLoad(messages=0, conversations=0).message_ids(0, count)
    # After a reset some frames never come.
    await until(lambda: len(arrived) >= count or client.counts["reset"] > 1)
    client.transport.abort()
    waits = sorted(
        arrived[id_] - paced.began - number / plan.rate
        for number, id_ in enumerate(ids)
        if id_ in arrived and number >= plan.warm_up_seconds * plan.rate
    )
    return FrameLatency(
        rate=plan.rate,
        messages=len(waits),
        p50=percentile(waits, 0.5),
        p99=percentile(waits, 0.99),
        max=waits[-1],
        api_cpu=cpu_seconds / (plan.warm_up_seconds + plan.seconds),
        resets=client.counts["reset"] - 1,
    )

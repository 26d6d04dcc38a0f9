"""Measures the time from a click to its result over HTTP, while messages come in.

    python -m bench.api_commands [--maximum RATE] [--seconds 20] [--clicks 20]

One worker applies messages at half of its maximum, which is measured first unless it is given.
Another process of the API alone gets clicks at a steady rate: users assign conversations to each
other. A latency begins when a click was due, and ends when its answer is there. An answer of 200
holds the result, and 202 says that there was none in time; such a click counts as late. At the end
each command must have exactly one result.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import msgspec

from bench.checkers.messages import check
from bench.checkers.promises import expect
from bench.checkers.tables import owner_connection
from bench.latency import output, percentile, process
from bench.load.input_events import ACCOUNT, USERS, directory
from bench.load.message_load import MessageLoad
from bench.load.pacer import Paced
from bench.load.publishing import publish
from bench.runs.measurement import ROLES, measure, worker_cpu_seconds
from bench.runs.workers import WorkerProcess, running_workers, until_applied
from workers.api.operation import PREFIX
from workers.dev.stack import stack
from workers.settings import Settings

GOAL_MILLISECONDS = 1000.0
READY_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure."""

    maximum: float | None = None
    """Messages per second; None: to be measured."""
    burst: int = 20_000
    """How many messages the maximum is measured with."""
    seconds: float = 20.0
    """How long clicks are counted, after those of the first seconds."""
    warm_up_seconds: float = 3.0
    clicks: float = 20.0
    """Per second."""
    conversations: int = 5_000


@dataclass(frozen=True, kw_only=True)
class ClickLatency:
    """The latencies of clicks, in milliseconds."""

    rate: float
    """Messages per second meanwhile."""
    clicks: int
    p50: float
    p99: float
    max: float
    late: int
    """Clicks without a result in time."""
    api_cpu: float
    """The share of a core that the process of the API took."""


async def run(settings: Settings, path: Path, plan: Plan) -> ClickLatency:
    """Returns the latencies. Raises bench.checkers.promises.Broken."""
    # The proxy that says who clicks is this program.
    settings = replace(settings, api_trusted_networks=(ip_network("127.0.0.0/8"),))
    known = await publish(settings, directory())
    with running_workers(settings, path, roles=ROLES) as workers:
        await until_applied(settings, workers, known)
    load = MessageLoad(messages=plan.burst, conversations=plan.conversations)
    await publish(settings, load.events())
    maximum = (await measure(settings, path, plan.burst)).rate
    rate = (plan.maximum or maximum) / 2
    with running_workers(settings, path, roles=ROLES) as workers:
        api = WorkerProcess(settings, path / "api.log", "api")
        try:
            # The worker has its partitions once it has applied a message.
            first = MessageLoad(messages=plan.burst + 1, conversations=plan.conversations)
            known += await publish(settings, first.events(plan.burst)) + plan.burst
            await until_applied(settings, workers, known)
            await _ready(api)
            seconds = plan.warm_up_seconds + plan.seconds
            messages = int(seconds * rate)
            arguments = (plan.burst + 1, messages, plan.conversations, rate)
            async with process(settings, "bench.load.pacer", *arguments) as sender:
                cpu_seconds = worker_cpu_seconds(api)
                waits = await _click(settings, api.url, plan)
                cpu_seconds = worker_cpu_seconds(api) - cpu_seconds
                msgspec.json.decode(await output(sender), type=Paced)
            total = known + messages + len(waits)
            await until_applied(settings, [*workers, api], total)
        finally:
            api.stop()
    await check(settings)
    clicks = waits[int(plan.warm_up_seconds * plan.clicks) :]
    counted = sorted(milliseconds for milliseconds, _ in clicks)
    return ClickLatency(
        rate=rate,
        clicks=len(counted),
        p50=percentile(counted, 0.5),
        p99=percentile(counted, 0.99),
        max=counted[-1],
        api_cpu=cpu_seconds / seconds,
        late=sum(status == 202 for _, status in clicks),
    )


async def _ready(api: WorkerProcess) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(READY_SECONDS):
        while True:
            api.check()
            try:
                async with session.get(api.url + "/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


async def _click(settings: Settings, url: str, plan: Plan) -> list[tuple[float, int]]:
    """Click at a steady rate, and return how many milliseconds after it was due each was answered,
    and the status, in order."""
    async with owner_connection(settings) as connection:
        rows = await connection.fetch(
            "SELECT conversation_id::text FROM inbox.conversations ORDER BY conversation_id"
        )
    count = int((plan.warm_up_seconds + plan.seconds) * plan.clicks)
    began = time.perf_counter()

    async def one(session: aiohttp.ClientSession, number: int) -> tuple[float, int]:
        due = began + number / plan.clicks
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        user, other = USERS[number % 2], USERS[(number + 1) % 2]
        async with session.post(
            f"{url}{PREFIX}/conversations/{rows[number % len(rows)][0]}/assign",
            json={"assignee_id": other},
            headers={"X-Inbox-Account": ACCOUNT, "X-Inbox-User": user},
        ) as answer:
            expect(answer.status in {200, 202}, f"a click was answered {answer.status}")
            return (time.perf_counter() - due) * 1000, answer.status

    async with aiohttp.ClientSession() as session:
        return await asyncio.gather(*[one(session, number) for number in range(count)])


async def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--maximum", type=float, help="messages per second")
    parser.add_argument("--seconds", type=float, default=Plan.seconds)
    parser.add_argument("--burst", type=int, default=Plan.burst, help="messages before")
    parser.add_argument("--clicks", type=float, default=Plan.clicks, help="clicks per second")
    given = parser.parse_args(arguments)
    plan = Plan(
        maximum=given.maximum, burst=given.burst, seconds=given.seconds, clicks=given.clicks
    )
    settings = Settings.from_environment({"INBOX_PARTITIONS": "8"})
    with tempfile.TemporaryDirectory() as name:
        async with stack(settings, Path(name)) as running:
            found = await run(running, Path(name), plan)
    met = "met" if found.p99 < GOAL_MILLISECONDS else "missed"
    print(
        f"{found.clicks} clicks at {found.rate:,.0f} messages/s: p50 {found.p50:.0f}, "
        f"p99 {found.p99:.0f}, max {found.max:.0f} ms, {found.late} late; "
        f"the API took {found.api_cpu:.0%} of a core; goal: p99 less than "
        f"{GOAL_MILLISECONDS:.0f} ms, {met}"
    )


if __name__ == "__main__":
    asyncio.run(main())

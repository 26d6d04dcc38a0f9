"""Measures the event streams of one API process, and checks the order of what they say.

    python -m bench.api_streams [--parts many latency order] [--streams 5000] [--users 500]
                                [--rate 200] [--events 100000]

One worker ingests, another one serves the API alone. The clients are sockets of this process.

- `many` opens the streams, and prints the memory of the API's process, and its CPU time while
  nothing happens. It prints the time from the publishing of one message until every stream has it,
  the worst of ten. Then all clients hang up, and come back within ten seconds with their last ids.
- `latency` sends messages at a steady rate, and prints the time from when each was due to be
  published until a stream had its frame.
- `order` publishes messages and commands on 500 conversations. It kills the API's process twice and
  the ingesting one once in between. Three clients follow, one of which hangs up every second. What
  they know in the end is what Postgres has; nothing came twice, or older after newer.
"""

import argparse
import asyncio
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from bench.load.input_events import directory, user
from bench.load.publishing import publish
from bench.runs.workers import WorkerProcess, running_workers, until_applied
from bench.streams import latency, many, order
from workers.dev.stack import stack
from workers.settings import Settings

PARTS = ("many", "latency", "order")
PART_SECONDS = 900.0
"""The longest that a part may take."""

READY_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure."""

    of_many: many.Plan = field(default_factory=many.Plan)
    of_latency: latency.Plan = field(default_factory=latency.Plan)
    events: int = 100_000
    """Of the part `order`."""


async def run(
    settings: Settings, path: Path, plan: Plan, parts: Collection[str] = PARTS
) -> dict[str, Any]:
    """Returns what each part found. Raises Broken, and TimeoutError for a part that hangs."""
    settings = replace(settings, api_trusted_networks=(ip_network("127.0.0.0/8"),))
    users = [user(f"u{number}", f"user-{number}") for number in range(plan.of_many.users)]
    known = await publish(settings, [*directory(), *users])
    (path / "api").mkdir()
    found: dict[str, Any] = {}
    with (
        running_workers(settings, path, roles="ingest,relay") as [ingest],
        running_workers(settings, path / "api", roles="api") as [api],
    ):
        await until_applied(settings, [ingest, api], known)
        await _until_ready(api)
        made: dict[str, Callable[[], Awaitable[Any]]] = {
            "many": lambda: many.many(settings, api, plan.of_many),
            "latency": lambda: latency.latency(settings, api, plan.of_latency),
            "order": lambda: order.order(settings, ingest, api, plan.events),
        }
        for part in parts:
            began = time.monotonic()
            async with asyncio.timeout(PART_SECONDS):
                found[part] = await made[part]()
            print(f"{part}, {time.monotonic() - began:.0f} s:", *found[part].lines(), sep="\n")
    return found


async def _until_ready(worker: WorkerProcess) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(READY_SECONDS):
        while True:
            worker.check()
            with suppress(aiohttp.ClientError):
                async with session.get(f"{worker.url}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)


async def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--streams", type=int, default=5000)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--events", type=int, default=100_000)
    given = parser.parse_args(arguments)
    # Each stream is an open file here too.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    plan = Plan(
        of_many=many.Plan(streams=given.streams, users=given.users),
        of_latency=latency.Plan(rate=given.rate),
        events=given.events,
    )
    settings = Settings.from_environment({"INBOX_PARTITIONS": "8"})
    with tempfile.TemporaryDirectory() as name:
        async with stack(settings, Path(name)) as settings:
            await run(settings, Path(name), plan, given.parts)


if __name__ == "__main__":
    uvloop.run(main())

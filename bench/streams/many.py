"""What thousands of streams cost one process of the API, and how soon all of them know."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from statistics import median

import psutil

from bench.load.input_events import message
from bench.load.publishing import publish
from bench.runs.measurement import worker_cpu_seconds
from bench.runs.workers import WorkerProcess
from bench.streams.client import Asked, Client, Opened, open_streams, until
from workers.settings import Settings

RECONNECT_SECONDS = 10.0
MEGABYTES_GOAL, IDLE_GOAL, CHANGE_GOAL = 400.0, 0.1, 1.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure."""

    streams: int = 5000
    users: int = 500
    open_seconds: float = 20.0
    idle_seconds: float = 20.0
    changes: int = 10


@dataclass(frozen=True, kw_only=True)
class Many:
    """What was measured."""

    streams: int
    megabytes_before: float
    megabytes: float
    megabytes_peak: float
    connect_milliseconds: float
    """The CPU time of a connect."""
    idle: float
    """The share of a core while nothing changes."""
    changes: list[float]
    """For each change, the seconds from its publishing until every stream had it."""
    first: Opened
    again: Opened
    resets: int
    """Clients that came back, and were told to fetch again."""

    def lines(self) -> list[str]:
        """What to print."""
        return [
            f"{self.streams} streams: {self.megabytes_before:.0f} MB without them, "
            f"{self.megabytes:.0f} MB with them, {self.megabytes_peak:.0f} MB at most"
            f" ({_met(self.megabytes_peak < MEGABYTES_GOAL)}: < {MEGABYTES_GOAL:.0f})",
            f"  opened in {self.first.seconds:.1f} s, {_errors(self.first)}; "
            f"{self.connect_milliseconds:.2f} ms of CPU time each",
            f"  idle: {self.idle:.1%} of a core ({_met(self.idle < IDLE_GOAL)}: < {IDLE_GOAL:.0%})",
            f"  one change at all, {len(self.changes)} times: median {median(self.changes):.2f} s, "
            f"worst {max(self.changes):.2f} s"
            f" ({_met(max(self.changes) < CHANGE_GOAL)}: < {CHANGE_GOAL:.0f} s)",
            f"  all came back within {self.again.seconds:.1f} s, {_errors(self.again)}, "
            f"{self.resets} were to fetch again",
        ]


def _met(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def _errors(opened: Opened) -> str:
    return f"{len(opened.errors)} errors {sorted(set(opened.errors)) or ''}".rstrip()


async def many(settings: Settings, api: WorkerProcess, plan: Plan) -> Many:
    """Open the streams, wait, change something, and let all clients go and come back."""
    before = _megabytes(api)
    users = [f"u{number % plan.users}" for number in range(plan.streams)]
    cpu_seconds = worker_cpu_seconds(api)
    first = await open_streams(api.url, [Asked(user) for user in users], plan.open_seconds)
    clients = first.clients
    await until(lambda: all("reset" in client.counts for client in clients))
    connect_seconds = (worker_cpu_seconds(api) - cpu_seconds) / plan.streams
    with_streams = _megabytes(api)
    cpu_seconds = worker_cpu_seconds(api)
    await asyncio.sleep(plan.idle_seconds)
    idle = (worker_cpu_seconds(api) - cpu_seconds) / plan.idle_seconds
    changes = [await _change(settings, clients, number) for number in range(1, plan.changes + 1)]
    asked = [Asked(client.user_id, client.last_id) for client in clients]
    for client in clients:
        client.transport.abort()
    again = await open_streams(api.url, asked, RECONNECT_SECONDS)
    await until(lambda: all("hello" in client.counts for client in again.clients))
    for client in again.clients:
        client.transport.abort()
    return Many(
        streams=len(clients),
        megabytes_before=before,
        megabytes=with_streams,
        megabytes_peak=api.peak_megabytes,
        connect_milliseconds=1000 * connect_seconds,
        idle=idle,
        changes=changes,
        first=first,
        again=again,
        resets=sum("reset" in client.counts for client in again.clients),
    )


async def _change(settings: Settings, clients: Sequence[Client], number: int) -> float:
    """Returns the seconds from the publishing of a message until every client has it."""
    event = message(f"SM-many-{number}", "whatsapp:+49", datetime.now(UTC))
    began = time.monotonic()
    await publish(settings, [event])
    await until(partial(_have_all, clients, number))
    return time.monotonic() - began


def _have_all(clients: Sequence[Client], messages: int) -> bool:
    return all(client.counts.get("message", 0) >= messages for client in clients)


def _megabytes(worker: WorkerProcess) -> float:
    resident: int = psutil.Process(worker.process.pid).memory_info().rss
    return resident / 1024 / 1024

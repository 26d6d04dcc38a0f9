"""Measures how fast the API answers where one account has a million conversations.

    python -m bench.api_pages [--conversations 1000000] [--messages 100000] [--pages 2000]
                              [--requests 300] [--parts pages sections messages search hot]
                              [--json FILE]

One client asks one worker with the role `api` over HTTP, one request after the other. `pages`: the
first page of each section, again and again, then all pages one after the other; the last ones are
told apart. `sections`: how many conversations each section has. `messages`: the newest 50 of a
conversation with many. `search`: by the start of names and numbers. `hot`: a worker applies a
thousand messages a second, and Postgres says how many updates of conversations were made in place
(HOT).

Prints the median and the 99th percentile in milliseconds, what the goal is, and the worker's CPU
time for a request, which other work of the machine does not change.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_network
from math import ceil
from pathlib import Path
from typing import Any

import aiohttp

from bench.checkers.tables import owner_connection
from bench.load.input_events import ACCOUNT, INSTALLER
from bench.load.listed import store_listed
from bench.load.message_load import MessageLoad
from bench.load.pacer import pace, records_of
from bench.runs.measurement import ROLES, worker_cpu_seconds
from bench.runs.workers import WorkerProcess, running_workers, until_applied
from db.connect import Connection
from workers.api.operation import PREFIX
from workers.dev.stack import stack
from workers.settings import Settings

PARTS = ("pages", "sections", "messages", "search", "hot")
API_ROLES = "web,api"
SECTIONS = ("unassigned", "assigned_to_me", "assigned_to_others", "closed")
SEARCHES = ("mar", "maria 0", "maria 00a", "+49", "+49 0001", "whatsapp:+4900 12", "nobody")
GOALS = {"pages": 50.0, "sections": 20.0, "messages": 30.0, "search": None}
"""The goals of the 99th percentiles, in milliseconds."""

HOT_GOAL = 0.95
HOT_MESSAGES, HOT_CONVERSATIONS, HOT_RATE = 30_000, 5_000, 1_000.0
READY_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Answers:
    """How long answers to similar requests took, in milliseconds."""

    what: str
    requests: int
    p50: float
    p99: float
    goal: float | None

    @property
    def line(self) -> str:
        """The line that is printed."""
        met = "" if self.goal is None else f" {'met' if self.p99 <= self.goal else 'missed'}"
        goal = f"  goal {self.goal:g}{met}" if self.goal else ""
        return f"{self.what:>32} {self.requests:>6} {self.p50:>8.1f} {self.p99:>8.1f}{goal}"


def answers(what: str, seconds: Sequence[float], goal: float | None) -> Answers:
    """Returns the percentiles of some times."""
    ordered = sorted(seconds)
    p50, p99 = (ordered[ceil(share * len(ordered)) - 1] * 1000 for share in (0.5, 0.99))
    found = Answers(what=what, requests=len(ordered), p50=p50, p99=p99, goal=goal)
    print(found.line, flush=True)
    return found


class Client:
    """Asks as the user ana, one request after the other."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url + PREFIX
        self._headers = {"X-Inbox-Account": ACCOUNT, "X-Inbox-User": INSTALLER}
        self.asked = 0
        """How many requests were answered."""

    async def get(self, path: str, **query: str) -> tuple[float, Any]:
        """Returns the seconds until an answer was whole, and the answer. Raises RuntimeError."""
        began = time.perf_counter()
        async with self._session.get(
            self._url + path, params=query, headers=self._headers
        ) as response:
            body = await response.read()
        seconds = time.perf_counter() - began
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {body[:300]!r}")
        self.asked += 1
        return seconds, json.loads(body)

    async def repeat(self, path: str, times: int, **query: str) -> list[float]:
        """Returns the seconds of each of so many equal requests."""
        return [(await self.get(path, **query))[0] for _ in range(times)]

    async def until_ready(self, worker: WorkerProcess) -> None:
        """Wait until the API answers. Raises RuntimeError if its worker ended, or TimeoutError."""
        async with asyncio.timeout(READY_SECONDS):
            while True:
                worker.check()
                try:
                    await self.get("/me")
                except (aiohttp.ClientError, RuntimeError):
                    await asyncio.sleep(0.1)
                else:
                    return


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure."""

    parts: Sequence[str]
    conversations: int
    messages: int
    """Of the long conversation."""
    pages: int
    requests: int


async def measure_pages(client: Client, plan: Plan) -> list[Answers]:
    """Measure the first page of each section, and the last ones of many."""
    found = []
    for section in SECTIONS:
        seconds = await client.repeat("/conversations", plan.requests, section=section)
        found.append(answers(f"{section}, page 1", seconds, GOALS["pages"]))
        seconds = []
        cursor: dict[str, str] = {}
        for _ in range(plan.pages):
            took, page = await client.get("/conversations", section=section, **cursor)
            seconds.append(took)
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        last = seconds[-plan.requests :]
        first_of_last = len(seconds) - len(last) + 1
        name = f"{section}, {first_of_last} to {len(seconds)}"
        found.append(answers(name, last, GOALS["pages"]))
    return found


async def measure_api(client: Client, plan: Plan, long_one: str) -> list[Answers]:
    """Measure what the API answers."""
    found = []
    if "pages" in plan.parts:
        found += await measure_pages(client, plan)
    if "sections" in plan.parts:
        seconds = await client.repeat("/sections", plan.requests)
        found.append(answers("sections", seconds, GOALS["sections"]))
    if "messages" in plan.parts:
        path = f"/conversations/{long_one}/messages"
        seconds = await client.repeat(path, plan.requests)
        name = f"newest 50 of {plan.messages:,} messages"
        found.append(answers(name, seconds, GOALS["messages"]))
    if "search" in plan.parts:
        for contact in SEARCHES:
            seconds = await client.repeat("/conversations", plan.requests, contact=contact)
            found.append(answers(f"search {contact!r}", seconds, GOALS["search"]))
    return found


async def measure_hot(settings: Settings, path: Path) -> float:
    """Returns the share of updates of conversations that were made in place."""
    load = MessageLoad(messages=HOT_MESSAGES, conversations=HOT_CONVERSATIONS, series=7)
    async with owner_connection(settings) as connection:
        known = await connection.fetchval("SELECT sum(next_offset) FROM inbox.positions") or 0
        before = await _updates(connection)
        with running_workers(settings, path, roles=ROLES) as workers:
            await pace(settings, records_of(load, 0, settings.partitions), HOT_RATE)
            await until_applied(settings, workers, known + HOT_MESSAGES)
        # Postgres counts a connection's work when the connection is closed.
        after = await _updates(connection)
    updates, hot = (new - old for new, old in zip(after, before, strict=True))
    share: float = hot / updates
    met = "met" if share >= HOT_GOAL else "missed"
    print(f"{hot:,} of {updates:,} updates in place: {share:.1%}, goal {HOT_GOAL:.0%} {met}")
    return share


async def _updates(connection: Connection) -> tuple[int, int]:
    row = await connection.fetchrow(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
        " WHERE schemaname = 'inbox' AND relname = 'conversations'"
    )
    assert row is not None
    return row["n_tup_upd"], row["n_tup_hot_upd"]


async def run(settings: Settings, path: Path, plan: Plan) -> dict[str, object]:
    """Fill the tables, measure and print. Returns the measurements."""
    async with owner_connection(settings) as connection:
        began = time.monotonic()
        listed = await store_listed(connection, plan.conversations, plan.messages)
        took = time.monotonic() - began
    print(f"{plan.conversations:,} conversations written in {took:.0f} s", flush=True)
    report: dict[str, object] = {"plan": asdict(plan)}
    if set(plan.parts) - {"hot"}:
        print(f"{'milliseconds':>32} {'asked':>6} {'p50':>8} {'p99':>8}")
        with running_workers(settings, path, roles=API_ROLES) as [worker]:
            async with aiohttp.ClientSession() as session:
                client = Client(session, worker.url)
                await client.until_ready(worker)
                asked, cpu_seconds = client.asked, worker_cpu_seconds(worker)
                found = await measure_api(client, plan, listed.long_one)
                cpu_seconds = worker_cpu_seconds(worker) - cpu_seconds
        each = cpu_seconds / (client.asked - asked) * 1000
        print(f"{each:.1f} ms of the worker's CPU time for a request")
        report["worker_cpu_milliseconds"] = each
        report["answers"] = [asdict(one) for one in found]
    if "hot" in plan.parts:
        report["hot"] = await measure_hot(settings, path)
    return report


async def main(arguments: Sequence[str] | None = None) -> None:
    """Start servers, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--conversations", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=100_000, help="of the long conversation")
    parser.add_argument("--pages", type=int, default=2_000)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--json", type=Path, help="a file to write the results to")
    given = parser.parse_args(arguments)
    plan = Plan(
        parts=given.parts,
        conversations=given.conversations,
        messages=given.messages,
        pages=given.pages,
        requests=given.requests,
    )
    settings = replace(
        Settings.from_environment({"INBOX_PARTITIONS": "8"}),
        api_trusted_networks=(ip_network("127.0.0.0/8"),),
        api_user_rate=100_000,
        api_account_rate=100_000,
    )
    with tempfile.TemporaryDirectory() as name:
        async with stack(settings, Path(name)) as running:
            report = await run(running, Path(name), plan)
    if given.json:
        given.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())

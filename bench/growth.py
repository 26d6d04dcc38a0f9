"""Measures a message's cost when much is stored and with many users, and a backlog's memory.

    python -m bench.growth [--quick] [--parts stored users backlog] [--stored 10000 10000000]
                           [--rounds 3] [--json FILE]

`stored`: one worker applies messages to an account that has 10^4 to 10^7 of them already. Half of
the messages are for stored conversations, half for new ones. Each size has its own database. Each
round takes all sizes in turn, each after a checkpoint. `users`: the account has 10 to 10,000 users,
a few of whom are notified of messages. `backlog`: a million messages at once.

Prints the cost of a message, and the time of each stage. Checks that each message was recorded
once, and that it has one notification.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.load.message_load import MessageLoad
from bench.load.publishing import publish
from bench.runs.cases import NOTIFIED_USERS, Case, apply, check_notified, fill, new_case, set_users
from bench.runs.measurement import Measurement, measure
from workers.dev.embedded.kafka import EmbeddedKafka
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.dev.stack import with_database
from workers.settings import Settings

PARTS = ("stored", "users", "backlog")
RATIO_GOAL, MEGABYTES_GOAL = 1.2, 250.0

KEPT_SHARE = 0.05
"""If a round has more messages than this share of the stored ones, each round is filled anew."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure."""

    stored: tuple[int, ...] = (10**4, 10**5, 10**6, 10**7)
    users: tuple[int, ...] = (10, 1_000, 10_000)
    messages: int = 50_000
    """Messages of each round."""
    rounds: int = 3
    backlog: int = 10**6


QUICK = Plan(stored=(10**4, 10**6), users=(10, 10_000), messages=20_000, rounds=1, backlog=200_000)

Rounds = dict[int, list[Measurement]]
"""The measurements of each size."""


async def measure_stored(
    settings: Settings, postgres: EmbeddedPostgres, path: Path, plan: Plan
) -> Rounds:
    """Measure with different numbers of stored messages. Raises bench.checkers.promises.Broken."""
    cases = {size: await new_case(settings, postgres, f"stored_{size}") for size in plan.stored}
    # Not counted: servers that have just started are slower.
    await apply(cases[plan.stored[0]], path, plan.messages, series=0)
    found: Rounds = {size: [] for size in plan.stored}
    for series in range(1, plan.rounds + 1):
        for size, case in cases.items():
            if case.stored == 0 or plan.messages > KEPT_SHARE * size:
                began = time.monotonic()
                await fill(case, size)
                print(f"  stored {size:,} in {time.monotonic() - began:.0f} s", flush=True)
            found[size].append(await apply(case, path, plan.messages, series))
            print(_line(f"{size:,} stored", found[size][-1]), flush=True)
    for case in cases.values():
        await check_notified(case)
    return found


async def measure_users(case: Case, path: Path, plan: Plan) -> Rounds:
    """Measure with different numbers of users. Raises bench.checkers.promises.Broken."""
    found: Rounds = {users: [] for users in plan.users}
    for series, users in enumerate(plan.users * plan.rounds, start=1):
        await set_users(case, users, NOTIFIED_USERS)
        found[users].append(await apply(case, path, plan.messages, series))
        print(_line(f"{users:,} users", found[users][-1]), flush=True)
    await check_notified(case)
    return found


async def measure_backlog(case: Case, path: Path, plan: Plan) -> Measurement:
    """Measure one backlog. Raises bench.checkers.promises.Broken."""
    load = MessageLoad(messages=plan.backlog, conversations=case.conversations)
    await publish(case.settings, load.events())
    measurement = await measure(case.settings, path, plan.backlog)
    print(_line(f"backlog of {plan.backlog:,}", measurement), flush=True)
    case.recorded = case.published = load.message_ids(0, plan.backlog)
    await check_notified(case)
    return measurement


def _line(what: str, measurement: Measurement) -> str:
    return (
        f"{what}: {measurement.rate:,.0f}/s, {measurement.cost:.1f} µs a message,"
        f" peak memory {measurement.peak_megabytes:.0f} MB"
    )


def cost(rounds: Sequence[Measurement]) -> float:
    """Returns the median of microseconds per message."""
    return statistics.median(one.cost for one in rounds)


def table(found: Mapping[int, Sequence[Measurement]], what: str) -> list[str]:
    """Returns a table with a column of medians for each size."""
    numbers: dict[str, list[float]] = {"µs a message": [cost(rounds) for rounds in found.values()]}
    columns = [[_numbers(one) for one in rounds] for rounds in found.values()]
    for name in columns[0][0]:
        numbers[name] = [
            statistics.median(one.get(name, 0.0) for one in column) for column in columns
        ]
    head = f"{what:>22}" + "".join(f"{size:>12,}" for size in found)
    return [head] + [
        f"{name:>22}" + "".join(f"{value:>12,.2f}" for value in values)
        for name, values in numbers.items()
    ]


def _numbers(measurement: Measurement) -> dict[str, float]:
    return {
        **{f"{name}, s": stage.seconds for name, stage in measurement.stages.items()},
        "batches": measurement.stages["commit"].times,
        "worker's CPU, s": measurement.cpu_seconds,
        "peak memory, MB": measurement.peak_megabytes,
        "log written, MB": measurement.wal_bytes / 1e6,
        "pages logged whole": measurement.full_pages,
        "pages read": measurement.blocks_read,
    }


async def run(
    settings: Settings, postgres: EmbeddedPostgres, path: Path, plan: Plan, parts: Sequence[str]
) -> dict[str, object]:
    """Measure, print and check. Returns the measurements.

    Raises bench.checkers.promises.Broken.
    """
    report: dict[str, object] = {}
    if "stored" in parts:
        found = await measure_stored(settings, postgres, path, plan)
        print(*table(found, "messages stored"), sep="\n")
        ratio = cost(found[plan.stored[-1]]) / cost(found[plan.stored[0]])
        print(f"{plan.stored[-1]:,} against {plan.stored[0]:,}: {_against_goal(ratio, RATIO_GOAL)}")
        report |= {"stored": _plain(found), "ratio": ratio, "ratio_goal": RATIO_GOAL}
    if "users" in parts:
        found = await measure_users(await new_case(settings, postgres, "users"), path, plan)
        print(*table(found, "users"), sep="\n")
        report |= {"users": _plain(found)}
    if "backlog" in parts:
        case = await new_case(settings, postgres, "backlog")
        backlog = await measure_backlog(case, path, plan)
        print(f"peak memory, MB: {_against_goal(backlog.peak_megabytes, MEGABYTES_GOAL)}")
        report |= {"backlog": asdict(backlog), "megabytes_goal": MEGABYTES_GOAL}
    return report


def _against_goal(value: float, goal: float) -> str:
    return f"{value:.2f}, goal: at most {goal:g}, {'met' if value <= goal else 'missed'}"


def _plain(found: Rounds) -> dict[int, list[dict[str, object]]]:
    return {size: [asdict(one) for one in rounds] for size, rounds in found.items()}


async def main(arguments: Sequence[str] | None = None) -> None:
    """Start servers, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer and smaller, for a rough result"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--stored", nargs="+", type=int, help="sizes, the smallest first")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json", type=Path, help="a file to write the results to")
    given = parser.parse_args(arguments)
    plan = QUICK if given.quick else Plan()
    plan = replace(
        plan, stored=tuple(given.stored or plan.stored), rounds=given.rounds or plan.rounds
    )
    settings = Settings.from_environment({"INBOX_PARTITIONS": "8"})
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        with (
            EmbeddedPostgres(path / "postgres") as postgres,
            EmbeddedKafka(path / "kafka") as kafka,
        ):
            settings = await with_database(settings, postgres, "inbox")
            settings = replace(settings, kafka=(kafka.bootstrap,))
            report = await run(settings, postgres, path, plan, given.parts)
    if given.json:
        given.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())

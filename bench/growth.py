"""What a message costs when much is stored, with many users, and what memory a backlog takes.

    python -m bench.growth [--quick] [--parts stored users backlog] [--stored 10000 10000000]
                           [--rounds 3] [--json FILE]

`stored`: one worker applies the same messages to an account that has 10^4 to 10^7 of them already.
Half of them are for stored conversations, half for new ones. Each size has a database of its own,
and each round takes all sizes in turn, each after a checkpoint. `users`: the account has 10 to
10,000 users, of whom the same few are told of messages. `backlog`: a million messages at once.

Prints the cost of a message and where the time went; checks that each message was recorded once
and told of once.
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

from bench.load.load import ACCOUNT, CHANNEL, Load, events, publish
from bench.runs.cases import TOLD, Case, apply, check_told, fill, new_case, people
from bench.runs.measured import Measured, measure
from schemas.ids import inbound_message_id
from workers.dev.embedded.kafka import EmbeddedKafka
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.dev.stack import with_database
from workers.settings import Settings

PARTS = ("stored", "users", "backlog")
RATIO_GOAL, MEGABYTES_GOAL = 1.2, 250.0

KEPT_PART = 0.05
"""Where the messages of a round are more than this part of those stored, they do not stay."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure."""

    stored: tuple[int, ...] = (10**4, 10**5, 10**6, 10**7)
    users: tuple[int, ...] = (10, 1_000, 10_000)
    messages: int = 50_000
    """Of each round."""
    rounds: int = 3
    backlog: int = 10**6


QUICK = Plan(stored=(10**4, 10**6), users=(10, 10_000), messages=20_000, rounds=1, backlog=200_000)

Rounds = dict[int, list[Measured]]
"""What the rounds of each size showed."""


async def measure_stored(
    settings: Settings, postgres: EmbeddedPostgres, path: Path, plan: Plan
) -> Rounds:
    """By how many messages are stored. Raises bench.checkers.promises.Broken."""
    cases = {size: await new_case(settings, postgres, f"stored_{size}") for size in plan.stored}
    # Not counted: servers that just started are slower.
    await apply(cases[plan.stored[0]], path, plan.messages, series=0)
    found: Rounds = {size: [] for size in plan.stored}
    for series in range(1, plan.rounds + 1):
        for size, case in cases.items():
            if case.stored == 0 or plan.messages > KEPT_PART * size:
                began = time.monotonic()
                await fill(case, size)
                print(f"  stored {size:,} in {time.monotonic() - began:.0f} s", flush=True)
            found[size].append(await apply(case, path, plan.messages, series))
            print(_line(f"{size:,} stored", found[size][-1]), flush=True)
    for case in cases.values():
        await check_told(case)
    return found


async def measure_users(case: Case, path: Path, plan: Plan) -> Rounds:
    """By how many users there are. Raises bench.checkers.promises.Broken."""
    found: Rounds = {users: [] for users in plan.users}
    for series, users in enumerate(plan.users * plan.rounds, start=1):
        await people(case, users, TOLD)
        found[users].append(await apply(case, path, plan.messages, series))
        print(_line(f"{users:,} users", found[users][-1]), flush=True)
    await check_told(case)
    return found


async def measure_backlog(case: Case, path: Path, plan: Plan) -> Measured:
    """One backlog. Raises bench.checkers.promises.Broken."""
    load = Load(messages=plan.backlog, conversations=case.conversations)
    await publish(case.settings, events(load))
    measured = await measure(case.settings, path, plan.backlog)
    print(_line(f"backlog of {plan.backlog:,}", measured), flush=True)
    case.recorded = case.published = [
        inbound_message_id(ACCOUNT, CHANNEL, f"SM{load.series}{number:031d}")
        for number in range(plan.backlog)
    ]
    await check_told(case)
    return measured


def _line(what: str, measured: Measured) -> str:
    return (
        f"{what}: {measured.rate:,.0f}/s, {measured.cost:.1f} µs a message,"
        f" peak memory {measured.peak_megabytes:.0f} MB"
    )


def cost(rounds: Sequence[Measured]) -> float:
    """Microseconds a message, the median."""
    return statistics.median(measured.cost for measured in rounds)


def table(found: Mapping[int, Sequence[Measured]], what: str) -> list[str]:
    """A column for each size: medians, of a whole round."""
    numbers: dict[str, list[float]] = {"µs a message": [cost(rounds) for rounds in found.values()]}
    columns = [[_numbers(measured) for measured in rounds] for rounds in found.values()]
    for name in columns[0][0]:
        numbers[name] = [
            statistics.median(one.get(name, 0.0) for one in column) for column in columns
        ]
    head = f"{what:>22}" + "".join(f"{size:>12,}" for size in found)
    return [head] + [
        f"{name:>22}" + "".join(f"{value:>12,.2f}" for value in values)
        for name, values in numbers.items()
    ]


def _numbers(measured: Measured) -> dict[str, float]:
    return {
        **{f"{name}, s": stage.seconds for name, stage in measured.stages.items()},
        "batches": measured.stages["commit"].times,
        "worker's CPU, s": measured.cpu_seconds,
        "peak memory, MB": measured.peak_megabytes,
        "log written, MB": measured.wal_bytes / 1e6,
        "pages logged whole": measured.full_pages,
        "pages read": measured.blocks_read,
    }


async def run(
    settings: Settings, postgres: EmbeddedPostgres, path: Path, plan: Plan, parts: Sequence[str]
) -> dict[str, object]:
    """Measure, print, check; what was measured. Raises bench.checkers.promises.Broken."""
    report: dict[str, object] = {}
    if "stored" in parts:
        found = await measure_stored(settings, postgres, path, plan)
        print(*table(found, "messages stored"), sep="\n")
        ratio = cost(found[plan.stored[-1]]) / cost(found[plan.stored[0]])
        print(f"{plan.stored[-1]:,} against {plan.stored[0]:,}: {_judged(ratio, RATIO_GOAL)}")
        report |= {"stored": _plain(found), "ratio": ratio, "ratio_goal": RATIO_GOAL}
    if "users" in parts:
        found = await measure_users(await new_case(settings, postgres, "users"), path, plan)
        print(*table(found, "users"), sep="\n")
        report |= {"users": _plain(found)}
    if "backlog" in parts:
        case = await new_case(settings, postgres, "backlog")
        backlog = await measure_backlog(case, path, plan)
        print(f"peak memory, MB: {_judged(backlog.peak_megabytes, MEGABYTES_GOAL)}")
        report |= {"backlog": asdict(backlog), "megabytes_goal": MEGABYTES_GOAL}
    return report


def _judged(value: float, goal: float) -> str:
    return f"{value:.2f}, goal: at most {goal:g}, {'met' if value <= goal else 'missed'}"


def _plain(found: Rounds) -> dict[int, list[dict[str, object]]]:
    return {size: [asdict(measured) for measured in rounds] for size, rounds in found.items()}


async def main(arguments: Sequence[str] | None = None) -> None:
    """Measure on servers of its own, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look, not a measurement")
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
        with EmbeddedPostgres(path / "postgres") as postgres, EmbeddedKafka(path / "kafka") as bus:
            settings = await with_database(settings, postgres, "inbox")
            settings = replace(settings, kafka=(bus.bootstrap,))
            report = await run(settings, postgres, path, plan, given.parts)
    if given.json:
        given.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())

"""Measures how much throughput a worker loses when every conversation is linked to entities.

    python -m bench.links [--messages 100000] [--conversations 2000] [--entities 2] [--rounds 3]

In each round one worker applies two loads of the same size on one stack, one after the other. The
conversations of one load are linked to so many entities each, those of the other are not linked.
The order changes with each round. The time ends when the last event is published. Everything is
checked, also that each message is in exactly one note of each entity. Prints messages per second of
each round, the medians and their ratio.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.checkers.messages import check
from bench.load.input_events import ENTITIES, InputEvent, command, directory, entity, message
from bench.load.message_load import MessageLoad
from bench.load.publishing import publish
from bench.runs.measurement import measure
from bench.runs.workers import running_workers, until_applied
from workers.dev.stack import stack
from workers.settings import Settings


def first_messages(load: MessageLoad) -> Iterator[InputEvent]:
    """A message of each contact, so that there are conversations to link."""
    now = datetime.now(UTC)
    for number, contact in enumerate(load.contacts):
        yield message(f"SMfirst{load.series}{number:026d}", contact, now)


def links(load: MessageLoad, entities: int) -> Iterator[InputEvent]:
    """So many links of each conversation."""
    now = datetime.now(UTC)
    for contact in load.contacts:
        for kind, id_ in ENTITIES[:entities]:
            command_id = f"link-{contact}-{kind}-{id_}"
            yield command("conversation.link", contact, command_id, now, entity=entity(kind, id_))


async def one_round(
    plain: MessageLoad, linked: MessageLoad, entities: int, *, linked_first: bool
) -> list[float]:
    """Returns messages per second without links and with them."""
    settings = Settings.from_environment({"INBOX_PARTITIONS": "8"})
    rates = {}
    with tempfile.TemporaryDirectory() as name:
        async with stack(settings, Path(name)) as settings:
            known = 0
            # Each is applied before the next comes, since topics have no common order.
            for step in (
                directory(),
                first_messages(plain),
                first_messages(linked),
                links(linked, entities),
            ):
                known += await publish(settings, step)
                with running_workers(settings, Path(name)) as workers:
                    await until_applied(settings, workers, known)
            for load in (linked, plain) if linked_first else (plain, linked):
                total = await publish(settings, load.events())
                rates[load] = (await measure(settings, Path(name), total)).rate
                what = "with links" if load is linked else "without links"
                print(f"{what}: {rates[load]:,.0f} messages/s", flush=True)
            counted = await check(settings)
            print(", ".join(f"{number:,} {what}" for what, number in counted.items()), flush=True)
    return [rates[plain], rates[linked]]


async def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--conversations", type=int, default=2_000)
    parser.add_argument("--entities", type=int, choices=range(1, len(ENTITIES) + 1), default=2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    plain, linked = (
        MessageLoad(messages=given.messages, conversations=given.conversations, series=series)
        for series in (0, 1)
    )
    rounds = [
        await one_round(plain, linked, given.entities, linked_first=number % 2 == 1)
        for number in range(given.rounds)
    ]
    without, with_links = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    print(
        f"medians of {given.rounds}: {without:,.0f}/s without links, {with_links:,.0f}/s with"
        f" {given.entities} each, ratio {with_links / without:.2f}"
    )


if __name__ == "__main__":
    asyncio.run(main())

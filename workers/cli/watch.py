"""`inbox watch`: follow what the system publishes."""

import asyncio
from collections.abc import Collection
from contextlib import suppress

import click

from workers.cli.failures import mendable
from workers.follow.console import new_console
from workers.follow.follower import FOLLOWED, Follower
from workers.follow.phrases import block
from workers.settings import Settings

NAMES_MAX = 10_000
"""How many contacts' names are remembered."""


def _topics(_context: click.Context, _parameter: click.Parameter, value: str) -> list[str]:
    given = [name.strip() for name in value.split(",")]
    if unknown := [name for name in given if name not in FOLLOWED]:
        raise click.BadParameter(f"{', '.join(unknown)}: not one of {', '.join(FOLLOWED)}")
    return given


@click.command()
@click.option(
    "--topic",
    "topics",
    default=",".join(FOLLOWED),
    show_default=True,
    callback=_topics,
    help="Which topics, without their prefix.",
)
@click.option("--from-start", is_flag=True, help="All that Kafka still has, not just what is new.")
def watch(topics: list[str], from_start: bool) -> None:
    """Follow the events that the system publishes, a line each, until Ctrl-C.

    Below a note's line stand the messages that joined it.
    Only committed events are shown. No consumer group takes part, so nobody else is disturbed.
    """
    settings = Settings.from_environment()
    with suppress(KeyboardInterrupt), mendable():
        asyncio.run(_watch(settings, topics, from_start))


async def _watch(settings: Settings, topics: Collection[str], from_start: bool) -> None:
    console = new_console()
    names: dict[str, str] = {}
    async with Follower(settings, topics, from_start=from_start) as follower:
        while True:
            for seen in await follower.next():
                conversation_id = seen.said.conversation_id or ""
                if seen.said.contact_name:
                    if len(names) >= NAMES_MAX:
                        names.clear()
                    names[conversation_id] = seen.said.contact_name
                console.print(block(seen.said, names.get(conversation_id)))

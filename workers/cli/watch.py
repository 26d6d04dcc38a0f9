"""`inbox watch`: prints the events that the system publishes."""

import asyncio
from collections.abc import Collection
from contextlib import suppress

import click

from workers.cli.failures import expected_failures
from workers.follow.follower import FOLLOWED_TOPICS, Follower
from workers.follow.lines import block, new_console
from workers.settings import Settings

NAMES_MAX = 10_000
"""How many names of contacts are kept, by conversation."""


def _topics(_context: click.Context, _parameter: click.Parameter, value: str) -> list[str]:
    given = [name.strip() for name in value.split(",")]
    if unknown := [name for name in given if name not in FOLLOWED_TOPICS]:
        raise click.BadParameter(f"{', '.join(unknown)}: not one of {', '.join(FOLLOWED_TOPICS)}")
    return given


@click.command()
@click.option(
    "--topic",
    "topics",
    default=",".join(FOLLOWED_TOPICS),
    show_default=True,
    callback=_topics,
    help="Which topics, without their prefix.",
)
@click.option(
    "--from-start", is_flag=True, help="Print all events that Kafka still has, not only new ones."
)
def watch(topics: list[str], from_start: bool) -> None:
    """Follow the events that the system publishes, a line each, until Ctrl-C.

    Below a note's line stand the messages that joined it.
    Only committed events are shown. No consumer group takes part, so nobody else is disturbed.
    """
    settings = Settings.from_environment()
    with suppress(KeyboardInterrupt), expected_failures():
        asyncio.run(_watch(settings, topics, from_start))


async def _watch(settings: Settings, topics: Collection[str], from_start: bool) -> None:
    console = new_console()
    names: dict[str, str] = {}
    async with Follower(settings, topics, from_start=from_start) as follower:
        while True:
            for record in await follower.poll():
                rendered = record.rendered
                conversation_id = rendered.conversation_id or ""
                if rendered.contact_name:
                    if len(names) >= NAMES_MAX:
                        names.clear()
                    names[conversation_id] = rendered.contact_name
                console.print(block(rendered, names.get(conversation_id)))

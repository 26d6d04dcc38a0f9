"""`inbox dead-letters`: list and show the dead letters, and redrive them after a fix."""

import asyncio
import heapq
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import click
from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.table import Table

from db.connect import AnyConnection, connect
from db.redrives import DeadLetterKey, redriven
from schemas.catalog import INBOUND
from schemas.codes import DeadLetterCode
from schemas.dead_letters import DEAD_LETTERS_TOPIC
from workers.cli.failures import expected_failures
from workers.cli.target import check_target
from workers.dead_letters.reader import DeadLetterReader, DeadLetterRecord
from workers.dead_letters.redrive import Redriver, RedriveResult
from workers.kafka.clients import new_producer
from workers.kafka.topic_admin import require_topics
from workers.kafka.topic_log import KAFKA_ANSWER_SECONDS
from workers.process.errors import CommandFailed
from workers.settings import Settings, required

LISTED_DEFAULT = 100
PIPE_COLUMNS = 200
"""The width of a table whose output is no terminal."""

REDRIVE_REQUEST_BYTES_MAX = 8 * 1024 * 1024

# All control characters but tab and newline: bytes from outside must not control a terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

Chosen = Callable[[DeadLetterRecord], bool]
"""Whether the options of a command choose a dead letter."""


class Place(click.ParamType):
    """PARTITION:OFFSET of a dead letter."""

    name = "PARTITION:OFFSET"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> DeadLetterKey:
        """Returns the partition and the offset."""
        found = re.fullmatch(r"([0-9]{1,9}):([0-9]{1,18})", value)
        if found is None:
            self.fail(f"{value} is not PARTITION:OFFSET, such as 3:1042", param, ctx)
        return int(found[1]), int(found[2])


_code = click.option(
    "--code",
    type=click.Choice([code.value for code in DeadLetterCode]),
    help="Only with this code.",
)
_topic = click.option(
    "--topic", type=click.Choice(list(INBOUND)), help="Only from this topic, without its prefix."
)


@click.group("dead-letters")
def dead_letters() -> None:
    """Records that could not be applied: list them, show one, redrive them."""


@dead_letters.command("list")
@_code
@_topic
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=LISTED_DEFAULT,
    show_default=True,
    help="Only so many, the newest.",
)
def list_(code: str | None, topic: str | None, limit: int) -> None:
    """List the newest dead letters, the newest last, without their content."""
    settings = Settings.from_environment()
    with expected_failures():
        asyncio.run(_list(settings, _chosen(settings, code, topic), limit))


async def _list(settings: Settings, chosen: Chosen, limit: int) -> None:
    newest: list[tuple[int, DeadLetterKey, DeadLetterRecord, int]] = []
    await check_target(settings, changes=False)
    await require_topics(settings, [DEAD_LETTERS_TOPIC])
    async with DeadLetterReader(settings) as log, _database(settings) as connection:
        async for records in log.records():
            for record in filter(chosen, records):
                # Without its content, so that only `limit` decides how much memory is used.
                bare = replace(record, key=None, value=None, headers=(), own_headers=())
                entry = (record.timestamp_milliseconds, record.place, bare, record.size)
                if len(newest) < limit:
                    heapq.heappush(newest, entry)
                else:
                    heapq.heappushpop(newest, entry)
        newest.sort()
        redriven_before = await redriven(connection, [place for _, place, _, _ in newest])
    console = Console(
        width=None if sys.stdout.isatty() else PIPE_COLUMNS, markup=False, highlight=False
    )
    table = Table("place", "set aside at", "code", "from", box=None)
    table.add_column("bytes", justify="right")
    table.add_column("redriven")
    for _, place, record, size in newest:
        table.add_row(
            _place(place), *_origin(record), str(size), "yes" if place in redriven_before else "no"
        )
    console.print(table)


@dead_letters.command()
@click.argument("place", type=Place(), metavar="PARTITION:OFFSET")
def show(place: DeadLetterKey) -> None:
    """Show one dead letter with its content: text where it is UTF-8, else hexadecimal.

    Control characters are shown as \\xNN.
    """
    settings = Settings.from_environment()
    with expected_failures():
        record = asyncio.run(_find(settings, place))
    click.echo(f"place: {_place(place)}")
    for name, value in record.headers:
        click.echo(f"{_text(name.encode(errors='replace'))}: {_text(value)}")
    click.echo(f"key: {_text(record.key)}")
    click.echo(f"value, {record.size} bytes:\n{_text(record.value)}")


async def _find(settings: Settings, place: DeadLetterKey) -> DeadLetterRecord:
    await require_topics(settings, [DEAD_LETTERS_TOPIC])
    async with DeadLetterReader(settings) as log:
        return await _read_at(log, place)


async def _read_at(log: DeadLetterReader, place: DeadLetterKey) -> DeadLetterRecord:
    record = await log.at(place)
    if record is None:
        raise CommandFailed(f"there is no dead letter at {_place(place)}")
    return record


@dead_letters.command()
@click.argument("places", type=Place(), nargs=-1, metavar="[PARTITION:OFFSET]...")
@_code
@_topic
@click.option("--all", "every", is_flag=True, help="All that exist now.")
@click.option("--again", is_flag=True, help="Also those that were redriven before.")
@click.option("--dry-run", is_flag=True, help="Only print what would be redriven.")
def redrive(
    *,
    places: tuple[DeadLetterKey, ...],
    code: str | None,
    topic: str | None,
    every: bool,
    again: bool,
    dry_run: bool,
) -> None:
    """Put dead letters back on their topics: those named, those of a code or a topic, or all.

    Each goes back to its partition with its own bytes, key and headers. Exit status 1 means that
    some still cannot be put back.
    """
    if bool(places) == bool(code or topic or every):
        raise click.UsageError("say which: either PARTITION:OFFSET ..., or --code, --topic, --all")
    settings = Settings.from_environment()
    chosen = _chosen(settings, code, topic)
    with expected_failures():
        done = asyncio.run(_redrive(settings, places, chosen, again=again, dry_run=dry_run))
    click.echo(", ".join(f"{done[result]} {result}" for result in RedriveResult))
    if done[RedriveResult.IMPOSSIBLE]:
        sys.exit(1)


async def _redrive(
    settings: Settings,
    places: Sequence[DeadLetterKey],
    chosen: Chosen,
    *,
    again: bool,
    dry_run: bool,
) -> Counter[RedriveResult]:
    done: Counter[RedriveResult] = Counter()
    await check_target(settings, changes=not dry_run)
    await require_topics(settings, [DEAD_LETTERS_TOPIC, *INBOUND])
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(DeadLetterReader(settings))
        connection = await stack.enter_async_context(_database(settings))
        producer = await stack.enter_async_context(_producer(settings))
        redriver = Redriver(settings, connection, producer, again=again, dry_run=dry_run)
        async for records in _read_each(log, places) if places else log.records():
            async for report in redriver.redrive(list(filter(chosen, records))):
                done[report.result] += 1
                would = "would be " if dry_run and report.result is RedriveResult.REDRIVEN else ""
                place = _place(report.record.place)
                click.echo(f"{place} {would}{report.result}: {report.detail}")
    return done


async def _read_each(
    log: DeadLetterReader, places: Sequence[DeadLetterKey]
) -> AsyncIterator[list[DeadLetterRecord]]:
    """Yield the dead letters of these places one by one, each once."""
    for place in dict.fromkeys(places):
        yield [await _read_at(log, place)]


def _chosen(settings: Settings, code: str | None, topic: str | None) -> Chosen:
    def chosen(record: DeadLetterRecord) -> bool:
        if code is None and topic is None:
            return True
        origin = record.origin
        return (
            origin is not None
            and code in {None, origin.code}
            and (topic is None or settings.topic(topic) == origin.topic)
        )

    return chosen


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[AnyConnection]:
    url = required(settings.database_url, "INBOX_DATABASE_URL")
    connection = await connect(url, "inbox dead-letters")
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = new_producer(
        settings,
        enable_idempotence=True,
        max_request_size=REDRIVE_REQUEST_BYTES_MAX,
        request_timeout_ms=KAFKA_ANSWER_SECONDS * 1000,
    )
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


def _place(place: DeadLetterKey) -> str:
    return f"{place[0]}:{place[1]}"


def _origin(record: DeadLetterRecord) -> tuple[str, str, str]:
    origin = record.origin
    if origin is None:
        return ("-", "(not put there by a worker)", "-")
    at = origin.at.isoformat(timespec="seconds")
    where = f"{origin.topic}[{origin.partition}]@{origin.offset}"
    return (at, _text(origin.code.encode()), _text(where.encode()))


def _text(value: bytes | None) -> str:
    """Returns bytes as text that a terminal may show."""
    if value is None:
        return "(none)"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.hex()
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)

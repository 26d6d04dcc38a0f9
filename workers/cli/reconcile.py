"""`inbox reconcile`: publishes contacts' messages whose webhooks never arrived."""

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

import click
import msgspec

from db.connect import AnyConnection, connect
from db.directory import channels_of_account
from domain.directory import Channel
from schemas.fields import AccountId, check_year
from workers.cli.failures import expected_failures
from workers.cli.target import check_target
from workers.kafka.publisher import Publisher
from workers.kafka.topic_admin import require_topics
from workers.process.errors import CommandFailed
from workers.settings import Settings, required
from workers.twilio.client import Twilio
from workers.webhooks.reconcile import SOURCE, Count, Reconciler, Target, targets

TOPIC = "messages.received"

_AGE = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class Since(click.ParamType):
    """A time in the past, or an age."""

    name = "TIME"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Returns the time, with an offset."""
        now = datetime.now(UTC)
        try:
            if age := _AGE.fullmatch(value):
                since = now - int(age[1]) * _UNITS[age[2]]
            else:
                since = msgspec.convert(value, datetime)
            check_year(value, since)
        except msgspec.ValidationError:
            self.fail(
                f"{value} is neither a time such as 2026-01-31T09:00:00+01:00, as in RFC 3339, "
                "nor an age such as 90m, 2h or 3d",
                param,
                ctx,
            )
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if since.tzinfo is None:
            self.fail(f"{value} has no offset, such as Z or +01:00", param, ctx)
        if since > now:
            self.fail(f"{value} is in the future", param, ctx)
        return since


class ReconcileOptions(NamedTuple):
    """The options of the command line."""

    since: datetime
    account: str | None
    channel: str | None
    historical: bool
    dry_run: bool


@click.command()
@click.option(
    "--since",
    type=Since(),
    required=True,
    help="List messages since then: RFC 3339 with an offset, or an age such as 90m, 2h or 3d.",
)
@click.option("--account", help="Only of this tenant; otherwise of all that have a Twilio account.")
@click.option("--channel", metavar="CHANNEL_ID", help="Only of this channel.")
@click.option("--historical", is_flag=True, help="Publish as imports: nobody is notified.")
@click.option("--dry-run", is_flag=True, help="Only print how many would be published.")
def reconcile(
    *, since: datetime, account: str | None, channel: str | None, historical: bool, dry_run: bool
) -> None:
    """Publish messages of contacts that Twilio has and the inbox never got.

    Prints a line for each channel, and a summary, without a word of any message. Messages of the
    last minute are left alone. It does no harm to repeat it, or to run it while webhooks arrive.
    """
    settings = Settings.from_environment()
    with expected_failures():
        options = ReconcileOptions(since, account, channel, historical, dry_run)
        asyncio.run(_reconcile(settings, options))


async def _reconcile(settings: Settings, options: ReconcileOptions) -> None:
    url = required(settings.database_url, "INBOX_DATABASE_URL")
    sids = _sids(settings, options.account)
    await check_target(settings, changes=not options.dry_run)
    if not options.dry_run:
        await require_topics(settings, [TOPIC])
    async with AsyncExitStack() as stack:
        connection = await connect(url, "inbox reconcile")
        stack.push_async_callback(connection.close)
        twilios = await stack.enter_async_context(_twilios(settings, sids))
        found = await _targets(connection, twilios, options)
        publisher = None
        if not options.dry_run:
            publisher = await stack.enter_async_context(Publisher(settings, SOURCE))
        reconciler = Reconciler(
            connection,
            twilios,
            publisher,
            since=options.since,
            historical=options.historical,
            report=partial(click.echo, err=True),
        )
        total = await _each(reconciler, found, "to publish" if options.dry_run else "published")
    wrong = _without_token(settings, sids)
    if total.unusable:
        wrong.append(f"{total.unusable} of the messages cannot be published")
    if wrong:
        raise CommandFailed("; ".join(wrong))


def _sids(settings: Settings, account: str | None) -> dict[str, AccountId]:
    """Returns the tenant of each selected account at Twilio, by its SID. Raises CommandFailed."""
    sids = {
        sid: each.account_id
        for sid, each in settings.twilio_accounts.items()
        if account in (None, each.account_id)
    }
    if not sids:
        name = "" if account is None else f" {account}"
        raise CommandFailed(f"INBOX_TWILIO_ACCOUNTS names no account{name}")
    unlisted = _without_token(settings, sids)
    if len(unlisted) == len(sids):
        raise CommandFailed("; ".join(unlisted))
    return sids


def _without_token(settings: Settings, sids: Iterable[str]) -> list[str]:
    """Returns a line for each account at Twilio whose messages cannot be listed."""
    accounts = settings.twilio_accounts
    return [
        f"{sid} of account {accounts[sid].account_id} has no auth_token: nothing of it is listed"
        for sid in sids
        if not accounts[sid].auth_token
    ]


async def _targets(
    connection: AnyConnection, accounts: Iterable[AccountId], options: ReconcileOptions
) -> list[Target]:
    """Returns the selected channels that get messages. Raises CommandFailed without any."""
    found: list[Target] = []
    selected: list[Channel] = []
    for account_id in accounts:
        channels = await channels_of_account(connection, account_id)
        selected += [each for each in channels if options.channel in (None, each.channel_id)]
        found += [each for each in targets(channels) if each.channel in selected]
    if not found:
        reason = _reason_for_none(options.channel, selected)
        raise CommandFailed(f"{reason}, account {', '.join(accounts)}")
    return found


def _reason_for_none(channel_id: str | None, selected: Iterable[Channel]) -> str:
    """Returns the reason why none of the selected channels gets messages."""
    if channel_id is None:
        return "no channel is installed"
    removed = [each.removed for each in selected]
    if not removed:
        return f"there is no channel {channel_id}"
    reason = "it was removed" if all(removed) else "a newer one has its address"
    return f"channel {channel_id} gets no messages: {reason}"


@asynccontextmanager
async def _twilios(
    settings: Settings, sids: Mapping[str, AccountId]
) -> AsyncIterator[dict[AccountId, dict[str, Twilio]]]:
    """Yield a client for each account at Twilio, by tenant. A tenant may have several accounts."""
    async with AsyncExitStack() as stack:
        clients: dict[AccountId, dict[str, Twilio]] = defaultdict(dict)
        for sid, account_id in sids.items():
            account = settings.twilio_accounts[sid]
            if account.auth_token:
                client = Twilio(replace(settings, twilio_accounts={sid: account}))
                stack.push_async_callback(client.close)
                clients[account_id][sid] = client
        yield clients


async def _each(reconciler: Reconciler, found: list[Target], published: str) -> Count:
    """Reconcile channel by channel. An error too leaves a line that shows how far it got."""
    total, done = Count(), 0
    try:
        for target in found:
            count, unfinished = Count(), "  unfinished"
            try:
                await reconciler.reconcile(target, count)
                unfinished = ""
            finally:
                total.add(count)
                if unfinished and count.oldest:
                    oldest = f"{count.oldest.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
                    unfinished += f": read back to {oldest}"
                click.echo(f"{target.name}  {_counted(count, published)}{unfinished}")
            done += 1
    finally:
        click.echo(f"{done} of {len(found)} channels  {_counted(total, published)}")
    return total


def _counted(count: Count, published: str) -> str:
    return (
        f"listed {count.listed}  recorded {count.recorded}  {published} {count.published}"
        f"  left alone {count.left_alone}"
    )

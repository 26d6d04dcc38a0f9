"""`inbox erase`: deletes all conversations of a contact, each in the name of its installer."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import click

from db.connect import AnyConnection, connect
from db.directory import channels_by_id, users_by_id
from db.overview import conversations_of_contact
from domain.conversation import Conversation
from domain.directory import Channel, User
from schemas.commands import CommandAccepted, CommandRejected, ConversationDelete
from schemas.fields import AccountId, ConversationId, UserId
from workers.cli.failures import expected_failures
from workers.cli.spelled_contact import find_contact
from workers.cli.target import check_target
from workers.follow.follower import Follower
from workers.kafka.publisher import Publisher
from workers.kafka.topic_admin import require_topics
from workers.process.errors import CommandFailed
from workers.settings import Settings, required

SOURCE = "/inbox/erase"
WAIT_SECONDS_DEFAULT = 60


class FoundConversation(NamedTuple):
    """A conversation of the contact."""

    conversation: Conversation
    deleter: UserId | None
    """The user who may delete it: the one who installed its channel. None if nobody may."""
    obstacle: str
    """Why nobody may delete it, and the remedy; else empty."""


def _storable(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Returns a text that Postgres can compare, without blanks at its ends.

    A shell also passes on bytes that are no text. Raises click.BadParameter.
    """
    value = value.strip()
    if not value:
        raise click.BadParameter("is empty")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise click.BadParameter("holds what no text can")
    return value


@click.command()
@click.option("--account", required=True, callback=_storable, help="The tenant.")
@click.option(
    "--contact",
    required=True,
    callback=_storable,
    help="The contact's phone number with its country code, spelled in any usual way, for all "
    "channels; or an address on one channel, such as whatsapp:+4915112345678.",
)
@click.option("--yes", is_flag=True, help="Erase; without it, only show what would be erased.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.IntRange(min=1),
    default=WAIT_SECONDS_DEFAULT,
    show_default=True,
    help="How many seconds to wait for the workers' answers.",
)
def erase(account: str, contact: str, *, yes: bool, wait_seconds: int) -> None:
    """Delete all conversations of a contact in an account for good.

    Each is deleted by a command in the name of the user who installed its channel, which the
    workers apply like any other. Exit status 1 means that some are not known to be deleted, or that
    there is no such account or contact. Status 0 with nothing found: they were erased before.
    """
    settings = Settings.from_environment()
    with expected_failures():
        asyncio.run(_erase(settings, AccountId(account), contact, yes, wait_seconds))


async def _erase(
    settings: Settings, account_id: AccountId, contact: str, yes: bool, wait_seconds: int
) -> None:
    url = required(settings.database_url, "INBOX_DATABASE_URL")
    await check_target(settings, changes=yes)
    if yes:
        await require_topics(settings, ["lifecycle", "results"])
    connection = await connect(url, "inbox erase")
    try:
        found = await _find(connection, account_id, contact)
    finally:
        await connection.close()
    if not found:
        click.echo("nothing found: the account has no conversation of this contact")
    elif yes:
        erased = await _delete(settings, found, wait_seconds)
        if remaining := len(found) - erased:
            raise CommandFailed(f"{remaining} of {_counted(found)} not erased")
    else:
        for each in found:
            click.echo(_line(each))
        click.echo(f"{_counted(found)} found, none erased: add --yes to erase")


async def _find(
    connection: AnyConnection, account_id: AccountId, contact: str
) -> list[FoundConversation]:
    addresses = await find_contact(connection, account_id, contact)
    conversations = await conversations_of_contact(connection, account_id, addresses)
    channels = await channels_by_id(
        connection, {(account_id, conversation.channel_id) for conversation in conversations}
    )
    users = await users_by_id(connection, {(account_id, each.installed_by) for each in channels})
    channel_of = {channel.channel_id: channel for channel in channels}
    user_of = {user.user_id: user for user in users}
    return [_with_deleter(each, channel_of.get(each.channel_id), user_of) for each in conversations]


def _with_deleter(
    conversation: Conversation, channel: Channel | None, users: dict[UserId, User]
) -> FoundConversation:
    """Returns a conversation with the user who may delete it by the rules of the inbox."""
    if channel is None:
        reason = f"channel {conversation.channel_id} is unknown"
    else:
        installer = users.get(channel.installed_by)
        if installer is not None and installer.known and installer.inbox_access:
            return FoundConversation(conversation, installer.user_id, "")
        reason = f"{channel.installed_by}, who installed channel {channel.channel_id}, "
        reason += "has no inbox access" if installer and installer.known else "is no user any more"
    remedy = "publish channel.installed again, naming an installer who has inbox access"
    return FoundConversation(conversation, None, f"{reason}: {remedy}")


def _line(found: FoundConversation) -> str:
    """Returns a line that describes a conversation. It holds no text that the contact wrote."""
    conversation, deleter, obstacle = found
    newest = conversation.last_message_at
    return "  ".join(
        (
            conversation.conversation_id,
            f"channel {conversation.channel_id}",
            conversation.status,
            f"messages {conversation.message_count}",
            f"links {conversation.link_count}",
            f"newest {newest.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if newest else "newest -",
            f"to be deleted by {deleter}" if deleter else f"cannot be deleted: {obstacle}",
        )
    )


def _counted(found: Sequence[FoundConversation]) -> str:
    return "1 conversation" if len(found) == 1 else f"{len(found)} conversations"


async def _delete(settings: Settings, found: Sequence[FoundConversation], wait_seconds: int) -> int:
    """Have the workers delete the conversations, and print a line for each.

    Returns the number of those that were deleted.
    """
    for each in found:
        if each.deleter is None:
            click.echo(f"{each.conversation.conversation_id}  not erased: {each.obstacle}")
    async with Follower(settings, ["results"], from_start=False) as results:
        unanswered = await _publish(settings, found)
        erased = await _await_answers(results, unanswered, wait_seconds)
    for command_id, conversation_id in unanswered.items():
        click.echo(
            f"{conversation_id}  not answered within {wait_seconds} s: command {command_id} "
            "waits for a worker, which may still erase it"
        )
    return erased


async def _publish(
    settings: Settings, found: Sequence[FoundConversation]
) -> dict[str, ConversationId]:
    """Publish the commands, and return their conversations by the command's id."""
    conversation_of = {}
    async with Publisher(settings, SOURCE) as publisher:
        for conversation, deleter, _ in found:
            if deleter is not None:
                command = ConversationDelete(
                    account_id=conversation.account_id,
                    conversation_id=UUID(conversation.conversation_id),
                    actor_id=deleter,
                )
                command_id = await publisher.publish(command, datetime.now(UTC))
                conversation_of[command_id] = conversation.conversation_id
    return conversation_of


async def _await_answers(
    results: Follower, unanswered: dict[str, ConversationId], wait_seconds: int
) -> int:
    """Print a line for each answer, and remove its command from `unanswered`.

    Returns the number of accepted commands.
    """
    erased = 0
    deadline = time.monotonic() + wait_seconds
    while unanswered and time.monotonic() < deadline:
        for record in await results.poll():
            answer = record.data
            if not isinstance(answer, CommandAccepted | CommandRejected):
                continue
            if conversation_id := unanswered.pop(answer.command_id, None):
                click.echo(f"{conversation_id}  {_outcome(answer)}")
                erased += isinstance(answer, CommandAccepted)
    return erased


def _outcome(answer: CommandAccepted | CommandRejected) -> str:
    if isinstance(answer, CommandAccepted):
        return "erased"
    return f"not erased: {answer.code}: {answer.detail or 'no detail'}"

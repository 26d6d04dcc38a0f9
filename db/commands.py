"""Which commands were applied, each once, and their outcomes."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from db.connect import AnyConnection
from db.queries import QUERIES
from schemas.fields import AccountId
from schemas.ids import reply_message_id

CommandKey = tuple[AccountId, str]

ACCEPTED = "accepted"
"""The code of the outcome of an accepted command."""

REMEMBERED = timedelta(days=7)
"""How long the ids of commands are kept: a repeat within this time changes nothing."""

PRUNED_MAX = 5_000
"""The limit of rows that one statement deletes, so that it does not hold its locks for long."""


class AppliedCommand(NamedTuple):
    """A command that a batch applies, and its outcome."""

    account_id: AccountId
    command_id: str
    code: str
    """`ACCEPTED`, or the code of the rejection."""
    version: int
    """The version of the conversation after the command; 0 if there is none."""


class Outcome(NamedTuple):
    """What became of a command, as far as it is known."""

    code: str | None
    """`ACCEPTED`, or the code of the rejection; None if an older program applied the command."""
    version: int | None
    """The version of the conversation after the command; 0 if there is none. None if it is not
    known."""


async def applied_commands(
    connection: AnyConnection, keys: Collection[CommandKey]
) -> set[CommandKey]:
    """Returns those of `keys` that were applied before."""
    if not keys:
        return set()
    accounts, ids = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["applied_commands"], accounts, ids)
    return {(row[0], row[1]) for row in rows}


async def record_commands(
    connection: AnyConnection, commands: Collection[AppliedCommand], applied_at: datetime
) -> None:
    """Record that these commands are applied, with their outcomes."""
    if commands:
        columns = zip(*commands, strict=True)
        await connection.execute(QUERIES["record_commands"], *columns, applied_at)


async def load_outcome(
    connection: AnyConnection, account_id: AccountId, command_id: str, *, by_message: bool = True
) -> Outcome | None:
    """Returns the outcome of a command; None if it is not applied, or was long ago.

    The message of a reply is kept longer than the id of its command, and says that the reply was
    accepted: a repeat of it has no result either. Without `by_message` it is not looked for: it
    says nothing of a new command of another kind that has the same id. The text of the id must be
    one that Postgres can store.
    """
    message_id = reply_message_id(account_id, command_id) if by_message else None
    row = await connection.fetchrow(QUERIES["load_outcome"], account_id, command_id, message_id)
    return None if row is None else Outcome(row["code"], row["version"])


async def prune_commands(connection: AnyConnection, now: datetime) -> int:
    """Delete the ids of old commands, at most `PRUNED_MAX`. Returns how many it deleted."""
    tag = await connection.execute(QUERIES["prune_commands"], now - REMEMBERED, PRUNED_MAX)
    return int(tag.split()[-1])

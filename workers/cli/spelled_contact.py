"""Finds the contact whom a person names on the command line, however the address is spelled."""

from collections.abc import Sequence

import click

from db.connect import AnyConnection
from db.conversations import load_tombstones
from db.directory import channels_of_account
from db.overview import addresses_like, knows_account
from domain.spellings import Address, find_meant, read_address, usual_addresses
from schemas.fields import AccountId
from schemas.ids import conversation_id
from workers.process.errors import CommandFailed

NAMED_MAX = 10
"""Addresses that a line names at most."""


async def find_contact(
    connection: AnyConnection, account_id: AccountId, written: str
) -> Sequence[str]:
    """Returns the addresses of the contact, and prints them if they are written in another way.

    Returns none if the contact's conversations were erased before. Raises CommandFailed for an
    account that is not known, where several contacts may be meant, and where there is nobody.
    """
    if not await knows_account(connection, account_id):
        raise CommandFailed(f"no such account here: {account_id}")
    asked = read_address(written)
    meant = find_meant(asked, await addresses_like(connection, account_id, asked))
    if meant.ambiguous:
        raise CommandFailed(
            f"several contacts may be meant: {_named(meant.alike)}. "
            "Nothing was done: give one of these, as it is written here"
        )
    if meant.addresses:
        if meant.addresses != (written,):
            click.echo(f"contact: {_named(meant.addresses)}")
        if meant.alike:
            click.echo(f"not included, though of equal digits: {_named(meant.alike)}")
    elif not await _was_erased(connection, account_id, asked):
        hint = f"; alike: {_named(meant.alike)}" if meant.alike else ""
        raise CommandFailed(
            f"nothing found: the account has no conversation of this contact, and none of it was "
            f"erased{hint}. Is it written with its country code, as in +49 151 12345678?"
        )
    return meant.addresses


async def _was_erased(connection: AnyConnection, account_id: AccountId, asked: Address) -> bool:
    """Whether a conversation of the contact was deleted, which its tombstone shows."""
    channels = await channels_of_account(connection, account_id)
    keys = [
        (account_id, conversation_id(account_id, channel.channel_id, address))
        for channel in channels
        for address in usual_addresses(asked)
    ]
    return bool(await load_tombstones(connection, keys))


def _named(addresses: Sequence[str]) -> str:
    more = f" and {len(addresses) - NAMED_MAX} more" if len(addresses) > NAMED_MAX else ""
    return ", ".join(addresses[:NAMED_MAX]) + more

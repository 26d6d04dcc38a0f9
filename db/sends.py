"""Load and save the parts of replies, their receipts, and the rates of senders."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from operator import attrgetter

import msgspec
import orjson

from db.commands import PRUNED_MAX
from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.queries import QUERIES
from domain.delivery import FAILED
from domain.receipts import Receipt
from domain.sending import Failure, Send
from schemas.fields import AccountId, ConversationId, MessageId

SenderKey = tuple[AccountId, str]
"""An account, and the address that it sends from."""

PartKey = tuple[AccountId, MessageId, int]
"""An account, a reply, and the number of a part."""

RECEIPTS_KEPT = timedelta(days=90)
"""How long receipts are kept."""

# The columns in sends.sql stand in the order of the structs' fields.
_VARIABLES = Send.__struct_fields__.index("content_variables")
_MEDIA = Send.__struct_fields__.index("media_urls")
_MOVED = (
    "account_id",
    "conversation_id",
    "version",
    "part",
    "state",
    "attempts",
    "due_at",
    "posting_at",
    "provider_message_id",
    "status",
    "error_code",
    "told_uncertain",
)
_moved = attrgetter(*_MOVED)
_receipt = attrgetter(*Receipt.__struct_fields__)


def _row(send: Send) -> tuple[object, ...]:
    values = list(msgspec.structs.astuple(send))
    if send.content_variables is not None:
        values[_VARIABLES] = orjson.dumps(send.content_variables).decode()
    # As JSON: the arrays in an array of Postgres must all have the same length.
    values[_MEDIA] = msgspec.json.encode(send.media_urls).decode()
    return tuple(values)


def _send(row: Iterable[object]) -> Send:
    values = list(row)
    if values[_VARIABLES] is not None:
        values[_VARIABLES] = orjson.loads(str(values[_VARIABLES]))
    values[_MEDIA] = tuple(values[_MEDIA])  # type: ignore[arg-type]  # a list of texts
    return Send(*values)  # type: ignore[arg-type]


async def insert_sends(connection: AnyConnection, sends: Collection[Send]) -> None:
    """Write new parts."""
    if sends:
        rows = [_row(send) for send in sends]
        await connection.execute(QUERIES["insert_sends"], *zip(*rows, strict=True))


async def update_sends(connection: AnyConnection, sends: Collection[Send]) -> None:
    """Write changed parts; their conversations are locked."""
    if sends:
        rows = [_moved(send) for send in sends]
        await connection.execute(QUERIES["update_sends"], *zip(*rows, strict=True))


async def due_conversations(connection: AnyConnection, parts_max: int) -> set[ConversationKey]:
    """Returns conversations with a part to post or to check, of at most `parts_max` due parts."""
    rows = await connection.fetch(QUERIES["due_conversations"], parts_max)
    return {(AccountId(row[0]), ConversationId(row[1])) for row in rows}


async def try_lock_conversations(
    connection: AnyConnection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, tuple[int, datetime | None]]:
    """Lock those conversations that nobody else has locked.

    Returns the version of each, and the end of its window.
    """
    if not keys:
        return {}
    rows = await connection.fetch(QUERIES["try_lock_conversations"], *zip(*keys, strict=True))
    return {(AccountId(row[0]), ConversationId(row[1])): (row[2], row[3]) for row in rows}


async def unsettled_sends(
    connection: AnyConnection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, list[Send]]:
    """Returns the unsettled parts of locked conversations, in the order of sending.

    Those are the parts whose POST began, and the first of the parts that wait.
    """
    if not keys:
        return {}
    found: dict[ConversationKey, list[Send]] = defaultdict(list)
    for row in await connection.fetch(QUERIES["unsettled_sends"], *zip(*keys, strict=True)):
        send = _send(row)
        found[send.account_id, send.conversation_id].append(send)
    return found


def part_key(send: Send) -> PartKey:
    """Returns the key of a part."""
    return send.account_id, send.message_id, send.part


async def earlier_failures(
    connection: AnyConnection, keys: Collection[PartKey]
) -> dict[PartKey, Failure]:
    """Returns the failure of an earlier part of the same reply, for those parts that have one."""
    if not keys:
        return {}
    columns = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["earlier_failures"], *columns, FAILED)
    return {(AccountId(row[0]), MessageId(row[1]), row[2]): Failure(row[3]) for row in rows}


async def sends_by_message(
    connection: AnyConnection, keys: Collection[tuple[AccountId, str, int]]
) -> list[Send]:
    """Returns the parts with these message ids and numbers."""
    if not keys:
        return []
    rows = await connection.fetch(QUERIES["sends_by_message"], *zip(*keys, strict=True))
    return [_send(row) for row in rows]


async def sends_by_provider_id(
    connection: AnyConnection, keys: Collection[tuple[AccountId, str]]
) -> list[Send]:
    """Returns the parts with these ids of the provider."""
    if not keys:
        return []
    rows = await connection.fetch(QUERIES["sends_by_provider_id"], *zip(*keys, strict=True))
    return [_send(row) for row in rows]


async def record_receipts(
    connection: AnyConnection, receipts: Collection[Receipt], received_at: datetime
) -> None:
    """Write receipts. A repeat is written once."""
    if receipts:
        rows = [_receipt(receipt) for receipt in receipts]
        query = QUERIES["record_receipts"]
        await connection.execute(query, *zip(*rows, strict=True), received_at)


async def prune_receipts(connection: AnyConnection, now: datetime) -> int:
    """Delete old receipts, at most `PRUNED_MAX`. Returns how many it deleted."""
    tag = await connection.execute(QUERIES["prune_receipts"], now - RECEIPTS_KEPT, PRUNED_MAX)
    return int(tag.split()[-1])


async def receipts_of(
    connection: AnyConnection, keys: Collection[tuple[AccountId, str]]
) -> list[Receipt]:
    """Returns the receipts with these ids of the provider, in the order in which they came."""
    if not keys:
        return []
    rows = await connection.fetch(QUERIES["receipts_of"], *zip(*keys, strict=True))
    return [Receipt(*row) for row in rows]


async def lock_rates(
    connection: AnyConnection, keys: Collection[SenderKey]
) -> dict[SenderKey, datetime]:
    """Lock the rates of senders until the transaction ends. Returns when each may send next."""
    if not keys:
        return {}
    rows = await connection.fetch(QUERIES["lock_rates"], *zip(*keys, strict=True))
    return {(AccountId(row[0]), row[1]): row[2] for row in rows}


async def save_rates(connection: AnyConnection, due: Mapping[SenderKey, datetime]) -> None:
    """Write when locked senders may send next."""
    if due:
        rows = [(*key, next_at) for key, next_at in due.items()]
        await connection.execute(QUERIES["save_rates"], *zip(*rows, strict=True))

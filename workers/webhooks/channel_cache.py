"""Which channel has an address, remembered for a few seconds."""

import time

from db.connect import Pool
from db.directory import channel_by_address
from schemas.fields import AccountId, ChannelId

FRESH_SECONDS = 5.0
"""A message to a channel just removed is recorded all the same, so a short while does no harm."""

CHANNELS_MAX = 10_000


class Channels:
    """Asks Postgres, at most once in a while for each address that has a channel."""

    def __init__(self) -> None:
        self._known: dict[tuple[AccountId, str, bool], tuple[ChannelId, float]] = {}

    async def find(
        self, pool: Pool, account_id: AccountId, address: str, *, removed: bool = False
    ) -> ChannelId | None:
        """The channel of an account with an address, or None.

        With `removed`, one that was removed counts where no other has the address. Raises
        asyncpg's errors when the database does not answer and the address is not known.
        """
        key = (account_id, address, removed)
        now = time.monotonic()
        known = self._known.get(key)
        if known and known[1] > now:
            return known[0]
        async with pool.acquire() as connection:
            channel_id = await channel_by_address(connection, account_id, address, removed=removed)
        if channel_id is None:
            # Not remembered: it may be installed at any moment, and strangers fill no memory.
            self._known.pop(key, None)
            return None
        if len(self._known) >= CHANNELS_MAX:
            self._known.clear()
        self._known[key] = (channel_id, now + FRESH_SECONDS)
        return channel_id

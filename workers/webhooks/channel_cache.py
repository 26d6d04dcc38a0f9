"""Finds the channel that has an address, and remembers it for a few seconds."""

import time

from db.connect import Pool
from db.directory import channel_by_address, save_webhook_account
from schemas.fields import AccountId, ChannelId

FRESH_SECONDS = 5.0
"""How long a channel is remembered. A message to a channel that was just removed is recorded all
the same, so a short time does no harm."""

CHANNELS_MAX = 10_000
"""When it remembers so many, it forgets all of them."""


class ChannelCache:
    """Reads the channel of an address from Postgres, at most once in FRESH_SECONDS."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[tuple[AccountId, str, bool], tuple[ChannelId, float]] = {}
        """By account, address and `removed`: the channel, and until when it is remembered
        (monotonic)."""

    async def find(
        self,
        account_id: AccountId,
        address: str,
        *,
        removed: bool = False,
        webhook_account_id: str | None = None,
    ) -> ChannelId | None:
        """The channel of an account that has an address; None when there is none.

        With `removed`, a removed channel counts if no other has the address. Whenever the channel
        is read, `webhook_account_id` is written: the provider's account that the webhook came
        from. Raises asyncpg's errors when the channel is not remembered and the database does not
        answer.
        """
        key = (account_id, address, removed)
        now = time.monotonic()
        known = self._known.get(key)
        if known and known[1] > now:
            return known[0]
        async with self._pool.acquire() as connection:
            channel_id = await channel_by_address(connection, account_id, address, removed=removed)
            if channel_id is not None and webhook_account_id is not None:
                await save_webhook_account(connection, account_id, channel_id, webhook_account_id)
        if channel_id is None:
            # Not remembered: the channel may be installed at any moment, and unknown addresses
            # must not fill the memory.
            self._known.pop(key, None)
            return None
        if len(self._known) >= CHANNELS_MAX:
            self._known.clear()
        self._known[key] = (channel_id, now + FRESH_SECONDS)
        return channel_id

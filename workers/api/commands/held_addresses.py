"""The addresses to which channels are being connected, until Postgres has them."""

import time

from schemas.fields import AccountId, ChannelId

HELD_SECONDS = 180.0
"""How long an address stays held whose channel Kafka may have, and Postgres has not."""

HELD_MAX = 10_000
"""The limit of addresses that are held. A further one takes the place of the oldest."""

Address = tuple[AccountId, str]


class HeldAddresses:
    """A bounded map from addresses of accounts to the channels that are being connected to them."""

    def __init__(self) -> None:
        self._held: dict[Address, tuple[ChannelId, float]] = {}
        """With the time until which it is held, in monotonic seconds; the oldest first."""

    def hold(self, address: Address, channel_id: ChannelId) -> ChannelId:
        """Hold an address for a channel, unless another one has it. Returns the one that has it."""
        now = time.monotonic()
        holder, until = self._held.get(address, (channel_id, now))
        if holder != channel_id and now < until:
            return holder
        self._held.pop(address, None)
        if len(self._held) >= HELD_MAX:
            del self._held[next(iter(self._held))]
        self._held[address] = (channel_id, now + HELD_SECONDS)
        return channel_id

    def release(self, address: Address, channel_id: ChannelId) -> None:
        """Hold an address no more, if this channel has it."""
        if self._held.get(address, (None, 0.0))[0] == channel_id:
            del self._held[address]
